from __future__ import annotations

import pytest

from pool_worker.metrics.tally import Counter, Histogram, Observed


def test_a_counter_sums_up_by_its_labels() -> None:
    counter = Counter("calls_total", "", ("provider", "outcome"))
    counter.add("groq", "ok")
    counter.add("groq", "ok", amount=2.5)
    counter.add("groq", "failed")
    before = counter.read()
    counter.add("groq", "ok")
    assert before == {("groq", "ok"): 3.5, ("groq", "failed"): 1}, "a copy of that moment"


def test_a_histogram_counts_what_is_not_above_each_bound() -> None:
    histogram = Histogram("seconds", "", ("provider",), (1, 2, 4))
    for value in (0.5, 1, 1.5, 4, 9):
        histogram.observe(value, "groq")
    histogram.observe(2, "mistral")
    assert histogram.read() == {
        ("groq",): Observed((2, 3, 4, 5), pytest.approx(16)),
        ("mistral",): Observed((0, 1, 1, 1), 2),
    }
