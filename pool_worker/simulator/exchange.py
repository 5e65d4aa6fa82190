"""One HTTP exchange over ASGI: reading the request, answering whole or in pieces, noticing that the client left."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterable

from starlette.types import Receive, Scope, Send

NO_LINGER = struct.pack("ii", 1, 0)
JSON = "application/json"


class Exchange:
    """One request and its answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: str = scope.get("query_string", b"").decode("latin-1")
        self._scope = scope
        self._receive = receive
        self._send = send

    def header(self, name: str) -> str | None:
        """A request header; the name in lower case."""
        wanted = name.encode()
        for found, value in self._scope["headers"]:
            if found == wanted:
                return str(value, "latin-1")
        return None

    async def body(self) -> bytes:
        """The whole request body."""
        parts: list[bytes] = []
        while True:
            message = await self._receive()
            parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                return b"".join(parts)

    async def reply(self, status: int, body: bytes, *, headers: Iterable[tuple[str, str]] = (), content_type: str = JSON) -> None:
        """The whole answer."""
        await self.start(status, headers=[*headers, ("content-length", str(len(body)))], content_type=content_type)
        await self._send({"type": "http.response.body", "body": body})

    async def start(self, status: int, *, headers: Iterable[tuple[str, str]] = (), content_type: str = JSON) -> None:
        """The head of the answer."""
        raw = [(b"content-type", content_type.encode())]
        raw += [(name.encode(), value.encode("latin-1")) for name, value in headers]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def piece(self, data: bytes, *, last: bool = False) -> None:
        """Part of the body. Without a last one the server closes the connection: the answer is cut."""
        await self._send({"type": "http.response.body", "body": data, "more_body": not last})

    async def pause(self, seconds: float | None) -> bool:
        """Wait (None: for ever); True as soon as the client has left."""
        if seconds is not None and seconds <= 0:
            return False
        try:
            async with asyncio.timeout(seconds):
                while (await self._receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            return False
        return True

    async def reset(self) -> None:
        """Break the connection with a TCP reset, if the server gives access to it (`server.py` does)."""
        transport: asyncio.Transport | None = self._scope.get("state", {}).get("transport")
        if transport is not None:
            raw: socket.socket = transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            transport.abort()
            await self.pause(None)
