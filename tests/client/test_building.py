from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool_client import InvalidRequestError, Job
from pool_client.building import LARGEST_SPEC_CHARS, build_job, render_spec
from pool_client.options import AgentDefaults, JobOptions

NOW = datetime(2025, 6, 1, tzinfo=UTC)


def build(prompt: Any = "x", messages: Any = None, **options: Any) -> Job:
    return build_job(prompt, messages, options, agent="a", defaults=AgentDefaults(), now=NOW)


def test_every_option_arrives() -> None:
    options: dict[str, Any] = {
        "model": "groq/llama-3.3-70b",
        "task_type": "analysis",
        "priority": "critical",
        "tier": "premium",
        "deadline_s": 1.5,
        "max_tokens": 10,
        "temperature": 0,
        "top_p": 0.9,
        "stop": "END",
        "seed": 7,
        "tools": [{"type": "function"}],
        "tool_choice": "auto",
        "response_format": {"type": "json_object"},
        "stream": False,
        "max_cost_usd": 0.05,
        "required_capabilities": ["json"],
        "excluded_providers": ("openai",),
        "max_latency_ms": 900,
        "on_exhausted": "fail",
        "cache": True,
        "idempotency_key": "k",
        "batch": "b",
        "batch_budget_usd": Decimal("1.50"),
        "metadata": {"a": [1, None]},
    }
    assert set(options) == set(JobOptions.__annotations__)
    job = build(**options)
    assert job.deadline_at == NOW + timedelta(seconds=1.5)
    assert job.stop == ["END"]
    assert job.max_cost_usd == Decimal("0.05")
    assert job.required_capabilities == {"json"}
    assert job.submitted_at == NOW
    same = set(options) - {"deadline_s", "stop", "max_cost_usd", "required_capabilities", "excluded_providers", "tools"}
    assert {name: getattr(job, name) for name in same} == {name: options[name] for name in same}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"prompt": None}, "prompt: None is not valid: give a text, or messages="),
        ({"prompt": "  "}, "prompt: '  ' is not valid"),
        ({"prompt": ["x"]}, "prompt: ['x'] is not valid"),
        ({"prompt": "x", "messages": []}, "prompt, messages: give one of them, not both"),
        ({"prompt": None, "messages": []}, "messages: [] is not valid: give at least 1 of them"),
        ({"prompt": None, "messages": [{"role": "robot"}]}, "messages.0.role: 'robot' is not valid: give 'system', "),
        ({"prompt": None, "messages": [{"role": "user"}]}, "a message needs content"),
        (
            {"prompt": None, "messages": [{"role": "user", "content": "x", "text": "y"}]},
            "messages.0.text: 'y' is not valid: there is",
        ),
        ({"temperature": 3}, "temperature: 3 is not valid: give 2 or less"),
        ({"priority": "urgent"}, "priority: 'urgent' is not valid: give 'low', 'normal', 'high' or 'critical'"),
        ({"model": "no spaces"}, "model: 'no spaces' is not valid: use only letters, digits and _ . : / @ + -"),
        ({"model": ""}, "model: '' is not valid: it must not be empty"),
        ({"max_tokens": "many"}, "max_tokens: 'many' is not valid: give a whole number"),
        ({"top_p": "much"}, "top_p: 'much' is not valid: give a number"),
        ({"max_cost_usd": "dear"}, "max_cost_usd: 'dear' is not valid: give a number"),
        ({"deadline_s": -1}, "deadline_s: -1 is not valid: give seconds from now, above 0"),
        ({"deadline_s": float("nan")}, "deadline_s: nan is not valid"),
        ({"deadline_s": "soon"}, "deadline_s: 'soon' is not valid"),
        ({"max_token": 5}, "max_token: there is no such option; did you mean max_tokens?"),
        ({"qqq": 5}, "qqq: there is no such option"),
        ({"max_cost_usd": -1}, "max_cost_usd: -1 is not valid: give 0 or more"),
        ({"temperature": 3, "top_p": 0}, "temperature: 3 is not valid: give 2 or less; top_p: 0 is not"),
        ({"metadata": "m" * 100}, f"metadata: '{'m' * 59}… is not valid"),
    ],
)
def test_what_is_wrong_is_told(arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        build(**arguments)
    message = str(caught.value)
    assert told in message
    assert "pydantic" not in message
    assert "\n" not in message
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(
    prompt=anything,
    messages=anything,
    options=st.dictionaries(st.sampled_from([*JobOptions.__annotations__, "x"]), anything, max_size=4),
)
def test_whatever_is_given_a_job_that_can_be_stored_or_a_clear_error(prompt: Any, messages: Any, options: dict[str, Any]) -> None:
    with suppress(InvalidRequestError):
        spec = render_spec(build(prompt, messages, **options))
        assert Job.model_validate_json(spec).agent == "a"


def test_what_is_too_large_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match=r"the job is too large: 16,777,\d+ characters of JSON, at most 16,777,216"):
        render_spec(build("x" * (LARGEST_SPEC_CHARS)))
