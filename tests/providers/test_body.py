"""Unpacking replies: what was packed comes out again, however the network cuts it; what is no good is told."""

from __future__ import annotations

import random
import zlib
from collections.abc import AsyncIterator

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool_worker.providers.body import MAX_BODY_BYTES, read_body

pytestmark = pytest.mark.anyio

GZIP, ZLIB, BARE = 31, 15, -15


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


def packed(data: bytes, wbits: int) -> bytes:
    packer = zlib.compressobj(wbits=wbits)
    return packer.compress(data) + packer.flush()


async def read(wire: bytes, coding: str = "", *, cut_every: int = 1000) -> tuple[bytes, str | None]:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(wire), cut_every):
            yield wire[start : start + cut_every]

    headers = {"Content-Encoding": coding} if coding else {}
    return await read_body(httpx2.Response(200, headers=headers, content=pieces()))


@given(
    data=st.binary() | st.builds(lambda unit, times: unit * times, st.binary(min_size=1), st.integers(0, 100_000)),
    form=st.sampled_from([(GZIP, "gzip"), (GZIP, "x-gzip"), (GZIP, "identity, GZIP"), (ZLIB, "deflate"), (BARE, "deflate")]),
    cut_every=st.integers(1, 9),
)
async def test_what_was_packed_comes_out_again(data: bytes, form: tuple[int, str], cut_every: int) -> None:
    wbits, coding = form
    wire = packed(data[:MAX_BODY_BYTES], wbits)
    assert await read(wire, coding, cut_every=max(cut_every, len(wire) // 200)) == (data[:MAX_BODY_BYTES], None)


@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize("wbits", [GZIP, BARE])
async def test_the_limit_is_exact(wbits: int, extra: int) -> None:
    data = random.Random(1).randbytes(2**14) * (MAX_BODY_BYTES // 2**14) + b"x" * extra  # noqa: S311 - nothing secret
    body, flaw = await read(packed(data, wbits), "deflate", cut_every=2**16)
    assert (body, flaw) == ((data, None) if not extra else (b"", "the answer is larger than 8 MiB"))


@given(data=st.binary(max_size=200), coding=st.sampled_from(["gzip", "deflate"]))
async def test_whatever_comes_packed_is_read_or_its_flaw_is_told(data: bytes, coding: str) -> None:
    body, flaw = await read(data, coding, cut_every=7)
    assert flaw or packed(body, ZLIB)


async def test_a_stream_that_ends_too_early_is_a_flaw() -> None:
    wire = packed(b"a whole answer" * 100, GZIP)
    assert await read(wire[:-9], "gzip") == (b"a whole answer" * 100, "the answer's compression ends too early")
    assert await read(b"", "gzip") == (b"", None)


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "gzip, br", "snappy" * 50])
async def test_packing_that_nobody_asked_for_is_not_unpacked(coding: str) -> None:
    body, flaw = await read(packed(b"{}", GZIP), coding)
    assert body == b""
    assert flaw is not None
    assert "nobody asked for" in flaw
    assert len(flaw) < 200


async def test_what_follows_the_end_of_a_packed_stream_is_dropped() -> None:
    assert await read(packed(b"{}", GZIP) + b"and more" * 100, "gzip") == (b"{}", None)
    assert await read(packed(b"{}", GZIP) + b"\0" * MAX_BODY_BYTES, "gzip") == (b"", "the answer is larger than 8 MiB")
