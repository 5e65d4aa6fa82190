"""What `submit` takes beside the prompt, and an agent's defaults for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Annotated, Any, TypedDict

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pool_client.errors import ConfigurationError
from pool_client.job import OnExhausted, Priority, Tier


class JobOptions(TypedDict, total=False):
    """The keyword arguments of `submit`. None means "not given": the agent's default applies, then the contract's."""

    model: str | None
    """Pin: only this model of the registry may answer."""
    task_type: str | None
    priority: Priority | str | None
    """`low`, `normal`, `high` or `critical`."""
    tier: Tier | str | None
    """Where the job starts: `free`, `paid`, `premium` or `local`."""
    deadline_s: float | None
    """The answer is of no use after so many seconds from now."""
    max_tokens: int | None
    temperature: float | None
    top_p: float | None
    stop: str | Sequence[str] | None
    seed: int | None
    tools: Sequence[dict[str, Any]] | None
    tool_choice: str | dict[str, Any] | None
    response_format: dict[str, Any] | None
    stream: bool | None
    """Have the answer's text as it arrives: `for piece in job`."""
    max_cost_usd: Decimal | float | str | None
    required_capabilities: Iterable[str] | None
    excluded_providers: Iterable[str] | None
    max_latency_ms: int | None
    on_exhausted: OnExhausted | str | None
    """When nobody is free: `park` (wait, durably), `degrade` or `fail`."""
    cache: bool | None
    """True: cache also when not deterministic; False: never; None: only at temperature 0."""
    idempotency_key: str | None
    """The same key from the same agent gives the same job, until 24 hours after its end."""
    batch: str | None
    """A name: `pool.progress(name)` counts the jobs that were submitted under it, and how they ended."""
    batch_budget_usd: Decimal | float | str | None
    """All jobs of the batch together may cost so much; when that is spent, those that need more of it fail."""
    metadata: dict[str, Any] | None


class AgentDefaults(BaseModel):
    """The options that an agent's jobs have unless the caller says otherwise, as the workers publish them from `agents.yaml`.

    Fields of a later release are ignored: an older client still submits.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    priority: Priority | None = None
    tier: Tier | None = None
    task_type: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    deadline_s: Annotated[float, Field(gt=0)] | None = None
    on_exhausted: OnExhausted | None = None

    def as_options(self) -> dict[str, Any]:
        """Those that are set."""
        return {name: value for name, value in self if value is not None}

    @classmethod
    def parse(cls, row: str, *, agent: str) -> AgentDefaults:
        """Read the row published for an agent.

        Raises:
            ConfigurationError: if it is not valid.
        """
        try:
            return cls.model_validate_json(row)
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors())
            msg = f"the workers published defaults for the agent {agent!r} that this release cannot read: {problems}"
            raise ConfigurationError(msg) from None
