"""One end of the stream socket between a control process and a worker: messages in, messages out, in order.

- Messages are pickled objects. Pickle runs what it is told to, so it has no place on a network; here both ends are one
  program under one user, the socket is a socketpair or a Unix socket in a folder of that user alone, and whoever could
  write to it could as well attach a debugger. In exchange any value that both sides import goes through unchanged,
  in microseconds. `multiprocessing` does the same between the same parties.
- All messages of one turn of the loop leave in one write. Nothing is called back from inside `send`.
- A channel ends once: by `close` or `finish` on this side, else `lost` is called. What came before the end is delivered
  before it. Afterwards `send` does nothing: there is nobody to hear it, and the end was told.
- A peer that does not read is as good as gone: more than MOST_UNSENT bytes that the kernel does not take end it.

Made by `worker` on the side of the control process, by the composition root on the side of the worker.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from router.workers.frames import LONGEST, Frames, MalformedFrame, framed

READ_BYTES: Final = 256 * 1024
MOST_UNSENT: Final = LONGEST


@dataclass(slots=True)
class Traffic:
    """What went one way since the channel was made."""

    messages: int = 0
    bytes: int = 0


class Channel:
    """Owns the socket. `received(message)` and `lost()` are called on the loop, and may be exchanged at any time.

    What `received` raises goes to the loop's exception handler; the next message is delivered all the same.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        received: Callable[[object], None],
        lost: Callable[[], None],
    ) -> None:
        self.received = received
        self.lost = lost
        self.incoming = Traffic()
        self.outgoing = Traffic()
        self.problem = ""
        """Why it was lost, for the log; empty when the peer simply closed it."""
        self._loop = loop
        self._socket: socket.socket | None = sock
        self._frames = Frames()
        self._unsent = bytearray()
        self._flushing: asyncio.Handle | None = None
        self._blocked = False
        """Whether the kernel takes no more, and the loop is asked when it does."""
        self._deaf = False
        """Whether the peer reads no more; what it sent before is still to come."""
        self._all_sent: asyncio.Future[None] | None = None
        sock.setblocking(False)
        loop.add_reader(sock.fileno(), self._read)

    @property
    def open(self) -> bool:
        """Whether messages can still come or go."""
        return self._socket is not None

    @property
    def pending(self) -> int:
        """Bytes that were sent and that the kernel has not taken."""
        return len(self._unsent)

    def send(self, message: object) -> None:
        """Sends it at the end of this turn. What pickle raises of a message that cannot be sent, it raises here."""
        if self._socket is None or self._deaf:
            return
        frame = framed(message)
        self._unsent += frame
        self.outgoing.messages += 1
        self.outgoing.bytes += len(frame)
        if self._flushing is None and (not self._blocked or len(self._unsent) > MOST_UNSENT):
            self._flushing = self._loop.call_soon(self._flush)

    async def flushed(self) -> None:
        """Returns when the kernel has all that was sent, or the channel has ended."""
        if self._unsent and self._socket is not None:
            if self._all_sent is None:
                self._all_sent = self._loop.create_future()
            await asyncio.shield(self._all_sent)

    def close(self) -> None:
        """Ends it; what the kernel does not take at once is not sent (see `flushed`). `lost` is not called."""
        self._write()
        self._release()

    def finish(self) -> None:
        """Delivers what the peer had sent before it died, then ends it. `lost` is not called.

        For a peer whose process is known to be dead: nothing more can come, so nothing has to be waited for.
        """
        self.lost = _tell_nobody
        while self._socket is not None and self._receive():
            pass
        self._release()

    def _read(self) -> None:
        self._receive()

    def _receive(self) -> bool:
        """Whether there was anything."""
        assert self._socket is not None  # noqa: S101  readers are removed before the socket is
        try:
            data = self._socket.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            self._end(f"cannot read: {error}")
            return False
        if not data:
            self._end("")
            return False
        self.incoming.bytes += len(data)
        self._frames.feed(data)
        self._deliver()
        return True

    def _deliver(self) -> None:
        try:
            while self._socket is not None and (taken := self._frames.next()) is not None:
                self.incoming.messages += 1
                self._hand_on(taken[0])
        except MalformedFrame as error:
            self._end(str(error))

    def _hand_on(self, message: object) -> None:
        try:
            self.received(message)
        except Exception as error:  # noqa: BLE001  a bug there must not cost the messages that follow
            context = {"message": "a message between processes could not be handled", "exception": error}
            self._loop.call_exception_handler(context)

    def _flush(self) -> None:
        self._flushing = None
        self._write()
        if self._socket is None:
            return
        if len(self._unsent) > MOST_UNSENT:
            self._end(f"the peer does not read: {len(self._unsent)} bytes are unsent")
        elif bool(self._unsent) != self._blocked:
            self._block(bool(self._unsent))

    def _write(self) -> None:
        if self._socket is None or not self._unsent:
            return
        try:
            sent = self._socket.send(self._unsent)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self._deaf = True  # its last words may wait to be read, and then its end
            sent = len(self._unsent)
        del self._unsent[:sent]
        if not self._unsent:
            self._resolve_sent()

    def _block(self, blocked: bool) -> None:
        assert self._socket is not None  # noqa: S101
        self._blocked = blocked
        if blocked:
            self._loop.add_writer(self._socket.fileno(), self._flush)
        else:
            self._loop.remove_writer(self._socket.fileno())

    def _end(self, problem: str) -> None:
        self.problem = problem
        self._release()
        self.lost()

    def _release(self) -> None:
        if self._socket is None:
            return
        sock, self._socket = self._socket, None
        self._loop.remove_reader(sock.fileno())
        self._loop.remove_writer(sock.fileno())
        if self._flushing is not None:
            self._flushing.cancel()
        self._unsent.clear()
        self._resolve_sent()
        with suppress(OSError):
            sock.close()

    def _resolve_sent(self) -> None:
        if self._all_sent is not None and not self._all_sent.done():
            self._all_sent.set_result(None)
        self._all_sent = None

    def __repr__(self) -> str:
        state = "open" if self.open else f"ended ({self.problem})" if self.problem else "ended"
        return f"<Channel {state} in={self.incoming} out={self.outgoing} pending={self.pending}>"


def _tell_nobody() -> None:
    pass
