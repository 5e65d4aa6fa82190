"""Why models are not free, in words, model by model. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import Enum, auto

from pool_worker.errors import KINDS, WindowSpentError
from pool_worker.limits.acquire import Exhausted, Obstacle

_FAILURES = frozenset(kind.__name__ for kind in KINDS if kind is not WindowSpentError)
_PERIOD = " per "
"""What the name of a window has in its middle (`pool_worker.registry.window_name`)."""


class Kind(Enum):
    """What is in the way."""

    QUOTA = auto()
    """A window is used up, as we count or as the provider said."""
    FAILURES = auto()
    """Somebody is left alone after failures."""
    OTHER = auto()
    """Calls in flight, or it was not looked at closely."""


def kinds_of(obstacles: Iterable[Obstacle]) -> set[Kind]:
    """What is in the way of some models."""
    return {_kind(obstacle) for obstacle in obstacles}


def reasons_of(place: Exhausted, *, now: datetime) -> dict[str, str]:
    """Model id → why it is not free and until when, of every model that was asked."""
    too_large = dict.fromkeys(place.too_large, "no quota of it will ever fit this job")
    return too_large | {model: _words(model, obstacle, now=now) for model, obstacle in place.obstacles.items()}


def grouped(reasons: Mapping[str, str]) -> str:
    """`a, b: reason; c: another`."""
    models: dict[str, list[str]] = {}
    for model, reason in reasons.items():
        models.setdefault(reason, []).append(model)
    return "; ".join(f"{', '.join(names)}: {reason}" for reason, names in models.items())


def _kind(obstacle: Obstacle) -> Kind:
    name, story = _parts(obstacle)
    if name in _FAILURES:
        return Kind.FAILURES
    if name == WindowSpentError.__name__ or (not name and _PERIOD in story):
        return Kind.QUOTA
    return Kind.OTHER


def _parts(obstacle: Obstacle) -> tuple[str, str]:
    """The class of the failure that a hold is for, and its story; no class where nobody is held."""
    name, _, story = obstacle.what.partition(": ")
    return (name, story) if name in _FAILURES or name == WindowSpentError.__name__ else ("", obstacle.what)


def _words(model: str, obstacle: Obstacle, *, now: datetime) -> str:
    until = _clock_time(datetime.fromtimestamp(obstacle.until_ms / 1000, UTC), now=now)
    name, story = _parts(obstacle)
    who = "" if obstacle.who == model else obstacle.who
    match _kind(obstacle):
        case Kind.FAILURES:
            return f"{who and f'{who} is '}left alone after failures until {until} ({name}: {story})"
        case Kind.QUOTA if name:
            return f"the quota{who and f' of {who}'} is spent until {until} ({story})"
        case Kind.QUOTA:
            return f"{obstacle.who} has no {story} left until {until}"
        case _:
            return f"{obstacle.who}: {story}" if story else f"not free before {until}"


def _clock_time(at: datetime, *, now: datetime) -> str:
    """In UTC, as the caller may be anywhere; with its date if that is not today's."""
    text = f"{at:%H:%M:%S} UTC"
    return text if at.date() == now.astimezone(UTC).date() else f"{at:%Y-%m-%d} {text}"
