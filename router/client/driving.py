"""One source, two kinds of client: operations are written once, as generators (`steps.py`), and performed here.

`@operation` makes of a generator function of a core class a method that blocks where the class is `Blocking`, and a
coroutine function where it is `Awaiting`; `@streaming` likewise an iterator or an asynchronous one. Type checkers see
each with its own signature: no code is generated, nothing is written twice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, cast, overload

from router.client.errors import ClientError
from router.client.steps import Pause, Request, Response, Steps

C = TypeVar("C")
P = ParamSpec("P")
R = TypeVar("R")


class BlockingIo(Protocol):
    def send(self, request: Request) -> Response: ...
    def pause(self, seconds: float) -> None: ...
    def lines(self, request: Request) -> Iterator[str]: ...


class AwaitingIo(Protocol):
    async def send(self, request: Request) -> Response: ...
    async def pause(self, seconds: float) -> None: ...
    def lines(self, request: Request) -> AsyncIterator[str]: ...


B = TypeVar("B", bound=BlockingIo)
A = TypeVar("A", bound=AwaitingIo)


class Blocking(Generic[B]):
    """Operations of this class return when they are done."""

    _io: B

    def _perform(self, steps: Callable[..., Steps[R]]) -> Callable[..., R]:
        @wraps(steps)
        def performed(*args: Any, **kwargs: Any) -> R:
            return run(steps(self, *args, **kwargs), self._io)

        return performed

    def _stream(self, request: Callable[..., Request]) -> Callable[..., Iterator[str]]:
        @wraps(request)
        def streamed(*args: Any, **kwargs: Any) -> Iterator[str]:
            return self._io.lines(request(self, *args, **kwargs))

        return streamed


class Awaiting(Generic[A]):
    """Operations of this class are awaited."""

    _io: A

    def _perform(self, steps: Callable[..., Steps[R]]) -> Callable[..., Coroutine[Any, Any, R]]:
        @wraps(steps)
        async def performed(*args: Any, **kwargs: Any) -> R:
            return await run_awaiting(steps(self, *args, **kwargs), self._io)

        return performed

    def _stream(self, request: Callable[..., Request]) -> Callable[..., AsyncIterator[str]]:
        @wraps(request)
        def streamed(*args: Any, **kwargs: Any) -> AsyncIterator[str]:
            return self._io.lines(request(self, *args, **kwargs))

        return streamed


class operation(Generic[C, P, R]):  # noqa: N801  used as a decorator
    """A generator function as a method of both kinds of client."""

    def __init__(self, steps: Callable[Concatenate[C, P], Steps[R]]) -> None:
        self._steps = steps
        self.__doc__ = steps.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> Callable[..., Steps[R]]: ...
    @overload
    def __get__(self, instance: Blocking[Any], owner: type) -> Callable[P, R]: ...
    @overload
    def __get__(self, instance: Awaiting[Any], owner: type) -> Callable[P, Coroutine[Any, Any, R]]: ...
    def __get__(self, instance: Blocking[Any] | Awaiting[Any] | None, owner: type) -> Any:
        return self._steps if instance is None else instance._perform(self._steps)


class streaming(Generic[C, P]):  # noqa: N801  used as a decorator
    """A function that says what to ask for, as a method that iterates over the lines of the answer as they come."""

    def __init__(self, request: Callable[Concatenate[C, P], Request]) -> None:
        self._request = request
        self.__doc__ = request.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> Callable[..., Request]: ...
    @overload
    def __get__(self, instance: Blocking[Any], owner: type) -> Callable[P, Iterator[str]]: ...
    @overload
    def __get__(self, instance: Awaiting[Any], owner: type) -> Callable[P, AsyncIterator[str]]: ...
    def __get__(self, instance: Blocking[Any] | Awaiting[Any] | None, owner: type) -> Any:
        return self._request if instance is None else instance._stream(self._request)


def run(steps: Steps[R], io: BlockingIo) -> R:
    """Performs an operation to its end, on this thread."""
    turn = _Turn(steps)
    while (wanted := turn.wanted) is not None:
        try:
            response = None
            if isinstance(wanted, Pause):
                io.pause(wanted.seconds)
            else:
                response = io.send(wanted)
        except ClientError as error:
            turn.failed(error)
        else:
            turn.came(response)
    return turn.result


async def run_awaiting(steps: Steps[R], io: AwaitingIo) -> R:
    """Performs an operation to its end, on the running event loop."""
    turn = _Turn(steps)
    while (wanted := turn.wanted) is not None:
        try:
            response = None
            if isinstance(wanted, Pause):
                await io.pause(wanted.seconds)
            else:
                response = await io.send(wanted)
        except ClientError as error:
            turn.failed(error)
        else:
            turn.came(response)
    return turn.result


class _Turn(Generic[R]):
    """Where an operation stands: what it wants done next, or what it came to."""

    def __init__(self, steps: Generator[Request | Pause, Response | None, R]) -> None:
        self._steps = steps
        self._result: R | None = None
        self.wanted = self._advance(lambda: next(steps))

    @property
    def result(self) -> R:
        return cast(R, self._result)

    def came(self, response: Response | None) -> None:
        self.wanted = self._advance(lambda: self._steps.send(response))

    def failed(self, error: ClientError) -> None:
        self.wanted = self._advance(lambda: self._steps.throw(error))

    def _advance(self, step: Callable[[], Request | Pause]) -> Request | Pause | None:
        try:
            return step()
        except StopIteration as end:
            self._result = end.value
            return None
