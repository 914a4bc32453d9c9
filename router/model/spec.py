"""The schema of a ScoringEndpoint: one set of frozen types for YAML files, the REST API and the Kubernetes resource.

Attributes are snake_case; files, the API and the JSON schema say camelCase, and only that: a mapping from outside goes
through `interpreting.interpret`, never straight into these types. They check one value at a time (`fields.py`); what
several values owe to each other is in `rules.py`. So a `ScoringEndpoint` made by hand may still break a rule, one that
was interpreted may not.

Numbers and texts are not converted: `"1"` is no number, `yes` no truth value, `true` no percentile.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from router.model import fields

API_VERSION: Literal["maitre.dev/v1alpha1"] = "maitre.dev/v1alpha1"
KIND: Literal["ScoringEndpoint"] = "ScoringEndpoint"

EndpointKey: TypeAlias = tuple[str, str]
"""Namespace and name."""


class Schema(BaseModel):
    """What all parts of the schema have in common."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


class Metadata(Schema):
    """What the endpoint is called."""

    name: fields.Name
    """Of the endpoint; also the word in its URL."""
    namespace: fields.Namespace = "default"
    """Two endpoints may have the same name in two namespaces."""
    labels: dict[str, str] = {}
    """For the tools of the user; the router reads none."""
    annotations: dict[str, str] = {}
    """For the tools of the user; the router reads none."""


class KeySource(NamedTuple):
    """Where the public keys of an issuer are. `jwks_uri` None: where its /.well-known/openid-configuration says."""

    issuer: str
    jwks_uri: str | None


class OutsideIssuer(Schema):
    """Whose tokens are good, when they are not the router's own."""

    issuer: fields.Text
    """Must equal the claim `iss`."""
    audience: fields.Text
    """Must be in the claim `aud`."""
    jwks_uri: fields.KeySetUrl | None = None
    """Where the issuer's public keys are (RFC 7517); absent: where its /.well-known/openid-configuration says."""
    algorithms: fields.Algorithms = ("RS256", "ES256")
    """That tokens may be signed with."""
    required_scopes: fields.Scopes = ()
    """All of them must be in the claim `scope` or `scp`."""
    required_claims: fields.Claims = {}
    """Each must have this text as its value, or in its list of values."""

    @property
    def key_source(self) -> KeySource:
        return KeySource(self.issuer, self.jwks_uri)


class Auth(Schema):
    """Who may come in. The credentials themselves are never part of the configuration."""

    mode: Literal["key", "token", "none"] = "key"
    """`none`: everybody."""
    keys_file: fields.FilePath | None = None
    """With primaryKey and secondaryKey, relative to this file; absent: made, and kept in the state directory.
    With mode token, what the router's own tokens are signed with. Not in a cluster."""
    secret_name: fields.ObjectName | None = None
    """In a cluster: the Secret with primaryKey and secondaryKey; absent: `<endpoint>-keys`; made if there is none."""
    token: OutsideIssuer | None = None
    """Absent with mode token: the router issues its own."""

    @property
    def uses_keys(self) -> bool:
        """Whether there is a pair of keys: credentials themselves, or what the router's own tokens are signed with."""
        return self.mode == "key" or self.issues_tokens

    @property
    def issues_tokens(self) -> bool:
        """Whether its tokens are the router's own."""
        return self.mode == "token" and self.token is None


class Cors(Schema):
    """Which pages of other origins may call the endpoint from a browser."""

    allow_origins: fields.Origins
    """`*` is every origin."""


class Sticky(Schema):
    """Requests with the same value of a header go to the same version, while the split stands."""

    header: fields.HeaderName
    """Lower-cased."""


class DeploymentTarget(Schema):
    """A workload in a cluster, of any kind with a scale subresource, in the namespace of the endpoint."""

    name: fields.ObjectName
    port: fields.Port
    """Of the pods, where the model answers HTTP."""
    kind: fields.Kind = "Deployment"
    api_version: fields.ApiVersion = "apps/v1"


class UpstreamTls(Schema):
    """How the router speaks TLS to replicas."""

    ca_file: fields.FilePath | None = None
    """PEM; absent: the authorities that the system trusts."""
    cert_file: fields.FilePath | None = None
    """PEM with the certificate of the router (and its key, if keyFile is absent)."""
    key_file: fields.FilePath | None = None
    server_name: fields.Host | None = None
    """The name that the replica's certificate must bear; absent: the host of its address."""


