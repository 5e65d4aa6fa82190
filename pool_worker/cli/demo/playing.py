"""Runs a scenario on a running system: submits its waves, lets a provider fail, and waits until every job has ended."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pool_client.job import Result, Step
from pool_worker.cli.demo.account import Peak
from pool_worker.cli.demo.progress import Progress, Screen
from pool_worker.cli.demo.scenario import Outage, Scenario
from pool_worker.cli.demo.tracking import EndedJob, Tracker
from pool_worker.cli.figures import count_of
from pool_worker.cli.reasons import reason_words
from pool_worker.cli.status.grouping import GroupUse, by_key, by_provider
from pool_worker.cli.status.reading import StatusReader
from pool_worker.simulator.admin_client import SimulatorAdmin

LOOK_EVERY_S = 0.2
USE_EVERY_S = 0.5
LONGEST_S = {True: 45.0, False: 120.0}
"""By whether it is simulated: so long is waited for the last job after the last wave."""
RATE_OVER = timedelta(seconds=2)


@dataclass
class Watched:
    """What was seen on the way and is gone afterwards."""

    peaks: dict[str, Peak] = field(default_factory=dict)
    """Of each key, and of each provider."""


class Run:
    """One run; `play` does it, the rest is what it has seen."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        tracker: Tracker,
        reader: StatusReader,
        simulator: SimulatorAdmin | None,
        screen: Screen,
        should_stop: Callable[[], bool],
    ) -> None:
        self.watched = Watched()
        self._scenario = scenario
        self._tracker = tracker
        self._reader = reader
        self._simulator = simulator
        self._screen = screen
        self._should_stop = should_stop
        self._began = time.monotonic()
        self._groups: Sequence[GroupUse] = ()
        self._used_at_s = -USE_EVERY_S
        self._down: str | None = None
        self._mended_at_s = 0.0
        self._told = 0
        self._told_reasons: set[str] = set()

    def play(self) -> None:
        """Until every job has ended, the time is over, or `should_stop` says so."""
        scenario = self._scenario
        for number, wave in enumerate(scenario.waves):
            while self._elapsed_s() < number * scenario.wave_every_s and not self._should_stop():
                self._look()
            if self._should_stop():
                return
            if scenario.outage is not None and number == scenario.outage.from_wave:
                self._break(scenario.outage)
            self._tracker.submit(wave)
        longest_s = self._elapsed_s() + LONGEST_S[scenario.is_simulated]
        while len(self._tracker.ended) < scenario.jobs and self._elapsed_s() < longest_s and not self._should_stop():
            self._look()

    def _elapsed_s(self) -> float:
        return time.monotonic() - self._began

    def _break(self, outage: Outage) -> None:
        if self._simulator is not None:
            self._simulator.fault(outage.provider, "down")
            self._down, self._mended_at_s = outage.provider, self._elapsed_s() + outage.for_s
            self._screen.event(self._elapsed_s(), f"{outage.provider} fails: it answers 503 to everything")

    def _mend(self) -> None:
        if self._simulator is not None:
            self._simulator.clear_faults()
        self._screen.event(self._elapsed_s(), f"{self._down} is well again")
        self._down = None

    def _look(self) -> None:
        time.sleep(LOOK_EVERY_S)
        if self._down is not None and self._elapsed_s() >= self._mended_at_s:
            self._mend()
        self._tracker.look()
        if self._elapsed_s() - self._used_at_s >= USE_EVERY_S:
            self._read_use()
        self._tell_failovers()
        self._tell_parked()
        self._screen.show(self._progress())

    def _read_use(self) -> None:
        self._used_at_s = self._elapsed_s()
        status = self._reader.read()
        keys = [key for key in status.keys if key.windows]
        self._groups = by_provider(keys)
        for group in (*self._groups, *by_key(keys)):
            window, before = group.tightest, self.watched.peaks.get(group.name, Peak())
            if window is not None and window.share > before.share:
                self.watched.peaks[group.name] = Peak(window.share, window.words)

    def _tell_failovers(self) -> None:
        """One line for the jobs that ended since the last look and had been let down by a provider on the way."""
        new = self._tracker.ended[self._told :]
        self._told = len(self._tracker.ended)
        let_down = [job for job in new if isinstance(job.outcome, Result) and _failed_calls(job)]
        if let_down:
            away = ", ".join(sorted({call for job in let_down for call in _failed_calls(job)}))
            now_at = Counter(str(job.outcome.provider) for job in let_down if isinstance(job.outcome, Result))
            there = ", ".join(f"{provider} ({count})" for provider, count in now_at.most_common(4))
            self._screen.event(self._elapsed_s(), f"{count_of(len(let_down), 'job')} failed over from {away} to {there}")

    def _tell_parked(self) -> None:
        """A line when jobs begin to wait for something, and one when they have all been answered."""
        reasons = {reason_words(reason) for reason in self._tracker.ever_parked.values()}
        for reason in sorted(reasons - self._told_reasons):
            self._screen.event(self._elapsed_s(), f"jobs are parked: {reason}")
        self._told_reasons |= reasons
        waited = sum(job.parked_for is not None for job in self._tracker.ended)
        if waited == len(self._tracker.ever_parked) > 0 and len(self._tracker.ended) == self._scenario.jobs:
            self._screen.event(self._elapsed_s(), f"the {count_of(waited, 'job')} that had to wait are answered too")

    def _progress(self) -> Progress:
        ended = self._tracker.ended
        rate_over = min(RATE_OVER, timedelta(seconds=self._elapsed_s()))
        since = datetime.now(UTC) - rate_over
        calls = [attempt for job in ended for attempt in job.attempts if attempt.is_call]
        return Progress(
            elapsed_s=self._elapsed_s(),
            planned=self._scenario.jobs,
            submitted=self._tracker.submitted,
            ended=len(ended),
            failed=sum(not isinstance(job.outcome, Result) for job in ended),
            states=self._tracker.states,
            jobs_per_s=sum(job.finished_at >= since for job in ended) / rate_over.total_seconds(),
            providers=self._groups,
            calls=Counter(str(call.provider) for call in calls),
            failed_calls=Counter(str(call.provider) for call in calls if call.outcome != Step.OK),
            down=self._down,
        )


def _failed_calls(job: EndedJob) -> set[str]:
    return {str(attempt.provider) for attempt in job.attempts if attempt.is_call and attempt.outcome != Step.OK}
