"""What an endpoint of one worker asks of those who want to score: made of its configuration and its keys.

Where something that is needed is missing (keys that could not be read, an issuer of which nothing is known yet) nobody
is admitted: closed, not open. What tokens need is imported with the first endpoint that takes some: a tenth of a second
and megabytes that keys do not need. Owned by `Front`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from router.core.credentials import KeyRing, Nobody, NoCredentials
from router.core.routes import Credentials
from router.core.token_ring import TokenRing
from router.model.spec import EndpointKey, KeySource, OutsideIssuer
from router.serving.messages import IssuerKeys, Source
from router.store.keys import KeyPair

if TYPE_CHECKING:
    from router.core.key_set import KeySet
    from router.core.tokens import Verifier


class TrustedIssuers:
    """The keys of outside issuers, as the control process told them last."""

    def __init__(self, unknown_key: Callable[[KeySource], None]) -> None:
        self._unknown_key = unknown_key
        self._key_sets: dict[KeySource, KeySet] = {}

    def put(self, message: IssuerKeys) -> None:
        from router.core.key_set import KeySet  # noqa: PLC0415  see above

        if message.document is None:
            self._key_sets.pop(message.source, None)
        else:
            self._key_sets[message.source] = KeySet.from_document(message.document)

    def verifier(self, terms: OutsideIssuer) -> Verifier:
        from router.core.outside_tokens import OutsideTokens  # noqa: PLC0415  see above

        source = terms.key_source
        return OutsideTokens(terms, self._key_sets.get(source), partial(self._unknown_key, source))


def credentials_of(source: Source, issuers: TrustedIssuers) -> Credentials:
    auth, keys = source.endpoint.spec.auth, source.keys
    match auth.mode:
        case "none":
            return NoCredentials()
        case "key" if keys is not None:
            return KeyRing(keys.primary, keys.secondary)
        case "token" if auth.token is not None:
            return TokenRing(issuers.verifier(auth.token))
        case "token" if keys is not None:
            return TokenRing(_own_tokens(keys, source.endpoint.key))
        case _:
            return Nobody()


def _own_tokens(keys: KeyPair, endpoint: EndpointKey) -> Verifier:
    from router.core.own_tokens import OwnTokens  # noqa: PLC0415  see above

    return OwnTokens(keys.primary, keys.secondary, endpoint)
