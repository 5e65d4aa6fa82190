"""The score of a candidate, with plain values."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool_worker.limits.performance import ModelPerformance, Performance
from pool_worker.registry import Model
from pool_worker.routing.needs import capability
from pool_worker.routing.suitability import AVAILABILITY, CAPABILITY, COST, PERFORMANCE, UNKNOWN, scores

WORDS = ("analysis", "coding", "vision")
ASKED = tuple(map(capability, WORDS))
NOBODY = Performance()


def model(number: int = 0, **facts: object) -> Model:
    return replace(Model(id=f"m{number}", provider=f"p{number}", name="m"), **facts)  # type: ignore[arg-type]


def scored(
    *costs: tuple[Model, Decimal | str],
    asked: tuple[str, ...] = (),
    max_cost_usd: Decimal | None = None,
    performance: Performance = NOBODY,
    availability: dict[str, float] | None = None,
) -> list[float]:
    return scores(
        [(each, Decimal(cost)) for each, cost in costs],
        asked=tuple(map(capability, asked)),
        max_cost_usd=max_cost_usd,
        performance=performance,
        availability=availability or {},
    )


def test_a_free_model_that_can_all_that_is_asked_and_answers_best_is_perfect() -> None:
    best = Performance({"m0": ModelPerformance(1.0, 100.0)})
    assert scored((model(), 0), performance=best) == [pytest.approx(1)]
    assert scored((model(), 0)) == [pytest.approx(1 - PERFORMANCE * (1 - UNKNOWN))], "nobody has called it yet"
    assert pytest.approx(1) == CAPABILITY + COST + PERFORMANCE + AVAILABILITY


def test_each_part_counts_for_its_share() -> None:
    usual = scored((model(), 0))[0]
    assert scored((model(capabilities=frozenset({"images"})), 0), asked=("vision", "tools"))[0] == pytest.approx(usual - 0.15)
    assert scored((model(), "0.02"))[0] == pytest.approx(usual - COST), "the dearest of one"
    assert scored((model(), "0.02"), max_cost_usd=Decimal("0.08"))[0] == pytest.approx(usual - COST / 4)
    assert scored((model(price_known=False), 0))[0] == pytest.approx(usual - COST)
    assert scored((model(), 0), availability={"p0": 0.25})[0] == pytest.approx(usual - 0.75 * AVAILABILITY)


def test_a_model_that_fails_every_second_call_is_as_good_as_one_that_takes_twice_as_long() -> None:
    seen = {"m0": ModelPerformance(1.0, 100.0), "m1": ModelPerformance(0.5, 100.0), "m2": ModelPerformance(1.0, 200.0)}
    fast, failing, slow = scored((model(0), 0), (model(1), 0), (model(2), 0), performance=Performance(seen))
    assert failing == pytest.approx(slow) == pytest.approx(fast - PERFORMANCE / 2)


def test_one_that_fails_always_is_worse_than_one_that_nobody_knows() -> None:
    known = Performance({"m0": ModelPerformance(0.0), "m1": ModelPerformance(1.0, 100.0)})
    failing, good, unknown = scored((model(0), 0), (model(1), 0), (model(2), 0), performance=known)
    assert failing < unknown < good


def test_nobody_is_compared_with_nobody() -> None:
    assert scored() == []


MODELS = st.builds(
    model,
    st.integers(0, 9),
    capabilities=st.frozensets(st.sampled_from(WORDS)),
    price_known=st.booleans(),
)
COSTS = st.decimals(0, 1000, places=6)
SEEN = st.builds(
    ModelPerformance, st.floats(0, 1), st.none() | st.floats(1, 1e7), st.none()
)  # fmt: skip


@given(
    st.lists(st.tuples(MODELS, COSTS), max_size=5),
    st.dictionaries(st.sampled_from([f"m{number}" for number in range(10)]), SEEN, max_size=4),
    st.dictionaries(st.sampled_from([f"p{number}" for number in range(10)]), st.floats(0, 1), max_size=4),
    st.none() | COSTS,
)
def test_a_score_is_between_none_and_all(
    candidates: list[tuple[Model, Decimal]],
    seen: dict[str, ModelPerformance],
    availability: dict[str, float],
    max_cost_usd: Decimal | None,
) -> None:
    found = scored(*candidates, asked=WORDS, max_cost_usd=max_cost_usd, performance=Performance(seen), availability=availability)
    assert all(0 <= score <= 1.000001 for score in found)
    assert len(found) == len(candidates)


@given(st.lists(COSTS, min_size=2, max_size=6))
def test_all_else_equal_the_cheaper_never_scores_lower(costs: list[Decimal]) -> None:
    found = scored(*((model(number), cost) for number, cost in enumerate(costs)))
    assert [score for _, score in sorted(zip(costs, found, strict=True))] == sorted(found, reverse=True)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(1, 1e7)), min_size=2, max_size=6))
def test_all_else_equal_the_more_reliable_and_faster_never_scores_lower(seen: list[tuple[float, float]]) -> None:
    known = Performance({f"m{number}": ModelPerformance(*each) for number, each in enumerate(seen)})
    found = scored(*((model(number), 0) for number in range(len(seen))), performance=known)
    for (rate, median_ms), score in zip(seen, found, strict=True):
        for (other_rate, other_ms), other in zip(seen, found, strict=True):
            if rate >= other_rate and median_ms <= other_ms:
                assert score >= other - 1e-9
