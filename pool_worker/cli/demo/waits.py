"""Jobs that waited: parked until capacity came back, and back by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from pool_client.job import Step
from pool_worker.cli.demo.tracking import EndedJob
from pool_worker.cli.reasons import reason_words


@dataclass(frozen=True, slots=True)
class WaitAccount:
    """The jobs that were parked for one reason."""

    reason: str
    """In words."""
    jobs: int
    answered_after_ms: tuple[float, ...]
    """From the submission to the begin of the call that answered, ascending."""


def wait_accounts(ended: Sequence[EndedJob]) -> tuple[WaitAccount, ...]:
    """By reason, that of most jobs first."""
    reasons: dict[str, list[EndedJob]] = {}
    for job in ended:
        if job.parked_for is not None:
            reasons.setdefault(reason_words(job.parked_for), []).append(job)
    accounts = [WaitAccount(reason, len(jobs), _answered_after_ms(jobs)) for reason, jobs in reasons.items()]
    return tuple(sorted(accounts, key=lambda account: -account.jobs))


def _answered_after_ms(jobs: Sequence[EndedJob]) -> tuple[float, ...]:
    calls = ((job, attempt) for job in jobs for attempt in job.attempts if attempt.outcome == Step.OK)
    return tuple(sorted((call.started_at - job.submitted_at) / timedelta(milliseconds=1) for job, call in calls))
