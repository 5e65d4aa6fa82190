"""The life of messages in plain Python: what must stand in Redis after every step, as the scripts' heads and the docs say.

A step that is not allowed to do anything (its claim is lost) does nothing here either and answers `LOST`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pool_client.job import Failure, JobState, Priority, Result
from pool_client.queues import CELERY_PRIORITY, KOMBU_SEPARATOR, list_name, queue_of_list
from pool_worker.broker.jobs import For, Until
from pool_worker.ledger.rows import Entry

LEASE_MS = 60_000
QUEUES = ("free", "free.groq")
PRIORITIES = (Priority.CRITICAL, Priority.NORMAL)

LOST = "lost"
FINAL = {state.value for state in JobState if state.is_final}


def lists_of(*queues: str) -> list[str]:
    """From which a worker of these queues claims, the most urgent first."""
    return [list_name(queue, CELERY_PRIORITY[priority]) for priority in PRIORITIES for queue in queues]


LISTS = lists_of(*QUEUES)


@cache
def message(job_id: str) -> str:
    """A message that whoever writes its JSON anew would change."""
    return json.dumps(
        {"body": "é / \x00", "headers": {"id": job_id, "none": []}, "properties": {"n": 1.0}}, indent=1, ensure_ascii=False
    )


def as_documented(record: dict[str, str]) -> dict[str, str]:
    """When it is due, and why it waits, is said while a job is parked; what stands there else is read by nobody."""
    while_parked = set() if record.get("state") == "parked" else {"due_ms", "wait_reason"}
    return {name: value for name, value in record.items() if name not in while_parked}


SUSPECT = 2
"""Deliveries of a message whose next worker is to have no other such."""


@dataclass
class Claim:
    """A live one: who has its tag may act."""

    job_id: str
    list_name: str
    lease_end_ms: int


@dataclass
class JobFacts:
    """What Redis holds of a job besides its message."""

    record: dict[str, str]
    outcome: Result | Failure | None = None
    idempotency_key: str | None = None
    opened_under: str = ""
    """The claim."""

    @property
    def state(self) -> str:
        return self.record["state"]


@dataclass
class Model:
    """See the module's docstring. Lists hold ids of jobs, the next to be claimed first."""

    now_ms: int = 1_000_000_000
    lists: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in LISTS})
    claims: dict[str, Claim] = field(default_factory=dict)
    deliveries: dict[str, int] = field(default_factory=dict)
    parked: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Job id → when it is due, and its list."""
    dead: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Job id, which is the dead letter's too → when it was buried, and its list."""
    jobs: dict[str, JobFacts] = field(default_factory=dict)
    idempotency: dict[str, str] = field(default_factory=dict)
    outbox: list[Entry] = field(default_factory=list)
    told: list[Result | Failure] = field(default_factory=list)
    """What was published."""
    rung: set[str] = field(default_factory=set)
    """Lists whose bells ring, unheard."""
    swept_ms: int = 0

    # --- callers ---------------------------------------------------------------------------------------------------------

    def submit(self, job_id: str, queue: str, priority: Priority, idempotency_key: str | None) -> str:
        if idempotency_key and self.idempotency.setdefault(idempotency_key, job_id) != job_id:
            return self.idempotency[idempotency_key]
        if job_id not in self.jobs:
            record = {"state": "queued", "queue": queue, "priority": priority.value, "submitted_ms": str(self.now_ms)}
            self.jobs[job_id] = JobFacts(record, idempotency_key=idempotency_key)
            self._push_last(list_name(queue, CELERY_PRIORITY[priority]), job_id)
        return job_id

    def cancel(self, job_id: str, outcome: Failure) -> str:
        job = self.jobs[job_id]
        if job.state == "running" and job.opened_under in self.claims:
            job.record["cancel"] = "1"
        elif job.state not in FINAL:
            job.record["cancel"] = "1"
            if job_id in self.parked:
                due_ms, name = self.parked[job_id]
                self.parked[job_id] = (min(due_ms, self.now_ms), name)
            self._end(job, JobState.CANCELLED, outcome)
        return job.state

    # --- messages --------------------------------------------------------------------------------------------------------

    def claim(
        self, prefix: str, lists: Sequence[str], limit: int, *, has_suspect: bool
    ) -> tuple[bool, list[tuple[str, str, int, str]]]:
        """Whether messages are left, and what was claimed: tag, list, deliveries, job id."""
        claimed: list[tuple[str, str, int, str]] = []
        is_left, may_suspect = False, not has_suspect
        for place, name in enumerate(lists):
            aside = []
            while self.lists[name] and len(claimed) < limit:
                job_id = self.lists[name].pop(0)
                is_suspect = self.deliveries.get(job_id, 0) >= SUSPECT
                if is_suspect and not may_suspect:
                    aside.append(job_id)
                    continue
                may_suspect = may_suspect and not is_suspect
                tag = f"{prefix}{len(claimed) + 1:04}"
                self.claims[tag] = Claim(job_id, name, self.now_ms + LEASE_MS)
                self.deliveries[job_id] = self.deliveries.get(job_id, 0) + 1
                claimed.append((tag, name, self.deliveries[job_id], job_id))
            is_left = bool(self.lists[name])
            self.lists[name] += aside
            if is_left:
                self.rung |= {other for other in lists[place:] if self.lists[other]}
                break
        return is_left, claimed

    def renew(self, tags: Sequence[str]) -> list[str]:
        for tag in tags:
            if tag in self.claims:
                self.claims[tag].lease_end_ms = self.now_ms + LEASE_MS
        return [tag for tag in tags if tag not in self.claims]

    def sweep(self) -> int:
        """After a gap nobody is taken for dead: whoever is alive gets the time to renew."""
        ended = sorted((claim.lease_end_ms, tag) for tag, claim in self.claims.items() if claim.lease_end_ms <= self.now_ms)
        gap_ms, self.swept_ms = self.now_ms - self.swept_ms, self.now_ms
        if gap_ms > LEASE_MS / 2:
            for _, tag in ended:
                self.claims[tag].lease_end_ms = self.now_ms + -(-LEASE_MS // 3)
            return 0
        for _, tag in reversed(ended):
            claim = self.claims.pop(tag)
            self._push_first(claim.list_name, claim.job_id)
        return len(ended)

    def give_back(self, tag: str) -> bool:
        claim = self.claims.pop(tag, None)
        if claim is None:
            return False
        self.deliveries[claim.job_id] -= 1
        if not self.deliveries[claim.job_id]:
            del self.deliveries[claim.job_id]
        self._push_first(claim.list_name, claim.job_id)
        return True

    def acknowledge(self, tag: str) -> bool:
        return self._release(tag) is not None

    # --- jobs ------------------------------------------------------------------------------------------------------------

    def open(self, tag: str, *, worker: str) -> str:
        """The state before."""
        if tag not in self.claims:
            return LOST
        job = self.jobs[self.claims[tag].job_id]
        state = job.state
        if state not in FINAL:
            if state == "running" and job.opened_under != tag:
                job.record["restarts"] = str(int(job.record.get("restarts", 0)) + 1)
            job.record |= {"state": "running", "worker": worker}
            job.opened_under = tag
            job.record.setdefault("started_ms", str(self.now_ms))
        return state

    def move(self, tag: str, *, queue: str, first: bool, trail: str) -> str:
        claim = self._release(tag)
        if claim is None:
            return LOST
        record = self.jobs[claim.job_id].record
        record |= {"state": "queued", "queue": queue, "trail": trail, "hops": str(int(record.get("hops", 0)) + 1)}
        _, separator, priority = claim.list_name.partition(KOMBU_SEPARATOR)
        (self._push_first if first else self._push_last)(f"{queue}{separator}{priority}", claim.job_id)
        return "queued"

    def park(self, tag: str, *, wait: Until | For, reason: str, trail: str) -> str:
        claim = self._release(tag)
        if claim is None:
            return LOST
        record = self.jobs[claim.job_id].record
        due_ms = wait.due_ms if isinstance(wait, Until) else self.now_ms + wait.delay_ms
        if "cancel" in record:
            due_ms = min(due_ms, self.now_ms)
        record |= {"state": "parked", "due_ms": str(due_ms), "wait_reason": reason, "trail": trail}
        self.parked[claim.job_id] = (due_ms, claim.list_name)
        return "parked"

    def let_go(self, job_ids: Sequence[str]) -> None:
        """These come back, the first to the very head. How many come at a time is not told here: see `test_parked.py`."""
        for job_id in reversed(job_ids):
            due_ms, name = self.parked.pop(job_id)
            job = self.jobs[job_id]
            assert due_ms <= self.now_ms or job.state in FINAL, f"{job_id} came too early"
            self._push_first(name, job_id)
            if job.state == "parked":
                job.record["state"] = "queued"

    def finish(self, tag: str, outcome: Result | Failure, *, state: JobState, trail: str, rows: Sequence[Entry]) -> str:
        claim = self._release(tag)
        job = self.jobs[outcome.job_id]
        ends_here = claim is not None and job.state not in FINAL
        self.outbox += [row for row in rows if ends_here or row[0] != "job"]
        if not ends_here:
            return LOST
        self._end(job, state, outcome)
        job.record |= {"trail": trail, "model_id": outcome.model_id if isinstance(outcome, Result) else ""}
        return state.value

    # --- dead letters ----------------------------------------------------------------------------------------------------

    def bury(self, tag: str, *, outcome: Failure, row: Entry) -> str | None:
        """The id of the dead letter. `outcome` and `row`: as the job's end was drawn up, if it ends here."""
        claim = self._release(tag)
        if claim is None:
            return None
        job, job_id = self.jobs[claim.job_id], claim.job_id
        goes_on, is_cancelled = job.state not in FINAL, "cancel" in job.record
        if goes_on:
            self._end(job, JobState.CANCELLED if is_cancelled else JobState.FAILED, outcome)
        if goes_on or job.state == "cancelled":  # nobody has told the books of a job that was cancelled while it waited
            self.outbox.append(row)
        if not goes_on or is_cancelled:
            return None
        self.dead[job_id] = (self.now_ms, claim.list_name)
        return job_id

    def revive(self, job_id: str) -> None:
        _, name = self.dead.pop(job_id)
        job = self.jobs[job_id]
        job.outcome = None
        job.record = {field: value for field, value in job.record.items() if field not in {"finished_ms", "worker"}}
        job.record |= {"state": "queued", "queue": queue_of_list(name)}
        self._push_last(name, job_id)

    def drop(self, job_id: str) -> None:
        del self.dead[job_id]

    # --- what Redis holds ------------------------------------------------------------------------------------------------

    def facts(self) -> dict[str, Any]:
        """As `Valkey.facts` reads them."""
        return {
            "lists": {name: [message(job_id) for job_id in jobs] for name, jobs in self.lists.items()},
            "bells": dict.fromkeys(self.rung, 1),
            "unacked": {tag: f"{claim.list_name}\n{message(claim.job_id)}" for tag, claim in self.claims.items()},
            "lease ends": {tag: claim.lease_end_ms for tag, claim in self.claims.items()},
            "deliveries": {job_id: str(count) for job_id, count in self.deliveries.items()},
            "parked": {job_id: f"{name}\n{message(job_id)}" for job_id, (_, name) in self.parked.items()},
            "dead": {job_id: f"{name}\n{message(job_id)}" for job_id, (_, name) in self.dead.items()},
            "buried": {job_id: at_ms for job_id, (at_ms, _) in self.dead.items()},
            "due": {job_id: due_ms for job_id, (due_ms, _) in self.parked.items()},
            "records": {job_id: as_documented(job.record) for job_id, job in self.jobs.items()},
            "outcomes": {job_id: job.outcome for job_id, job in self.jobs.items()},
            "idempotency": self.idempotency,
            "batch": self._batch(),
            "outbox": self.outbox,
        }

    def _batch(self) -> dict[str, int]:
        """All jobs are of one."""
        ends = Counter(job.state for job in self.jobs.values() if job.state in FINAL)
        return {"jobs": len(self.jobs), **ends} if self.jobs else {}

    def waiting(self) -> set[str]:
        """Lists with a message that any idle worker would take. One of suspects only may have to wait for a look-round."""
        return {name for name, jobs in self.lists.items() if any(self.deliveries.get(job_id, 0) < SUSPECT for job_id in jobs)}

    def held(self) -> set[str]:
        """Jobs whose messages are under way."""
        waiting = {job_id for jobs in self.lists.values() for job_id in jobs}
        return waiting | {claim.job_id for claim in self.claims.values()} | set(self.parked)

    def _end(self, job: JobFacts, state: JobState, outcome: Result | Failure) -> None:
        job.record |= {"state": state.value, "finished_ms": str(self.now_ms)}
        job.outcome = outcome
        self.told.append(outcome)

    def _release(self, tag: str) -> Claim | None:
        """A claim ends with progress: deliveries before it no longer count."""
        claim = self.claims.pop(tag, None)
        if claim is not None:
            self.deliveries.pop(claim.job_id, None)
        return claim

    def _push_first(self, name: str, job_id: str) -> None:
        self.lists[name].insert(0, job_id)
        self.rung.add(name)

    def _push_last(self, name: str, job_id: str) -> None:
        self.lists[name].append(job_id)
        self.rung.add(name)
