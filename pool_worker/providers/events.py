"""Server-sent events, cut out of the bytes of a stream (https://html.spec.whatwg.org/multipage/server-sent-events.html).

Only their data matters here: what the providers name in `event:` they say again inside it.
"""

from __future__ import annotations

from collections.abc import Iterator

MEDIA_TYPE = "text/event-stream"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class EventCutter:
    """Feed it bytes in any pieces (a character, or the end of a line, may be split between two); it gives the data of events.

    It keeps no more than what has come of the event that is under way: who feeds it bounds that.
    """

    def __init__(self) -> None:
        self._line = bytearray()
        self._data: list[bytes] = []
        self._after_cr = False
        self._is_first = True

    def cut(self, piece: bytes) -> Iterator[bytes]:
        """The data of every event that ends in this piece; its lines are joined by line feeds."""
        if self._after_cr and piece:
            piece, self._after_cr = piece.removeprefix(b"\n"), False
        self._after_cr = piece.endswith(b"\r")
        *lines, rest = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            self._line += line
            whole, self._line = bytes(self._line), bytearray()
            if not whole:
                yield from self._end_event()
            else:
                self._take(whole)
        self._line += rest

    def _take(self, line: bytes) -> None:
        if self._is_first:
            line, self._is_first = line.removeprefix(_BYTE_ORDER_MARK), False
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))

    def _end_event(self) -> Iterator[bytes]:
        if self._data:
            data, self._data = b"\n".join(self._data), []
            yield data
