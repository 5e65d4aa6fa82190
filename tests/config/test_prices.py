"""What a model costs: by its file, else by the public list; and what a call then costs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from genai_prices.data_snapshot import DataSnapshot, set_custom_snapshot
from genai_prices.types import ClauseEquals, ModelInfo, ModelPrice
from genai_prices.types import Provider as ListedProvider
from hypothesis import given
from hypothesis import strategies as st

from pool_client.job import Tier, Usage
from pool_worker.config import load_registry
from pool_worker.config.list_prices import list_price
from pool_worker.registry import Key, Model, Price, Provider, Registry, UnknownPrice
from pool_worker.settings import shipped_config_dir

WriteConfigs = Callable[[dict[str, str]], Path]
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
OPENAI = Provider(id="openai", base_url="https://api.openai.com/v1", tier=Tier.PAID)
ANTHROPIC = Provider(id="anthropic", base_url="https://api.anthropic.com/v1", protocol="anthropic", tier=Tier.PAID)
ELSEWHERE = "https://llm.example.com/v1"


def prices(into: str, out: str, cached: str | None = None, per_request: str = "0") -> Price:
    return Price(Decimal(into), Decimal(out), Decimal(per_request), None if cached is None else Decimal(cached))


@pytest.fixture(scope="module")
def shipped() -> Registry:
    return load_registry(shipped_config_dir(), environ={})


@pytest.fixture
def read(write_configs: WriteConfigs) -> Callable[..., Model]:
    """The model that an entry makes."""

    def model(fields: str, *, tier: str = "paid", provider: str = "openai", name: str = "gpt-5-mini", rest: str = "") -> Model:
        entry = f"models:\n  {tier}_tier:\n    - {{id: m, provider: {provider}, model: {name}{fields}}}\n{rest}"
        return load_registry(write_configs({"models.yaml": entry}), keys=[Key("openai#1", "openai")], environ={}).models["m"]

    return model


WRITTEN = ", cost_per_1k_input_tokens: 0.001, cost_per_1k_output_tokens: 0.004"


@pytest.mark.parametrize(
    ("fields", "price"),
    [
        pytest.param(WRITTEN, prices("1", "4"), id="a written price wins as a whole: nothing of the list is mixed in"),
        pytest.param(WRITTEN + ", cost_per_1k_cached_input_tokens: 0.0001", prices("1", "4", "0.1"), id="cached"),
        pytest.param(WRITTEN + ", cost_per_1k_cached_input_tokens: 0", prices("1", "4", "0"), id="cached input is free"),
        pytest.param(
            ", cost_per_1k_tokens: 0.002, cost_per_1k_cached_input_tokens: 0.001, discount: 0.25", prices("1.5", "1.5", "0.75")
        ),
        pytest.param(WRITTEN + ", cost: 0.01, discount: 0.5", prices("0.5", "2", per_request="0.01"), id="of tokens only"),
        pytest.param(WRITTEN + ", discount: 1", prices("0", "0"), id="all of it"),
        pytest.param(", cost: 0.01", prices("0", "0", per_request="0.01"), id="only by the request"),
        pytest.param(", cost: 0", Price(), id="written as free"),
    ],
)
def test_what_is_written_is_the_price(read: Callable[..., Model], fields: str, price: Price) -> None:
    model = read(fields)
    assert (model.price, model.price_known, model.price_is_listed) == (price, True, False)


def test_a_paid_model_without_a_price_has_that_of_the_list(read: Callable[..., Model]) -> None:
    model = read("")
    assert (model.price, model.price_known, model.price_is_listed) == (prices("0.25", "2", "0.025"), True, True)
    half = read(", discount: 0.5", tier="premium")
    assert (half.price, half.discount) == (prices("0.125", "1", "0.0125"), Decimal("0.5"))


@pytest.mark.parametrize("tier", ["free", "local"])
def test_what_need_not_cost_is_free_unless_it_says_so(read: Callable[..., Model], tier: str) -> None:
    model = read("", tier=tier)
    assert (model.price, model.price_known, model.price_is_listed) == (Price(), True, False)


def test_what_nobody_knows_is_unknown(read: Callable[..., Model]) -> None:
    model = read(", discount: 0.5", name="gpt-of-our-own")
    assert (model.price, model.price_known, model.price_is_listed) == (Price(), False, False)


@pytest.mark.parametrize(
    ("provider", "model", "price"),
    [
        pytest.param(OPENAI, "gpt-5-mini", prices("0.25", "2", "0.025"), id="by its id"),
        pytest.param(Provider("openai", ELSEWHERE), "gpt-5-mini", prices("0.25", "2", "0.025"), id="whatever its address"),
        pytest.param(Provider("ours", OPENAI.base_url), "gpt-5-mini", prices("0.25", "2", "0.025"), id="by its address"),
        pytest.param(Provider("openai", "https://api.deepseek.com"), "gpt-5-nano", prices("0.05", "0.4", "0.005"), id="id first"),
        pytest.param(Provider("gemini", ELSEWHERE), "gemini-2.5-flash-lite", prices("0.1", "0.4", "0.01"), id="Google"),
        pytest.param(Provider("codestral", ELSEWHERE), "codestral-latest", prices("0.3", "0.9"), id="Mistral"),
        pytest.param(Provider("perplexity", ELSEWHERE), "sonar", prices("1", "1", per_request="0.012"), id="and by the request"),
        pytest.param(OPENAI, "gpt-5.4", prices("5", "22.5", "0.5"), id="the last step by the prompt's length"),
        pytest.param(ANTHROPIC, "claude-haiku-5-5", prices("0.5", "2.5", "0.05"), id="the last step, Anthropic"),
        pytest.param(ANTHROPIC, "claude-sonnet-5-5", prices("2", "10", "0.1"), id="nothing is kept there unless asked"),
        pytest.param(
            Provider("ours", "https://api.deepseek.com"), "deepseek-flash", prices("0.3", "1.2", "0.006"), id="the dearest hour"
        ),
        pytest.param(OPENAI, "gpt-of-our-own", None, id="not in the list"),
        pytest.param(Provider("ours", ELSEWHERE), "gpt-5-mini", None, id="nobody knows the provider"),
        pytest.param(OPENAI, "text-embedding-3-small", None, id="it writes nothing"),
    ],
)
def test_the_list_is_asked_for_the_most_that_it_may_cost(provider: Provider, model: str, price: Price | None) -> None:
    assert list_price(provider, model, now=NOW) == price


@pytest.mark.parametrize(("into", "out"), [("0", "0"), ("0", "1"), ("1", "0")])
def test_a_price_of_zero_is_not_believed(into: str, out: str) -> None:
    price = ModelPrice(input_mtok=Decimal(into), output_mtok=Decimal(out))
    new = ModelInfo(id="new", match=ClauseEquals(equals="new"), prices=price)
    listed = ListedProvider(id="openai", name="OpenAI", api_pattern="https://api", models=[new])
    set_custom_snapshot(DataSnapshot([listed], from_auto_update=False))
    try:
        assert list_price(OPENAI, "new", now=NOW) is None
    finally:
        set_custom_snapshot(None)


def test_input_that_is_kept_unasked_costs_what_keeping_costs() -> None:
    price = list_price(OPENAI, "gpt-6-cyber", now=NOW)
    assert price is not None
    assert price.input_usd_per_mtok == 25, "20 for the input, 25 where it is kept for later calls"


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("", None),
        ("cost_management: {unknown_price: allow}\n", None),
        (
            "cost_management: {unknown_price: refuse}\n",
            "its price is not known, and cost_management says unknown_price: refuse",
        ),
    ],
)
def test_models_of_unknown_price_can_be_refused(write_configs: WriteConfigs, rule: str, why: str | None) -> None:
    models = "models:\n  paid_tier:\n" + "".join(
        f"    - {{id: {name}, provider: openai, model: {name}}}\n" for name in ("gpt-of-our-own", "gpt-5-mini")
    )
    registry = load_registry(write_configs({"models.yaml": models + rule}), keys=[Key("openai#1", "openai")], environ={})
    assert registry.unusable_models.get("gpt-of-our-own") == why
    assert "gpt-5-mini" not in registry.unusable_models
    assert registry.budget.unknown_price is (UnknownPrice.REFUSE if why else UnknownPrice.ALLOW)


LOADING = """
import sys
from pathlib import Path
from pool_worker.config import load_registry
load_registry(Path(sys.argv[1]), environ={})
print("genai_prices" in sys.modules)
"""


def test_the_list_is_read_only_for_who_needs_it(tmp_path: Path) -> None:
    """It takes half a second."""
    (tmp_path / "models.yaml").write_text(
        "models: {paid_tier: [{id: m, provider: openai, model: gpt-5-mini}]}\n", encoding="utf-8"
    )
    needed = [
        subprocess.run([sys.executable, "-c", LOADING, str(folder)], check=True, capture_output=True, text=True).stdout.strip()
        for folder in (shipped_config_dir(), tmp_path)
    ]
    assert needed == ["False", "True"]


# --- the shipped prices

SHORTER = {
    "claude_haiku_5_5": "its context is kept below the step in the price",
    "gpt_5_4": "its context is kept below the step in the price",
}
"""Shipped models that cost less than the list says at most, and why."""


def test_the_shipped_prices_are_those_of_the_list(shipped: Registry) -> None:
    def rates(price: Price | None) -> tuple[Decimal, Decimal] | None:
        return price and (price.input_usd_per_mtok, price.output_usd_per_mtok)

    paid = [model for model in shipped.models.values() if model.tier in {Tier.PAID, Tier.PREMIUM}]
    other = {
        model.id for model in paid if rates(model.price) != rates(list_price(shipped.provider_of(model), model.name, now=NOW))
    }
    assert other == set(SHORTER)


# --- what a call costs

SOME = Usage(input_tokens=1_000_000, output_tokens=100_000, cached_tokens=400_000, reasoning_tokens=90_000)


@pytest.mark.parametrize(
    ("price", "cost_usd"),
    [
        (prices("1", "10"), "2"),
        (prices("1", "10", "0.1"), "1.64"),
        (prices("1", "10", "0"), "1.6"),
        (prices("1", "10", "0.1", per_request="0.5"), "2.14"),
        (Price(), "0"),
    ],
)
def test_cached_input_costs_what_it_costs_and_reasoning_is_output(price: Price, cost_usd: str) -> None:
    assert price.cost_usd(SOME) == Decimal(cost_usd)


amounts = st.decimals(0, 1000, places=6)
counts = st.integers(0, 10_000_000)


@st.composite
def any_price(draw: st.DrawFn) -> Price:
    into = draw(amounts)
    return Price(into, draw(amounts), draw(amounts), draw(st.none() | st.decimals(0, into, places=6)))


@given(price=any_price(), into=counts, out=counts, cached=counts, more=st.fixed_dictionaries({"i": counts, "o": counts}))
def test_who_uses_more_pays_no_less_and_nobody_less_than_nothing(
    price: Price, into: int, out: int, cached: int, more: dict[str, Any]
) -> None:
    cost_usd = price.cost_usd(Usage(input_tokens=into, output_tokens=out, cached_tokens=cached))
    used_more = Usage(input_tokens=into + more["i"], output_tokens=out + more["o"], cached_tokens=cached)
    assert cost_usd >= 0
    assert cost_usd <= price.cost_usd(used_more)
    assert cost_usd <= price.cost_usd(Usage(input_tokens=into, output_tokens=out)), "what is reserved knows of no cache"
