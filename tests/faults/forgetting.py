"""What may be lost when Redis comes back without its last moments, and what may not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from callers import PatientCaller
from checker import check
from lab import Lab, until
from redis_runs import BACK_WITHIN_S, all_end
from runs import Seed, tell

from pool_client import InvalidRequestError, JobHandle

NEW_JOBS = 50
TOLD_WITHIN_S = 30


class Forgetful:
    """A lab whose Redis has forgotten its last moments: what was finished then, and the caller's jobs after `kept_jobs`."""

    def __init__(self, lab: Lab, caller: PatientCaller, jobs: Sequence[JobHandle], *, kept_jobs: int) -> None:
        self._lab = lab
        self._caller = caller
        self._jobs = jobs
        self._kept_jobs = kept_jobs
        self._known_before = len(caller.handles)
        self._lost: set[str] = set()
        self._there: list[JobHandle] = []

    def go_on(self) -> None:
        """Work goes on; whoever waits for a lost job is told, and may submit it again."""
        until(lambda: len(self._caller.handles) >= self._known_before + NEW_JOBS, within_s=BACK_WITHIN_S, what="new jobs")
        handles = [*self._jobs, *self._caller.stop()]
        self._lost = {job_id for job_id, state in self._lab.states(handles).items() if not state}
        # the answer to one more may have been under way to the caller when Redis died
        maybe_lost = {handle.id: handle for handle in self._caller.handles[self._kept_jobs : self._known_before + 1]}
        assert self._lost <= set(maybe_lost), "nothing is lost but what was submitted at the end"
        for job_id in sorted(self._lost)[:5]:
            with pytest.raises(InvalidRequestError, match="is not known"):
                maybe_lost[job_id].result(timeout=TOLD_WITHIN_S)
        again = [self._caller.submit(number) for number, handle in enumerate(self._caller.handles) if handle.id in self._lost]
        self._there = [*(handle for handle in handles if handle.id not in self._lost), *again]
        all_end(self._lab, self._there)

    def judge(self, seed: Seed, *, what: str) -> None:
        """Of all others none is lost; what was finished in those moments was done twice, and told to nobody the first time."""
        findings = check(self._lab, self._there, duplicates_allowed=1, unbooked_allowed=1, lapsed_leases_allowed=True)
        problems = [problem for problem in findings.problems if not any(job_id in problem for job_id in self._lost)]
        numbers = str(findings).partition("\n")[0]
        tell(f"{what}, {len(self._lost)} jobs lost and submitted again, {numbers}, {seed}")
        assert not problems, f"{problems}\n{seed}"
