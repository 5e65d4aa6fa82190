"""What a reader is given of a streamed answer: every character once and in order, or the word that it begins anew."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool_client import TextRestartedError
from pool_client.job import Attempt, Result
from pool_client.reading import Piece, Reading

TEXT = "Why the backup failed, in eleven words or perhaps a few more."


def pieces_of(attempt: str, cuts: list[int], *, text: str = TEXT) -> list[Piece]:
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    return [Piece(str(at), attempt, at, text[at:end]) for at, end in itertools.pairwise(places)]


def result(attempt: str = "a", content: str = TEXT) -> Result:
    answered = Attempt(id=attempt, number=1, outcome="ok", queue="free", started_at="2026-11-21T00:00:00Z")  # type: ignore[arg-type]
    return Result(job_id="j", content=content, model_id="m", provider="p", attempts=[answered])


def read(*batches: list[Piece], then: Result) -> str:
    reading = Reading()
    text = "".join(piece for batch in batches for piece in reading.take(batch))
    return text + reading.rest(then)


@given(
    cuts=st.lists(st.integers(0, len(TEXT)), max_size=8), comes=st.lists(st.integers(0, 2), min_size=9), batch=st.integers(1, 9)
)
def test_every_character_comes_once_whatever_is_lost_or_written_twice(cuts: list[int], comes: list[int], batch: int) -> None:
    pieces = [piece for piece, times in zip(pieces_of("a", cuts), comes, strict=False) for _ in range(times)]
    assert read(*(pieces[at : at + batch] for at in range(0, len(pieces), batch)), then=result()) == TEXT


def test_an_attempt_that_failed_before_its_first_piece_is_not_seen() -> None:
    assert read(pieces_of("b", [3]), then=result("b")) == TEXT


def test_who_has_read_some_of_an_answer_is_told_that_it_is_void() -> None:
    reading = Reading()
    (first, *_), second = pieces_of("a", [4]), pieces_of("b", [])
    assert list(reading.take([first])) == [TEXT[:4]]
    with pytest.raises(TextRestartedError) as caught:
        list(reading.take(second))
    assert caught.value.void_chars == 4
    assert read([first, *second], then=result("b")) == TEXT, "who reads again is given the new answer"


def test_a_dead_workers_last_words_are_not_mixed_in() -> None:
    first, second = pieces_of("a", [4]), pieces_of("b", [9])
    assert read([first[0], second[0], first[1], second[1]], then=result("b")) == TEXT


def test_an_answer_of_which_no_piece_was_read_is_told_at_the_end() -> None:
    reading = Reading()
    assert list(reading.take(pieces_of("a", [4])[:1])) == [TEXT[:4]]
    with pytest.raises(TextRestartedError):
        reading.rest(result("b"))
    assert Reading().rest(result().model_copy(update={"attempts": []})) == TEXT, "a cached answer has none"
