"""Reading an answer that arrives piece by piece, as server-sent events."""

from __future__ import annotations

from collections.abc import Callable

import httpx2

from pool_worker.errors import AttemptError, BadAnswerError
from pool_worker.protocols.answer import Answer
from pool_worker.protocols.error_body import ErrorBody
from pool_worker.protocols.protocol import Protocol
from pool_worker.providers.body import FlawedBodyError, parse_json, read_body, unpacked
from pool_worker.providers.events import MEDIA_TYPE, EventCutter

_LAST = b"[DONE]"


def nobody_listens(_: str) -> None:
    """For a provider that streams what was asked for in one piece."""


class StreamReader:
    """Reads one reply: a stream of events if it is one, and anything else (a refusal, an answer in one piece) whole.

    Args:
        protocol: whose events they are.
        on_text: told every piece of the answer's text when it arrives.
    """

    def __init__(self, protocol: Protocol, *, on_text: Callable[[str], None] = nobody_listens) -> None:
        self.is_stream = False
        """Whether the reply turned out to be a stream."""
        self.disguised: ErrorBody | None = None
        """The error that an event carried; nothing is read after it."""
        self.text_bytes = 0
        """How much text has come."""
        self._protocol = protocol
        self._on_text = on_text
        self._answer = protocol.open_stream()
        self._failure: AttemptError | None = None

    async def read(self, response: httpx2.Response) -> tuple[bytes, str | None]:
        """Read the body; of a stream nothing is left to be read again."""
        self.is_stream = response.is_success and response.headers.get("content-type", "").startswith(MEDIA_TYPE)
        if not self.is_stream:
            return await read_body(response)
        cutter = EventCutter()
        try:
            async for piece in unpacked(response):
                for data in cutter.cut(piece):
                    if data == _LAST or not self._take(data):
                        return b"", None
        except FlawedBodyError as flaw:
            return b"", str(flaw)
        return b"", None

    def answer(self) -> Answer:
        """What the stream has brought.

        Raises:
            AttemptError: it was not an answer, or not all of one.
        """
        if self._failure is not None:
            raise self._failure
        return self._answer.answer()

    def _take(self, data: bytes) -> bool:
        """One event; False if nothing after it matters."""
        try:
            event = parse_json(data)
        except ValueError:
            self._failure = BadAnswerError(f"an event of the stream is not JSON ({len(data)} bytes)", charged=True)
            return False
        self.disguised = self._protocol.find_error(event)
        if self.disguised is not None:
            return False
        try:
            text = self._answer.add(event)
        except AttemptError as failure:
            self._failure = failure
            return False
        if text:
            self.text_bytes += len(text.encode())
            self._on_text(text)
        return True
