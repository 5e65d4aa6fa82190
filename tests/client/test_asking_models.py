"""`Pool.models`: what callers may ask of the models that the workers publish."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
import redis

from pool_client import (
    BasePool,
    ConfigurationError,
    InvalidRequestError,
    ModelInfo,
    Pool,
    StatsUnavailableError,
    Tier,
    redis_keys,
)
from pool_client.models import Catalog, render_catalog
from pool_client.testing import InMemoryPool

FREE = {"input_usd_per_mtok": Decimal(0), "output_usd_per_mtok": Decimal(0), "usd_per_request": Decimal(0)}
DEAR_TO_ANSWER = {"input_usd_per_mtok": Decimal("0.1"), "output_usd_per_mtok": Decimal("0.4")}
MODELS = (
    ModelInfo(id="quick", provider="groq", name="quick-8b", tier="free", capabilities=frozenset({"coding"}), **FREE),
    ModelInfo(id="sees", provider="gemini", name="sees-1", tier="free", capabilities=frozenset({"vision", "coding"})),
    ModelInfo(id="dear", provider="groq", name="dear-1", tier="paid", why_not="it is not active", **DEAR_TO_ANSWER),
)


@pytest.fixture(params=["redis", "in memory"])
def knowing(request: pytest.FixtureRequest) -> BasePool:
    """A pool with these models, of either kind."""
    if request.param == "in memory":
        in_memory = InMemoryPool()
        in_memory.known_models = list(MODELS)
        return in_memory
    pool: Pool = request.getfixturevalue("pool")
    request.getfixturevalue("redis_client").set(redis_keys.MODELS, render_catalog(Catalog(models=MODELS)))
    return pool


def test_all_of_them_in_the_order_of_the_configuration(knowing: BasePool) -> None:
    assert knowing.models() == list(MODELS)
    assert [model.is_usable for model in knowing.models()] == [True, True, False]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"model_id": "sees"}, ["sees"]),
        ({"provider": "groq"}, ["quick", "dear"]),
        ({"capability": "coding"}, ["quick", "sees"]),
        ({"tier": "paid"}, ["dear"]),
        ({"max_usd_per_mtok": 0}, ["quick"]),
        ({"max_usd_per_mtok": "0.3"}, ["quick"]),
        ({"max_usd_per_mtok": 0.4}, ["quick", "dear"]),
        ({"provider": "groq", "tier": "free"}, ["quick"]),
        ({"provider": "gemini", "tier": "paid"}, []),
        ({"model_id": ["dear", "quick"]}, ["quick", "dear"]),
        ({"provider": {"groq", "gemini"}, "tier": ("free", Tier.PAID)}, ["quick", "sees", "dear"]),
        ({"capability": ["vision", "coding"]}, ["sees"]),
    ],
)
def test_only_those_that_are_as_asked(knowing: BasePool, asked: dict[str, Any], found: list[str]) -> None:
    """A price that nobody knows is not known to be low."""
    assert [model.id for model in knowing.models(**asked)] == found


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"tier": "fre"}, "tier: 'fre' is not valid: give one of free, local, paid, premium; did you mean free?"),
        ({"provider": "gorq"}, "provider: 'gorq' is not valid: give one of gemini, groq; did you mean groq?"),
        ({"provider": ["groq", "x"]}, "provider: 'x' is not valid: give one of gemini, groq"),
        ({"capability": "codign"}, "capability: 'codign' is not valid: give one of coding, vision; did you mean coding?"),
        ({"model_id": "quik"}, "model_id: 'quik' is not valid: give one of dear, quick, sees; did you mean quick?"),
        ({"provider": 5}, "provider: 5 is not valid: give a name, or a list of names"),
        ({"provider": []}, "provider: [] is not valid: give a name, or a list of names"),
        ({"capability": ["coding", 5]}, "capability: ['coding', 5] is not valid: give a name, or a list of names"),
        ({"tier": {"free": 1}}, "tier: {'free': 1} is not valid: give a name, or a list of names"),
        ({"max_usd_per_mtok": -1}, "max_usd_per_mtok: -1 is not valid: give USD per million tokens, from 0 on"),
        ({"max_usd_per_mtok": "cheap"}, "max_usd_per_mtok: 'cheap' is not valid"),
        ({"max_usd_per_mtok": float("nan")}, "max_usd_per_mtok: nan is not valid"),
    ],
)
def test_a_mistake_names_field_and_value(knowing: BasePool, asked: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        knowing.models(**asked)
    assert str(caught.value).startswith(words)


def test_many_names_are_not_all_told() -> None:
    pool = InMemoryPool()
    pool.known_models = [MODELS[0].model_copy(update={"id": f"m{number:02}"}) for number in range(30)]
    with pytest.raises(InvalidRequestError, match=r"give one of m00, m01, .*, m19 and 10 more$"):
        pool.models(model_id="x")


def test_where_there_are_no_models_no_name_is_wrong() -> None:
    """As in a test of a program that asks, on a pool that was given none."""
    assert InMemoryPool().models(provider="groq", capability="coding") == []


def test_nothing_published_is_not_no_models(pool: Pool) -> None:
    with pytest.raises(StatsUnavailableError, match="has a worker been started"):
        pool.models()


@pytest.mark.parametrize("text", ["", "[]", '{"version": 2}', '{"models": [{"id": "x"}]}'])
def test_what_cannot_be_read_is_of_another_release(pool: Pool, redis_client: redis.Redis, text: str) -> None:
    redis_client.set(redis_keys.MODELS, text)
    with pytest.raises(ConfigurationError, match="install the workers' release"):
        pool.models()


def test_it_is_plain_data() -> None:
    plain = MODELS[2].model_dump(mode="json")
    assert json.loads(json.dumps(plain)) == plain
    assert (plain["output_usd_per_mtok"], plain["is_usable"], plain["context_window"]) == ("0.4", False, None)
