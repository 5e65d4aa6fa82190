"""Events are cut out of a stream wherever the network splits it."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from pool_worker.providers.events import EventCutter

LINE_ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
TEXT = st.text(alphabet=st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20).map(str.encode)
NOISE = st.sampled_from([b": a comment", b"event: delta", b"id: 7", b"retry: 10", b"database: no", b"data-no: no"])


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """Bytes, and the data of the events in them."""
    end, wire, told = draw(LINE_ENDS), b"", []
    for lines in draw(st.lists(st.lists(TEXT, max_size=3), max_size=6)):
        for line in lines:
            wire += b"".join(draw(st.lists(NOISE, max_size=2).map(lambda noise: [it + end for it in noise])))
            wire += b"data:" + draw(st.sampled_from([b" ", b""]) if not line.startswith(b" ") else st.just(b" ")) + line + end
        wire += end * draw(st.integers(1, 2))
        if lines:
            told.append(b"\n".join(lines))
    return wire, told


@given(stream=streams(), cuts=st.lists(st.integers(0, 400), max_size=12), mark=st.sampled_from([b"", b"\xef\xbb\xbf"]))
def test_every_event_comes_out_whole_however_it_was_split(
    stream: tuple[bytes, list[bytes]], cuts: list[int], mark: bytes
) -> None:
    wire, told = stream
    wire = mark + wire
    cutter, found = EventCutter(), []
    places = [0, *sorted(cut for cut in cuts if cut <= len(wire)), len(wire)]
    for start, end in itertools.pairwise(places):
        found += cutter.cut(wire[start:end])
    assert found == told


def test_what_has_not_ended_is_no_event() -> None:
    assert list(EventCutter().cut(b"data: {}\n")) == []
