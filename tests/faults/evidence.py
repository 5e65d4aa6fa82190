"""What a run left behind, gathered from everybody who saw some of it: Redis, the ledger, the judge (the simulator)."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import redis
import redis.asyncio
from lab import Lab
from sqlalchemy import Engine, select

from pool_client import JobHandle
from pool_client import redis_keys as shared_keys
from pool_client.job import Failure, JobState, Result, Step
from pool_client.outcome import parse_outcome
from pool_client.queues import MAINTENANCE_QUEUE, list_names
from pool_client.redis_connection import connect
from pool_worker import redis_keys
from pool_worker.completion import end_lapsed
from pool_worker.ledger import tables
from pool_worker.ledger.database import open_database
from pool_worker.ledger.rows import NOT_CALLS
from pool_worker.ledger.writer import drain
from pool_worker.simulator.answers import prompt_of

FAR_AHEAD_MS = 2 * 3_600_000
"""Later than any lease ends."""


@dataclass(frozen=True, slots=True)
class Call:
    """One row of the ledger about a call to a provider."""

    outcome: str
    cost_usd: Decimal
    tokens: int

    @property
    def is_answered(self) -> bool:
        """Whether its usage is the provider's own word; else it is nothing, or an estimate."""
        return self.outcome == Step.OK

    @property
    def is_charged(self) -> bool:
        """Whether the books say that the provider took something for it."""
        return self.is_answered or self.tokens > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything by job id, but for what is `left`."""

    job_ids: Sequence[str]
    records: Mapping[str, Mapping[str, str]]
    outcomes: Mapping[str, Result | Failure]
    ends: Mapping[str, int]
    """How often a job was told to the ledger as ended; the cancelled ones aside, whose row may be told again."""
    ledger_states: Mapping[str, str]
    calls: Mapping[str, Sequence[Call]]
    charges: Mapping[str, int]
    """The judge's."""
    bills_usd: Mapping[str, Decimal]
    windows: Sequence[str]
    """What was admitted above, or refused by, a window."""
    left: Mapping[str, Sequence[str]]
    """Place in Redis → what lies there although all has ended."""
    lapsed_leases: int
    """Reservations whose holders never came back; they end by themselves."""
    leaked_slots: Sequence[str]
    """Reservations that do not end by themselves."""
    rejected_rows: int

    def prompt(self, job_id: str) -> str:
        """What was asked."""
        return prompt_of(json.loads(self.records[job_id]["spec"])["messages"])


def gather(lab: Lab, handles: Sequence[JobHandle]) -> Evidence:
    """Look at everything. The ledger is brought up to date, and reservations of the dead are ended, as time would do it."""
    client, job_ids = lab.redis.client, [handle.id for handle in handles]
    counts = lab.simulator.counts(every_job=True)
    engine = open_database(lab.database_url)
    lapsed = int(client.zcard(redis_keys.LEASES))
    asyncio.run(_end_leases(lab))
    try:
        ends = _ends(client, engine)
        _drain(lab.redis.url, engine)
        ledger_states, calls = _job_states(engine), _calls(engine)
    finally:
        engine.dispose()
    left = {place: things for place, things in _left(client, lab.queues).items() if things}
    return Evidence(
        job_ids=job_ids,
        records=_records(client, job_ids),
        outcomes=_outcomes(client, job_ids),
        ends=ends,
        ledger_states=ledger_states,
        calls=calls,
        charges=counts["jobs"]["charges"],
        bills_usd={job_id: Decimal(bill) for job_id, bill in counts["jobs"]["bills"].items()},
        windows=list(_windows(counts)),
        left=left,
        lapsed_leases=lapsed,
        leaked_slots=_leaks(client),
        rejected_rows=int(client.xlen(redis_keys.OUTBOX_REJECTED)),
    )


def _records(client: redis.Redis, job_ids: Iterable[str]) -> dict[str, dict[str, str]]:
    with client.pipeline(transaction=False) as pipe:
        for job_id in job_ids:
            pipe.hgetall(shared_keys.job(job_id))
        return {job_id: record for job_id, record in zip(job_ids, pipe.execute(), strict=True) if record}


def _outcomes(client: redis.Redis, job_ids: Iterable[str]) -> dict[str, Result | Failure]:
    with client.pipeline(transaction=False) as pipe:
        for job_id in job_ids:
            pipe.get(shared_keys.result(job_id))
        return {job_id: parse_outcome(text) for job_id, text in zip(job_ids, pipe.execute(), strict=True) if text}


