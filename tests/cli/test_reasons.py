from __future__ import annotations

import pytest

from pool_worker.cli.reasons import reason_words
from pool_worker.limits.windows import BudgetWindow, Terms, budget_facts, counted_windows, window_facts
from pool_worker.registry import Charges, Period, Unit, Window, WindowKind


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("groq#3: requests per minute", "groq has no requests left this minute"),
        ("cerebras#1: tokens per hour", "cerebras has no tokens left this hour"),
        ("gemini#2: input tokens per day", "gemini has no input tokens left today"),
        ("cohere#1: requests per month", "cohere has no requests left this month"),
        ("groq#1: 16 calls in flight", "groq is at 16 calls, as many as it takes at a time"),
        ("budget all: money per day", "today's money is spent"),
        ("budget agent:log_analyzer: money per day", "the money of log_analyzer for today is spent"),
        (
            "groq#1: WindowSpentError: groq answered 429: Rate limit reached.",
            "the quota of groq#1 is spent: groq answered 429: Rate limit reached",
        ),
        (
            "groq-small: ProviderFailedError: groq answered 500.",
            "groq-small is left alone after failures: groq answered 500",
        ),
        ("every candidate has failed", "every candidate has failed"),
        ("capacity was gone after 16 hops", "capacity was gone after 16 hops"),
    ],
)
def test_reasons_in_words(reason: str, words: str) -> None:
    assert reason_words(reason) == words


@pytest.mark.parametrize("unit", Unit)
@pytest.mark.parametrize("period", Period)
def test_every_window_that_limits_give_as_a_reason_is_understood(unit: Unit, period: Period) -> None:
    terms = Terms("groq", "m", concurrency=1, shared=False, charges=Charges.ACTUAL, daily_unit=Unit.REQUESTS)
    (counted, *_) = counted_windows((Window(unit, 5, period, WindowKind.FIXED),), Unit.REQUESTS)
    assert reason_words(f"groq#1: {window_facts(counted, terms)['what']}").startswith("groq has no ")


def test_every_budget_that_limits_give_as_a_reason_is_understood() -> None:
    for scope in ("all", "agent:x"):
        facts = budget_facts(BudgetWindow(scope, 1))
        assert reason_words(f"{facts['scope']}: {facts['what']}").endswith("is spent")
