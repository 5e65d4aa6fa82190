"""The contract between callers and workers: what a job, a result and a failure are.

Plain data, no I/O. A worker and a caller of different releases meet here, so every record carries `version`: a worker refuses
a version that it does not know with a reason, and never guesses.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

CONTRACT_VERSION: Literal[1] = 1


class Priority(StrEnum):
    """How urgent a job is. A higher one is always claimed first."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    CRITICAL = "critical"


class Tier(StrEnum):
    """Which capacity a job starts on."""

    FREE = "free"
    PAID = "paid"
    PREMIUM = "premium"
    LOCAL = "local"


class OnExhausted(StrEnum):
    """What to do when no key has quota left for the job."""

    PARK = "park"
    """Wait, durably, until quota returns."""
    DEGRADE = "degrade"
    """Take a lesser answer (cached, fallback or local model, guidance text), marked `degraded`, rather than wait or fail."""
    FAIL = "fail"
    """End with a `RateLimitError` that says when to come back."""


class JobState(StrEnum):
    """Where a job is. The last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    PARKED = "parked"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the job has ended."""
        return self in {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=False)


class Message(_Record):
    """One turn of the conversation, in the shape of the chat completions API."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[dict[str, Any]] | None = None
    name: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.content and not self.tool_calls and self.role != "tool":
            msg = "a message needs content (or, from the assistant, tool_calls)"
            raise ValueError(msg)
        return self


Name = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[\w.:/@+-]+$")]


class Job(_Record):
    """A completion job: what a caller asks for."""

    version: Literal[1] = CONTRACT_VERSION
    id: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\w-]+$")] = Field(default_factory=lambda: str(uuid.uuid4()))
    messages: Annotated[list[Message], Field(min_length=1)]
    agent: Name = "default"
    task_type: Name | None = None
    priority: Priority = Priority.NORMAL
    tier: Tier = Tier.FREE
    model: Name | None = None
    """Pin: only this model of the registry may answer."""
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    stop: Annotated[list[str], Field(max_length=4)] | None = None
    seed: int | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    stream: bool = False
    deadline_at: AwareDatetime | None = None
    """The caller has no use for an answer after this."""
    max_cost_usd: Annotated[Decimal, Field(ge=0)] | None = None
    required_capabilities: frozenset[Name] = frozenset()
    excluded_providers: frozenset[Name] = frozenset()
    max_latency_ms: Annotated[int, Field(ge=1)] | None = None
    on_exhausted: OnExhausted = OnExhausted.PARK
    cache: bool | None = None
    """True: cache also when not deterministic; False: never; None: only at temperature 0."""
    idempotency_key: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    batch: Name | None = None
    """Jobs of the same batch are counted together."""
    batch_budget_usd: Annotated[Decimal, Field(ge=0)] | None = None
    """All jobs of the batch together may cost so much."""
    metadata: dict[str, Any] = Field(default_factory=dict)
    submitted_at: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))


class Usage(_Record):
    """Tokens as the provider counted them."""

    input_tokens: Annotated[int, Field(ge=0)] = 0
    output_tokens: Annotated[int, Field(ge=0)] = 0
    cached_tokens: Annotated[int, Field(ge=0)] = 0
    """Of the input: those that the provider knew from a call before, and charges less for."""
    reasoning_tokens: Annotated[int, Field(ge=0)] = 0
    """Of the output: those that the model thought with."""

    @property
    def total_tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens


class Step(StrEnum):
    """Outcomes of attempts that are no errors; any other outcome is the name of an error class of the workers."""

    OK = "ok"
    """The provider answered."""
    MOVED = "moved"
    """The job went on to a sibling queue."""
    PAUSED = "paused"
    """Every candidate had failed; the job rested before it tried them again."""


class Attempt(_Record):
    """One step in the trail of a job: a call to a provider, a hop to a sibling queue, or a rest."""

    id: str = Field(default_factory=lambda: uuid.uuid4().hex)
    """Unique also when two workers, of which one was thought dead, both tried. A call's is that of its lease on the key."""
    number: Annotated[int, Field(ge=1)]
    outcome: Name
    """A `Step`, or the name of the error class that ended the attempt."""
    provider: str | None = None
    model_id: str | None = None
    key_id: str | None = None
    queue: str
    reason: str = ""
    """In the provider's or our own words; never a secret."""
    status_code: int | None = None
    started_at: AwareDatetime
    latency_ms: Annotated[float, Field(ge=0)] = 0.0
    added_ms: Annotated[float, Field(ge=0)] = 0.0
    """Time from the end of the previous attempt to the start of this one: what failing over cost."""
    usage: Usage = Usage()
    cost_usd: Decimal = Decimal(0)

    @property
    def is_call(self) -> bool:
        """Whether a provider was called."""
        return self.outcome not in {Step.MOVED, Step.PAUSED}


class Alternative(_Record):
    """A model that might have answered, and did not."""

    model_id: str
    score: float | None = None
    """How well it suited the job, from 0 to 1; None: it was no candidate any more."""
    reason: str
    """Why it was not taken: it failed, had no capacity, was left alone after failures, or what puts it later in the order."""


class Selection(_Record):
    """Why the model that answered was taken."""

    score: float | None = None
    """How well it suited the job, from 0 to 1, compared with the other candidates."""
    reason: str
    """One sentence: what the order was, and who was passed over."""
    alternatives: list[Alternative] = Field(default_factory=list)
    """At most three."""


class Result(_Record):
    """A completed job."""

    version: Literal[1] = CONTRACT_VERSION
    job_id: str
    content: str
    model_id: str
    provider: str
    finish_reason: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    reasoning: str | None = None
    """What the model told of its thinking, where its provider shows it."""
    usage: Usage = Usage()
    cost_usd: Decimal = Decimal(0)
    latency_ms: Annotated[float, Field(ge=0)] = 0.0
    """The provider's own time for the attempt that answered."""
    cached: bool = False
    degraded: bool = False
    quota_warning: str | None = None
    selection: Selection | None = None
    """Why this model; None: no model was asked (the answer was cached, or is no model's)."""
    attempts: list[Attempt] = Field(default_factory=list)


class Failure(_Record):
    """The error answer of a job that ended without a result."""

    version: Literal[1] = CONTRACT_VERSION
    job_id: str
    type: str
    """Name of a class in `pool_client.errors`."""
    message: str
    model: str | None = None
    retryable: bool = False
    retry_after_s: float | None = None
    attempted_models: list[str] = Field(default_factory=list)
    reasons: dict[str, str] = Field(default_factory=dict)
    """Model id → why it did not answer."""
    attempts: list[Attempt] = Field(default_factory=list)
    at: AwareDatetime


class Progress(_Record):
    """How far a batch is: of `jobs` submitted so far, how many have ended, and how."""

    jobs: int
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def ended(self) -> int:
        """In whatever way."""
        return self.succeeded + self.failed + self.cancelled

    @property
    def is_done(self) -> bool:
        """Whether all that were submitted so far have ended."""
        return self.ended == self.jobs


class Status(_Record):
    """Where a job is now."""

    job_id: str
    state: JobState
    agent: str
    priority: Priority
    queue: str
    submitted_at: AwareDatetime
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    waits_until: AwareDatetime | None = None
    wait_reason: str | None = None
    hops: int = 0
    restarts: int = 0
    """How often it was begun again, because its worker had left or was lost."""
    model_id: str | None = None
    attempts: list[Attempt] = Field(default_factory=list)
