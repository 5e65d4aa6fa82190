"""Replies that no provider should give, and some have given: fault 20 of the table."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterable
from itertools import chain, repeat
from typing import Any

from odd_provider import Wire, head, whole

SPACES = b" " * 2**16
MANY_BYTES = 50 * 2**20


def answer(usage: object = None, content: object = "fine", **more: Any) -> bytes:
    """A good answer but for what is given."""
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    return json.dumps({"model": "small", "choices": [choice], "usage": usage, **more}).encode()


def raw_usage(text: str) -> bytes:
    """A good answer with this, which need not be JSON, in the place of its usage."""
    return answer().replace(b'"usage": null', b'"usage": ' + text.encode())


def endless(start: bytes, then: bytes = SPACES) -> Wire:
    """A body that begins like this and never ends."""
    return lambda: chain([start], repeat(then))


def packed(*codings: str, inside: Callable[[], Iterable[bytes]]) -> Wire:
    """A body packed once for each coding."""

    def wire() -> Iterable[bytes]:
        yield head(content_encoding=", ".join(codings))
        packers = [zlib.compressobj(9, wbits=31) for _ in codings]
        for piece in inside():
            data = piece
            for packer in packers:
                data = packer.compress(data)
            if data:
                yield data

    return wire


def zeros() -> Iterable[bytes]:
    return repeat(b"\0" * 2**22)


NOT_AN_ANSWER: dict[str, Wire] = {
    "garbage": whole(b"\x93\xfa\xce not json"),
    "nothing": whole(b""),
    "a web page": whole(b"<!doctype html><html><body>Bad gateway, but 200</body></html>"),
    "half an answer": whole(answer()[:-20]),
    "a number": whole(b"7"),
    "a list": whole(b"[]"),
    "no choices": whole(b'{"choices": []}'),
    "a content of a wrong type": whole(answer(content={"text": 1})),
    "NaN": whole(raw_usage('{"prompt_tokens": NaN, "completion_tokens": 1}')),
    "infinity": whole(raw_usage('{"prompt_tokens": 1e999, "completion_tokens": 1}')),
    "bytes that are no UTF-8": whole(answer(content="MARK").replace(b"MARK", b"\xff\xfe\xc3")),
    "half a surrogate": whole(answer(content="MARK").replace(b"MARK", rb"\ud800")),
    "brackets without end": whole(b"[" * 2**20),
    "a body of 50 MB": lambda: chain([head(content_length=MANY_BYTES)], repeat(SPACES, MANY_BYTES // len(SPACES))),
    "a body without end": endless(head()),
    "chunks without end": endless(head(transfer_encoding="chunked"), b"10000\r\n" + SPACES + b"\r\n"),
    "a gzip bomb": packed("gzip", inside=zeros),
    "a gzip bomb in gzip": packed("gzip", "gzip", inside=zeros),
    "a gzip that ends and goes on": endless(head(content_encoding="gzip") + gzip.compress(b"{}")),
    "a gzip that is none": whole(answer(), content_encoding="gzip"),
    "a gzip cut short": whole(gzip.compress(answer())[:-5], content_encoding="gzip"),
    "brotli, not asked for": whole(answer(), content_encoding="br"),
}
"""A provider that sends this has done the work, for all we know, and what it sent is of no use."""

NOT_A_REPLY: dict[str, Wire] = {
    "no HTTP": lambda: [b"SSH-2.0-OpenSSH_9.9\r\n"],
    "nothing at all": list,
    "half a status line": lambda: [b"HTTP/1.1 20"],
    "a header without end": endless(b"HTTP/1.1 200 OK\r\nX-Long: "),
    "headers without end": endless(b"HTTP/1.1 200 OK\r\n", b"X-Many: 1\r\n" * 1000),
    "two lengths": lambda: [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 4\r\n\r\n{}{}"],
    "a length that is no number": lambda: [b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}"],
    "a NUL in a header": lambda: [b"HTTP/1.1 200 OK\r\nX-\0: \0\r\n\r\n{}"],
}
"""No status was understood."""

GOOD_WITH_ODD_USAGE: dict[str, bytes] = {
    "none": answer(),
    "a list": answer([1, 2]),
    "a text": answer("many"),
    "negative": answer({"prompt_tokens": -7, "completion_tokens": 5}),
    "absurd": answer({"prompt_tokens": 5, "completion_tokens": 900_000_000}),
    "true": answer({"prompt_tokens": True, "completion_tokens": True}),
    "fractions": answer({"prompt_tokens": 5.5, "completion_tokens": 1.5}),
    "words": answer({"prompt_tokens": "five", "completion_tokens": "one"}),
    "thirty digits": raw_usage('{"prompt_tokens": 123456789012345678901234567890, "completion_tokens": 1}'),
}
"""The answer is right, so it counts; its usage is estimated."""

ODD_BODIES_OF_A_REFUSAL: dict[str, bytes] = {
    "nothing": b"",
    "a web page": b"<html>" + b"<p>Too many</p>" * 50_000,
    "garbage": b"\x00\xff\xfe" * 1000,
    "NUL and colours": json.dumps({"error": {"message": "slow\x00 \x1b[31mdown\x1b[0m \u202e"}}).encode(),
    "a million words": json.dumps({"error": {"message": "try again " * 100_000}}).encode(),
    "a wrong type everywhere": b'{"error": {"message": [[[]]], "code": {}, "type": 3.5, "details": "x", "metadata": 7}}',
    "a number": b"429",
    "half a surrogate": rb'{"error": {"message": "\ud800"}}',
    "a wait of a billion years": json.dumps({"error": {"message": "try again in 999999999 days"}}).encode(),
    "a wait that is no number": json.dumps({"error": {"details": [{"retryDelay": "NaNs"}]}}).encode(),
}

ODD_WAITS = ("0", "-1", "NaN", "1e309", "9" * 30, "Sat, 21 Nov 0001 00:00:00 GMT", "soon", "\xff", "0x10")
"""What a Retry-After may say."""
