"""A collector of traces: OTLP over HTTP, as the real ones speak it. It keeps what it gets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from optional_package import optional_package

INSTALL = "model-pool[traces]"


@dataclass(frozen=True)
class Span:
    name: str
    service: str
    trace: bytes
    id: bytes
    parent: bytes
    facts: dict[str, Any]
    failed: bool
    took_ms: float


@dataclass
class Collector:
    url: str
    bodies: list[bytes] = field(default_factory=list)

    def spans(self, name: str = "") -> list[Span]:
        """Those whose names begin so."""
        found = (span for body in self.bodies for span in _spans(body))
        return [span for span in found if span.name.startswith(name)]

    def holds(self, words: str) -> bool:
        """Whether they stand anywhere in what it got."""
        return any(words.encode() in body for body in self.bodies)


@contextmanager
def collecting() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _spans(body: bytes) -> Iterator[Span]:
    wire = optional_package("opentelemetry.proto.collector.trace.v1.trace_service_pb2", install=INSTALL)
    for resource in wire.ExportTraceServiceRequest.FromString(body).resource_spans:
        service = _facts(resource.resource.attributes)["service.name"]
        for scope in resource.scope_spans:
            for it in scope.spans:
                took_ms = (it.end_time_unix_nano - it.start_time_unix_nano) / 1e6
                failed = it.status.code == 2
                yield Span(it.name, service, it.trace_id, it.span_id, it.parent_span_id, _facts(it.attributes), failed, took_ms)


def _facts(attributes: Any) -> dict[str, Any]:
    return {it.key: getattr(it.value, it.value.WhichOneof("value")) for it in attributes}
