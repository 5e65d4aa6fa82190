"""What a worker knows about the message that brought it a job: its claim on it is its right to act."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from pool_client.job import JobState


@dataclass(frozen=True, slots=True)
class Delivery:
    """One claim of one message."""

    task_id: str
    tag: str
    """The claim. Unique per delivery, so it also fences: a script that finds it gone does nothing."""
    queue: str
    deliveries: int
    """How often this message has been claimed since its job last made progress."""
    has_sequel: bool = False
    """Whether callbacks or a chain wait for what the task returns."""
    traceparent: str = ""
    """The span to which the job belongs, if its caller traces."""


@dataclass(frozen=True, slots=True)
class Departure:
    """How a job left this worker."""

    state: JobState
    """Queued: it moved on to a sibling queue."""
    error: str = ""
    """Name of the exception that its caller gets, if it failed."""


current_delivery: ContextVar[Delivery] = ContextVar("current_delivery")
"""Of the task whose coroutine is running; set by the asyncio pool."""

departures: dict[str, Departure] = {}
"""By claim: how jobs left that a script has just moved, parked or finished. The task takes its own out."""
