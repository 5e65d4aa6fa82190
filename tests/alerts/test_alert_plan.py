"""What is sent to whom and when: pure, at a given time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from pool_worker.alert_rules import AlertRules, AlertTarget, DigestRules, QuietHours, Severity
from pool_worker.alerts.plan import (
    TRY_AGAIN_S,
    DueAlert,
    Message,
    Plan,
    Progress,
    Stage,
    after_failure,
    is_last_try,
    make_plan,
)
from pool_worker.ledger.rows import OVER, AlertRow

steady = settings(derandomize=True, deadline=None)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
A_MINUTE = timedelta(minutes=1)
MAIL = AlertTarget("mailto://x", "mail")
PAGER = AlertTarget("pagerduty://x", "pager", frozenset({"critical"}))
TWO = AlertRules(targets=(MAIL, PAGER))
NIGHT = QuietHours(time(22), time(7))


def begin(entry: str, cause: str = "", severity: Severity = "warning", *, at: datetime = NOON) -> DueAlert:
    row = AlertRow(alert_id=entry, severity=severity, source="s", cause=cause or entry, title=entry, message="m", created_at=at)
    return DueAlert(entry, row, severity)


def end(entry: str, cause: str, begun: Severity = "warning", *, at: datetime = NOON) -> DueAlert:
    it = begin(entry, cause, at=at)
    return replace(it, row=replace(it.row, severity=OVER, acknowledged=True), begun=begun)


def having(alert: DueAlert, stage: Stage, *, target: AlertTarget = MAIL, at: datetime = NOON, tries: int = 1) -> DueAlert:
    return replace(alert, progress={**alert.progress, target.name: Progress(stage, tries, at)})


def plan(*due: DueAlert, rules: AlertRules = TWO, now: datetime = NOON, timezone: str = "UTC") -> Plan:
    return make_plan(due, rules, timezone=timezone, now=now)


def sent(found: Plan) -> list[tuple[str, list[str]]]:
    return [(message.target.name, [alert.entry for alert in message.alerts]) for message in found.messages]


def left_out(found: Plan) -> list[str]:
    return [alert.entry for alert, target in found.skipped if target is MAIL]


def only(message: Iterable[Message]) -> Message:
    (one,) = message
    return one


# --- routes


def test_an_alert_goes_to_those_who_want_its_severity() -> None:
    assert sent(plan(begin("1"), begin("2", severity="critical"))) == [("mail", ["1"]), ("mail", ["2"]), ("pager", ["2"])]


def test_what_is_over_goes_where_its_beginning_went() -> None:
    first = having(having(begin("1", "a", "critical"), Stage.SENT), Stage.SENT, target=PAGER)
    assert sent(plan(first, end("2", "a", "critical"))) == [("mail", ["2"]), ("pager", ["2"])]
    assert sent(plan(end("3", "b", "warning"))) == [("mail", ["3"])]


def test_nobody_gets_what_he_has() -> None:
    assert sent(plan(having(begin("1"), Stage.SENT))) == []
    assert sent(plan(having(begin("1"), Stage.IN_DIGEST))) == []
    assert sent(plan(having(begin("1"), Stage.GIVEN_UP))) == []


def test_what_has_been_everywhere_is_kept_for_a_while_and_never_sent_to_who_comes_later() -> None:
    arrived = having(begin("1"), Stage.SENT)
    assert plan(arrived).settled == (arrived,)
    settled = replace(arrived, settled_at=NOON)
    late = AlertRules(targets=(AlertTarget("json://x", "late"),))
    assert plan(settled, rules=late) == Plan()
    assert plan(settled, now=NOON + timedelta(hours=1)).old == (settled,)


def test_without_a_target_nothing_is_sent_and_nothing_waits() -> None:
    alert = begin("1")
    assert plan(alert, rules=AlertRules()) == Plan(settled=(alert,))


# --- tries


def test_a_try_that_failed_is_repeated_later_and_later_and_then_no_more() -> None:
    now, tries = NOON, 0
    while True:
        tries += 1
        became = after_failure(tries, now)
        failed = replace(begin("1"), progress={"mail": became})
        if became.stage is Stage.GIVEN_UP:
            break
        assert sent(plan(failed, now=became.at - timedelta(seconds=1))) == []
        assert sent(plan(failed, now=became.at)) == [("mail", ["1"])]
        assert became.at - now == timedelta(seconds=TRY_AGAIN_S[tries - 1])
        now = became.at
    assert tries == len(TRY_AGAIN_S) + 1
    assert is_last_try(tries)
    assert plan(failed).settled == (failed,)


def test_an_end_waits_for_its_beginning() -> None:
    tried = having(begin("1", "a"), Stage.TRIED, at=NOON + A_MINUTE)
    assert sent(plan(tried, end("2", "a"))) == []
    assert sent(plan(tried, end("2", "a"), now=NOON + A_MINUTE)) == [("mail", ["1"])]


# --- what changes what a target knows


def test_what_is_over_before_it_could_be_sent_is_not_sent() -> None:
    found = plan(begin("1", "a"), end("2", "a"))
    assert (sent(found), left_out(found)) == ([], ["1", "2"])


def test_what_is_so_again_before_its_end_could_be_sent_is_not_sent() -> None:
    found = plan(having(begin("1", "a"), Stage.SENT), end("2", "a"), begin("3", "a"))
    assert (sent(found), left_out(found)) == ([], ["2", "3"])


def test_of_many_changes_the_last_is_sent() -> None:
    found = plan(begin("1", "a"), end("2", "a"), begin("3", "a"))
    assert (sent(found), left_out(found)) == ([("mail", ["3"])], ["1", "2"])


def test_two_beginnings_are_one() -> None:
    found = plan(begin("1", "a"), begin("2", "a"))
    assert (sent(found), left_out(found)) == ([("mail", ["2"])], ["1"])


def test_what_begins_again_soon_waits_in_case_it_is_over_again() -> None:
    rules = replace(TWO, repeat_after_s=3600)
    first, over = having(begin("1", "a"), Stage.SENT, at=NOON), having(end("2", "a"), Stage.SENT, at=NOON + A_MINUTE)
    again = begin("3", "a", at=NOON + 2 * A_MINUTE)
    assert sent(plan(first, over, again, rules=rules, now=NOON + 59 * A_MINUTE)) == []
    assert sent(plan(first, over, again, rules=rules, now=NOON + 60 * A_MINUTE)) == [("mail", ["3"])]
    found = plan(first, over, again, end("4", "a"), rules=rules, now=NOON + 59 * A_MINUTE)
    assert (sent(found), left_out(found)) == ([], ["3", "4"])
    assert sent(plan(first, end("2", "a"), rules=rules, now=NOON + A_MINUTE)) == [("mail", ["2"])], "an end never waits"


# --- quiet hours


def test_at_night_only_critical_alerts_are_sent_and_the_others_in_the_morning() -> None:
    rules = AlertRules(targets=(MAIL,), quiet_hours=NIGHT)
    night, morning = datetime(2026, 11, 20, 3, tzinfo=UTC), datetime(2026, 11, 20, 7, tzinfo=UTC)
    due = begin("1"), begin("2", severity="critical"), end("3", "c", "critical"), end("4", "d")
    assert sent(plan(*due, rules=rules, now=night)) == [("mail", ["2"]), ("mail", ["3"])]
    assert sent(plan(due[0], due[3], rules=rules, now=morning)) == [("mail", ["1"]), ("mail", ["4"])]
    assert plan(due[0], rules=rules, now=night).settled == ()


def test_tries_again_wait_for_the_morning_too() -> None:
    tried = having(begin("1"), Stage.TRIED, at=NOON - timedelta(days=1))
    quiet_now = QuietHours(time(11), time(13))
    assert sent(plan(tried, rules=AlertRules(targets=(MAIL,), quiet_hours=quiet_now))) == []


def test_quiet_hours_are_by_the_clock_of_the_place_when_it_changes() -> None:
    """In Berlin, 02:30 comes twice on 25 October 2026, and not at all on 29 March."""
    rules = AlertRules(targets=(MAIL,), quiet_hours=QuietHours(time(2), time(3)))

    def is_quiet(utc: datetime) -> bool:
        return not sent(plan(begin("1"), rules=rules, now=utc, timezone="Europe/Berlin"))

    autumn = [is_quiet(datetime(2026, 10, 24, 23, 30, tzinfo=UTC) + timedelta(hours=hour)) for hour in range(4)]
    spring = [is_quiet(datetime(2026, 3, 29, 0, 30, tzinfo=UTC) + timedelta(hours=hour)) for hour in range(3)]
    assert autumn == [False, True, True, False]
    assert spring == [False, False, False]


@steady
@given(
    minute=st.integers(0, 2 * 366 * 24 * 60),
    begins=st.times(),
    until=st.times(),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
)
def test_whatever_is_held_back_is_so_by_the_wall_clock_alone(minute: int, begins: time, until: time, zone: str) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    rules = AlertRules(targets=(MAIL,), quiet_hours=QuietHours(begins, until))
    shown = now.astimezone(ZoneInfo(zone)).time()
    within = begins <= shown < until if begins <= until else not until <= shown < begins
    assert (sent(plan(begin("1"), rules=rules, now=now, timezone=zone)) == []) is within
    assert sent(plan(begin("1", severity="critical"), rules=rules, now=now, timezone=zone)) != []


# --- digests


def some(count: int, *, first: int = 0) -> list[DueAlert]:
    return [begin(f"{number:03}") for number in range(first, first + count)]


DIGEST = AlertRules(targets=(MAIL,), digest=DigestRules(more_than=3, within_s=60))


def test_many_that_come_together_are_one_message() -> None:
    assert len(plan(*some(3), rules=DIGEST).messages) == 3
    assert len(only(plan(*some(4), rules=DIGEST).messages).alerts) == 4


def test_those_that_were_sent_just_before_count() -> None:
    before = [having(alert, Stage.SENT, at=NOON - timedelta(seconds=30)) for alert in some(3)]
    assert len(only(plan(*before, *some(2, first=3), rules=DIGEST).messages).alerts) == 2
    assert len(plan(*before, *some(2, first=3), rules=DIGEST, now=NOON + A_MINUTE).messages) == 2


def test_after_a_digest_the_next_message_waits_until_the_time_is_over() -> None:
    before = [having(alert, Stage.IN_DIGEST) for alert in some(5)]
    later = some(1, first=5)
    assert plan(*before, *later, rules=DIGEST, now=NOON + timedelta(seconds=59)).messages == ()
    assert len(plan(*before, *later, rules=DIGEST, now=NOON + A_MINUTE).messages) == 1


@steady
@given(st.lists(st.integers(0, 30), max_size=20), st.integers(0, 5), st.integers(1, 60))
def test_however_alerts_come_each_is_told_once_and_messages_are_few(waits_s: list[int], more_than: int, within_s: int) -> None:
    rules = AlertRules(targets=(MAIL,), digest=DigestRules(more_than=more_than, within_s=within_s))
    now, due, messages = NOON, list[DueAlert](), list[tuple[datetime, int]]()
    arrivals = [NOON + timedelta(seconds=sum(waits_s[: number + 1])) for number in range(len(waits_s))]
    while now <= NOON + timedelta(seconds=sum(waits_s) + 2 * within_s + 10):
        due += [begin(f"{len(due) + number:03}") for number in range(sum(at <= now for at in arrivals) - len(due))]
        for message in plan(*due, rules=rules, now=now).messages:
            messages.append((now, len(message.alerts)))
            stage = Stage.IN_DIGEST if len(message.alerts) > 1 else Stage.SENT
            taken = {alert.entry for alert in message.alerts}
            due = [having(alert, stage, at=now) if alert.entry in taken else alert for alert in due]
        now += timedelta(seconds=5)
    assert sum(count for _, count in messages) == len(waits_s)
    for at, _ in messages:
        assert sum(at <= other < at + timedelta(seconds=within_s) for other, _ in messages) <= more_than + 1
