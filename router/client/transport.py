"""Requests over real sockets, by httpx: the only module of the SDK that does I/O.

httpx is imported with the first request, not with the SDK, so that who only wants `--help` does not wait for it. What
httpx raises becomes a ClientError in plain words. Proxies of the environment are used, but not for loopback.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import urlsplit

from router.client.answers import require_ok
from router.client.errors import Misused, TimedOut, Unreachable
from router.client.steps import Request, Response

if TYPE_CHECKING:
    import httpx

LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")


class BlockingTransport:
    """Performs requests on the calling thread; connections are kept until `close`."""

    def __init__(self, ca_file: str | None, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._ca_file, self._clock, self.pause = ca_file, clock, sleep
        self._client: httpx.Client | None = None

    def send(self, request: Request) -> Response:
        with _plain_words(request):
            began = self._clock()
            got = self._opened().request(**_arguments(request))
            return _read(got, self._clock() - began)

    def lines(self, request: Request) -> Iterator[str]:
        with _plain_words(request), self._opened().stream(**_arguments(request)) as got:
            if got.is_error:
                got.read()
                require_ok(_read(got, 0.0))
            yield from got.iter_lines()

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _opened(self) -> httpx.Client:
        if self._client is None:
            import httpx  # noqa: PLC0415

            self._client = httpx.Client(verify=_trust(self._ca_file), mounts=_unproxied())
        return self._client


class AwaitingTransport:
    """Performs requests on the running event loop; connections are kept until `aclose`."""

    def __init__(
        self, ca_file: str | None, clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self._ca_file, self._clock, self._sleep = ca_file, clock, sleep
        self._client: httpx.AsyncClient | None = None

    async def send(self, request: Request) -> Response:
        with _plain_words(request):
            began = self._clock()
            got = await self._opened().request(**_arguments(request))
            return _read(got, self._clock() - began)

    async def pause(self, seconds: float) -> None:
        await self._sleep(seconds)

    async def lines(self, request: Request) -> AsyncIterator[str]:
        with _plain_words(request):
            async with self._opened().stream(**_arguments(request)) as got:
                if got.is_error:
                    await got.aread()
                    require_ok(_read(got, 0.0))
                async for line in got.aiter_lines():
                    yield line

    async def aclose(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            import httpx  # noqa: PLC0415

            self._client = httpx.AsyncClient(verify=_trust(self._ca_file), mounts=_unproxied())
        return self._client


async def sleep_awaiting(seconds: float) -> None:
    import asyncio  # noqa: PLC0415  blocking clients need none of it

    await asyncio.sleep(seconds)


def _arguments(request: Request) -> dict[str, Any]:
    return {
        "method": request.method,
        "url": request.url,
        "headers": dict(request.headers),
        "content": request.content or None,
        "timeout": request.timeout_s,
    }


def _read(got: httpx.Response, seconds: float) -> Response:
    return Response(got.status_code, {name.lower(): value for name, value in got.headers.items()}, got.content, seconds)


def _trust(ca_file: str | None) -> ssl.SSLContext | bool:
    if ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # SSLError is one
        raise Misused(f"the file of authorities {ca_file} cannot be used: {error}", code="bad_ca_file") from None


def _unproxied() -> dict[str, Any]:
    return {f"all://{host}": None for host in LOOPBACK}


@contextmanager
def _plain_words(request: Request) -> Iterator[None]:
    import httpx  # noqa: PLC0415

    try:
        yield
    except httpx.TimeoutException as error:
        lacking = "take the connection" if isinstance(error, httpx.ConnectTimeout) else "answer"
        raise TimedOut(f"{_place(request)} did not {lacking} within {request.timeout_s:g} s", code="timeout") from error
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise Misused(f"{request.url!r} is no address: {error}", code="bad_address") from error
    except httpx.ConnectError as error:
        _no_connection(request, error)
    except httpx.TransportError as error:
        said = str(error) or type(error).__name__
        raise Unreachable(f"the connection to {_place(request)} broke off: {said}", code="broken_off") from error


def _no_connection(request: Request, error: httpx.ConnectError) -> NoReturn:
    place = _place(request)
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        words = f"the certificate of {place} is not trusted ({error}); name the authority's file with ca_file"
        raise Unreachable(words, code="not_trusted") from error
    raise Unreachable(f"nobody answers at {place}: {error}", code="unreachable") from error


def _place(request: Request) -> str:
    parts = urlsplit(request.url)
    return f"{parts.scheme}://{parts.netloc}"
