"""A list of alerts is short, however much went wrong: what is open first, and one line for each sort of thing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pool_worker.cli.alerts.grouping import grouped
from pool_worker.cli.alerts.view import WIDTH, groups_table
from pool_worker.cli.screen import as_text
from pool_worker.ledger.reports import Alert

LONG_AGO = datetime(2026, 3, 1, 12, tzinfo=UTC)
WORDS = "ConnectError: all connection attempts failed; jobs go to other providers meanwhile, or wait\nand more of it"


def alert(number: int, cause: str, title: str) -> Alert:
    """An open warning; a later number came later."""
    at = LONG_AGO + timedelta(minutes=number)
    return Alert(number, "warning", "test", cause, title, WORDS, at, False, None, None)  # noqa: FBT003 - a row


def down(number: int, provider: str) -> Alert:
    return alert(number, f"down:provider:{provider}", f"{provider} is down")


def lines(*found: Alert) -> list[str]:
    return as_text(groups_table(grouped(found)), width=WIDTH).splitlines()[1:]


def test_alerts_of_one_sort_are_one_line_with_their_number() -> None:
    (line,) = lines(down(1, "groq"), down(3, "mistral"), down(2, "cerebras"), down(4, "groq"))
    assert line.split()[0] == "4"
    assert "×4" in line
    assert "groq is down; mistral is down; cer" in line


def test_what_tells_of_something_else_has_a_line_of_its_own() -> None:
    causes = [
        "down:provider:x",
        "down:keys:x",
        "quarantine:key:x#1",
        "quarantine:provider:x",
        "quota:lower:x#1:m:r",
        "quota:x:m:r:0.9",
    ]
    assert len(lines(*(alert(number, cause, "t") for number, cause in enumerate(causes)))) == len(causes)


def test_open_ones_come_first_and_the_most_severe_of_them() -> None:
    over = replace(down(9, "groq"), resolved_at=LONG_AGO + timedelta(hours=1))
    seen = replace(alert(8, "dead_letters", "there are dead letters"), acknowledged=True, acknowledged_at=LONG_AGO)
    note = replace(alert(10, "down:provider:groq", "groq is up again"), severity="info", acknowledged=True)
    critical = replace(alert(1, "down:tier:free", "every provider of the free tier is down"), severity="critical")
    listed = lines(over, seen, note, down(7, "cerebras"), critical)
    assert [line.split()[0] for line in listed] == ["1", "7", "10", "9", "8"]
    assert all(f"{stage} 03-01" in line for stage, line in zip(("over", "seen"), listed[3:], strict=True))


def test_a_line_is_cut_at_the_width() -> None:
    worst = replace(alert(123_456, "budget:x", "a title that has no end " * 9), acknowledged=True, acknowledged_at=LONG_AGO)
    for line in lines(worst, *(replace(worst, id=number) for number in range(100))):
        assert len(line.rstrip()) <= WIDTH
        assert "…" in line
        assert "seen 03-01" in line
    (line,) = lines(down(1, "groq"))
    assert "ConnectError: all" in line
