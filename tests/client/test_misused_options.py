"""Every option of `submit` with the mistakes that are made of it: what is told names field, value, and what would be right."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from pool_client import InvalidRequestError, Pool
from pool_client.building import build_job, render_spec
from pool_client.options import AgentDefaults, JobOptions
from pool_client.testing import InMemoryPool

NAIVE = datetime(2026, 11, 21, 12)  # noqa: DTZ001 - the mistake
LONG = "m" * 300
A_TEXT, A_NUMBER, A_WHOLE_NUMBER = "give a text", "give a number", "give a whole number"
A_LETTER = "use only letters, digits and _ . : / @ + -"
EMPTY = "it must not be empty"
FINITE = "give a finite number"
TRUE_OR_FALSE = "give True or False"
TOOLS = "give a list of dicts, as in the chat completions API"
TOOL_CHOICE = "give 'auto', 'none', 'required' or a dict that names a function"
FORMAT = "give a dict, for example {'type': 'json_object'}"
OWN = "give a dict of your own, for example {'ticket': 17}"
SECONDS = "give seconds from now, above 0 and at most 31622400"
CAPABILITIES = "give a list of capability names, for example ['coding']"
PROVIDERS = "give a list of provider names, for example ['openai']"
TEXTS = "give a text, or a list of texts"
WHEN_EXHAUSTED = "give 'park', 'degrade' or 'fail'"
URGENCY = "give 'low', 'normal', 'high' or 'critical'"
TIERS = "give 'free', 'paid', 'premium' or 'local'"
UTF_8 = "give a text that can be written as UTF-8"

MISTAKES: dict[str, list[tuple[Any, str]]] = {
    "model": [
        (5, A_TEXT),
        (["x"], A_TEXT),
        ("", "it must not be empty"),
        ("a b", A_LETTER),
        (LONG, "give at most 128 characters"),
    ],
    "task_type": [(5, A_TEXT), ("to do", A_LETTER), ("\ud800", UTF_8)],
    "priority": [("urgent", URGENCY), (1, URGENCY), ("HIGH", URGENCY), (["high"], URGENCY)],
    "tier": [("cheap", TIERS), (True, TIERS), (["free", "paid"], TIERS)],
    "deadline_s": [("soon", SECONDS), (0, SECONDS), (-1, SECONDS), (NAIVE, SECONDS), (timedelta(1), SECONDS), (True, SECONDS)],
    "max_tokens": [
        ("many", A_WHOLE_NUMBER),
        (1.5, A_WHOLE_NUMBER),
        (float("inf"), FINITE),
        ([5], A_WHOLE_NUMBER),
        (0, "give 1 or more"),
        (-5, "give 1 or more"),
        (10**7, "give 1,000,000 or less"),
    ],
    "temperature": [("hot", A_NUMBER), ([1], A_NUMBER), (-0.1, "give 0 or more"), (3, "give 2 or less")],
    "top_p": [("much", A_NUMBER), (0, "give more than 0"), (1.5, "give 1 or less")],
    "stop": [(5, TEXTS), ({"a": 1}, TEXTS), (list("abcde"), "give at most 4 of them")],
    "seed": [("x", A_WHOLE_NUMBER), (1.5, A_WHOLE_NUMBER), (NAIVE, A_WHOLE_NUMBER)],
    "tools": [("look", TOOLS), ({"type": "function"}, TOOLS), (5, TOOLS)],
    "tool_choice": [(5, TOOL_CHOICE), (["auto"], TOOL_CHOICE), (True, TOOL_CHOICE)],
    "response_format": [("json", FORMAT), ([{}], FORMAT), (1, FORMAT)],
    "stream": [("maybe", TRUE_OR_FALSE), (2, TRUE_OR_FALSE), ([], TRUE_OR_FALSE)],
    "max_cost_usd": [("dear", A_NUMBER), (-1, "give 0 or more"), ([1], A_NUMBER), (Decimal("NaN"), FINITE), (1j, A_NUMBER)],
    "required_capabilities": [("coding", CAPABILITIES), (5, CAPABILITIES), ({"coding": True}, CAPABILITIES)],
    "excluded_providers": [("groq", PROVIDERS), (True, PROVIDERS)],
    "max_latency_ms": [("fast", A_WHOLE_NUMBER), (0, "give 1 or more"), (0.5, A_WHOLE_NUMBER), (timedelta(1), A_WHOLE_NUMBER)],
    "on_exhausted": [("wait", WHEN_EXHAUSTED), (None.__class__, WHEN_EXHAUSTED), (True, WHEN_EXHAUSTED)],
    "cache": [("maybe", TRUE_OR_FALSE), (60, TRUE_OR_FALSE)],
    "idempotency_key": [(5, A_TEXT), ("", EMPTY), (LONG, "give at most 256 characters"), (b"\xff", UTF_8)],
    "batch": [(5, A_TEXT), ("my batch", A_LETTER)],
    "batch_budget_usd": [(1, "give the batch's name as well: batch=…")],
    "metadata": [("x", OWN), ([1], OWN), (5, OWN)],
}


def refusal(prompt: Any = "x", messages: Any = None, *, agent: Any = "a", **options: Any) -> str:
    with pytest.raises(InvalidRequestError) as caught:
        render_spec(build_job(prompt, messages, options, agent=agent, defaults=AgentDefaults(), now=datetime.now(UTC)))
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return str(caught.value)


def test_the_table_has_every_option() -> None:
    assert set(MISTAKES) == set(JobOptions.__annotations__)


@pytest.mark.parametrize(("option", "value", "right"), [(name, *mistake) for name, them in MISTAKES.items() for mistake in them])
def test_a_mistake_names_the_option_its_value_and_what_would_be_right(option: str, value: Any, right: str) -> None:
    shown = repr(value) if len(repr(value)) <= 60 else f"{repr(value)[:60]}…"
    assert refusal(**{option: value}) == f"{option}: {shown} is not valid: {right}"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"required_capabilities": ["coding", 5]}, "required_capabilities.1: 5 is not valid: give a text"),
        ({"tools": ["look"]}, "tools.0: 'look' is not valid: give a dict"),
        ({"stop": ["a", None]}, "stop.1: None is not valid: give a text"),
        ({"agent": 5}, "agent: 5 is not valid: give a text"),
        ({"prompt": b"x"}, "prompt: b'x' is not valid: give a text, or messages=[{'role': 'user', 'content': '…'}]"),
        ({"messages": "x"}, "messages: 'x' is not valid: give a list of messages: [{'role': 'user', 'content': '…'}]"),
        ({"messages": ["x"]}, "messages.0: 'x' is not valid: give a dict with role and content"),
        ({"messages": [{}]}, "messages.0.role: is required"),
        (
            {"messages": [{"role": "user", "content": 5}]},
            "messages.0.content: 5 is not valid: give a text, or a list of parts: [{'type': 'text', 'text': '…'}]",
        ),
        ({"deadline_at": NAIVE}, "deadline_at: there is no such option; did you mean deadline_s?"),
        (
            {"temperature": "hot", "cache": 5},
            "temperature: 'hot' is not valid: give a number; cache: 5 is not valid: give True or False",
        ),
    ],
)
def test_a_mistake_inside_of_a_value_names_its_place(arguments: dict[str, Any], words: str) -> None:
    if "messages" in arguments:
        arguments = {"prompt": None} | arguments
    assert refusal(**arguments) == words


@pytest.mark.parametrize(
    ("arguments", "field"), [({"metadata": {"at": {object()}}}, "metadata"), ({"prompt": "\ud800"}, "messages")]
)
def test_what_cannot_be_written_as_json_is_named(arguments: dict[str, Any], field: str) -> None:
    words = refusal(**arguments)
    assert words.startswith(f"{field}: ")
    assert words.endswith(
        "is not valid: put only what JSON can say into it: text in UTF-8, numbers, True, False, None, lists and dicts"
    )


def test_both_pools_say_the_same(redis_url: str) -> None:
    said = []
    with Pool(redis_url=redis_url) as real:
        for pool in (real, InMemoryPool()):
            with pytest.raises(InvalidRequestError) as caught:
                pool.submit_many(["fine", {"prompt": "x", "required_capabilities": "coding"}])
            said.append(str(caught.value))
    assert said == [f"request 1: required_capabilities: 'coding' is not valid: {CAPABILITIES}"] * 2
