"""Money: budgets are reserved with the lease, charged with what a call cost, and rebuilt where Redis does not know them."""

from __future__ import annotations

from decimal import Decimal

from small_pool import NOON_MS, Limits, provider

from pool_worker.limits.spent import least_refused, raise_spent
from pool_worker.limits.usage import spent_now
from pool_worker.limits.windows import BudgetWindow
from pool_worker.registry import Key

MINUTE_MS = 60_000
SOON_MS = 1_000
TONIGHT_MS = NOON_MS + 12 * 60 * MINUTE_MS


def test_budgets_are_reserved_and_corrected_for_what_costs_money(limits: Limits) -> None:
    limits.use(provider("openai"))
    budgets = (BudgetWindow("all", 1_000), BudgetWindow("agent:x", 500))
    lease = limits.take(cost_micro_usd=400, budgets=budgets)
    refused = limits.refused(cost_micro_usd=200, budgets=budgets)
    assert (refused.who, refused.retry_at_ms) == ("budget agent:x", NOON_MS + SOON_MS), "it is only reserved"
    limits.take(cost_micro_usd=0, budgets=budgets)
    limits.settle(lease, cost_micro_usd=100)
    limits.settle(limits.take(cost_micro_usd=400, budgets=budgets), cost_micro_usd=350)
    refused = limits.refused(cost_micro_usd=200, budgets=budgets)
    assert (refused.who, refused.retry_at_ms) == ("budget agent:x", TONIGHT_MS), "it is spent"
    never = limits.refused(cost_micro_usd=501, budgets=budgets)
    assert (never.who, never.retry_at_ms, never.too_large) == ("budget agent:x", None, ("openai-small",))


def test_it_is_noted_what_a_budget_could_not_pay_for(limits: Limits) -> None:
    limits.use(provider("openai"), keys=(Key("openai#1", "openai", daily_budget_usd=Decimal("0.0004")),))
    budgets = (BudgetWindow("all", 1_000), BudgetWindow("key:openai#1", 400), BudgetWindow("batch:b", 1_000, lasting=True))

    def noted() -> list[int | None]:
        return list(limits.run(least_refused(limits.redis, budgets[:2], now_ms=limits.now_ms)))

    def ask_for(cost_micro_usd: int) -> None:
        limits.refused(cost_micro_usd=cost_micro_usd, budgets=(budgets[0], budgets[2]))

    lease = limits.take(cost_micro_usd=350, budgets=(budgets[0], budgets[2]))
    ask_for(300)
    assert noted() == [None, None], "it is only reserved"
    limits.settle(lease, cost_micro_usd=350)
    for cost, expected in (
        (1_001, [None, None]),
        (300, [None, 300]),
        (200, [None, 200]),
        (250, [None, 200]),
        (900, [900, 200]),
        (700, [700, 200]),
    ):
        ask_for(cost)
        assert noted() == expected
    limits.now_ms = TONIGHT_MS
    assert noted() == [None, None], "that was yesterday"
    assert not [name for name in limits.run(limits.redis.keys("*:refused")) if "batch" in name]


def test_what_is_spent_of_a_lasting_budget_does_not_come_back(limits: Limits) -> None:
    limits.use(provider("openai"))
    batch = (BudgetWindow("batch:b", 500, lasting=True),)
    lease = limits.take(cost_micro_usd=400, budgets=batch)
    assert limits.refused(cost_micro_usd=200, budgets=batch).retry_at_ms == NOON_MS + SOON_MS
    limits.settle(lease, cost_micro_usd=400)
    limits.now_ms += 25 * 60 * MINUTE_MS
    assert limits.refused(cost_micro_usd=200, budgets=batch).reason == "budget batch:b: money; it may need up to 0.0002 USD"
    assert limits.refused(cost_micro_usd=200, budgets=batch).retry_at_ms is None
    limits.take(cost_micro_usd=100, budgets=batch)


def test_nothing_is_bought_until_it_is_known_what_was_spent(limits: Limits) -> None:
    limits.use(provider("openai"))
    budgets = (BudgetWindow("all", 1_000), BudgetWindow("batch:b", 300, lasting=True))
    limits.run(limits.redis.flushall())
    limits.enroll()
    refused = limits.refused(cost_micro_usd=1, budgets=budgets)
    assert (refused.retry_at_ms, refused.reason) == (
        NOON_MS + SOON_MS,
        "budget all: what was spent is being read from the ledger",
    )
    limits.take(cost_micro_usd=0, budgets=budgets)
    assert limits.run(raise_spent(limits.redis, {budgets[0]: 900, budgets[1]: 100}, now_ms=limits.now_ms)) == 2
    assert limits.run(raise_spent(limits.redis, {budgets[0]: 800}, now_ms=limits.now_ms)) == 0, "nothing is lowered"
    assert limits.run(spent_now(limits.redis, budgets, now_ms=limits.now_ms)) == [900, 100]
    assert limits.refused(cost_micro_usd=101, budgets=budgets[:1]).retry_at_ms == TONIGHT_MS
    limits.take(cost_micro_usd=100, budgets=budgets)


def test_a_budget_day_is_the_day_of_the_acquire(limits: Limits) -> None:
    limits.use(provider("openai"))
    budgets = (BudgetWindow("all", 1_000),)
    limits.now_ms = TONIGHT_MS - 1
    lease = limits.take(cost_micro_usd=1_000, budgets=budgets)
    limits.now_ms += 1
    assert limits.refused(cost_micro_usd=900, budgets=budgets).retry_at_ms == limits.now_ms + SOON_MS, "until that call ends"
    limits.settle(lease, cost_micro_usd=1_000, sent_after_ms=1_000)
    second = limits.take(cost_micro_usd=900, budgets=budgets)
    limits.settle(second, cost_micro_usd=900)
    limits.take(cost_micro_usd=100, budgets=budgets)
    limits.refused(cost_micro_usd=1, budgets=budgets)
