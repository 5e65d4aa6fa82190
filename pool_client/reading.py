"""Reading a job's text while it arrives: what workers write into its stream, and in the end the result, which is the truth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pool_client.errors import TextRestartedError
from pool_client.job import Result


@dataclass(frozen=True, slots=True)
class Piece:
    """Some text of an answer under way."""

    place: str
    """Its id in the stream."""
    attempt: str
    """The id of the attempt that brings it; when another one takes over, the text begins anew."""
    at: int
    """How many characters of that attempt's text come before it."""
    text: str

    @classmethod
    def parse(cls, place: str, fields: Mapping[str, Any]) -> Piece:
        """As a worker wrote it."""
        return cls(place, fields["attempt"], int(fields["at"]), fields["text"])


class Reading:
    """How far one reader is in the text of one job."""

    def __init__(self) -> None:
        self.after = "0"
        """The place of the last piece that was taken."""
        self._attempts: list[str] = []
        """In the order in which they began to bring text; only the newest counts: an earlier one may go on for a while."""
        self._given_chars = 0
        self._has_gap = False

    def take(self, pieces: Sequence[Piece]) -> Iterator[str]:
        """What these pieces add. Where one is missing (the reader was too slow), nothing more comes before the result.

        Raises:
            TextRestartedError: another attempt took over after some text was given.
        """
        for piece in pieces:
            self.after = piece.place
            if piece.attempt not in self._attempts:
                self._begin_anew(piece.attempt)
        for piece in pieces:
            if piece.attempt == self._attempts[-1]:
                self._has_gap = self._has_gap or piece.at > self._given_chars
                text = "" if self._has_gap else piece.text[self._given_chars - piece.at :]
                self._given_chars += len(text)
                if text:
                    yield text

    def rest(self, result: Result) -> str:
        """What of the whole was not given.

        Raises:
            TextRestartedError: it is not the answer of which some was given.
        """
        answered_by = result.attempts[-1].id if result.attempts else ""
        if self._attempts[-1:] != [answered_by]:
            self._begin_anew(answered_by)
        return result.content[self._given_chars :]

    def _begin_anew(self, attempt: str) -> None:
        if self._given_chars:
            raise TextRestartedError(self._given_chars)
        self._attempts.append(attempt)
        self._has_gap = False