def _ends(client: redis.Redis, engine: Engine) -> dict[str, int]:
    """Rows of ended jobs: those in the ledger and those on their way; a row may be in both places for a moment.

    Exact when no beat runs. Else an end may hide another one that was written before it.
    """
    on_their_way: Counter[str] = Counter()
    times: defaultdict[str, set[datetime]] = defaultdict(set)
    for _, entry in client.xrange(redis_keys.OUTBOX):
        if entry.get("kind") == "job" and (row := json.loads(entry["data"]))["state"] != JobState.CANCELLED:
            on_their_way[entry["id"]] += 1
            times[entry["id"]].add(datetime.fromisoformat(row["finished_at"]))
    columns = tables.jobs.c
    with engine.connect() as connection:
        for row in connection.execute(select(columns.job_id, columns.finished_at).where(columns.state != JobState.CANCELLED)):
            times[row.job_id].add(row.finished_at)
    return {job_id: max(on_their_way[job_id], len(ended_at)) for job_id, ended_at in times.items()}


def _drain(url: str, engine: Engine) -> None:
    with connect(url, decode=False) as client:
        while drain(client, engine, takeover_ms=0):
            pass


def _job_states(engine: Engine) -> dict[str, str]:
    with engine.connect() as connection:
        return {row.job_id: row.state for row in connection.execute(select(tables.jobs.c.job_id, tables.jobs.c.state))}


def _calls(engine: Engine) -> dict[str, list[Call]]:
    columns = tables.usage_logs.c
    calls: defaultdict[str, list[Call]] = defaultdict(list)
    with engine.connect() as connection:
        for row in connection.execute(select(columns.job_id, columns.outcome, columns.cost, columns.tokens_used)):
            if row.outcome not in NOT_CALLS:
                calls[row.job_id].append(Call(row.outcome, row.cost, row.tokens_used))
    return calls


def _left(client: redis.Redis, queues: Iterable[str]) -> dict[str, list[str]]:
    ours = [queue for queue in queues if queue != MAINTENANCE_QUEUE]
    claimed: dict[str, str] = client.hgetall(redis_keys.UNACKED)
    held = [tag for tag, entry in claimed.items() if not entry.startswith(MAINTENANCE_QUEUE)]
    queued = {name: client.lrange(name, 0, -1) for queue in ours for name in list_names(queue)}
    return {
        **{name: [_task_id(message) for message in messages] for name, messages in queued.items()},
        redis_keys.UNACKED: [f"{tag} {_task_id(claimed[tag].partition(chr(10))[2])}" for tag in held],
        redis_keys.UNACKED_INDEX: [tag for tag in client.zrange(redis_keys.UNACKED_INDEX, 0, -1) if tag not in claimed],
        redis_keys.DELIVERIES: sorted(set(client.hkeys(redis_keys.DELIVERIES)) - _ticks(claimed)),
        redis_keys.PARKED: client.zrange(redis_keys.PARKED, 0, -1),
        redis_keys.PARKED_MESSAGES: client.hkeys(redis_keys.PARKED_MESSAGES),
    }


def _ticks(claimed: Mapping[str, str]) -> set[str]:
    """Beat's own tasks that are in hand."""
    return {_task_id(entry.partition("\n")[2]) for entry in claimed.values() if entry.startswith(MAINTENANCE_QUEUE)}


def _task_id(message: str) -> str:
    return str(json.loads(message)["headers"]["id"])


def _windows(counts: Mapping[str, Any]) -> Iterator[str]:
    for provider in counts["providers"].values():
        for label, key in provider["keys"].items():
            for refused, times in key["refused_by"].items():
                yield f"{label} refused {times} calls: {refused}"
            for window in key["windows"]:
                if window["overshoot"]:
                    yield f"{label} {window['window']}: {window['peak']} of {window['limit']}"


async def _end_leases(lab: Lab) -> None:
    """Let the time of every reservation pass."""
    async with redis.asyncio.Redis.from_url(lab.redis.url, decode_responses=True) as client:
        seconds, _ = await client.time()
        while await end_lapsed(client, lab.registry, now_ms=seconds * 1000 + FAR_AHEAD_MS):
            pass


def _leaks(client: redis.Redis) -> list[str]:
    """What is left when the time of every reservation has passed would be left for ever."""
    in_flight = {name: client.zrange(name, 0, -1) for name in client.scan_iter(redis_keys.in_flight("*", "*"))}
    return [f"{name}: {', '.join(leases)}" for name, leases in in_flight.items() if leases]
