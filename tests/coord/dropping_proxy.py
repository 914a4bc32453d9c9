"""A TCP proxy between two ends on loopback that cuts, hangs, or delays what passes."""

import asyncio
from contextlib import asynccontextmanager


class DroppingProxy:
    """Listens on `port` and passes bytes on to `to`. `cut` breaks all connections; `hang` holds all bytes back."""

    def __init__(self, to):
        self.to = to
        self.port = 0
        self.delay_s = 0.0
        self.refuses = False
        self.tamper = None
        """What is done to bytes on their way to `to`."""
        self._flows = asyncio.Event()
        self._flows.set()
        self._tasks = set()
        self._writers = set()
        self._server = None

    async def start(self):
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self):
        self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self):
        for writer in list(self._writers):
            writer.transport.abort()

    def hang(self):
        self._flows.clear()

    def flow(self):
        self._flows.set()

    async def _accepted(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            if self.refuses:
                return
            there, back = await asyncio.open_connection("127.0.0.1", self.to)
            self._writers |= {writer, back}
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._pass_on(reader, back, self.tamper))
                    both.create_task(self._pass_on(there, writer, None))
            finally:
                self._writers -= {writer, back}
                back.transport.abort()
        except* (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    async def _pass_on(self, reader, writer, tamper):
        while data := await reader.read(65536):
            await self._flows.wait()
            if self.delay_s:
                await asyncio.sleep(self.delay_s)
            writer.write(tamper(data) if tamper else data)
        writer.write_eof()


@asynccontextmanager
async def proxy_to(port):
    proxy = DroppingProxy(port)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.close()
