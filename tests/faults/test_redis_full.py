"""No room: Redis is at its maxmemory, or the disk under its file or under the ledger is full. Faults 13 and 14."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from callers import PatientCaller
from lab import Lab, until
from redis_runs import all_end, judged, some_end, start_workers
from refusals import fill, relieve
from reservations import COUNTED
from runs import Seed, StartLab, lasts, sized

from pool_client import JobHandle, PoolUnavailableError
from pool_worker import redis_keys
from pool_worker.ledger.database import default_url

DISK_MB = sized(48, 256)
WRITTEN_WITHIN_S = 60.0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, where a lab puts its Redis (`lab-1/redis`)."""
    folder = tmp_path / "lab-1" / "redis"
    folder.mkdir(parents=True)
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    if not mount or not unmount or os.geteuid():
        pytest.skip("only root may mount a disk that is small enough to be filled")
    subprocess.run([mount, "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run([unmount, "--lazy", str(folder)], check=True)


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Nothing fits on this disk while the block runs."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as out:
        while free := shutil.disk_usage(disk).free:
            with suppress(OSError):  # somebody else wrote meanwhile
                out.write(bytes(min(free, 1 << 20)))
    yield
    filler.unlink()


def refuses(lab: Lab, told: str) -> None:
    """Wait until submits are refused, and in these words."""

    def refusal() -> str:
        try:
            ask_for_room(lab)
        except PoolUnavailableError as error:
            return str(error)
        return ""

    until(refusal, what="a refusal")
    assert told in refusal()
    assert refusal().endswith(": nothing was submitted")


def ask_for_room(lab: Lab) -> JobHandle:
    return lab.caller.submit("is there room?", idempotency_key="room", max_tokens=60)


def test_13_redis_is_full_for_a_while(start_lab: StartLab, seed: Seed) -> None:
    lab, rng, times = start_lab(latency_ms=300, visibility_s=3, providers=COUNTED), seed.rng(), sized(1, 6)
    start_workers(lab)
    lab.start_beat()
    jobs, ended_while_full = lab.submit(sized(300, 4000)), 0
    with PatientCaller(lab) as caller:
        for number in range(times):
            some_end(lab, jobs, (number + rng.random()) / (times + 1))
            fill(lab.redis.client)
            refuses(lab, "it is full")
            before = lab.ended(jobs)
            lasts(rng.uniform(1, sized(3, 15)))
            ended_while_full += lab.ended(jobs) - before
            relieve(lab.redis.client)
        jobs += [*caller.stop(), ask_for_room(lab)]
        back_s = all_end(lab, jobs)
        caller.results(within_s=1)
    judged(lab, jobs, seed, what=f"fault 13: full {times} times, {ended_while_full} jobs ended meanwhile, back in {back_s:.1f} s")


def test_14_the_disk_under_redis_is_full_for_a_while(small_disk: Path, start_lab: StartLab, seed: Seed) -> None:
    lab, rng, times = start_lab(latency_ms=300, visibility_s=3, providers=COUNTED), seed.rng(), sized(1, 6)
    assert lab.redis.home.samefile(small_disk), "the lab's Redis is on the small disk"
    start_workers(lab)
    lab.start_beat()
    jobs = lab.submit(sized(300, 4000))
    with PatientCaller(lab) as caller:
        for number in range(times):
            some_end(lab, jobs, (number + rng.random()) / (times + 1))
            with full(small_disk):
                refuses(lab, "it cannot save to its disk (is it full?)")
                lasts(rng.uniform(1, sized(3, 15)))
        jobs += [*caller.stop(), ask_for_room(lab)]
        back_s = all_end(lab, jobs)
        caller.results(within_s=1)
    judged(lab, jobs, seed, what=f"fault 14: disk under Redis full {times} times, back in {back_s:.1f} s")


def test_14_the_disk_under_the_ledger_is_full_for_a_while(small_disk: Path, start_lab: StartLab, seed: Seed) -> None:
    """Jobs go on; their rows wait in the outbox."""
    ledger = small_disk.parent.parent / "ledger"
    (small_disk / "ledger").mkdir()
    ledger.symlink_to(small_disk / "ledger")
    lab = start_lab(latency_ms=50, visibility_s=3, providers=COUNTED, database_url=default_url(ledger))
    start_workers(lab)
    lab.start_beat()
    waiting, jobs = lambda: lab.redis.client.xlen(redis_keys.OUTBOX), lab.submit(sized(200, 2000))
    all_end(lab, jobs)
    until(lambda: not waiting(), within_s=WRITTEN_WITHIN_S, what="a ledger that is up to date")
    with full(small_disk):
        more = lab.submit(sized(300, 3000), label="more")
        all_end(lab, more)
        rows = waiting()
        assert rows >= len(more), seed
    until(lambda: not waiting(), within_s=WRITTEN_WITHIN_S, what="a ledger that is up to date")
    judged(lab, [*jobs, *more], seed, what=f"fault 14: disk under the ledger full, {rows} rows waited")
