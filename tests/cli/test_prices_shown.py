"""Prices, and what comes of one that nobody knows, as the command line shows them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from command_line import CommandLine

from pool_client.job import Tier
from pool_worker.ledger.database import open_database, writing
from pool_worker.ledger.models import publish_models
from pool_worker.ledger.rows import AttemptRow
from pool_worker.ledger.schema import migrate
from pool_worker.ledger.tables import usage_logs
from pool_worker.registry import Model, Provider, Registry

MODELS = """
models:
  paid_tier:
    - {id: listed, provider: openai, model: gpt-5-mini}
    - {id: half, provider: openai, model: gpt-5-mini, discount: 0.5}
    - {id: ours, provider: openai, model: gpt-of-our-own}
    - {id: written, provider: openai, model: x, cost: 0.01, cost_per_1k_tokens: 0.002, cost_per_1k_cached_input_tokens: 0.001}
  free_tier:
    - {id: free, provider: groq, model: x}
cost_management: {daily_budget: 0.14}
"""
PER_MTOK = "USD per million tokens in / out"


@pytest.fixture
def priced(cli: CommandLine) -> CommandLine:
    (cli.folder / "configs").mkdir()
    (cli.folder / "configs" / "models.yaml").write_text(MODELS, encoding="utf-8")
    return cli


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("listed", f"0.25 / 2 {PER_MTOK}, 0.025 for input that is cached, by the public list (genai-prices)"),
        ("half", f"0.125 / 1 {PER_MTOK}, 0.0125 for input that is cached, after 50% off, by the public list (genai-prices)"),
        ("ours", "unknown: what is called there is counted as 0 USD"),
        ("written", f"2 / 2 {PER_MTOK}, 1 for input that is cached, and 0.01 USD per request"),
        ("free", "free"),
    ],
)
def test_a_price_is_shown_with_where_it_comes_from(priced: CommandLine, model: str, told: str) -> None:
    (line,) = (line for line in priced.run("models", "show", model).stdout.splitlines() if line.startswith("price"))
    assert line.removeprefix("price").strip() == told


def test_programs_are_told_the_same(priced: CommandLine) -> None:
    shown = {model["id"]: model for model in json.loads(priced.run("models", "list", "--json").stdout)}
    assert {name: (it["price_known"], it["price_is_listed"], it["discount"]) for name, it in shown.items()} == {
        "listed": (True, True, "0"),
        "half": (True, True, "0.5"),
        "ours": (False, False, "0"),
        "written": (True, False, "0"),
        "free": (True, False, "0"),
    }
    assert shown["half"]["price"]["cached_input_usd_per_mtok"] == "0.0125"


def test_costs_say_how_much_is_counted_as_nothing_for_want_of_a_price_and_where_the_budget_ends_them(priced: CommandLine) -> None:
    priced.home.mkdir()
    engine = open_database(f"sqlite:///{priced.home}/ledger.db")
    migrate(engine)
    known, unknown = (Model(name, "openai", name, tier=Tier.PAID, price_known=name != "ours") for name in ("listed", "ours"))
    publish_models(engine, Registry({"openai": Provider("openai", "https://x.example")}, {it.id: it for it in (known, unknown)}))
    with writing(engine) as connection:
        for number, (model, cost) in enumerate((("listed", "0.5"), ("ours", "0"), ("ours", "0")), 1):
            row = AttemptRow(
                attempt_id=f"a:{number}",
                job_id="a",
                attempt=number,
                agent="x",
                queue="paid.openai",
                outcome="ok",
                created_at=datetime.now(UTC),
                model_id=model,
                input_tokens=9,
                cost=Decimal(cost),
            )
            connection.execute(usage_logs.insert(), row.to_columns())
    engine.dispose()
    note = "2 calls of models whose price is not known: counted as 0 USD"
    assert note in priced.run("costs").stdout.splitlines()
    for option in ("--json", "--csv", "--forecast"):
        assert note not in priced.run("costs", option).stdout
    end = "if it goes on at the pace so far, which the budget ends at 0.14 USD\n"
    assert [priced.run("costs", *option).stdout.endswith(end) for option in ((), ("--forecast",))] == [True, True]
    models = priced.folder / "configs" / "models.yaml"
    models.write_text(MODELS.replace("0.14", "0.14, auto_pause: false"), encoding="utf-8")
    assert priced.run("costs", "--forecast").stdout.endswith("if it goes on at the pace so far\n")
