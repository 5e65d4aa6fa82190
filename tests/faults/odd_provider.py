"""A provider in a thread of its own that sends exactly the bytes a test hands it, also without end."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Wire = Callable[[], Iterable[bytes]]
"""Everything that is sent in answer to one request, status line and headers included; then the connection closes."""


@dataclass
class OddProvider:
    """What it sends can be changed at any time; it counts the requests and what went out."""

    url: str = ""
    wire: Wire = field(default=lambda: (head(503),))
    requests: int = 0
    sent_bytes: int = 0


def head(status: int = 200, **headers: object) -> bytes:
    """Status line and headers (underscores stand for dashes). Without a length the body ends with the connection."""
    lines = [f"HTTP/1.1 {status} Whatever", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def whole(body: bytes, status: int = 200, **headers: object) -> Wire:
    """The reply with this body."""
    return lambda: (head(status, content_type="application/json", content_length=len(body), **headers), body)


@contextmanager
def serve_oddly() -> Iterator[OddProvider]:
    """Serves on 127.0.0.1 until left."""
    odd = OddProvider()

    class Conversation(socketserver.StreamRequestHandler):
        timeout = 30

        def handle(self) -> None:
            with contextlib.suppress(OSError, ValueError):  # whoever asked hangs up in the middle, mostly
                length = 0
                while (line := self.rfile.readline()) not in {b"\r\n", b""}:
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                self.rfile.read(length)
                odd.requests += 1
                for piece in odd.wire():
                    self.wfile.write(piece)
                    odd.sent_bytes += len(piece)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: object, client_address: object) -> None:
            """The handler has nothing to say."""

    with Server(("127.0.0.1", 0), Conversation) as server:
        odd.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), daemon=True)
        thread.start()
        try:
            yield odd
        finally:
            server.shutdown()
            thread.join()
