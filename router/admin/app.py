"""The application of the admin port: a table of paths, and what each answers.

Open to everybody who reaches the port (it is bound to loopback unless told otherwise): the health paths and `/metrics`,
which hold no credential. The collaborators come as arguments and know nothing of HTTP.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from router.admin.errors import http_exception, unexpected
from router.admin.health import Answer, HealthPort, liveness, readiness

RenderMetrics = Callable[[str], Awaitable[tuple[bytes, str]]]
"""From the value of an Accept header to a page of metrics and its content type."""


def build_app(health: HealthPort, render_metrics: RenderMetrics, routes: Sequence[BaseRoute] = ()) -> Starlette:
    """The application; `routes` are those of other parts of the admin API, and go after these."""

    async def healthz(_request: Request) -> Response:
        return _health_response(liveness(health))

    async def readyz(_request: Request) -> Response:
        return _health_response(readiness(health))

    async def metrics(request: Request) -> Response:
        page, content_type = await render_metrics(", ".join(request.headers.getlist("accept")))
        return Response(page, headers={"content-type": content_type})

    app = Starlette(
        routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics), *routes],
        exception_handlers={HTTPException: http_exception, Exception: unexpected},
    )
    app.router.redirect_slashes = False  # a wrong path is an error that says so, not a redirect
    return app


def _health_response(answer: Answer) -> Response:
    status, body = answer
    return JSONResponse(body, status_code=status, headers={"cache-control": "no-store"})
