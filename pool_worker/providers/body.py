"""The body of a reply, read whole and unpacked, never more of it than the limit: neither on the wire nor unpacked.

We unpack ourselves: a library's decoder tells nothing of what it swallows (data after the packed stream's end, or streams packed
in streams), so that a few bytes per second could keep the whole process busy and its memory growing.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator

import aiohttp
import httpx2
import orjson

MAX_BODY_BYTES = 8 * 2**20
"""Text of two million tokens."""
MAX_CONTAINERS = 500_000
"""Objects and lists in one body, at most: millions of empty ones would hold up the process for seconds."""
ACCEPT_ENCODING = "gzip, deflate"
_PIECE_BYTES = 2**18
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
_BARE_DEFLATE = -zlib.MAX_WBITS
_HEAD_BYTES = 2


class FlawedBodyError(Exception):
    """The body is not whole, or not what was asked for; its text says how."""


class TooLargeBodyError(FlawedBodyError):
    """The body is larger than any answer."""

    def __init__(self) -> None:
        super().__init__(f"the answer is larger than {MAX_BODY_BYTES // 2**20} MiB")


async def unpacked(response: httpx2.Response) -> AsyncIterator[bytes]:
    """The body as it arrives, in pieces.

    Raises:
        FlawedBodyError: it was cut off, is too large, or cannot be unpacked.
    """
    received = size = 0
    unpack = _unpacker(response.headers.get("content-encoding", ""))
    try:
        async for packed in response.aiter_raw():
            received += len(packed)
            for piece in unpack.pieces(packed):
                size += len(piece)
                if size > MAX_BODY_BYTES:
                    raise TooLargeBodyError
                yield piece
            if received > MAX_BODY_BYTES:
                raise TooLargeBodyError
    except (httpx2.TransportError, aiohttp.ClientError):
        msg = f"the answer was cut off after {size} bytes"
        raise FlawedBodyError(msg) from None
    if not unpack.is_whole:
        msg = "the answer's compression ends too early"
        raise FlawedBodyError(msg)


async def read_body(response: httpx2.Response) -> tuple[bytes, str | None]:
    """The body, and what is wrong with it; what arrived of it, if it was cut off; nothing, if it is too large."""
    body = bytearray()
    try:
        async for piece in unpacked(response):
            body += piece
    except TooLargeBodyError as flaw:
        return b"", str(flaw)
    except FlawedBodyError as flaw:
        return bytes(body), str(flaw)
    return bytes(body), None


def parse_json(body: bytes) -> object:
    """What a body says.

    Raises:
        ValueError: it is no JSON, or has more objects and lists than any answer.
    """
    if body.count(b"[") + body.count(b"{") > MAX_CONTAINERS:
        msg = f"more than {MAX_CONTAINERS} objects and lists"
        raise ValueError(msg)
    return orjson.loads(body)


class _AsItIs:
    """Nothing to unpack."""

    is_whole = True

    def pieces(self, packed: bytes) -> Iterator[bytes]:
        yield packed


class _Unpacker:
    """gzip, or what servers call deflate: mostly zlib's form of it, sometimes bare."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._head = b""
        """What has come so far, while it is too little to tell the form."""

    @property
    def is_whole(self) -> bool:
        """Whether the stream has come to its end; one that never began was an empty body."""
        return self._stream.eof or not self._head

    def pieces(self, packed: bytes) -> Iterator[bytes]:
        """What these bytes hold, in small pieces; what follows the stream's end is dropped.

        Raises:
            FlawedBodyError: if they are not packed as they should be.
        """
        if len(self._head) < _HEAD_BYTES:
            self._head += packed
            if len(self._head) < _HEAD_BYTES:
                return
            packed = self._head
            if not _is_gzip_or_zlib(packed):
                self._stream = zlib.decompressobj(_BARE_DEFLATE)
        is_more = True
        while is_more and not self._stream.eof:
            try:
                piece = self._stream.decompress(packed, _PIECE_BYTES)
            except zlib.error:
                msg = "the answer's compression is broken"
                raise FlawedBodyError(msg) from None
            packed = self._stream.unconsumed_tail
            is_more = bool(packed) or len(piece) == _PIECE_BYTES  # the stream may hold back some of what it has read
            yield piece


def _is_gzip_or_zlib(packed: bytes) -> bool:
    """By the first two bytes (RFC 1950, RFC 1952)."""
    return packed.startswith(b"\x1f\x8b") or (packed[0] & 15 == 8 and int.from_bytes(packed[:2], "big") % 31 == 0)  # noqa: PLR2004


def _unpacker(codings: str) -> _AsItIs | _Unpacker:
    named = [coding for part in codings.split(",") if (coding := part.strip().lower()) not in {"", "identity"}]
    if not named:
        return _AsItIs()
    if named[0] in {"gzip", "x-gzip", "deflate"} and len(named) == 1:
        return _Unpacker()
    msg = f"the answer is packed as {', '.join(named)[:80]!r}, which nobody asked for"
    raise FlawedBodyError(msg)
