"""A server that stands in for Cohere: writes down what its client sends, and answers what a test says."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer


@dataclass(frozen=True, slots=True)
class Recorded:
    """One request."""

    path: str
    authorization: str | None
    body: bytes


@dataclass
class Recorder:
    """What came in, and what to answer."""

    answer: bytes
    content_type: str
    url: str = ""
    requests: list[Recorded] = field(default_factory=list)


@contextmanager
def recording(answer: bytes, *, content_type: str = "application/json") -> Iterator[Recorder]:
    """Serves on 127.0.0.1 until left; every POST gets this answer."""
    recorder = Recorder(answer, content_type)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the base class calls it by this name
            body = self.rfile.read(int(self.headers["Content-Length"]))
            recorder.requests.append(Recorded(self.path, self.headers["Authorization"], body))
            self.send_response(200)
            self.send_header("Content-Type", recorder.content_type)
            self.send_header("Content-Length", str(len(recorder.answer)))
            self.end_headers()
            self.wfile.write(recorder.answer)

        def log_message(self, *_args: object) -> None:
            """Says nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        recorder.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield recorder
        finally:
            server.shutdown()
            thread.join()
