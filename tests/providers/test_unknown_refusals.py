"""A refusal that nobody has seen yet is taken for the safe thing, and logged once by its shape: then a row can be written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool_worker.errors import AttemptError, AuthenticationFailedError, BadRequestError, ProviderFailedError
from pool_worker.providers.classify import classify
from pool_worker.providers.refusal import Refusal
from pool_worker.providers.unknown import _log_once, shape_of

NOW = datetime(2026, 11, 21, tzinfo=UTC)
KEY = "gsk_4fT9qLmZ27aXcVbNkWpR83sE"


@pytest.fixture(autouse=True)
def nothing_logged_yet() -> None:
    _log_once.cache_clear()


def refuse(status: int, body: Any, *, provider: str = "groq") -> AttemptError:
    return classify(Refusal(provider_id=provider, status=status, body=body), now=NOW, secret=KEY)


@pytest.mark.parametrize(
    ("status", "taken_for"),
    [(418, ProviderFailedError), (302, ProviderFailedError), (400, BadRequestError), (403, AuthenticationFailedError)],
)
def test_it_is_logged_once(caplog: pytest.LogCaptureFixture, status: int, taken_for: type[AttemptError]) -> None:
    body = {"error": {"message": f"{KEY} wants tea", "code": "teapot", "hints": [1, 2], "id": None}}
    for _ in range(3):
        assert isinstance(refuse(status, body), taken_for)
    (message,) = caplog.messages
    assert message == (
        f"groq answered {status} in a way that is not known, taken for {taken_for.__name__}; codes: teapot; "
        'body: {"error": {"message": text, "code": text, "hints": [number], "id": null}}'
    )


@pytest.mark.parametrize(("status", "body"), [(418, "<p>no"), (418, {}), (419, {"error": "no"}), (418, {"error": 7})])
def test_another_one_is_another(caplog: pytest.LogCaptureFixture, status: int, body: object) -> None:
    refuse(418, {"error": "no"})
    refuse(status, body)
    assert len(caplog.messages) == 2


@pytest.mark.parametrize("status", [401, 402, 404, 413, 429, 500, 502, 503, 504])
def test_what_is_known_is_not_logged(caplog: pytest.LogCaptureFixture, status: int) -> None:
    refuse(status, {"error": {"message": "no"}})
    assert caplog.messages == []


SAID = st.text().map(lambda text: f"{KEY}{text}")
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | SAID,
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["code", "id", KEY, "a b"]), inner),
)


@given(body=ANY_JSON)
def test_a_shape_tells_nothing_that_was_said(body: object) -> None:
    shape = shape_of({"error": body})
    assert KEY not in shape
    assert shape.startswith('{"error": ')


def test_a_deep_or_wide_body_is_cut() -> None:
    deep: dict[str, Any] = {"a": {"a": {"a": {"a": {"a": 1}}}}}
    assert shape_of(deep) == '{"a": {"a": {"a": {"a": …}}}}'
    assert shape_of({f"f{chr(97 + n)}": n for n in range(25)}).endswith('"fj": number, …}')
    assert shape_of({"user-12345": 1}) == '{"?": number}'
