"""What is to be sent to whom now: routes by severity, quiet hours, one message for many, tries again. Pure, at a given time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from pool_worker.alert_rules import AlertRules, AlertTarget, Severity
from pool_worker.ledger.rows import OVER, AlertRow

TRY_AGAIN_S = (30, 120, 600, 3600)
"""After each try that failed; after the last of them nobody tries again."""


class Stage(StrEnum):
    """How far an alert is on its way to a target."""

    TRIED = "tried"
    """It is being sent now, or was not taken; due again at `Progress.at`."""
    SENT = "sent"
    IN_DIGEST = "in_digest"
    """Sent, together with others."""
    GIVEN_UP = "given_up"
    SKIPPED = "skipped"
    """What it tells was over, or so again, before it was sent."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Of one alert to one target."""

    stage: Stage
    tries: int
    at: datetime
    """Since when; of `TRIED`: when it is due again."""


@dataclass(frozen=True, slots=True)
class DueAlert:
    """An alert, until it has been where it is to go and for some time after, so that it is not told anew."""

    entry: str
    """Its id in the stream; later ones are greater."""
    row: AlertRow
    begun: Severity
    """Of what is over: the severity with which it began."""
    progress: Mapping[str, Progress] = field(default_factory=dict)
    """By the target's name."""
    settled_at: datetime | None = None
    """Since when there is nobody left to send it to."""

    @property
    def is_end(self) -> bool:
        """Whether it tells that something is over."""
        return self.row.severity == OVER and self.row.acknowledged


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one target."""

    target: AlertTarget
    alerts: tuple[DueAlert, ...]
    """Several: a digest."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done now."""

    messages: tuple[Message, ...] = ()
    skipped: tuple[tuple[DueAlert, AlertTarget], ...] = ()
    settled: tuple[DueAlert, ...] = ()
    """Nobody is left to send them to, from now."""
    old: tuple[DueAlert, ...] = ()
    """To be forgotten."""


def make_plan(due: Sequence[DueAlert], rules: AlertRules, *, timezone: str, now: datetime) -> Plan:
    """What is to be sent now, and what not any more.

    Of each cause a target gets what changes what it knows: nothing of what begins and is over before it could be sent.
    An end waits for its beginning. A cause that begins again within `repeat_after_s` waits that long, in case it is over again.
    In quiet hours only what began as critical is sent. Who would get more than `digest.more_than` messages within the time gets
    one for all that are due; one such within the time.

    Args:
        due: In the order in which they were told.
        rules: Of pool.yaml.
        timezone: Of the quiet hours.
        now: Aware.
    """
    is_quiet = rules.quiet_hours is not None and rules.quiet_hours.include(now.astimezone(ZoneInfo(timezone)))
    open_ones = [alert for alert in due if alert.settled_at is None]
    messages: list[Message] = []
    skipped: list[tuple[DueAlert, AlertTarget]] = []
    for target in rules.targets:
        mine = [alert for alert in due if alert.begun in target.severities]
        ready: list[DueAlert] = []
        for alerts in _by_cause(mine).values():
            if is_quiet and alerts[-1].begun != "critical":
                continue
            found, dropped = _of_cause(alerts, target, repeat_after=timedelta(seconds=rules.repeat_after_s), now=now)
            ready += found
            skipped += ((alert, target) for alert in dropped)
        messages += _messages(sorted(ready, key=lambda alert: alert.row.created_at), mine, target, rules, now=now)
    keep = timedelta(seconds=max(rules.repeat_after_s, rules.digest.within_s))
    return Plan(
        messages=tuple(messages),
        skipped=tuple(skipped),
        settled=tuple(alert for alert in open_ones if all(not _is_open(alert, each) for each in rules.targets)),
        old=tuple(alert for alert in due if alert.settled_at is not None and alert.settled_at + keep <= now),
    )


def after_failure(tries: int, now: datetime) -> Progress:
    """What becomes of an alert whose try number `tries` has failed."""
    if is_last_try(tries):
        return Progress(Stage.GIVEN_UP, tries, now)
    return Progress(Stage.TRIED, tries, now + timedelta(seconds=TRY_AGAIN_S[tries - 1]))


def is_last_try(tries: int) -> bool:
    """Whether nobody tries again after this one."""
    return tries > len(TRY_AGAIN_S)


def _by_cause(alerts: Iterable[DueAlert]) -> Mapping[str, list[DueAlert]]:
    causes: dict[str, list[DueAlert]] = {}
    for alert in alerts:
        causes.setdefault(alert.row.cause, []).append(alert)
    return causes


def _of_cause(
    alerts: Sequence[DueAlert], target: AlertTarget, *, repeat_after: timedelta, now: datetime
) -> tuple[list[DueAlert], Sequence[DueAlert]]:
    """Of one cause's alerts: those to be sent now (one at most), and those that are not to be sent any more."""
    waiting = [alert for alert in alerts if _is_open(alert, target)]
    tried = next((alert for alert in waiting if target.name in alert.progress), None)
    if tried is not None:
        return ([tried] if tried.progress[target.name].at <= now else []), ()
    if not waiting:
        return [], ()
    first, last = waiting[0], waiting[-1]
    if first.is_end != last.is_end:  # what the target knows is so again
        return [], waiting
    begun_at = [alert.progress[target.name].at for alert in alerts if not alert.is_end and _has_come(alert, target)]
    if not last.is_end and any(at + repeat_after > now for at in begun_at):
        return [], ()
    return [last], waiting[:-1]


def _messages(
    ready: Sequence[DueAlert], all_of_target: Sequence[DueAlert], target: AlertTarget, rules: AlertRules, *, now: datetime
) -> Iterator[Message]:
    since = now - timedelta(seconds=rules.digest.within_s)
    lately = [
        alert.progress[target.name].stage
        for alert in all_of_target
        if _has_come(alert, target) and alert.progress[target.name].at > since
    ]
    room = -1 if Stage.IN_DIGEST in lately else rules.digest.more_than - lately.count(Stage.SENT)
    if len(ready) <= room:
        yield from (Message(target, (alert,)) for alert in ready)
    elif ready and room >= 0:
        yield Message(target, tuple(ready))


def _is_open(alert: DueAlert, target: AlertTarget) -> bool:
    """Whether this target is still to get it."""
    progress = alert.progress.get(target.name)
    is_for_target = alert.settled_at is None and alert.begun in target.severities
    return is_for_target and (progress is None or progress.stage is Stage.TRIED)


def _has_come(alert: DueAlert, target: AlertTarget) -> bool:
    progress = alert.progress.get(target.name)
    return progress is not None and progress.stage in {Stage.SENT, Stage.IN_DIGEST}
