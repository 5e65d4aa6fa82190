"""One step at a time, on a real Valkey and in the model beside it: their answers are the same, and then what they hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

from model import FINAL, LISTS, SUSPECT, Model, message
from on_valkey import AGENT, BATCH, Valkey

from pool_client import redis_keys as shared_keys
from pool_client.job import Attempt, Failure, JobState, Priority, Result
from pool_client.outcome import cancelled, parse_outcome
from pool_worker import redis_keys
from pool_worker.broker.dead_letters import REVIVED, UNKNOWN
from pool_worker.broker.delivery import Delivery
from pool_worker.broker.jobs import For, Until, render_trail
from pool_worker.ledger.rows import Entry

KEPT_WITHOUT_TTL = {redis_keys.OUTBOX, redis_keys.PARKED_PACE}
"""Of what a job that has ended leaves behind."""


@dataclass(frozen=True)
class Known:
    """A claim, as its worker knows it; it need not be live any more."""

    tag: str
    job_id: str
    worker: str
    is_suspect: bool

    @property
    def delivery(self) -> Delivery:
        return Delivery(task_id=self.job_id, tag=self.tag, queue="", deliveries=0)


class SideBySide:
    """Every method is a step; those under a claim answer `LOST` or False if it is not live any more."""

    def __init__(self, valkey: Valkey, *, idempotency_keys: Sequence[str]) -> None:
        self.valkey = valkey
        self.model = Model()
        self._idempotency_keys = idempotency_keys
        self._numbers = count(1)
        self._ended: dict[str, tuple[dict[str, str], Any]] = {}
        self._revived: set[str] = set()
        valkey.redis.flushall()
        valkey.clock.now_ms = self.model.now_ms
        self._listener = valkey.listener(shared_keys.result("*"))

    def close(self) -> None:
        self._listener.close()

    def number(self) -> int:
        return next(self._numbers)

    def time_passes(self, ms: int) -> None:
        self.model.now_ms += ms
        self.valkey.clock.now_ms = self.model.now_ms

    # --- callers ---------------------------------------------------------------------------------------------------------

    def submit(self, job_id: str, queue: str, priority: Priority, idempotency_key: str | None) -> None:
        stands_for_it = self.valkey.submit(job_id, queue, priority, idempotency_key, message=message(job_id))
        same(stands_for_it, self.model.submit(job_id, queue, priority, idempotency_key))

    def cancel(self, job_id: str) -> None:
        outcome = cancelled(job_id, at=self._at()).model_copy(update={"message": f"cancelled at step {self.number()}"})
        same(self.valkey.cancel(job_id, outcome), self.model.cancel(job_id, outcome))

    # --- messages --------------------------------------------------------------------------------------------------------

    def claim(self, worker: str, lists: Sequence[str], limit: int, *, has_suspect: bool) -> tuple[bool, list[Known]]:
        """Whether messages are left, and what was claimed."""
        prefix = f"claim{self.number():04}."
        left, claimed = self.model.claim(prefix, lists, limit, has_suspect=has_suspect)
        expected = [(tag, name, deliveries, message(job_id)) for tag, name, deliveries, job_id in claimed]
        same(self.valkey.claim(prefix, lists, limit, has_suspect=has_suspect), (left, expected))
        return left, [Known(tag, job_id, worker, deliveries > SUSPECT) for tag, _, deliveries, job_id in claimed]

    def hear(self, lists: Sequence[str]) -> None:
        """The bell of one of these lists, if one rings."""
        self.model.rung.discard(self.valkey.hear(lists) or "")

    def renew(self, claims: Sequence[Known]) -> None:
        tags = [known.tag for known in claims]
        same(self.valkey.renew(tags), self.model.renew(tags))

    def sweep(self) -> None:
        same(self.valkey.sweep(), self.model.sweep())

    def release_due(self) -> None:
        self.model.let_go(self.valkey.release_due())

    def give_back(self, known: Known) -> bool:
        done = self.valkey.give_back(known.tag, task_id=known.job_id)
        same(done, self.model.give_back(known.tag))
        return done

    def acknowledge(self, known: Known) -> bool:
        done = self.valkey.acknowledge(known.tag, task_id=known.job_id)
        same(done, self.model.acknowledge(known.tag))
        return done

    # --- jobs ------------------------------------------------------------------------------------------------------------

    def open(self, known: Known) -> str:
        state = self.valkey.open(known.delivery, worker=known.worker)
        same(state, self.model.open(known.tag, worker=known.worker))
        return state

    def move(self, known: Known, *, queue: str, first: bool) -> str:
        trail = self._trail()
        became = self.valkey.move(known.delivery, queue=queue, first=first, trail=trail)
        same(became, self.model.move(known.tag, queue=queue, first=first, trail=render_trail(trail)))
        return became

    def park(self, known: Known, *, wait: Until | For) -> str:
        trail, reason = self._trail(), f"reason {self.number()}"
        became = self.valkey.park(known.delivery, wait=wait, reason=reason, trail=trail)
        same(became, self.model.park(known.tag, wait=wait, reason=reason, trail=render_trail(trail)))
        return became

    def finish(self, known: Known, *, state: JobState) -> str:
        outcome, number = self._outcome(known.job_id, state), self.number()
        rows: list[Entry] = [("attempt", f"attempt{number}", "{}"), ("job", known.job_id, f'{{"number": {number}}}')]
        became = self.valkey.finish(known.delivery, outcome, state=state, rows=rows)
        same(became, self.model.finish(known.tag, outcome, state=state, trail=render_trail(outcome.attempts), rows=rows))
        return became

    # --- dead letters ----------------------------------------------------------------------------------------------------

    def bury(self, known: Known) -> bool:
        """How the job ends is drawn up from its record: only the kind of it is said here."""
        letter_id = self.valkey.bury(known.tag, why=f"reason {self.number()}")
        facts = self._facts()
        outcome, row = facts["outcomes"][known.job_id], facts["outbox"][-1:]
        same(letter_id, self.model.bury(known.tag, outcome=outcome, row=row and row[0]))
        if letter_id:
            same((outcome.type, row[0][:2]), ("ConfigurationError", ("job", known.job_id)))
        return letter_id is not None

    def revive(self, job_id: str) -> None:
        """Twice: once is all that can be done."""
        same([self.valkey.revive(job_id), self.valkey.revive(job_id)], [REVIVED, UNKNOWN])
        self.model.revive(job_id)
        del self._ended[job_id]
        self._revived.add(job_id)

    def drop(self, job_id: str) -> None:
        same([self.valkey.drop(job_id), self.valkey.drop(job_id)], [True, False])
        self.model.drop(job_id)

    def _at(self) -> datetime:
        return datetime.fromtimestamp(self.model.now_ms / 1000, UTC)

    def _trail(self) -> list[Attempt]:
        return [Attempt(id=f"step{self.number()}", number=1, outcome="moved", queue="free", started_at=self._at())]

    def _outcome(self, job_id: str, state: JobState) -> Result | Failure:
        text, trail = f"number {self.number()}", self._trail()
        if state is JobState.SUCCEEDED:
            return Result(job_id=job_id, content=text, model_id="a-model", provider="a-provider", attempts=trail)
        if state is JobState.CANCELLED:
            return cancelled(job_id, at=self._at()).model_copy(update={"message": text, "attempts": trail})
        return Failure(job_id=job_id, type="CompletionError", message=text, at=self._at(), attempts=trail)

    # --- what must be true -------------------------------------------------------------------------------------------------

    def compare(self) -> dict[str, Any]:
        """What Redis holds is what the model says; returns it."""
        facts, said = self._facts(), self.model.facts()
        assert facts.keys() == said.keys()
        for place, holds in facts.items():
            same(holds, said[place], of=place)
        _nothing_is_lost_or_doubled(facts)
        for job_id, record in facts["records"].items():
            end = (record, facts["outcomes"][job_id])
            assert (record["state"] in FINAL) is (end[1] is not None)
            assert end == self._ended.get(job_id, end), "what has ended stays as it is"
            if record["state"] in FINAL:
                self._ended[job_id] = end
        return facts

    def _facts(self) -> dict[str, Any]:
        return self.valkey.facts(list(self.model.jobs), self._idempotency_keys)

    def all_is_done(self) -> None:
        """Every job has ended once and its caller was told; nothing is left but what ends by itself, once a person has seen to
        the dead letters.
        """
        for job_id in list(self.model.dead):
            self.drop(job_id)
        facts = self.compare()
        assert {record["state"] for record in facts["records"].values()} <= FINAL
        assert not any(facts[place] for place in ("unacked", "lease ends", "deliveries", "parked", "due", "dead", "buried"))
        assert not any(facts["lists"].values())
        self._everybody_was_told(facts)
        self._little_is_left()

    def _everybody_was_told(self, facts: dict[str, Any]) -> None:
        """Callers once of each end; the books once too, of those that workers gave a job."""
        told = []
        while (published := self._listener.get_message(timeout=0)) is not None:
            told.append(parse_outcome(published["data"]))
        same(told, self.model.told)
        ends = Counter(outcome.job_id for outcome in told)
        assert set(ends) == set(self.model.jobs)
        assert all(times == 1 or job_id in self._revived for job_id, times in ends.items())
        rows = Counter(row_id for kind, row_id, _ in facts["outbox"] if kind == "job")
        assert {job_id: rows[job_id] for job_id in ends if facts["records"][job_id]["state"] != "cancelled"} == {
            job_id: times for job_id, times in ends.items() if facts["records"][job_id]["state"] != "cancelled"
        }
        assert rows <= ends

    def _little_is_left(self) -> None:
        left = {key: self.valkey.redis.pttl(key) for key in self.valkey.redis.scan_iter(count=1_000)}
        of_jobs = {key(job_id) for job_id in self.model.jobs for key in (shared_keys.job, shared_keys.result)}
        of_callers = {shared_keys.idempotency(AGENT, key) for key in self._idempotency_keys}
        of_workers = {redis_keys.SWEPT_AT, redis_keys.parked_lane(""), *map(shared_keys.bell, LISTS)}
        assert {key for key, ttl_ms in left.items() if ttl_ms < 0} <= KEPT_WITHOUT_TTL
        assert left.keys() <= of_jobs | of_callers | of_workers | {shared_keys.batch(BATCH)} | KEPT_WITHOUT_TTL


def same(seen: object, said: object, *, of: str = "the answer") -> None:
    if seen != said and isinstance(seen, dict) and isinstance(said, dict):
        for name in seen | said:
            same(seen.get(name), said.get(name), of=f"{of}, {name!r}")
    assert seen == said, f"{of}: {seen!r}; the model says {said!r}"


def _nothing_is_lost_or_doubled(facts: dict[str, Any]) -> None:
    """Said again without the model: the message of a job that goes on is in one place, that of another in one at most."""
    entries = (entry for place in ("unacked", "parked", "dead") for entry in facts[place].values())
    held = [entry.partition("\n")[2] for entry in entries]
    places = Counter([*held, *(text for texts in facts["lists"].values() for text in texts)])
    assert set(places.values()) <= {1}
    assert {message(job_id) for job_id, record in facts["records"].items() if record["state"] not in FINAL} <= set(places)
    assert facts["unacked"].keys() == facts["lease ends"].keys()
    assert facts["parked"].keys() == facts["due"].keys()
    assert facts["dead"].keys() == facts["buried"].keys()
