"""A bad network in a box: a TCP proxy on 127.0.0.1 that cuts, delays, throttles, swallows and redirects what passes through it.

It runs on a thread of its own. What a black hole swallows comes late, as TCP would send it again; what is `orphan`ed never comes.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeVar

HOST = "127.0.0.1"
MOST_CONNECTIONS = 10_000
PIECE = 65536
NO_GOODBYE = struct.pack("ii", 1, 0)
"""Of a socket that is closed: its peer is told that the connection is reset, not that it has ended well."""
PIECES_AHEAD = 64
"""Per direction, on their way at a time: a slow line pushes back."""

T = TypeVar("T")
Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Counts:
    """What has passed."""

    connections: int = 0
    cut: int = 0
    refused: int = 0
    """Connections for which the target was not to be reached."""
    bytes: int = 0


@dataclass(eq=False)
class Link:
    """One connection through the proxy."""

    client: Line
    server: Line
    is_orphan: bool = False
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


class Proxy:
    """Passes bytes between `url` and a port of 127.0.0.1. `latency_s` (each way) and `bytes_per_s` may be set at any time."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        """Where new connections go to."""
        self.latency_s = 0.0
        self.bytes_per_s: float | None = None
        self.counts = Counts()
        self._links: set[Link] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._open)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._run(self._close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    def cut(self) -> int:
        """Reset every connection that there is, in the middle of whatever passes; returns how many."""
        return self._run(self._cut)

    def fall_silent(self) -> None:
        """A black hole: connections are accepted and nothing passes, in either direction, until `speak`."""
        self._run(self._shut)

    def speak(self) -> None:
        """End a black hole; what was swallowed comes now."""
        self._run(self._pass)

    def orphan(self) -> int:
        """Half-open: every connection that there is loses its server, and its client is never told; returns how many."""
        return self._run(self._orphan)

    def _run(self, action: Callable[..., Awaitable[T]], *arguments: object) -> T:
        async def run() -> T:
            return await action(*arguments)

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    async def _open(self) -> None:
        self._passable = asyncio.Event()
        self._passable.set()
        self._server = await asyncio.start_server(self._serve, HOST, 0)
        self.port: int = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        for listening in self._server.sockets:
            self._loop.remove_reader(listening.fileno())
        await asyncio.sleep(0.01)  # asyncio forgets a socket that was accepted just before the server is closed
        self._server.close()
        self._passable.set()
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            await self._cut()
            await asyncio.wait(tasks, timeout=0.05)
        await self._cut()  # orphans have no task any more
        await asyncio.sleep(0)  # for what `abort` has put off

    async def _shut(self) -> None:
        self._passable.clear()

    async def _pass(self) -> None:
        self._passable.set()

    async def _cut(self) -> int:
        links, self._links = self._links, set()
        for link in links:
            _reset(link)
        self.counts.cut += len(links)
        return len(links)

    async def _orphan(self) -> int:
        ours = [link for link in self._links if not link.is_orphan]
        for link in ours:
            link.is_orphan = True
            for task in link.tasks:
                task.cancel()
            link.server[1].transport.abort()
        return len(ours)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.counts.connections += 1
        assert self.counts.connections <= MOST_CONNECTIONS, "a client reconnects without end"
        await self._passable.wait()
        try:
            server = await asyncio.open_connection(HOST, self.target_port)
        except OSError:
            self.counts.refused += 1
            writer.transport.abort()
            return
        link = Link((reader, writer), server)
        self._links.add(link)
        link.tasks = [
            asyncio.create_task(self._pump(link.client[0], link.server[1])),
            asyncio.create_task(self._pump(link.server[0], link.client[1])),
        ]
        await asyncio.wait(link.tasks, return_when=asyncio.FIRST_COMPLETED)
        if not link.is_orphan and link in self._links:
            self._links.discard(link)
            _reset(link)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until either side ends."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(PIECES_AHEAD)
        carrying = asyncio.create_task(self._carry(under_way, writer))
        try:
            with suppress(OSError):
                while piece := await reader.read(PIECE):
                    await under_way.put((self._loop.time() + self.latency_s, piece))
                await under_way.join()
        finally:
            carrying.cancel()

    async def _carry(self, under_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        while True:
            due, piece = await under_way.get()
            await asyncio.sleep(max(0.0, due - self._loop.time()))
            with suppress(OSError):
                await self._write(piece, writer)
            under_way.task_done()

    async def _write(self, piece: bytes, writer: asyncio.StreamWriter) -> None:
        while piece:
            await self._passable.wait()
            rate = self.bytes_per_s
            part, piece = (piece, b"") if rate is None else (piece[: max(1, int(rate / 10))], piece[max(1, int(rate / 10)) :])
            self.counts.bytes += len(part)  # before it is written: whoever has read it finds it counted
            writer.write(part)
            await writer.drain()
            if rate is not None:
                await self._rest(len(part) / rate, rate=rate)

    async def _rest(self, seconds: float, *, rate: float) -> None:
        """Or until the line is as fast as ever: what was on its way then is not late."""
        ends_at = self._loop.time() + seconds
        while self.bytes_per_s == rate and (left_s := ends_at - self._loop.time()) > 0:  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(min(left_s, 0.02))


def _reset(link: Link) -> None:
    for task in link.tasks:
        task.cancel()
    for _, writer in (link.client, link.server):
        if not writer.transport.is_closing():
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_GOODBYE)
        writer.transport.abort()
