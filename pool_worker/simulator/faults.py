"""Faults on demand: which request is to go wrong, and how."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from random import Random
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator


class FaultKind(StrEnum):
    """What goes wrong."""

    STATUS = "status"
    """Answers `status`, in the provider's form or with `body` and `headers` as given; no charge."""
    UNAUTHORIZED = "unauthorized"
    """The key is refused, as if it had been revoked."""
    DOWN = "down"
    """503 for everything, before anything else is looked at."""
    HANG = "hang"
    """Takes the request and never answers; counts against the windows, no charge."""
    CUT = "cut"
    """Half of the answer, then the connection closes; charged for that half."""
    RESET = "reset"
    """Does the work, then resets the connection without an answer; charged."""
    GARBAGE = "garbage"
    """A 200 with a body that is no JSON; charged."""
    HTML = "html"
    """A 200 with a web page; charged."""
    ERROR_EVENT = "error_event"
    """Half of a stream, then the event that says it failed; a whole answer: that error in a 200. Charged for half."""
    WRONG_USAGE = "wrong_usage"
    """The right answer with nonsense in `usage`; charged truly."""
    SLOW = "slow"
    """The whole answer `delay_s` later; a stream: one token every `delay_s`."""


AT_THE_DOOR = frozenset({FaultKind.STATUS, FaultKind.UNAUTHORIZED})
"""Before the windows are asked."""
IN_THE_ANSWER = frozenset(FaultKind) - AT_THE_DOOR - {FaultKind.DOWN}


class Fault(BaseModel):
    """A fault and whom it meets. It stays until it met `count` requests, or until all faults are deleted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: str
    kind: FaultKind
    key: str | None = None
    """An account's label: `groq#1`."""
    model: str | None = None
    status: Annotated[int, Field(ge=200, le=599)] | None = Field(default=None, validate_default=True)
    count: Annotated[int, Field(ge=1)] | None = None
    probability: Annotated[float, Field(gt=0, le=1)] = 1.0
    retry_after_s: Annotated[float, Field(ge=0)] | None = None
    delay_s: Annotated[float, Field(gt=0)] = 10.0
    body: Any = None
    """With kind `status`: exactly this JSON."""
    headers: dict[str, str] = Field(default_factory=dict)

    @field_validator("status")
    @classmethod
    def _belongs_to_its_kind(cls, status: int | None, info: ValidationInfo) -> int | None:
        if "kind" in info.data and (status is not None) != (info.data["kind"] is FaultKind.STATUS):
            msg = "kind `status` needs a status (200 to 599), and no other kind has one"
            raise ValueError(msg)
        return status

    def meets(self, *, provider: str, key: str | None, model: str | None) -> bool:
        """Whether a request is one of those that it is for."""
        return self.provider == provider and self.key in {None, key} and self.model in {None, model}


class Faults:
    """The faults that lie in wait, oldest first."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._left: list[tuple[Fault, int | None]] = []

    def add(self, fault: Fault) -> None:
        """From now on."""
        self._left.append((fault, fault.count))

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self._left.clear()

    def active(self) -> list[Fault]:
        """Those that still wait, with the count that is left."""
        return [fault.model_copy(update={"count": left}) for fault, left in self._left]

    def take(
        self, kinds: Collection[FaultKind], *, provider: str, key: str | None = None, model: str | None = None
    ) -> Fault | None:
        """The fault that this request meets, if any; it counts as one of the fault's requests."""
        for index, (fault, left) in enumerate(self._left):
            if fault.kind not in kinds or not fault.meets(provider=provider, key=key, model=model):
                continue
            if fault.probability < 1 and self._rng.random() >= fault.probability:
                continue
            if left == 1:
                del self._left[index]
            elif left is not None:
                self._left[index] = (fault, left - 1)
            return fault
        return None
