"""Proves, after a run, that nothing was lost and nothing was done twice: rules I1 to I6 of the fault runs.

findings = check(lab, jobs, duplicates_allowed=1)
assert findings.clean, findings
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from evidence import Evidence, gather
from lab import Lab

from pool_client import JobHandle
from pool_client.job import Failure, JobState, Result
from pool_worker.simulator.answers import expected_digest

SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What this fault may cost."""

    duplicates: int = 0
    """Charges per job beyond the first: calls whose worker died before it could tell of the answer."""
    unbooked: int = 0
    """Charges per job without a row in the ledger: the dead tell nothing."""
    failures: Collection[str] = ()
    """Ids of jobs that may end without an answer."""
    lapsed_leases: bool = False
    """Whether reservations may be left to end by themselves."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found: the broken rules, and the numbers for the report."""

    problems: Sequence[str]
    jobs: int
    succeeded: int
    charges: int
    duplicates: int
    """Charges beyond one per job."""
    unbooked: int
    """Charges without a row in the ledger."""
    lapsed_leases: int

    @property
    def clean(self) -> bool:
        return not self.problems

    def __str__(self) -> str:
        more = [f"… and {len(self.problems) - SHOWN} more"] if len(self.problems) > SHOWN else []
        numbers = (
            f"{self.jobs} jobs, {self.succeeded} succeeded, {self.charges} charges, {self.duplicates} duplicate, "
            f"{self.unbooked} unbooked, {self.lapsed_leases} lapsed leases"
        )
        return "\n".join([numbers, *self.problems[:SHOWN], *more])


def check(
    lab: Lab,
    handles: Sequence[JobHandle],
    *,
    duplicates_allowed: int = 0,
    unbooked_allowed: int = 0,
    failures_allowed: Collection[str] = (),
    lapsed_leases_allowed: bool = False,
) -> Findings:
    """Look at everything once all jobs have ended (`lab.quiesce`), and name each job that breaks a rule. See `Allowed`."""
    allowed = Allowed(
        duplicates=duplicates_allowed,
        unbooked=unbooked_allowed,
        failures=failures_allowed,
        lapsed_leases=lapsed_leases_allowed,
    )
    return judge(gather(lab, handles), allowed)


def judge(evidence: Evidence, allowed: Allowed) -> Findings:
    """Apply every rule."""
    rules = (one_end, right_results, charges_booked, books_agree, nothing_left, windows_kept)
    charges = sum(evidence.charges.get(job_id, 0) for job_id in evidence.job_ids)
    return Findings(
        problems=[problem for rule in rules for problem in rule(evidence, allowed)],
        jobs=len(evidence.job_ids),
        succeeded=sum(isinstance(evidence.outcomes.get(job_id), Result) for job_id in evidence.job_ids),
        charges=charges,
        duplicates=sum(max(0, evidence.charges.get(job_id, 0) - 1) for job_id in evidence.job_ids),
        unbooked=sum(_unbooked(evidence, job_id) for job_id in evidence.job_ids),
        lapsed_leases=evidence.lapsed_leases,
    )


def one_end(evidence: Evidence, allowed: Allowed) -> Iterator[str]:
    """I1: every accepted job is in exactly one final state, and everybody says the same one."""
    for job_id in evidence.job_ids:
        state = evidence.records.get(job_id, {}).get("state")
        if state is None:
            yield f"I1 {job_id}: it has no record"
        elif not JobState(state).is_final:
            yield f"I1 {job_id}: it is {state}"
        elif evidence.ledger_states.get(job_id) != state:
            yield f"I1 {job_id}: it {state}, and the ledger says {evidence.ledger_states.get(job_id)}"
        elif (outcome := evidence.outcomes.get(job_id)) and (state == JobState.SUCCEEDED) != isinstance(outcome, Result):
            yield f"I1 {job_id}: it {state}, and its outcome is a {type(outcome).__name__}"
        elif state == JobState.FAILED and job_id not in allowed.failures and isinstance(outcome, Failure):
            yield f"I1 {job_id}: it failed: {outcome.type}: {outcome.message}"
        if evidence.ends.get(job_id, 0) > 1:
            yield f"I1 {job_id}: it ended {evidence.ends[job_id]} times"


def right_results(evidence: Evidence, _: Allowed) -> Iterator[str]:
    """I2: every job has an outcome, and a result is the answer to its own prompt."""
    for job_id in evidence.job_ids:
        outcome = evidence.outcomes.get(job_id)
        if outcome is None:
            yield f"I2 {job_id}: it has no outcome"
        elif outcome.job_id != job_id:
            yield f"I2 {job_id}: it has the outcome of {outcome.job_id}"
        elif isinstance(outcome, Result) and job_id in evidence.records:
            expected = f"echo {expected_digest(evidence.prompt(job_id))}"
            if not outcome.content.startswith(expected):
                yield f"I2 {job_id}: its answer is {outcome.content[: len(expected)]!r} and not {expected!r}"


def charges_booked(evidence: Evidence, allowed: Allowed) -> Iterator[str]:
    """I3: no job is charged more often than the fault excuses, and every charge has its row."""
    for job_id in evidence.job_ids:
        charges = evidence.charges.get(job_id, 0)
        if charges > 1 + allowed.duplicates:
            yield f"I3 {job_id}: charged {charges} times"
        if (unbooked := _unbooked(evidence, job_id)) > allowed.unbooked:
            yield f"I3 {job_id}: {unbooked} of {charges} charges are in no row of the ledger"
        if not charges and isinstance(evidence.outcomes.get(job_id), Result):
            yield f"I3 {job_id}: it has a result and was never charged"
    yield from (f"I3 {job_id}: charged, but never submitted" for job_id in set(evidence.charges) - set(evidence.job_ids))


def books_agree(evidence: Evidence, _: Allowed) -> Iterator[str]:
    """I4: the ledger's cost is the judge's bill, job by job; without the rows of dead workers it is at most that."""
    for job_id in evidence.job_ids:
        calls = evidence.calls.get(job_id, ())
        answered = [call for call in calls if call.is_answered]
        booked = sum((call.cost_usd for call in answered), Decimal(0))
        bill = evidence.bills_usd.get(job_id, Decimal(0))
        charges = evidence.charges.get(job_id, 0)
        if len(answered) > charges:
            yield f"I4 {job_id}: {len(answered)} answers in the ledger, and {charges} charges"
        elif booked > bill or (len(answered) == charges and booked != bill):
            yield f"I4 {job_id}: booked {booked} USD, billed {bill} USD"
    if evidence.rejected_rows:
        yield f"I4 {evidence.rejected_rows} entries of the outbox were rejected"


def nothing_left(evidence: Evidence, allowed: Allowed) -> Iterator[str]:
    """I5: no message, no reservation and no slot is left anywhere."""
    for place, things in evidence.left.items():
        yield f"I5 {place!r}: {len(things)} left: {', '.join(things[:5])}"
    if evidence.lapsed_leases and not allowed.lapsed_leases:
        yield f"I5 {evidence.lapsed_leases} reservations were never settled"
    yield from (f"I5 leaked: {slot}" for slot in evidence.leaked_slots)


def windows_kept(evidence: Evidence, _: Allowed) -> Iterator[str]:
    """I6: no window was exceeded, as the judge counts."""
    yield from (f"I6 {window}" for window in evidence.windows)


def _unbooked(evidence: Evidence, job_id: str) -> int:
    booked = sum(call.is_charged for call in evidence.calls.get(job_id, ()))
    return max(0, evidence.charges.get(job_id, 0) - booked)
