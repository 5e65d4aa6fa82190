"""How soon a caller reads a piece of text that a provider has written.

Run: `python benchmarks/streaming.py [STREAMS ...]`. A provider in this process writes a piece every 20 ms, which is the time at
which it does; a worker process passes it on through Redis; readers in this process, a thread each, look how old it is.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from throughput import one_worker

from pool_client import JobHandle

PIECES = 50
EVERY_S = 0.02
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


def event(text: str, finish_reason: str | None = None) -> bytes:
    """A chunk of a chat completion."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One request, one stream."""
    if not await reader.read(65536):
        return  # only looked whether anybody is there
    writer.write(HEAD)
    for _ in range(PIECES):
        writer.write(event(f"{time.perf_counter()} "))
        await writer.drain()
        await asyncio.sleep(EVERY_S)
    writer.write(event("", "stop") + b"data: [DONE]\n\n")
    await writer.drain()
    writer.close()


@contextmanager
def provider() -> Iterator[str]:
    """Its address, while it serves on a thread."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(answer, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def read(job: JobHandle, first_ms: list[float], ages_ms: list[float]) -> None:
    """Note how old each piece of a job is when it is read."""
    ages: list[float] = []
    for text in job:
        now = time.perf_counter()
        ages += [(now - float(written)) * 1000 for written in text.split()]
    first_ms.append(ages[0])
    ages_ms.extend(ages)


def main() -> None:
    """Measure and print."""
    for streams in [int(it) for it in sys.argv[1:]] or [1, 10, 50]:
        first_ms: list[float] = []
        ages_ms: list[float] = []
        with provider() as url, tempfile.TemporaryDirectory() as home, one_worker(url, Path(home)) as (pool, _):
            readers = []
            for _ in range(streams):
                job = pool.submit("Say when.", stream=True)
                readers.append(threading.Thread(target=read, args=(job, first_ms, ages_ms)))
                readers[-1].start()
            for reader in readers:
                reader.join()
        for name, times in (("first piece", sorted(first_ms)), ("every piece", sorted(ages_ms))):
            p50, p95 = times[len(times) // 2], times[len(times) * 95 // 100]
            print(f"{streams:3} streams  {name}  p50 {p50:5.1f} ms   p95 {p95:5.1f} ms   max {times[-1]:5.1f} ms")


if __name__ == "__main__":
    main()
