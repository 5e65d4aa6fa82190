"""Reads `agents.yaml`: each agent's defaults."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from pool_client.job import OnExhausted, Priority, Tier
from pool_worker.config.document import Fields, Value
from pool_worker.config.scalars import NAME, choice, decimal, name, text, whole
from pool_worker.config.substitution import substitute, variables
from pool_worker.registry import Agent

FIELDS = (
    "priority",
    "tier",
    "task_type",
    "max_tokens",
    "temperature",
    "deadline_s",
    "on_exhausted",
    "daily_budget_usd",
    "weight",
    "secret",
)
_SHORTEST_S = Decimal("0.001")
_SHORTEST_SECRET = 16


def read_agents(section: Value | None, environ: Mapping[str, str]) -> dict[str, Agent]:
    """All agents by id; `environ` is what `${NAME}` in their secrets stands for."""
    found: dict[str, Agent] = {}
    for agent_id, value in () if section is None else Fields(section):
        if not NAME.fullmatch(agent_id):
            value.wrong(f'belongs to "{agent_id}", which cannot be an id', "write e.g. log_analyzer")
        found[agent_id] = _read_agent(agent_id, Fields(value, FIELDS), environ)
    return found


def _read_agent(agent_id: str, fields: Fields, environ: Mapping[str, str]) -> Agent:
    usual = Agent(id=agent_id)
    temperature = decimal(fields["temperature"], None, most=2)
    deadline = decimal(fields["deadline_s"], None, least=_SHORTEST_S)
    return Agent(
        id=agent_id,
        priority=choice(fields["priority"], Priority, usual.priority),
        tier=choice(fields["tier"], Tier, usual.tier),
        task_type=name(fields["task_type"], None),
        max_tokens=whole(fields["max_tokens"], None, most=1_000_000, example=1024),
        temperature=None if temperature is None else float(temperature),
        deadline_s=None if deadline is None else float(deadline),
        on_exhausted=choice(fields["on_exhausted"], OnExhausted, usual.on_exhausted),
        daily_budget_usd=decimal(fields["daily_budget_usd"], None),
        weight=whole(fields["weight"], usual.weight, most=1000, example=1),
        secret=_secret(fields["secret"], environ),
    )


def _secret(value: Value | None, environ: Mapping[str, str]) -> str | None:
    """No mistake shows it."""
    if value is None:
        return None
    found = substitute(text(value, ""), environ)
    if unset := next(iter(variables(found)), None):
        value.wrong(f"needs {unset}, which is not set", f"set {unset} in the environment or in .env", secret=True)
    elif len(found) < _SHORTEST_SECRET:
        right = f"write {_SHORTEST_SECRET} characters or more, e.g. what `openssl rand -hex 32` prints"
        value.wrong("is too short for a secret", right, secret=True)
    return found
