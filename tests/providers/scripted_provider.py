"""A provider whose every byte a test decides: a real server on a real port."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

Script = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class ScriptedProvider:
    """Reads each request whole, writes down what it got, and then does what the test says."""

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    connections: int = 0


@asynccontextmanager
async def serve(script: Script) -> AsyncIterator[ScriptedProvider]:
    """Serves on 127.0.0.1 until left; a script that closes its writer cuts the connection."""
    provider = ScriptedProvider()
    conversations: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        provider.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while not writer.is_closing():
                provider.requests.append(await _read_request(reader))
                await script(writer)
                await writer.drain()
        writer.transport.abort()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversations.add(asyncio.create_task(converse(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    provider.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield provider
    finally:
        server.close()
        for conversation in conversations:
            conversation.cancel()
        await asyncio.gather(*conversations, return_exceptions=True)
        await asyncio.sleep(0)  # the loop closes aborted sockets in its next round


async def _read_request(reader: asyncio.StreamReader) -> dict[str, Any]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return {"line": lines[0], "headers": headers, "body": json.loads(body or b"null")}


def reply(status: int, body: object, *, headers: dict[str, str] | None = None) -> bytes:
    """A whole HTTP reply; a body that is not bytes becomes JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in {"Content-Type": "application/json", **(headers or {})}.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + content


def always(message: bytes, *, then_close: bool = False) -> Script:
    """The script that answers every request with these bytes."""

    async def script(writer: asyncio.StreamWriter) -> None:
        writer.write(message)
        if then_close:
            await writer.drain()
            writer.close()
            await writer.wait_closed()

    return script