class Target(Schema):
    """Where the replicas of a version come from: exactly one of deployment, command, urls."""

    deployment: DeploymentTarget | None = None
    command: fields.Command | None = None
    """Local processes, one per replica, in the directory of this file; {port} becomes the port to listen on.
    Not in a cluster."""
    urls: fields.ReplicaUrls | None = None
    """Fixed replicas, never scaled: scheme, host and port of each."""
    tls: UpstreamTls | None = None
    """Absent: TLS only to https:// urls. Present, even empty: TLS to every replica. Files are looked up beside the file
    of the configuration; in a cluster, below /etc/maitre/tls."""


class Autoscale(Schema):
    """How many replicas a version is to have."""

    enabled: bool = True
    """false: a fixed size; kept for local processes, left alone in a cluster."""
    min_replicas: fields.Replicas = 1
    """0: scale to zero."""
    max_replicas: fields.MaxReplicas = 10
    target_utilization: fields.Utilization = 70
    """Percent of the slots that are to be in use."""
    refresh_period_seconds: fields.RefreshSeconds = 1.0
    """Seconds between two decisions; a queue that forms triggers one at once."""
    scale_down_window_seconds: fields.WindowSeconds = 60.0
    """Seconds; the size goes down to the highest that was wanted in this time."""
    replicas: fields.Replicas | None = None
    """The fixed size, only with enabled false; absent: 1 for local processes, left alone in a cluster."""


def _autoscale_by_target(version: dict[str, Any]) -> Autoscale:
    """Fixed urls are never scaled; saying so in the default lets what the API shows be sent back unchanged."""
    target: Target | None = version.get("target")
    return Autoscale(enabled=target is None or target.urls is None)


class Version(Schema):
    """One deployed model behind an endpoint; it owns one scalable workload."""

    name: fields.Name
    traffic_percentile: fields.Percent = 0.0
    """Percent of the requests; what no version claims goes to the default version on top of its own."""
    is_default: bool = False
    """Where no version says so, the first that is no mirror is the default."""
    type: Literal["control", "treatment"] = "treatment"
    """The role in an experiment; at most one control."""
    target: Target
    scoring_path: fields.ScoringPath = "/score"
    """On the replica."""
    readiness_path: fields.ReadinessPath = "/"
    """On the replica, for local processes and fixed urls; answers 2xx when ready."""
    max_concurrent_requests_per_replica: fields.Slots = 1
    """Slots of one replica."""
    max_queue_wait_ms: fields.WaitMs = 500
    """Milliseconds that a request may wait for a slot."""
    max_queue_length: fields.QueueLength = 1000
    """Waiting requests of this version, over all of the router."""
    scoring_timeout_ms: fields.TimeoutMs = 60_000
    """Milliseconds from the slot to the end of the answer."""
    cold_start_timeout_ms: fields.WaitMs = 60_000
    """Milliseconds that a request may wait for the first replica when there is none."""
    autoscale: Annotated[Autoscale, Field(default_factory=_autoscale_by_target)]
    collect_data: bool = False
    """Keep inputs and outputs of the model."""
    mirror_percentile: fields.Percent = 0.0
    """Percent of the live requests of which this version gets a copy, its answers dropped; above 0: a mirror."""

    @property
    def is_mirror(self) -> bool:
        """Gets copies only, never a live request."""
        return self.mirror_percentile > 0

    @property
    def fixed_replicas(self) -> int | None:
        """The size to keep; None where the autoscaler or the cluster's owner decides."""
        if self.target.urls is not None:
            return len(self.target.urls)
        if self.autoscale.enabled or self.target.deployment is not None:
            return None
        if self.autoscale.replicas is None and self.target.command is not None:
            return 1
        return self.autoscale.replicas


class EndpointSpec(Schema):
    """All that the user says about an endpoint but its name."""

    auth: Auth = Auth()
    hosts: fields.Hosts = ()
    """Every path on these hosts is answered too."""
    cors: Cors | None = None
    sticky: Sticky | None = None
    server_timing: bool = False
    """Answers carry server-timing."""
    versions: Annotated[tuple[Version, ...], Field(strict=False, min_length=1, max_length=6)]
    """In the order of the file."""


class ScoringEndpoint(Schema):
    """A named public scoring address with its auth and 1 to 6 versions."""

    api_version: Literal["maitre.dev/v1alpha1"] = API_VERSION
    kind: Literal["ScoringEndpoint"] = KIND
    metadata: Metadata
    spec: EndpointSpec

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def namespace(self) -> str:
        return self.metadata.namespace

    @property
    def key(self) -> EndpointKey:
        return (self.metadata.namespace, self.metadata.name)
