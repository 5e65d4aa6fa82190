"""A server that writes down what Google's own client sends, and gives it an answer that it is content with."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ANSWER = {"candidates": [{"content": {"role": "model", "parts": [{"text": "Yes."}]}, "finishReason": "STOP"}]}


@dataclass(frozen=True)
class Recorded:
    """One request, as it came."""

    path: str
    """With its query."""
    key: str | None
    """The header x-goog-api-key."""
    body: dict[str, Any]


@dataclass
class GeminiRecorder:
    """See `recording`."""

    url: str
    requests: list[Recorded] = field(default_factory=list)


@contextmanager
def recording() -> Iterator[GeminiRecorder]:
    """Listens on 127.0.0.1 until left."""
    recorder = GeminiRecorder(url="")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            recorder.requests.append(Recorded(self.path, self.headers.get("x-goog-api-key"), body))
            content = json.dumps(ANSWER).encode()
            is_stream = ":streamGenerateContent" in self.path
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream" if is_stream else "application/json")
            self.end_headers()
            self.wfile.write(b"data: " + content + b"\r\n\r\n" if is_stream else content)

        def log_message(self, *_: object) -> None:
            """Nothing: a test's output is its own."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    recorder.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield recorder
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
