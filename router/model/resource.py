"""From a ScoringEndpoint as an API server returns it to an endpoint, or to everything that is wrong with it.

Pure; called by the store of resources. What the user wrote means the same as in a file, with two differences: the keys
of metadata that the API server adds, and the status, are no part of the document; and what would reach into the
router's own pod is refused, because whoever may write a resource in some namespace may not start processes there or
read its files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv6Address, ip_address
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

from router.model.interpreting import Interpreted, Place, interpret
from router.model.rules import Violation
from router.model.spec import Auth, ScoringEndpoint, UpstreamTls

TLS_DIRECTORY: Final = PurePosixPath("/etc/maitre/tls")
"""Of the router's pod. Secrets mounted below it are what the file names of `target.tls` are relative to."""

_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def interpret_resource(resource: Mapping[str, Any]) -> Interpreted:
    """Never raises for what the resource holds. Problems have no lines; their source is `source_of` the resource."""
    source = source_of(resource)
    document = _document(resource)
    interpreted = interpret(document, source)
    if interpreted.endpoint is None:
        return interpreted
    place = Place(document, source)
    problems = tuple(place.problem(broken.path, broken.message) for broken in cluster_violations(interpreted.endpoint))
    return Interpreted(None, problems) if problems else interpreted


def source_of(resource: Mapping[str, Any]) -> str:
    """`scoringendpoint default/digits`: what problems, logs and events call the resource."""
    metadata = resource["metadata"]
    return f"scoringendpoint {metadata.get('namespace', 'default')}/{metadata['name']}"


def secret_name(endpoint: ScoringEndpoint) -> str:
    """Of the Secret with primaryKey and secondaryKey, in the namespace of the endpoint."""
    return endpoint.spec.auth.secret_name or f"{endpoint.name}-keys"


def cluster_violations(endpoint: ScoringEndpoint) -> Iterator[Violation]:
    """What would do in a file, but not in a cluster."""
    yield from _auth(endpoint.spec.auth)
    for index, version in enumerate(endpoint.spec.versions):
        at = ("spec", "versions", index, "target")
        if version.target.command is not None:
            message = "is not allowed in a cluster: deployment or urls; a resource starts no processes"
            yield Violation((*at, "command"), message)
        for number, url in enumerate(version.target.urls or ()):
            if _is_the_routers_own(urlsplit(url).hostname or ""):
                message = "is not allowed in a cluster: an address that is not the router's own host or link-local"
                yield Violation((*at, "urls", number), message)
        if version.target.tls is not None:
            yield from _tls(version.target.tls, (*at, "tls"))


def _document(resource: Mapping[str, Any]) -> dict[str, Any]:
    """What the user may have written. The keys that interpreting misses are left missing, for it to say so."""
    document = {key: resource[key] for key in ("apiVersion", "kind", "spec") if key in resource}
    metadata = resource["metadata"]
    document["metadata"] = {
        key: metadata[key] for key in ("name", "namespace", "labels", "annotations") if metadata.get(key) is not None
    }
    if annotations := document["metadata"].get("annotations"):
        # kubectl's copy of the whole resource; ten thousand of them would be held in memory for nothing
        document["metadata"]["annotations"] = {key: text for key, text in annotations.items() if key != _APPLIED}
    return document


def _auth(auth: Auth) -> Iterator[Violation]:
    if auth.keys_file is not None:
        message = "is not allowed in a cluster: secretName, the Secret with primaryKey and secondaryKey"
        yield Violation(("spec", "auth", "keysFile"), message)
    if auth.token is not None:
        source = auth.token.key_source
        key, url = ("issuer", source.issuer) if source.jwks_uri is None else ("jwksUri", source.jwks_uri)
        if _is_the_routers_own(_host_of(url)):
            message = "is not allowed in a cluster: an address that is not the router's own host or link-local"
            yield Violation(("spec", "auth", "token", key), message)


def _host_of(url: str) -> str:
    """Empty where there is none to be understood, which is told elsewhere."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _tls(tls: UpstreamTls, at: tuple[str | int, ...]) -> Iterator[Violation]:
    for key, name in (("caFile", tls.ca_file), ("certFile", tls.cert_file), ("keyFile", tls.key_file)):
        if name is not None and not _is_below(name):
            message = f"is not allowed in a cluster: a relative path without .., below {TLS_DIRECTORY}"
            yield Violation((*at, key), message)


def _is_the_routers_own(host: str) -> bool:
    """Its pod's ports, and what only its node may ask: cloud providers give credentials to 169.254.169.254."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    return address.is_loopback or address.is_link_local or address.is_unspecified


def _is_below(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts
