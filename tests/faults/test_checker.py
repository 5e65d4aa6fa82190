"""The checker is only worth something if it tells: each rule is broken once, in made-up evidence and in a real system."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx2
import pytest
from checker import Allowed, check, judge
from evidence import Call, Evidence
from lab import Lab
from runs import StartLab

from pool_client import JobHandle
from pool_client import redis_keys as shared_keys
from pool_client.job import Failure, JobState, Result
from pool_worker import redis_keys
from pool_worker.ledger import tables
from pool_worker.ledger.database import open_database, writing
from pool_worker.simulator.answers import expected_digest

CENT = Decimal("0.01")
IN_FLIGHT = redis_keys.in_flight("groq", "groq#1")
SPEC = json.dumps({"messages": [{"role": "user", "content": "why?"}]})
RIGHT = Result(job_id="a", content=f"echo {expected_digest('why?')} because", model_id="groq-small", provider="groq")
FAILED = Failure(job_id="a", type="CompletionError", message="nobody could", at=datetime.now(UTC))
ANSWERED = Call("ok", CENT, 30)
ESTIMATED = Call("AbandonedError", CENT, 30)
GOOD = Evidence(
    job_ids=["a"],
    records={"a": {"state": "succeeded", "spec": SPEC}},
    outcomes={"a": RIGHT},
    ends={"a": 1},
    ledger_states={"a": JobState.SUCCEEDED},
    calls={"a": [ANSWERED]},
    charges={"a": 1},
    bills_usd={"a": CENT},
    windows=[],
    left={},
    lapsed_leases=0,
    leaked_slots=[],
    rejected_rows=0,
)
STRICT = Allowed()


def test_good_evidence_is_clean() -> None:
    findings = judge(GOOD, STRICT)
    assert findings.clean
    assert str(findings) == "1 jobs, 1 succeeded, 1 charges, 0 duplicate, 0 unbooked, 0 lapsed leases"


def record(state: str) -> dict[str, Any]:
    return {"records": {"a": {"state": state, "spec": SPEC}}}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"records": {}}, "I1 a: it has no record"),
        (record("running"), "I1 a: it is running"),
        ({"ledger_states": {}}, "I1 a: it succeeded, and the ledger says None"),
        ({"ledger_states": {"a": JobState.FAILED}}, "I1 a: it succeeded, and the ledger says failed"),
        ({"outcomes": {"a": FAILED}}, "I1 a: it succeeded, and its outcome is a Failure"),
        (
            {**record("failed"), "ledger_states": {"a": JobState.FAILED}, "outcomes": {"a": FAILED}},
            "I1 a: it failed: CompletionError: nobody could",
        ),
        ({"ends": {"a": 2}}, "I1 a: it ended 2 times"),
        ({"outcomes": {}}, "I2 a: it has no outcome"),
        ({"outcomes": {"a": RIGHT.model_copy(update={"job_id": "b"})}}, "I2 a: it has the outcome of b"),
        ({"outcomes": {"a": RIGHT.model_copy(update={"content": "echo 42"})}}, "I2 a: its answer is 'echo 42'"),
        ({"charges": {"a": 2}, "calls": {"a": [ANSWERED, ANSWERED]}, "bills_usd": {"a": 2 * CENT}}, "I3 a: charged 2 times"),
        ({"calls": {}}, "I3 a: 1 of 1 charges are in no row of the ledger"),
        ({"charges": {}, "calls": {}, "bills_usd": {}}, "I3 a: it has a result and was never charged"),
        ({"charges": {"a": 1, "b": 1}}, "I3 b: charged, but never submitted"),
        ({"calls": {"a": [ANSWERED, ANSWERED]}}, "I4 a: 2 answers in the ledger, and 1 charges"),
        ({"bills_usd": {"a": 2 * CENT}}, "I4 a: booked 0.01 USD, billed 0.02 USD"),
        ({"calls": {"a": [Call("ok", 2 * CENT, 30)]}}, "I4 a: booked 0.02 USD, billed 0.01 USD"),
        ({"rejected_rows": 1}, "I4 1 entries of the outbox were rejected"),
        ({"left": {"free": ["a", "b"]}}, "I5 'free': 2 left: a, b"),
        ({"lapsed_leases": 1}, "I5 1 reservations were never settled"),
        ({"leaked_slots": ["pool:in_flight:groq:*:groq#1: x"]}, "I5 leaked: pool:in_flight:groq:*:groq#1: x"),
        ({"windows": ["groq#1 requests/minute/sliding: 31.0 of 30"]}, "I6 groq#1 requests/minute/sliding: 31.0 of 30"),
    ],
)
def test_each_broken_rule_is_told_with_its_job(changes: Mapping[str, Any], told: str) -> None:
    problems = judge(replace(GOOD, **changes), STRICT).problems
    assert [problem for problem in problems if problem.startswith(told)], problems


def test_what_a_fault_excuses_is_not_told() -> None:
    killed = replace(GOOD, charges={"a": 2}, bills_usd={"a": 2 * CENT}, lapsed_leases=1)
    assert judge(killed, Allowed(duplicates=1, unbooked=1, lapsed_leases=True)).clean
    assert judge(replace(killed, calls={"a": [ANSWERED, ESTIMATED]}), Allowed(duplicates=1, lapsed_leases=True)).clean
    assert not judge(killed, Allowed(duplicates=1, lapsed_leases=True)).clean
    failed = replace(GOOD, **record("failed"), ledger_states={"a": JobState.FAILED}, outcomes={"a": FAILED})
    assert judge(failed, Allowed(failures={"a"})).clean
    assert not judge(failed, Allowed(failures={"b"})).clean


# --- a real system, spoiled bit by bit ---------------------------------------------------------------------------------------

Spoil = Callable[[Lab, JobHandle], object]
ONE_SMALL_PROVIDER = {
    "groq": {"limits": [{"unit": "requests", "limit": 4, "per": "minute", "kind": "sliding"}]},
    **dict.fromkeys(("cerebras", "mistral", "openai")),
}


def tell_the_end_again(lab: Lab, job: JobHandle) -> None:
    row = {"job_id": job.id, "agent": "x", "state": "succeeded", "priority": "low", "tier": "free"}
    now = datetime.now(UTC).isoformat()
    data = json.dumps({**row, "submitted_at": now, "finished_at": now})
    lab.redis.client.xadd(redis_keys.OUTBOX, {"kind": "job", "id": job.id, "data": data})


def call_the_provider(lab: Lab, job: JobHandle) -> None:
    body = {"model": "small", "user": job.id, "messages": [{"role": "user", "content": "again"}]}
    url = f"{lab.simulator.url}/groq/openai/v1/chat/completions"
    httpx2.post(url, json=body, headers={"authorization": "Bearer sim-groq-1"}, trust_env=False)


def claim(lab: Lab, job: JobHandle) -> None:
    lab.redis.client.hset(redis_keys.UNACKED, "tag", f"free\n{message_of(job)}")


def forget_the_call(lab: Lab, job: JobHandle) -> None:
    engine = open_database(lab.database_url)
    with writing(engine) as connection:
        connection.execute(tables.usage_logs.delete().where(tables.usage_logs.c.job_id == job.id))
    engine.dispose()


def message_of(job: JobHandle) -> str:
    return json.dumps({"headers": {"id": job.id}})


NEVER_DUE = {"lost": 9_000_000_000_000}
"""What is due is swept by the lab's worker."""

SPOILT: list[tuple[str, Spoil]] = [
    ("I5 'free': 1 left: {job}", lambda lab, job: lab.redis.client.lpush("free", message_of(job))),
    ("I5 'pool:unacked': 1 left: tag {job}", claim),
    ("I5 'pool:unacked:index': 1 left: lost", lambda lab, _: lab.redis.client.zadd(redis_keys.UNACKED_INDEX, NEVER_DUE)),
    ("I5 'pool:deliveries': 1 left: {job}", lambda lab, job: lab.redis.client.hset(redis_keys.DELIVERIES, job.id, 1)),
    ("I5 'pool:parked': 1 left: {job}", lambda lab, job: lab.redis.client.zadd(redis_keys.PARKED, {job.id: 1})),
    ("I5 leaked: pool:in_flight:groq:*:groq#1: x", lambda lab, _: lab.redis.client.zadd(IN_FLIGHT, {"x": 1})),
    ("I1 {job}: it ended 2 times", tell_the_end_again),
    ("I3 {job}: charged 2 times", call_the_provider),
    ("I6 groq#1 refused 1 calls: requests/minute/sliding", call_the_provider),
    ("I3 {job}: 2 of 2 charges are in no row of the ledger", forget_the_call),
    ("I2 {job}: it has no outcome", lambda lab, job: lab.redis.client.delete(shared_keys.result(job.id))),
    ("I1 {job}: it is queued", lambda lab, job: lab.redis.client.hset(shared_keys.job(job.id), "state", "queued")),
    ("I1 {job}: it has no record", lambda lab, job: lab.redis.client.delete(shared_keys.job(job.id))),
]  # fmt: skip


def test_a_real_system_is_clean_and_each_thing_spoilt_in_it_is_told(start_lab: StartLab) -> None:
    lab = start_lab(providers=ONE_SMALL_PROVIDER, key_counts={"groq": 1})
    lab.start_worker("a")
    jobs = lab.submit(3)
    lab.quiesce(jobs)
    findings = check(lab, jobs)
    assert findings.clean, findings
    assert (findings.succeeded, findings.charges) == (3, 3)
    for told, spoil in SPOILT:
        spoil(lab, jobs[1])
        problems = check(lab, jobs).problems
        assert told.format(job=jobs[1].id) in problems, problems
