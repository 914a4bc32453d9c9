"""How requests end and how things fail: one closed list of outcomes, one error tree.

An `Outcome` is what metrics, logs and error bodies call the end of a request; the list is section 5 of the contract
and is closed: a test walks it against the status table, the metrics and docs/behaviour.md. Outcomes are values, not
exceptions: the data plane returns them, because refusing a request is ordinary work. A copy of a request for a mirror
version ends in one of them too, or was never sent: `CopyDropped`.

Exceptions are for what the caller cannot go on from:

    MaitreError
    ├── ConfigurationRefused      a file or resource breaks a rule; carries every problem found (router.model.problems)
    ├── MalformedMessage          bytes that are not HTTP/1.1 as RFC 9112 has it; carries the outcome to answer with
    ├── SlotMisuse                a slot was released twice or by a stranger: a bug of ours, never of a client
    ├── ReplicaFailed             a local replica could not be started or ended
    ├── WorkerFailed              a worker process ended before it was ready
    ├── CertificateRefused        a file of a certificate, key or authority cannot be used; names it, never its content
    ├── CoordinationKeyRefused    the file of the key that routers share cannot be used; names it, never its content
    ├── AdminTokenRefused         the file of the admin token cannot be used or written; names it, never its content
    ├── EndpointUnknown           there is no such endpoint
    ├── VersionUnknown            the endpoint has no such version
    ├── DefaultVersion            the default version cannot go without an heir (router.admin.changes)
    ├── LastVersion               the last version goes only with its endpoint (router.admin.changes)
    ├── NewDefaultUnknown         the heir is no other version of the endpoint (router.admin.changes)
    ├── EndpointExists            there is one of this name already
    ├── EndpointChanged           somebody else has changed it since it was read
    ├── KeysUnknown               the endpoint has no keys (it uses tokens, or nobody need say who they are)
    ├── KeySetRefused             an issuer's public keys cannot be fetched or used
    ├── NoTokens                  the endpoint issues no tokens of its own
    ├── NoLogs                    what the replicas print is not kept here
    ├── RequestRefused            what was sent to the admin port cannot be taken (router.admin.errors)
    ├── StoreFailed               a change could not be kept: the file system or the API server refuses it
    ├── NotIdentified             the admin port does not know who calls (router.admin.gate)
    └── NotAllowed                who calls the admin port may not do this (router.admin.gate)
"""

from __future__ import annotations

from enum import StrEnum
from http import HTTPStatus
from typing import Final


class Outcome(StrEnum):
    """How a request ended. The value is the label in metrics and the `code` in error bodies."""

    OK = "ok"
    MODEL_ERROR = "model_error"
    UPSTREAM_ERROR = "upstream_error"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    QUEUE_TIMEOUT = "queue_timeout"
    QUEUE_FULL = "queue_full"
    NO_REPLICAS = "no_replicas"
    UNAUTHORIZED = "unauthorized"
    NOT_FOUND = "not_found"
    BAD_REQUEST = "bad_request"
    HEAD_TOO_LARGE = "head_too_large"
    BODY_TOO_LARGE = "body_too_large"
    REQUEST_TIMEOUT = "request_timeout"
    CLIENT_GONE = "client_gone"
    DRAINING = "draining"


STATUS: Final[dict[Outcome, HTTPStatus | None]] = {
    Outcome.OK: None,  # the model's own
    Outcome.MODEL_ERROR: HTTPStatus.BAD_GATEWAY,
    Outcome.UPSTREAM_ERROR: HTTPStatus.BAD_GATEWAY,
    Outcome.UPSTREAM_TIMEOUT: HTTPStatus.GATEWAY_TIMEOUT,
    Outcome.QUEUE_TIMEOUT: HTTPStatus.SERVICE_UNAVAILABLE,
    Outcome.QUEUE_FULL: HTTPStatus.SERVICE_UNAVAILABLE,
    Outcome.NO_REPLICAS: HTTPStatus.SERVICE_UNAVAILABLE,
    Outcome.UNAUTHORIZED: HTTPStatus.UNAUTHORIZED,
    Outcome.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Outcome.BAD_REQUEST: HTTPStatus.BAD_REQUEST,
    Outcome.HEAD_TOO_LARGE: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    Outcome.BODY_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Outcome.REQUEST_TIMEOUT: HTTPStatus.REQUEST_TIMEOUT,
    Outcome.CLIENT_GONE: None,  # nobody is left to read it
    Outcome.DRAINING: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""The status that the router itself answers with; None where it answers none of its own."""


class CopyDropped(StrEnum):
    """Why a mirror version was sent no copy of a request that it was to get one of: a label beside the outcomes."""

    TOO_LARGE = "too_large"
    """The request is larger than a copy may be."""
    OVER_BUDGET = "over_budget"
    """The copies under way take all the memory that there is for them."""


class MaitreError(Exception):
    """Root of every error that maitre raises on purpose."""


class MalformedMessage(MaitreError):
    """Bytes that cannot be understood as one HTTP/1.1 message and nothing else.

    `outcome` says what a client gets when the bytes were its own; for a replica's bytes it is always upstream_error.
    """

    def __init__(self, reason: str, outcome: Outcome = Outcome.BAD_REQUEST) -> None:
        super().__init__(reason)
        self.outcome = outcome


class SlotMisuse(MaitreError):
    """A slot was released that was not held, or held by somebody else."""


class ReplicaFailed(MaitreError):
    """A local replica could not be started or ended; the message names the command and what the system said."""


class WorkerFailed(MaitreError):
    """A worker process could not be started, or ended before it was ready; the message says how."""


class CertificateRefused(MaitreError):
    """A certificate, key or authority cannot be used; the message names the file and what is wrong with it."""


class CoordinationKeyRefused(MaitreError):
    """The key that routers share to share out slots cannot be used; the message names the file, never its content."""


class AdminTokenRefused(MaitreError):
    """The local admin token cannot be used, made or rotated; the message names the file, never its content."""


class EndpointUnknown(MaitreError):
    """There is no such endpoint; the message names it."""


class VersionUnknown(MaitreError):
    """The endpoint has no such version; the message names it."""


class EndpointExists(MaitreError):
    """There is an endpoint of this name already; the message says where it was made."""


class EndpointChanged(MaitreError):
    """Somebody else has changed the endpoint, or its keys, since the caller read it; nothing was changed."""


class KeysUnknown(MaitreError):
    """The endpoint has no keys, or they cannot be read; the message says why, never what they are."""


class KeySetRefused(MaitreError):
    """The public keys of an issuer cannot be fetched, or what came is none; the message says why."""


class NoTokens(MaitreError):
    """The endpoint issues no tokens of its own; the message says what it asks for instead."""


class NoLogs(MaitreError):
    """What the replicas of the version print is not kept here; the message says where it is."""


class StoreFailed(MaitreError):
    """A change could not be kept; the message says what the file system or the API server said."""
