"""Reads `agents.yaml`: each agent's defaults."""

from __future__ import annotations

from decimal import Decimal

from pool_client.job import OnExhausted, Priority, Tier
from pool_worker.config.document import Fields, Value
from pool_worker.config.scalars import NAME, choice, decimal, name, whole
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
)
_SHORTEST_S = Decimal("0.001")


def read_agents(section: Value | None) -> dict[str, Agent]:
    """All agents by id."""
    found: dict[str, Agent] = {}
    for agent_id, value in () if section is None else Fields(section):
        if not NAME.fullmatch(agent_id):
            value.wrong(f'belongs to "{agent_id}", which cannot be an id', "write e.g. log_analyzer")
        found[agent_id] = _read_agent(agent_id, Fields(value, FIELDS))
    return found


def _read_agent(agent_id: str, fields: Fields) -> Agent:
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
    )
