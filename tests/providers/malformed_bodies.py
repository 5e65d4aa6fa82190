"""Answers as a failing provider, a proxy or somebody hostile might send them: a good one, spoilt.

First a value of its JSON, at any depth, gives way to something else; then, or in place of that, its bytes are cut, turned or
mixed. All of it hangs on the generator that is passed in, so that a seed tells the same tale again.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

_HERE = "b1fd3a-here"
"""Stands in the text where a value is to be exchanged: the new one may be no JSON at all."""
VALUES: tuple[bytes, ...] = (
    *(b"null", b"true", b"false", b"0", b"-1", b"7", b"1.5", b'""', b'"text"', b"[]", b"{}", b"[[]]", b"[null]", b'{"a":1}'),
    *(b'["text"]', b'[{"type":"text"}]', b'{"text":7}', b'{"name":null}', b'{"name":"f","arguments":{"a":[1]}}'),
    *(b"1e400", b"-1e400", b"1e308", b"9" * 25, b"9" * 5_000, b"18446744073709551616", b"-0.0", b"12.0", b"1e-400"),
    *(b"NaN", b"Infinity", b"-Infinity", b"undefined", b"01", b"0x1f", b"'text'", b'"unended', b"/* text */", b""),
    *(rb'"\ud800"', rb'"\udc00\ud800"', rb'"\u0000"', b'"\xff\xfe"', b'"\xc3("', b'"\xed\xa0\x80"', b'"\x00"', b'"\n"'),
    *('"\ufeff"'.encode(), '"\u202e\U0001f600"'.encode(), b'"ERROR"', b'"content_filter"', b'"' + b"x" * 3_000 + b'"'),
)
_PAGES: tuple[bytes, ...] = (
    *(b"", b" ", b"\n\n", b"null", b"[]", b"{}", b'""', b"0", b"<html><body><h1>502 Bad Gateway</h1></body></html>"),
    *(
        b"<!DOCTYPE html>" + b"<div>" * 2_000,
        b"<" * 5_000,
        b"upstream connect error",
        b"data: {}\n\n",
        b"\x1f\x8b\x08\x00",
        b"\x00" * 64,
    ),
    *(b"\xef\xbb\xbf{}", '{"a":1}'.encode("utf-16"), b"[" * 100_000, b'{"a":' * 50_000, b"[" * 900 + b"]" * 900, b"}" * 99),
    *(
        b'{"error":"no"}',
        b'{"error":{"message":[[[]]],"code":{}}}',
        b'{"errors":[7]}',
        b'{"message":"no","code":[]}',
        b'[{"error":{}}]',
    ),
)


def malformed(good: Any, generator: random.Random, how_many: int) -> Iterator[bytes]:
    """So many spoilt forms of a good answer."""
    for _ in range(how_many):
        what = generator.random()
        if what < 0.05:
            yield generator.choice(_PAGES)
        elif what < 0.25:
            yield _spoil_bytes(json.dumps(good).encode(), generator)
        else:
            body = _exchange_a_value(good, generator)
            yield body if what < 0.85 else _spoil_bytes(body, generator)


def with_each_exchanged(good: Any, new: bytes, *, kind: type = object) -> Iterator[bytes]:
    """A good answer of which one value of this kind, each in turn, has given way to a new one; of any kind: also one too many."""
    for marked in _marked(good, kind):
        yield json.dumps(marked).encode().replace(json.dumps(_HERE).encode(), new)


def _marked(value: Any, kind: type) -> Iterator[Any]:
    if isinstance(value, kind):
        yield _HERE
    if isinstance(value, dict):
        if kind is object:
            yield {**value, "more": _HERE}
        for name, each in value.items():
            yield from ({**value, name: marked} for marked in _marked(each, kind))
    if isinstance(value, list):
        for place, each in enumerate(value):
            yield from ([*value[:place], marked, *value[place + 1 :]] for marked in _marked(each, kind))


def _exchange_a_value(good: Any, generator: random.Random) -> bytes:
    marked = json.dumps(_mark(good, generator)).encode()
    return marked.replace(json.dumps(_HERE).encode(), _new_value(generator))


def _mark(value: Any, generator: random.Random) -> Any:
    """The same value with one of its parts, or all of it, marked; or with a name too many."""
    if not isinstance(value, dict | list) or not value or generator.random() < 0.1:
        return _HERE
    if isinstance(value, list):
        place = generator.randrange(len(value))
        return [*value[:place], _mark(value[place], generator), *value[place + 1 :]]
    name = generator.choice(sorted(value))
    if generator.random() < 0.1:
        return {**value, generator.choice(["error", "message", "refusal", "reasoning", "x"]): _HERE}
    return {**value, name: _mark(value[name], generator)}


def _new_value(generator: random.Random) -> bytes:
    what = generator.random()
    if what < 0.1:
        depth = generator.choice([10, 60, 150, 250, 300, 500, 900, 1_500, 20_000])
        opening, closing = generator.choice([(b"[", b"]"), (b'{"a":', b"}"), (b'{"text":[', b"]}"), (b'{"error":[', b"]}")])
        return opening * depth + b"0" + closing * (depth if generator.random() < 0.8 else depth - 1)
    if what < 0.15:
        part = generator.choice([b"[]", b"{}", b"0", b'"x"', b'{"type":"text","text":"x"}', b'{"function":{"name":"f"}}'])
        return b"[" + b",".join([part] * generator.choice([100, 3_000])) + b"]"
    if what < 0.2:
        names = generator.choice(['"text"', '"type"', '"content"', '"function"', '"name"']).encode()
        return b"{%b:%b,%b:%b}" % (names, generator.choice(VALUES), names, generator.choice(VALUES))
    return generator.choice(VALUES)


def _spoil_bytes(body: bytes, generator: random.Random) -> bytes:
    for _ in range(generator.randint(1, 3)):
        body = generator.choice(_SPOILERS)(body, generator)
    return body


def _cut(body: bytes, generator: random.Random) -> bytes:
    return body[: generator.randrange(len(body) + 1)]


def _turn_bits(body: bytes, generator: random.Random) -> bytes:
    spoilt = bytearray(body)
    for _ in range(generator.randint(1, 8) if spoilt else 0):
        spoilt[generator.randrange(len(spoilt))] ^= 1 << generator.randrange(8)
    return bytes(spoilt)


def _leave_out(body: bytes, generator: random.Random) -> bytes:
    start, end = _two_places(body, generator)
    return body[:start] + body[end:]


def _say_twice(body: bytes, generator: random.Random) -> bytes:
    start, end = _two_places(body, generator)
    return body[:end] + body[start:end] + body[end:]


def _put_in(body: bytes, generator: random.Random) -> bytes:
    place = generator.randrange(len(body) + 1)
    return (
        body[:place]
        + generator.choice([generator.randbytes(4), b"\xff\xfe", b"\xc3(", b"\x00", b",", b"}", b'"', b"\\u", b"[[["])
        + body[place:]
    )


def _repeat_a_name(body: bytes, generator: random.Random) -> bytes:
    """The first name of an object once more, with another value."""
    parts = body.split(b"{")
    place = generator.randrange(len(parts))
    name = parts[place].partition(b":")[0]
    parts[place] = b"%b:%b,%b" % (name, generator.choice(VALUES), parts[place])
    return b"{".join(parts)


def _two_places(body: bytes, generator: random.Random) -> list[int]:
    return sorted(generator.randrange(len(body) + 1) for _ in range(2))


_SPOILERS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _cut,
    _turn_bits,
    _leave_out,
    _say_twice,
    _put_in,
    _repeat_a_name,
)
