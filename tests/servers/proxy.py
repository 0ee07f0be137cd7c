"""
A TCP proxy that breaks connections on demand, in front of a broker or a database.

It runs an event loop of its own in a thread, so that a busy test does not slow what passes.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Self, TypeVar

from tests.servers import HOST, free_ports

CHUNK_BYTES = 1 << 16
REMEMBERED_BYTES = 4_096
PATIENCE_SECONDS = 30.0

T = TypeVar("T")
IsRequest = Callable[[bytes, bytes], bool]


def any_request(before: bytes, chunk: bytes) -> bool:
    """Whatever a client says."""
    return True


def written_commit(before: bytes, chunk: bytes) -> bool:
    """
    Tell whether a client of PostgreSQL asks to commit what it wrote.

    :param before: the last of what it said earlier
    """
    begun = before.rpartition(b"BEGIN")[2]
    return b"COMMIT" in chunk and b"READ ONLY" not in begun


class _Link:
    """One client's connection and the server's behind it."""

    def __init__(self, client: asyncio.StreamWriter) -> None:
        self.client = client
        self.server: asyncio.StreamWriter | None = None
        self.said = b""
        self.answer_is_lost = False
        self.is_broken = False  # bytes are missing: it can only be closed

    def remember(self, chunk: bytes) -> None:
        self.said = (self.said + chunk)[-REMEMBERED_BYTES:]

    def abort(self) -> None:
        for writer in (self.client, self.server):
            if writer is not None:
                writer.transport.abort()


class Proxy:
    """
    Passes bytes between clients and the server at ``target_port`` until told otherwise.

    :ivar lost_answers: how many answers were lost on purpose
    :ivar passed_bytes: in both directions
    """

    def __init__(self, target_port: int, port: int | None = None) -> None:
        self.port = port or free_ports(1)[0]
        self.lost_answers = 0
        self.passed_bytes = 0
        self._target_port = target_port
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listening: socket.socket | None = None
        self._silent = False
        self._delay_seconds = 0.0
        self._cut_at_bytes: int | None = None
        self._lose: IsRequest | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    @property
    def bootstrap(self) -> str:
        """The address to connect to, ``host:port``."""
        return f"{HOST}:{self.port}"

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._links)

    def cut(self) -> None:
        """Close all connections and refuse new ones until ``heal``."""
        self._do(self._refuse())

    def half_open(self) -> None:
        """Swallow what both sides send, with all connections open, until ``heal``."""
        self._do(self._be(silent=True))

    def delay(self, seconds: float) -> None:
        """Pass everything this much later until ``heal``."""
        self._do(self._be(delay_seconds=seconds))

    def cut_after(self, nbytes: int) -> None:
        """Close all connections, once, when so many more bytes have passed."""
        self._cut_at_bytes = self.passed_bytes + nbytes

    def lose_answer(self, to: IsRequest = any_request) -> None:
        """Close one connection, once, when the server has answered such a request."""
        self._lose = to

    def heal(self) -> None:
        """Pass everything again; what has lost bytes is closed."""
        self._do(self._pass_all())

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._pass_all())
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._do(self._refuse())
        self._do(self._end_tasks())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_SECONDS)
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_SECONDS)

    async def _be(self, *, silent: bool = False, delay_seconds: float = 0.0) -> None:
        self._silent, self._delay_seconds = silent, delay_seconds

    async def _refuse(self) -> None:
        if self._listening is not None:
            self._loop.remove_reader(self._listening)
            self._listening.close()
            self._listening = None
        self._abort_all()

    async def _pass_all(self) -> None:
        await self._be()
        self._cut_at_bytes, self._lose = None, None
        for link in [link for link in self._links if link.is_broken]:
            link.abort()
        if self._listening is None:
            # Not asyncio's own server: one that is closed while it accepts forgets a connection.
            self._listening = socket.create_server((HOST, self.port))
            self._listening.setblocking(False)
            self._loop.add_reader(self._listening, self._accept)

    async def _end_tasks(self) -> None:
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _abort_all(self) -> None:
        for link in self._links:
            link.abort()

    def _accept(self) -> None:
        assert self._listening is not None
        with suppress(OSError):
            connection, _ = self._listening.accept()
            task = self._loop.create_task(self._connected(connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connected(self, connection: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=connection)
        link = _Link(writer)
        self._links.add(link)
        try:
            if self._listening is not None:
                await self._serve(link, reader)
        except OSError:
            return  # the server is away
        finally:
            link.abort()
            self._links.discard(link)

    async def _serve(self, link: _Link, client: asyncio.StreamReader) -> None:
        server, link.server = await asyncio.open_connection(HOST, self._target_port)
        if link.client.transport.is_closing():
            return  # cut meanwhile
        async with asyncio.TaskGroup() as both:
            both.create_task(self._pump(link, client, link.server, self._ask))
            both.create_task(self._pump(link, server, link.client, self._answer))

    async def _pump(
        self,
        link: _Link,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        may_pass: Callable[[_Link, bytes], bool],
    ) -> None:
        """Pass one direction's bytes until it ends; then the whole connection has ended."""
        with suppress(OSError):
            while chunk := await reader.read(CHUNK_BYTES):
                if self._delay_seconds:
                    await asyncio.sleep(self._delay_seconds)
                if not may_pass(link, chunk):
                    continue
                writer.write(self._counted(chunk))
                await writer.drain()
                self._cut_if_due()
        link.abort()

    def _ask(self, link: _Link, chunk: bytes) -> bool:
        if self._lose is not None and self._lose(link.said, chunk):
            self._lose, link.answer_is_lost = None, True
        link.remember(chunk)
        return self._passes(link)

    def _answer(self, link: _Link, chunk: bytes) -> bool:
        if link.answer_is_lost:
            self.lost_answers += 1
            link.abort()
            return False
        return self._passes(link)

    def _passes(self, link: _Link) -> bool:
        link.is_broken |= self._silent
        return not link.is_broken

    def _counted(self, chunk: bytes) -> bytes:
        """Return what of a chunk may still pass."""
        self.passed_bytes += len(chunk)
        if self._cut_at_bytes is None:
            return chunk
        return chunk[: max(0, len(chunk) - (self.passed_bytes - self._cut_at_bytes))]

    def _cut_if_due(self) -> None:
        if self._cut_at_bytes is not None and self.passed_bytes >= self._cut_at_bytes:
            self._cut_at_bytes = None
            self._abort_all()
