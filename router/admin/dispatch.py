"""From the table of operations to routes: reads each request in one order, asks the gate, answers what is refused.

The order: who calls (401), what is asked for (400, 404, 413, 415), whether the caller may (403), then the operation. No
operation runs, and no store is asked, before the gate has admitted the call. Called by `router.admin.api`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from pydantic import TypeAdapter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from router.admin.auditing import Audit
from router.admin.bodies import read_mapping
from router.admin.changes import SOURCE
from router.admin.errors import refusal
from router.admin.gate import Access, Caller, Gate, NotAllowed
from router.admin.operations import Call, Operation, Scope
from router.admin.parameters import read_query
from router.admin.preconditions import Preconditions, Tags
from router.errors import EndpointUnknown, MaitreError
from router.model import fields
from router.model.problems import ConfigurationRefused, Problem

_NAME: Final[Mapping[str, Any]] = TypeAdapter(fields.Name).json_schema()
_NAMESPACE: Final[Mapping[str, Any]] = TypeAdapter(fields.Namespace).json_schema()

_NOBODY: Final = Caller("")


class Dispatch:
    """`default_namespace`: of endpoints whose namespace nobody says."""

    def __init__(self, gate: Gate, audit: Audit, default_namespace: str) -> None:
        self._gate = gate
        self._audit = audit
        self._default_namespace = default_namespace

    def routes(self, operations: Sequence[Operation]) -> list[BaseRoute]:
        """One for each path, so that a wrong method is told all that the path takes."""
        by_path: dict[str, dict[str, Operation]] = defaultdict(dict)
        for operation in operations:
            by_path[operation.path][operation.method] = operation
        return [Route(path, self._endpoint(methods), methods=list(methods)) for path, methods in by_path.items()]

    def _endpoint(self, methods: Mapping[str, Operation]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            operation = methods["GET" if request.method == "HEAD" else request.method]
            try:
                response = await self._perform(operation, request)
            except MaitreError as error:
                refused = refusal(error)
                if refused is None:
                    raise
                response = refused
            except ClientDisconnect:
                response = Response(status_code=400)  # nobody is left to read it
            response.headers["cache-control"] = "no-store"
            return response

        return answer

    async def _perform(self, operation: Operation, request: Request) -> Response:
        is_open = operation.scope is Scope.OPEN
        caller = _NOBODY if is_open else await self._gate.identify(_bearer(request))
        query = read_query(operation.query, request.query_params.multi_items())
        preconditions = _preconditions(operation, request)
        body: Mapping[str, Any] = {}
        if operation.body is not None:
            body = await read_mapping(request, operation.body.types, optional=operation.body.optional)
        access = self._access(operation, request, query, body)

        async def admit(access: Access) -> None:
            try:
                await self._gate.admit(caller, access)
            except NotAllowed as error:
                self._audit.refused(caller, access, str(error))
                raise

        if not is_open:
            await admit(access)
        return await operation.handle(
            Call(
                caller=caller,
                access=access,
                key=(access.namespace or self._default_namespace, access.name or ""),
                path=request.path_params,
                query=query,
                body=body,
                preconditions=preconditions,
                last_event_id=request.headers.get("last-event-id"),
                only_head=request.method == "HEAD",
                admit=admit,
            )
        )

    def _access(
        self, operation: Operation, request: Request, query: Mapping[str, Any], body: Mapping[str, Any]
    ) -> Access:
        namespace, name = query.get("namespace"), None
        match operation.scope:
            case Scope.ENDPOINT:
                name = _name(request.path_params["endpoint"])
            case Scope.NEW:
                namespace = namespace_of(body, namespace)
            case Scope.SEVERAL:
                name = query.get("endpoint")
        if operation.scope is not Scope.SEVERAL or name is not None:
            namespace = namespace or self._default_namespace
        return Access(operation.verb, namespace, name, operation.part)


def namespace_of(body: Mapping[str, Any], asked: str | None) -> str | None:
    """The namespace that an endpoint is to be made in; None where neither body nor query say. Raises
    ConfigurationRefused for one that no namespace can have, or another one than that of the query."""
    metadata = body.get("metadata")
    given = metadata.get("namespace") if isinstance(metadata, Mapping) else None
    if given is None:
        return asked
    if not (isinstance(given, str) and _fits(_NAMESPACE, given)) or asked not in {None, given}:
        allowed = "1 to 63 lower-case letters, digits and hyphens" if asked is None else f"{asked}, as in the query"
        raise ConfigurationRefused([Problem(SOURCE, None, "metadata.namespace", None, f"must be {allowed}")])
    return given


def _name(text: str) -> str:
    """What no endpoint can be called is not looked for: it could be the path of something else in the store."""
    if not _fits(_NAME, text):
        raise EndpointUnknown("there is no endpoint of this name, and there cannot be one")
    return text


def _fits(schema: Mapping[str, Any], text: str) -> bool:
    in_length = schema.get("minLength", 0) <= len(text) <= schema["maxLength"]
    return in_length and re.fullmatch(schema["pattern"], text) is not None and "\n" not in text


def _bearer(request: Request) -> str | None:
    """What stands behind `Bearer`, if there is one Authorization header that has it."""
    given = request.headers.getlist("authorization")
    scheme, _, credential = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    return credential.strip(" ") or None if scheme.lower() == "bearer" else None


def _preconditions(operation: Operation, request: Request) -> Preconditions:
    if not operation.conditional:
        return Preconditions()
    match, none_match = (Tags.parse(name, request.headers.getlist(name)) for name in ("if-match", "if-none-match"))
    return Preconditions(match, none_match)
