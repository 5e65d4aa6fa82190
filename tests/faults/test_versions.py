"""Fault 25: clients and workers of different releases. What a worker cannot read waits as a dead letter for one that can."""

from __future__ import annotations

from pathlib import Path

import pytest
from dead_letters_seen import dead, letters
from lab import Lab
from other_release import NextRelease
from runs import StartLab, sized, tell

from pool_client import ConfigurationError, JobHandle


def handles(lab: Lab, ids: list[str]) -> list[JobHandle]:
    return [JobHandle(job_id, lab.caller) for job_id in ids]


@pytest.mark.timeout(300)
def test_jobs_of_a_newer_client_wait_as_dead_letters_for_newer_workers(start_lab: StartLab, tmp_path: Path) -> None:
    lab, count = start_lab(), sized(20, 500)
    lab.start_worker("a")
    with NextRelease(lab, tmp_path / "next") as newer:
        ours = lab.submit(count, label="ours")
        theirs = handles(lab, newer.submit(count))
        lab.quiesce(ours + theirs)
        found = letters(lab, count=count)
        assert {letter["job_id"] for letter in found} == {job.id for job in theirs}
        assert all("cannot read this job (see version" in letter["reason"] for letter in found)
        with pytest.raises(ConfigurationError, match="update the workers"):
            theirs[0].result(timeout=5)
        assert set(lab.states(ours).values()) == {"succeeded"}, "older clients are served as ever"

        lab.workers["a"].kill()
        newer.start_worker("b")
        dead(lab, "retry", "--all")
        lab.quiesce(theirs, within_s=60)
    tell(f"fault 25: {count} jobs of a newer client, dead letters until the workers were updated")
    assert set(lab.states(theirs).values()) == {"succeeded"}
    assert dead(lab, "list", "--json").split() == ["[]"]


@pytest.mark.timeout(300)
def test_jobs_of_an_older_client_that_newer_workers_refuse_are_not_lost(start_lab: StartLab, tmp_path: Path) -> None:
    lab, count = start_lab(), sized(20, 500)
    with NextRelease(lab, tmp_path / "next") as newer:
        worker = newer.start_worker("a")
        jobs = lab.submit(count)
        lab.quiesce(jobs, within_s=60)
        assert all("cannot read this job (see version" in letter["reason"] for letter in letters(lab, count=count))
        worker.kill()
    lab.start_worker("b")
    dead(lab, "retry", "--all")
    lab.quiesce(jobs)
    assert set(lab.states(jobs).values()) == {"succeeded"}
    judge = lab.simulator.counts()["jobs"]
    assert (judge["charged"], judge["duplicates"]) == (count, {})
