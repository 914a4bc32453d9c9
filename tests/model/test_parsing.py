"""Every rule of the configuration, broken once: the problem names file, line, key and what is allowed."""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from router.model.parsing import MAX_BYTES, parse

GOOD = """\
apiVersion: maitre.dev/v1alpha1
kind: ScoringEndpoint
metadata:
  name: digits
spec:
  versions:
    - name: blue
      target: {urls: ["http://127.0.0.1:5001"]}
"""
V0 = "spec.versions[0](blue)"
V1 = "spec.versions[1](green)"
COMMAND = '{command: [python, "{port}"]}'


def green(rest: str = "", target: str = COMMAND) -> str:
    """A second version, in one line."""
    return f"    - {{name: green, target: {target}{rest and ', ' + rest}}}"


class Bad(NamedTuple):
    """GOOD with line `at` replaced by `text` (9: appended), and the problem that this is."""

    at: int
    text: str
    line: int
    key: str
    says: str

    def document(self) -> str:
        lines = GOOD.splitlines()
        lines[self.at - 1 : self.at] = [self.text]
        return "\n".join(lines) + "\n"


BAD = {
    # the envelope
    "apiVersion missing": Bad(1, "", 2, "apiVersion", "is missing: maitre.dev/v1alpha1"),
    "apiVersion of another": Bad(1, "apiVersion: v1", 1, "apiVersion", '"v1" is not allowed: maitre.dev/v1alpha1'),
    "kind missing": Bad(2, "", 1, "kind", "is missing: ScoringEndpoint"),
    "kind of another": Bad(2, "kind: Deployment", 2, "kind", '"Deployment" is not allowed: ScoringEndpoint'),
    "unknown at the top": Bad(9, "status: {}", 9, "status", "unknown key 'status'; known here: apiVersion, kind"),
    "metadata is a text": Bad(
        3, "metadata: x\nx-old:", 3, "metadata", '"x" is not allowed: a mapping with the keys name'
    ),
    "metadata without a name": Bad(4, "  namespace: x", 3, "metadata.name", "is missing: 3 to 32 lower-case letters"),
    "labels are texts": Bad(4, "  name: digits\n  labels: {a: 1}", 5, "metadata.labels.a", "1 is not allowed: a text"),
    # names
    "name too short": Bad(4, "  name: ab", 4, "metadata.name", '"ab" is not allowed: 3 to 32'),
    "name too long": Bad(4, f"  name: {'a' * 33}", 4, "metadata.name", "3 to 32"),
    "name in upper case": Bad(4, "  name: Digits", 4, "metadata.name", '"Digits" is not allowed: 3 to 32'),
    "name begins with a digit": Bad(4, "  name: 9digits", 4, "metadata.name", "a letter first"),
    "name ends with a hyphen": Bad(4, "  name: digits-", 4, "metadata.name", "no hyphen last"),
    "name ends with a line": Bad(4, '  name: "digits\\n"', 4, "metadata.name", '"digits\\n" is not allowed'),
    "name with a dot": Bad(4, "  name: digits.x", 4, "metadata.name", "hyphens"),
    "name is a number": Bad(4, "  name: 12345", 4, "metadata.name", "12345 is not allowed: 3 to 32"),
    "namespace": Bad(4, "  name: digits\n  namespace: A_b", 5, "metadata.namespace", "1 to 63"),
    "version name": Bad(7, "    - name: Blue", 7, "spec.versions[0](Blue).name", '"Blue" is not allowed: 3 to 32'),
    "version without a name": Bad(7, "    - type: control", 7, "spec.versions[0].name", "is missing: 3 to 32"),
    "two of one name": Bad(9, green().replace("green", "blue"), 9, "spec.versions[1](blue).name", "another version is"),
    # how many versions
    "no spec": Bad(5, "x-spec:", 1, "spec", "is missing: a mapping with the keys auth"),
    "spec is a list": Bad(5, "spec: []\nx-spec:", 5, "spec", "an empty list is not allowed: a mapping"),
    "no versions key": Bad(6, "  version:", 5, "spec.versions", "is missing: a list of 1 to 6 entries"),
    "versions misspelt": Bad(6, "  version:", 6, "spec.version", "unknown key 'version'; did you mean 'versions'?"),
    "empty versions": Bad(6, "  versions: []\nx-versions:", 6, "spec.versions", "an empty list is not allowed: a list"),
    "seven versions": Bad(
        9,
        green() + "\n" + green() + ("\n" + green()) * 4,
        6,
        "spec.versions",
        "a list of 7 is not allowed: a list of 1 to 6",
    ),
    "versions as mapping": Bad(
        6, "  versions: {a: 1}\nx-versions:", 6, "spec.versions", "a mapping is not allowed: a list"
    ),
    "a version is null": Bad(9, "    -", 9, "spec.versions[1]", "null is not allowed: a mapping"),
    # unknown keys
    "misspelt key": Bad(
        9,
        "      trafficPercentil: 8",
        9,
        f"{V0}.trafficPercentil",
        "unknown key 'trafficPercentil'; did you mean 'traff",
    ),
    "its value on the next line": Bad(9, "      qqq:\n        8", 9, f"{V0}.qqq", "unknown key 'qqq'"),
    "snake case": Bad(9, "      max_queue_wait_ms: 8", 9, f"{V0}.max_queue_wait_ms", "did you mean 'maxQueueWaitMs'?"),
    "other case": Bad(9, "      ISDEFAULT: true", 9, f"{V0}.ISDEFAULT", "did you mean 'isDefault'?"),
    "unlike any": Bad(9, "      qqq: 8", 9, f"{V0}.qqq", "unknown key 'qqq'; known here: name, trafficPercentile,"),
    "not printable": Bad(9, '      "\\e[2J": 8', 9, f'{V0}."\\u001b[2J"', "unknown key '\\u001b[2J'"),
    # percentiles and roles
    "percentile above": Bad(
        9, "      trafficPercentile: 120", 9, f"{V0}.trafficPercentile", "120 is not allowed: a number from 0 to 100"
    ),
    "percentile below": Bad(
        9, "      trafficPercentile: -0.1", 9, f"{V0}.trafficPercentile", "-0.1 is not allowed: a number from 0 to 100"
    ),
    "percentile on the next line": Bad(
        9, "      trafficPercentile:\n        101", 10, f"{V0}.trafficPercentile", "101 is not allowed"
    ),
    "percentile true": Bad(9, "      trafficPercentile: true", 9, f"{V0}.trafficPercentile", "true is not allowed"),
    "percentile text": Bad(
        9, '      trafficPercentile: "8"', 9, f"{V0}.trafficPercentile", '"8" is not allowed: a num'
    ),
    "percentile NaN": Bad(9, "      trafficPercentile: .nan", 9, f"{V0}.trafficPercentile", "a number from 0 to 100"),
    "percentile inf": Bad(9, "      trafficPercentile: .inf", 9, f"{V0}.trafficPercentile", "a number from 0 to 100"),
    "percentile null": Bad(
        9, "      trafficPercentile:", 9, f"{V0}.trafficPercentile", "null is not allowed: a number"
    ),
    "too many decimals": Bad(
        9, "      trafficPercentile: 33.3333333", 9, f"{V0}.trafficPercentile", "with at most 6 decimals"
    ),
    "sum above 100": Bad(
        9,
        "      trafficPercentile: 80\n" + green("trafficPercentile: 20.1"),
        10,
        f"{V1}.trafficPercentile",
        "with it the percentiles add up to 100.1; they may add up to 100 at most",
    ),
    "two defaults": Bad(
        9, "      isDefault: true\n" + green("isDefault: true"), 10, f"{V1}.isDefault", "the default, and blue is"
    ),
    "default in words": Bad(9, "      isDefault: yes", 9, f"{V0}.isDefault", '"yes" is not allowed: true or false'),
    "default as number": Bad(9, "      isDefault: 1", 9, f"{V0}.isDefault", "1 is not allowed: true or false"),
    "two controls": Bad(
        9, "      type: control\n" + green("type: control"), 10, f"{V1}.type", "at most one version is the control"
    ),
    "type": Bad(9, "      type: canary", 9, f"{V0}.type", '"canary" is not allowed: control or treatment'),
    "mirror with a percentile": Bad(
        9, green("mirrorPercentile: 5, trafficPercentile: 5"), 9, f"{V1}.trafficPercentile", "gets copies only"
    ),
    "mirror as default": Bad(
        9, green("mirrorPercentile: 5, isDefault: true"), 9, f"{V1}.isDefault", "cannot be the def"
    ),
    "only mirrors": Bad(9, "      mirrorPercentile: 5", 6, "spec.versions", "at least one version must answer"),
    "mirror range": Bad(9, "      mirrorPercentile: 101", 9, f"{V0}.mirrorPercentile", "a number from 0 to 100"),
    # targets
    "no target": Bad(8, "      collectData: true", 7, f"{V0}.target", "is missing: a mapping with the keys deployment"),
    "empty target": Bad(
        8, "      target: {}", 8, f"{V0}.target", "exactly one of deployment, command and urls; found no"
    ),
    "two targets": Bad(
        9, green(target='{command: ["{port}"], urls: ["http://a"]}'), 9, f"{V1}.target", "found command and urls"
    ),
    "deployment without port": Bad(
        8,
        "      target: {deployment: {name: x}}",
        8,
        f"{V0}.target.deployment.port",
        "is missing: a whole number from 1 to",
    ),
    "port 0": Bad(
        8,
        "      target: {deployment: {name: x, port: 0}}",
        8,
        f"{V0}.target.deployment.port",
        "0 is not allowed: a whole number from 1 to 65535",
    ),
    "port 65536": Bad(
        8, "      target: {deployment: {name: x, port: 65536}}", 8, f"{V0}.target.deployment.port", "from 1 to 65535"
    ),
    "port as text": Bad(
        8, '      target: {deployment: {name: x, port: "1"}}', 8, f"{V0}.target.deployment.port", '"1" is not allowed'
    ),
    "deployment name": Bad(
        8, "      target: {deployment: {name: X, port: 1}}", 8, f"{V0}.target.deployment.name", "Kubernetes object"
    ),
    "deployment kind": Bad(
        8,
        "      target: {deployment: {name: x, port: 1, kind: deployment}}",
        8,
        f"{V0}.target.deployment.kind",
        '"deployment" is not allowed: a Kubernetes kind',
    ),
    "deployment apiVersion": Bad(
        8,
        "      target: {deployment: {name: x, port: 1, apiVersion: apps}}",
        8,
        f"{V0}.target.deployment.apiVersion",
        "such as apps/v1",
    ),
    "command without port": Bad(
        8, "      target: {command: [a]}", 8, f"{V0}.target.command", "{port} must stand in it"
    ),
    "command as text": Bad(8, '      target: {command: "a {port}"}', 8, f"{V0}.target.command", "a list of texts"),
    "empty command": Bad(8, "      target: {command: []}", 8, f"{V0}.target.command", "an empty list is not allowed"),
    "number in command": Bad(
        8,
        '      target:\n        command:\n          - "{port}"\n          - 5',
        11,
        f"{V0}.target.command[1]",
        "5 is not",
    ),
    "no urls": Bad(8, "      target: {urls: []}", 8, f"{V0}.target.urls", "a list of 1 to 1000 URLs"),
    "url of another scheme": Bad(8, '      target: {urls: ["ftp://a"]}', 8, f"{V0}.target.urls[0]", "http:// or https"),
    "url without host": Bad(8, '      target: {urls: ["http://:80"]}', 8, f"{V0}.target.urls[0]", "with a host"),
    "url with a query": Bad(
        8, '      target: {urls: ["http://a?b"]}', 8, f"{V0}.target.urls[0]", "only scheme, host and"
    ),
    "url with fragment": Bad(8, '      target: {urls: ["http://a#"]}', 8, f"{V0}.target.urls[0]", "only scheme, host"),
    "url with a path": Bad(
        8, '      target: {urls: ["http://a/b"]}', 8, f"{V0}.target.urls[0]", "belongs into scoringP"
    ),
    "url with port 0": Bad(8, '      target: {urls: ["http://a:0"]}', 8, f"{V0}.target.urls[0]", "from 1 to 65535"),
    "url with port 70000": Bad(8, '      target: {urls: ["http://a:70000"]}', 8, f"{V0}.target.urls[0]", "understood"),
    "url with half an IPv6": Bad(8, '      target: {urls: ["http://[::1"]}', 8, f"{V0}.target.urls[0]", "understood"),
    "url twice": Bad(8, '      target: {urls: ["http://a", "http://a"]}', 8, f"{V0}.target.urls", "number 2 repeats"),
    "tls with http": Bad(
        8, '      target: {urls: ["http://a"], tls: {}}', 8, f"{V0}.target.urls[0]", "begins with https"
    ),
    "tls key alone": Bad(
        9, green(target='{command: ["{port}"], tls: {keyFile: k}}'), 9, f"{V1}.target.tls.keyFile", "needs a certFile"
    ),
    "tls file is a number": Bad(
        9, green(target='{command: ["{port}"], tls: {caFile: 1}}'), 9, f"{V1}.target.tls.caFile", "the path of a file"
    ),
    # a version's numbers and paths
    "scoring path": Bad(9, "      scoringPath: score", 9, f"{V0}.scoringPath", "a path that begins with /"),
    "scoring path with query": Bad(9, "      scoringPath: /s?a", 9, f"{V0}.scoringPath", "without query"),
    "scoring path with a line": Bad(
        9, '      scoringPath: "/s\\r\\nx: y"', 9, f"{V0}.scoringPath", "without query, spaces"
    ),
    "readiness path": Bad(9, "      readinessPath: /a b", 9, f"{V0}.readinessPath", "without spaces"),
    "slots": Bad(
        9,
        "      maxConcurrentRequestsPerReplica: 0",
        9,
        f"{V0}.maxConcurrentRequestsPerReplica",
        "0 is not allowed: a whole number from 1 to 1000",
    ),
    "queue wait": Bad(9, "      maxQueueWaitMs: -1", 9, f"{V0}.maxQueueWaitMs", "a whole number from 0 to 86400000"),
    "queue wait in fractions": Bad(
        9, "      maxQueueWaitMs: 0.5", 9, f"{V0}.maxQueueWaitMs", "0.5 is not allowed: a wh"
    ),
    "queue length": Bad(9, "      maxQueueLength: 1000001", 9, f"{V0}.maxQueueLength", "from 0 to 1000000"),
    "scoring timeout": Bad(9, "      scoringTimeoutMs: 0", 9, f"{V0}.scoringTimeoutMs", "from 1 to 86400000"),
    "cold start timeout": Bad(9, "      coldStartTimeoutMs: 1m", 9, f"{V0}.coldStartTimeoutMs", '"1m" is not allowed'),
    "collectData": Bad(9, "      collectData: on", 9, f"{V0}.collectData", '"on" is not allowed: true or false'),
    # autoscale
    "min as text": Bad(
        9,
        green('autoscale: {minReplicas: "1"}'),
        9,
        f"{V1}.autoscale.minReplicas",
        '"1" is not allowed: a whole number',
    ),
    "min below 0": Bad(9, green("autoscale: {minReplicas: -1}"), 9, f"{V1}.autoscale.minReplicas", "from 0 to 10000"),
    "max 0": Bad(9, green("autoscale: {maxReplicas: 0}"), 9, f"{V1}.autoscale.maxReplicas", "from 1 to 10000"),
    "min above max": Bad(
        9,
        green("autoscale: {minReplicas: 3, maxReplicas: 2}"),
        9,
        f"{V1}.autoscale.minReplicas",
        "3 is more than maxRepl",
    ),
    "min above the default max": Bad(
        9, green("autoscale: {minReplicas: 11}"), 9, f"{V1}.autoscale.minReplicas", "maxReplicas, which is 10"
    ),
    "utilization 0": Bad(
        9, green("autoscale: {targetUtilization: 0}"), 9, f"{V1}.autoscale.targetUtilization", "1 to 100"
    ),
    "utilization 101": Bad(
        9, green("autoscale: {targetUtilization: 101}"), 9, f"{V1}.autoscale.targetUtilization", "1 to 100"
    ),
    "refresh 0": Bad(
        9, green("autoscale: {refreshPeriodSeconds: 0}"), 9, f"{V1}.autoscale.refreshPeriodSeconds", "from 0.05 to 3600"
    ),
    "window": Bad(
        9, green("autoscale: {scaleDownWindowSeconds: -1}"), 9, f"{V1}.autoscale.scaleDownWindowSeconds", "0 to 86400"
    ),
    "autoscale null": Bad(
        9, green("autoscale: null"), 9, f"{V1}.autoscale", "null is not allowed: a mapping with the k"
    ),
    "fixed size while scaled": Bad(
        9, green("autoscale: {replicas: 2}"), 9, f"{V1}.autoscale.replicas", "with enabled: false"
    ),
    "urls are not scaled": Bad(9, "      autoscale: {enabled: true}", 9, f"{V0}.autoscale", "never scaled"),
    "urls are not scaled, unsaid": Bad(9, "      autoscale: {maxReplicas: 3}", 9, f"{V0}.autoscale", "never scaled"),
    "urls have their number": Bad(
        9, "      autoscale: {enabled: false, replicas: 2}", 9, f"{V0}.autoscale.replicas", "are the replicas, 1 here"
    ),
    # auth
    "auth mode": Bad(
        5, "spec:\n  auth: {mode: basic}", 6, "spec.auth.mode", '"basic" is not allowed: key or token or none'
    ),
    "key file with an issuer": Bad(
        5,
        "spec:\n  auth: {mode: token, keysFile: k, token: {issuer: i, audience: a, jwksUri: 'https://i/k'}}",
        6,
        "spec.auth.keysFile",
        "is for mode key and for tokens of the router's own; these are an outside issuer's",
    ),
    "secret with none": Bad(
        5,
        "spec:\n  auth: {mode: none, secretName: k}",
        6,
        "spec.auth.secretName",
        "is for mode key and for tokens of the router's own; the mode is none",
    ),
    "issuer with key": Bad(
        5,
        "spec:\n  auth:\n    token: {issuer: i, audience: a, jwksUri: 'https://i/k'}",
        7,
        "spec.auth.token",
        "is for mode token, and the mode is key",
    ),
    "issuer without audience": Bad(
        5,
        "spec:\n  auth: {mode: token, token: {issuer: i, jwksUri: 'https://i/k'}}",
        6,
        "spec.auth.token.audience",
        "is missing: a text of 1 to 4096 characters",
    ),
    "key set in the clear": Bad(
        5,
        "spec:\n  auth: {mode: token, token: {issuer: i, audience: a, jwksUri: 'http://i/k'}}",
        6,
        "spec.auth.token.jwksUri",
        "an https:// URL",
    ),
    "issuer that says nothing of its keys": Bad(
        5,
        "spec:\n  auth: {mode: token, token: {issuer: id.example, audience: a}}",
        6,
        "spec.auth.token.issuer",
        "without a jwksUri it must be an https:// URL",
    ),
    "algorithm with a shared secret": Bad(
        5,
        "spec:\n  auth: {mode: token, token: {issuer: i, audience: a, jwksUri: 'https://i/k', algorithms: [HS256]}}",
        6,
        "spec.auth.token.algorithms[0]",
        "RS256",
    ),
    "two scopes in one": Bad(
        5,
        "spec:\n  auth: {mode: token, token: {issuer: 'https://i', audience: a, requiredScopes: ['a b']}}",
        6,
        "spec.auth.token.requiredScopes[0]",
        "printable ASCII without spaces",
    ),
    "secret name": Bad(5, "spec:\n  auth: {secretName: A_}", 6, "spec.auth.secretName", "Kubernetes object"),
    # the rest of the endpoint
    "host in upper case": Bad(5, "spec:\n  hosts: [A.example]", 6, "spec.hosts[0]", "a host name in lower case"),
    "host with a port": Bad(5, "spec:\n  hosts: ['a:80']", 6, "spec.hosts[0]", "without scheme, port"),
    "host wildcard": Bad(5, "spec:\n  hosts:\n    - a\n    - '*.a'", 8, "spec.hosts[1]", "wildcard"),
    "host twice": Bad(5, "spec:\n  hosts: [a, a]", 6, "spec.hosts", "number 2 repeats an earlier one"),
    "hosts as text": Bad(
        5, "spec:\n  hosts: a", 6, "spec.hosts", '"a" is not allowed: a list of at most 100 host names'
    ),
    "origin with a path": Bad(
        5, "spec:\n  cors: {allowOrigins: ['https://a/']}", 6, "spec.cors.allowOrigins[0]", "as browsers send it"
    ),
    "no origins": Bad(5, "spec:\n  cors: {}", 6, "spec.cors.allowOrigins", "is missing: a list of 1 to 100 origins"),
    "sticky header": Bad(5, "spec:\n  sticky: {header: 'a b'}", 6, "spec.sticky.header", "the name of a header"),
    "serverTiming": Bad(5, "spec:\n  serverTiming: 1", 6, "spec.serverTiming", "1 is not allowed: true or false"),
    # within one file
    "name claimed twice": Bad(
        9, "---\n" + GOOD, 13, "metadata.name", "the name digits in namespace default is taken already, on line 4"
    ),
    "workload of two versions": Bad(
        8,
        "      target: {deployment: {name: x, port: 1}}\n" + green(target="{deployment: {name: x, port: 2}}"),
        9,
        f"{V1}.target.deployment.name",
        "the workload Deployment.apps x in namespace default is taken already, on line 8",
    ),
    # YAML
    "open bracket": Bad(9, "      scoringPath: [", 9, "", "not YAML: "),
    "tab": Bad(9, "\tscoringPath: /a", 9, "", "YAML indents with spaces"),
    "two colons": Bad(9, "      scoringPath: a: b", 9, "", "not YAML: mapping values are not allowed"),
    "key twice": Bad(9, "      name: red", 9, "spec.versions[0].name", "is given twice; the first time on line 7"),
    "unknown alias": Bad(9, "      scoringPath: *x", 9, "spec.versions[0].scoringPath", "*x names nothing"),
    "alias to itself": Bad(9, "      scoringPath: &x [*x]", 9, "spec.versions[0].scoringPath[0]", "*x names nothing"),
    "tag": Bad(9, "      scoringPath: !!python/name:os.system x", 9, "spec.versions[0].scoringPath", "tags such as"),
    "tag on a list": Bad(9, "      scoringPath: !a [x]", 9, "spec.versions[0].scoringPath", "tags such as '!a'"),
    "merge key": Bad(9, "      <<: {a: 1}", 9, "spec.versions[0]", "merge keys (<<) are not part of YAML 1.2"),
    "key that is a list": Bad(9, "      [a]: b", 9, "spec.versions[0]", "a key must be a text"),
    "control character": Bad(9, "      scoringPath: \x07", 9, "", "control characters are not allowed"),
    "surrogate": Bad(9, "      scoringPath: \ud800", 9, "", "not YAML: surrogates"),
    "list as document": Bad(9, "---\n- a", 10, "", "a list is not allowed: a mapping with the keys apiV"),
    "text as document": Bad(9, "---\nabc", 10, "", "a single value is not allowed: a mapping"),
    "keys as document": Bad(9, "---\nprimaryKey: x", 10, "", "holds the keys that an endpoint's keysFile names"),
    "YAML of the future": Bad(1, "%YAML 3.0\n---", 1, "", "incompatible YAML document"),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_broken_rule_is_told_with_line_key_and_what_is_allowed(bad: Bad) -> None:
    parsed = parse(bad.document(), "digits.yaml")
    assert parsed.endpoints == ()
    assert parsed.claims == ()
    found = [(problem.line, problem.key) for problem in parsed.problems if bad.says in str(problem)]
    assert (bad.line, bad.key) in found, "\n".join(map(str, parsed.problems))


EXAMPLE = """\
apiVersion: maitre.dev/v1alpha1
kind: ScoringEndpoint            # plural scoringendpoints, short name sep, namespaced
metadata: {name: digits, namespace: default, labels: {team: vision}, annotations: {}}
spec:
  auth:
    mode: key                    # key (default) | token | none
    keysFile: digits-keys.yaml
    secretName: digits-keys
  hosts: [digits.example.com]
  cors: {allowOrigins: ["https://app.example.com"]}
  sticky: {header: X-User-Id}
  serverTiming: false
  versions:
    - name: blue
      trafficPercentile: 80
      isDefault: true
      type: control
      target:
        TARGET
        tls: {caFile: ca.pem, certFile: c.pem, keyFile: k.pem, serverName: model.example.com}
      scoringPath: /score
      readinessPath: /
      maxConcurrentRequestsPerReplica: 1
      maxQueueWaitMs: 500
      maxQueueLength: 1000
      scoringTimeoutMs: 60000
      coldStartTimeoutMs: 60000
      AUTOSCALE
      collectData: false
      mirrorPercentile: 0
"""
SCALED = (
    "autoscale: {enabled: true, minReplicas: 1, maxReplicas: 10, targetUtilization: 70, "
    "refreshPeriodSeconds: 1, scaleDownWindowSeconds: 60}"
)
TARGETS = {
    "deployment": ("deployment: {name: digits-blue, port: 5001}", SCALED, None),
    "command": ('command: ["python", "model.py", "--port", "{port}"]', SCALED, None),
    "command of a fixed size": ('command: ["./model", "--port={port}"]', "autoscale: {enabled: false, replicas: 2}", 2),
    "command of no said size": ('command: ["./model", "--port={port}"]', "autoscale: {enabled: false}", 1),
    "deployment left alone": ("deployment: {name: digits-blue, port: 5001}", "autoscale: {enabled: false}", None),
    "urls": ('urls: ["https://127.0.0.1:5001", "https://[::1]:5002/"]', "", 2),
    "urls, said": ('urls: ["https://127.0.0.1:5001"]', "autoscale: {enabled: false}", 1),
}


@pytest.mark.parametrize(("target", "autoscale", "fixed_replicas"), TARGETS.values(), ids=TARGETS)
def test_the_example_of_the_contract_is_right_with_each_target(
    target: str, autoscale: str, fixed_replicas: int | None
) -> None:
    parsed = parse(EXAMPLE.replace("TARGET", target).replace("AUTOSCALE", autoscale), "digits.yaml")
    assert parsed.problems == ()
    (endpoint,) = parsed.endpoints
    assert endpoint.key == ("default", "digits")
    assert endpoint.spec.sticky is not None
    assert endpoint.spec.sticky.header == "x-user-id"
    (version,) = endpoint.spec.versions
    assert (version.name, version.traffic_percentile, version.is_default) == ("blue", 80, True)
    assert version.fixed_replicas == fixed_replicas
    assert version.autoscale.enabled is (fixed_replicas is None and "false" not in autoscale)


def test_what_is_not_said_has_the_defaults_of_the_contract() -> None:
    (endpoint,) = parse(GOOD.replace('{urls: ["http://127.0.0.1:5001"]}', COMMAND), "digits.yaml").endpoints
    assert endpoint.namespace == "default"
    assert endpoint.spec.auth.mode == "key"
    assert endpoint.spec.server_timing is False
    (version,) = endpoint.spec.versions
    assert version.type == "treatment"
    assert (version.scoring_path, version.readiness_path) == ("/score", "/")
    assert version.max_concurrent_requests_per_replica == 1
    assert (version.max_queue_wait_ms, version.max_queue_length) == (500, 1000)
    assert (version.scoring_timeout_ms, version.cold_start_timeout_ms) == (60_000, 60_000)
    scale = version.autoscale
    assert (scale.enabled, scale.min_replicas, scale.max_replicas, scale.target_utilization) == (True, 1, 10, 70)
    assert (scale.refresh_period_seconds, scale.scale_down_window_seconds, scale.replicas) == (1, 60, None)
    assert (version.collect_data, version.mirror_percentile) == (False, 0)


def test_json_is_a_configuration_too() -> None:
    (endpoint,) = parse(GOOD, "digits.yaml").endpoints
    written = endpoint.model_dump_json(by_alias=True, indent=1).replace("\n", "\n\t")
    assert parse(written, "digits.json").endpoints == (endpoint,)
    assert json.loads(written)["spec"]["versions"][0]["target"]["urls"] == ["http://127.0.0.1:5001"]


def test_several_documents_and_empty_ones_between_them() -> None:
    text = "---\n" + GOOD + "---\n# nothing\n---\n" + GOOD.replace("digits", "letters") + "...\n"
    parsed = parse(text, "all.yaml")
    assert [endpoint.name for endpoint in parsed.endpoints] == ["digits", "letters"]
    assert [(claim.key, claim.line) for claim in parsed.claims] == [("metadata.name", 5), ("metadata.name", 16)]


def test_one_name_may_stand_in_two_namespaces() -> None:
    other = GOOD.replace("  name: digits", "  name: digits\n  namespace: other")
    assert len(parse(GOOD + "---\n" + other, "all.yaml").endpoints) == 2


def test_a_host_belongs_to_one_endpoint() -> None:
    first = GOOD.replace("spec:", "spec:\n  hosts: [a]")
    second = GOOD.replace("spec:", "spec:\n  hosts: [b, a]").replace("digits", "letters")
    (problem,) = parse(first + "---\n" + second, "all.yaml").problems
    assert str(problem) == "all.yaml:16: spec.hosts[1]: the host a is taken already, on line 6"


def test_the_problems_of_all_documents_are_told_in_the_order_of_lines() -> None:
    wrong = GOOD.replace("name: digits", "name: x").replace("blue", "B")
    lines = [problem.line for problem in parse(wrong + "---\n" + wrong + "---\na: [", "all.yaml").problems]
    assert lines == [4, 7, 13, 16, 19]


def test_an_anchor_may_be_used_again() -> None:
    text = GOOD.replace("{urls:", "&t {urls:") + "    - {name: green, target: *t}\n"
    (endpoint,) = parse(text, "digits.yaml").endpoints
    assert endpoint.spec.versions[0].target == endpoint.spec.versions[1].target


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n---\n"])
def test_a_file_without_endpoints_is_refused_because_it_may_be_half_written(text: str) -> None:
    (problem,) = parse(text, "digits.yaml").problems
    assert str(problem) == (
        "digits.yaml:1: there is no endpoint in it; to remove its endpoints, delete the file, or write []"
    )


@pytest.mark.parametrize("text", ["[]", "# all gone\n[]\n", "---\n[]\n---\n"])
def test_a_file_may_say_that_it_has_no_endpoints(text: str) -> None:
    parsed = parse(text, "digits.yaml")
    assert (parsed.endpoints, parsed.problems, parsed.holds_keys) == ((), (), False)


def test_a_file_that_is_too_large_is_refused_unread() -> None:
    (problem,) = parse("#" * (MAX_BYTES + 1), "digits.yaml").problems
    assert "at most 16 MiB" in problem.message


def test_many_problems_are_cut_short() -> None:
    problems = parse(GOOD + "".join(f"x{i}: 1\n" for i in range(200)), "digits.yaml").problems
    assert len(problems) == 51
    assert problems[-1].message == "this document has 200 problems; these were the first 50"


def test_a_keys_file_is_told_from_an_endpoint() -> None:
    assert parse("primaryKey: a\nsecondaryKey: b\n", "k.yaml").holds_keys
    assert not parse("primaryKey: a\nkind: ScoringEndpoint\n", "k.yaml").holds_keys
    assert not parse(GOOD + "---\nprimaryKey: a\n", "k.yaml").holds_keys
    assert not parse("primaryKey: a\nprimaryKey: b\n", "k.yaml").holds_keys
    assert not parse("", "k.yaml").holds_keys


SECRET = "pa55word"
LEAKS = {
    "keys file": f"primaryKey: {SECRET}\n",
    "keys in the endpoint": GOOD.replace("spec:", f"spec:\n  primaryKey: {SECRET}"),
    "keys in auth": GOOD.replace("spec:", f"spec:\n  auth: {{primaryKey: {SECRET}}}"),
    "auth is the key": GOOD.replace("spec:", f"spec:\n  auth: {SECRET}"),
    "token is the token": GOOD.replace("spec:", f"spec:\n  auth: {{mode: token, token: {SECRET}}}"),
    "keysFile holds the keys": GOOD.replace("spec:", f"spec:\n  auth: {{keysFile: {{primaryKey: {SECRET}}}}}"),
    "url": GOOD.replace("http://", f"http://user:{SECRET}@"),
    "command": GOOD.replace('urls: ["http://127.0.0.1:5001"]', f'command: "--token={SECRET} {{port}}"'),
    "command without port": GOOD.replace('urls: ["http://127.0.0.1:5001"]', f'command: ["--token={SECRET}"]'),
    "the whole file": SECRET,
    "a broken file": f"primaryKey: {SECRET}\nprimaryKey: {SECRET}\n",
    "a broken line": f"primaryKey: {SECRET}: {SECRET}\n",
}


@pytest.mark.parametrize("text", LEAKS.values(), ids=LEAKS)
def test_no_problem_shows_a_credential(text: str) -> None:
    problems = parse(text, "digits.yaml").problems
    assert problems
    assert SECRET not in repr(problems)


@given(st.text())
@example("a: &a [*a]")
@example("? {a: b}\n: c")
@example("a: \u2028b: \x85c")
@example("- " * 500)
@example("{" * 5000)
@example("a: " + "9" * 5000)
@example("a: 0x" + "f" * 5000)
@example("%TAG ! tag:x\n--- !<!> a")
@settings(max_examples=300, deadline=None)
def test_no_text_makes_the_parser_raise(text: str) -> None:
    parsed = parse(text, "any.yaml")
    assert parsed.problems
    assert all(1 <= (problem.line or 0) <= max(1, len(text.splitlines())) for problem in parsed.problems)


@given(
    at=st.integers(0, len(EXAMPLE) - 1),
    length=st.integers(0, 20),
    new=st.text("aB1-:,.[]{}#&*!|>'\"%@\\ \t\n\x07é", max_size=8),
)
@settings(max_examples=300, deadline=None)
def test_a_damaged_document_is_right_or_has_a_problem_within_the_file(at: int, length: int, new: str) -> None:
    whole = EXAMPLE.replace("TARGET", 'command: [a, "{port}"]').replace("AUTOSCALE", SCALED)
    text = whole[:at] + new + whole[at + length :]
    parsed = parse(text, "damaged.yaml")
    assert bool(parsed.endpoints) is not bool(parsed.problems)
    assert all(1 <= (problem.line or 0) <= len(text.splitlines()) for problem in parsed.problems)
    assert not any("Input should" in problem.message for problem in parsed.problems)
