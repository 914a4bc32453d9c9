"""Operations on what lets requests in: the two keys of an endpoint, and its tokens. Answers hold credentials."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Final

from starlette.responses import JSONResponse, Response

from router.admin import errors
from router.admin.auditing import Audit
from router.admin.editing import ATTEMPTS
from router.admin.operations import PREFIX, Answer, Body, Call, Operation
from router.admin.parameters import NAMESPACE
from router.admin.ports import TokenIssuer
from router.admin.requests import KeyToRegenerate, TokenWanted, validated
from router.errors import EndpointChanged
from router.store.keys import KeyPair, new_pair, rotated
from router.store.writing import EndpointWriter, Resource

_ONE: Final = f"{PREFIX}/endpoints/{{endpoint}}"
_KEYS: Final = Answer(HTTPStatus.OK, "Both keys, each of which lets requests in.", "Keys")
_TOKEN: Final = Answer(HTTPStatus.OK, "A token; times in Unix seconds.", "Token")


class CredentialOperations:
    def __init__(self, writer: EndpointWriter, tokens: TokenIssuer, audit: Audit) -> None:
        self._writer = writer
        self._tokens = tokens
        self._audit = audit

    def table(self) -> tuple[Operation, ...]:
        return (
            Operation(
                "listKeys", "POST", f"{_ONE}/listkeys", "Shows the keys.", self._list_keys, (_KEYS,),
                part="keys", query=(NAMESPACE,), refusals=(errors.NO_KEYS,),
            ),
            Operation(
                "regenerateKey", "POST", f"{_ONE}/regeneratekeys", "Makes one key anew; the other one stays. With "
                "tokens of the router's own, the primary key becomes the secondary one, and what it signed stays good.",
                self._regenerate, (_KEYS,), verb="update", part="keys", query=(NAMESPACE,),
                body=Body("KeyToRegenerate"), refusals=(errors.NO_KEYS, errors.CHANGED),
            ),
            Operation(
                "getToken", "POST", f"{_ONE}/token", "Issues a token.", self._issue, (_TOKEN,), verb="create",
                part="token", query=(NAMESPACE,), body=Body("TokenWanted", optional=True),
                refusals=(errors.NO_TOKENS, errors.NO_KEYS),
            ),
        )  # fmt: skip

    async def _list_keys(self, call: Call) -> Response:
        return _shown(await self._writer.keys(call.key))

    async def _regenerate(self, call: Call) -> Response:
        wanted = validated(KeyToRegenerate, call.body)
        for _ in range(ATTEMPTS):
            before = await self._writer.keys(call.key)
            stored = await self._writer.read(call.key)
            signs = stored is not None and _signs(stored.resource)
            pair = _regenerated(before, wanted, signs=signs)
            try:
                await self._writer.put_keys(call.key, pair, before)
            except EndpointChanged:
                continue
            self._audit.keys_made(call.caller, call.access, (wanted.key,))
            return _shown(pair)
        raise EndpointChanged(f"the keys were changed by others each of {ATTEMPTS} times; ask again")

    async def _issue(self, call: Call) -> Response:
        wanted = validated(TokenWanted, call.body)
        token = await self._tokens.issue(call.key, wanted.expires_in_seconds)
        self._audit.token_issued(call.caller, call.access)
        return JSONResponse(dict(token))


def _regenerated(before: KeyPair, wanted: KeyToRegenerate, *, signs: bool) -> KeyPair:
    """`signs`: tokens are signed with the primary key. It is kept as the secondary one then, for what it has signed."""
    if wanted.key == "primary":
        if signs:
            return rotated(before, wanted.value)
        return replace(before, primary=wanted.value or new_pair().primary)
    return replace(before, secondary=wanted.value or new_pair().secondary)


def _signs(resource: Resource) -> bool:
    """Whether the endpoint takes tokens that are signed with what is derived of its keys."""
    auth = resource["spec"].get("auth") or {}
    return auth.get("mode") == "token" and auth.get("token") is None


def _shown(pair: KeyPair) -> Response:
    return JSONResponse({"primaryKey": pair.primary, "secondaryKey": pair.secondary})
