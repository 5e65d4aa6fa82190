"""Strategies that an installed package brings: found by name, loaded at the start, kept from breaking jobs."""

from __future__ import annotations

import importlib
import logging
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pool_client.errors import ConfigurationError
from pool_client.job import Job, Message
from pool_worker.config import load_registry
from pool_worker.config.mistakes import ConfigError
from pool_worker.registry import STRATEGIES_GROUP, Model, Provider, Registry
from pool_worker.routing.route import Route, route
from pool_worker.strategies import load_strategy

PAGE = (Path(__file__).parents[2] / "docs" / "extending.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("## A strategy of your own")[2].partition("\n## ")[0]
(PYTHON, TOML, YAML) = re.findall(r"```(?:python|toml|yaml)\n(.*?)```", SECTION, re.DOTALL)

Install = Callable[[str, dict[str, str]], None]
BAD = """
def raises(choices, situation): raise RuntimeError("no idea")
def invents(choices, situation): return [*choices, object()]
def repeats(choices, situation): return [*choices, choices[0]]
def returns_nothing(choices, situation): return None
number = 7
"""


@pytest.fixture
def install(tmp_path: Path) -> Iterator[Install]:
    """Install a package `my_strategies` with this code and these entry points."""
    folder = tmp_path / "site"

    def write(code: str, entries: dict[str, str]) -> None:
        facts = folder / "my_strategies-1.0.dist-info"
        facts.mkdir(parents=True)
        (folder / "my_strategies.py").write_text(code, encoding="utf-8")
        (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: my-strategies\nVersion: 1.0\n", encoding="utf-8")
        lines = "\n".join(f"{name} = {value}" for name, value in entries.items())
        (facts / "entry_points.txt").write_text(f"[{STRATEGIES_GROUP}]\n{lines}\n", encoding="utf-8")
        sys.path.append(str(folder))
        importlib.invalidate_caches()

    yield write
    if str(folder) in sys.path:
        sys.path.remove(str(folder))
    sys.modules.pop("my_strategies", None)


def configured(folder: Path, pool_yaml: str) -> Registry:
    (folder / "pool.yaml").write_text(pool_yaml, encoding="utf-8")
    return load_registry(folder, environ={})


MODELS = [Model(id=name, provider="p", name=name, context_window=size) for name, size in (("a", 9000), ("b", 1000), ("c", 4000))]
FACTS = Registry({"p": Provider(id="p", base_url="http://p", needs_key=False)}, {it.id: it for it in MODELS})


def ways(strategy: str, *, count: int = 1, **fields: str) -> list[Route]:
    job, loaded = Job(messages=[Message(role="user", content="Why?")], **fields), load_strategy(strategy)
    return [route(job, FACTS, estimated_tokens=1, now=datetime.now(UTC), strategy=loaded) for _ in range(count)]


def order(way: Route) -> str:
    return "".join(choice.model.id for choice in way.choices)


def test_the_example_of_the_page_is_installed_configured_and_used(install: Install, tmp_path: Path) -> None:
    install(PYTHON, tomllib.loads(TOML)["project"]["entry-points"][STRATEGIES_GROUP])
    name = configured(tmp_path, YAML).rules.strategy
    assert name == "smallest_first"
    (way,) = ways(name)
    assert (order(way), way.order) == ("bca", "by smallest_first")
    assert order(ways(name, priority="critical")[0]) == "abc"


def test_without_a_word_it_is_priority_and_suitability_can_be_named(tmp_path: Path) -> None:
    assert configured(tmp_path, "timezone: UTC\n").rules.strategy == "priority"
    assert configured(tmp_path, "routing: {strategy: suitability}\n").rules.strategy == "suitability"


def test_a_name_that_nobody_knows_is_a_mistake_that_says_which_there_are(install: Install, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r'pool.yaml:1: routing.strategy: "zz" is not a strategy; there are priority, suitability$'
    ):
        configured(tmp_path, "routing: {strategy: zz}\n")
    install(BAD, {"raises": "my_strategies:raises"})
    with pytest.raises(ConfigError, match='did you mean "raises"'):
        configured(tmp_path, "routing: {strategy: raise}\n")


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("my_strategies:missing", "my_strategies:missing cannot be loaded .*no attribute 'missing'"),
        ("no_such_module:x", "no_such_module:x cannot be loaded .*No module named 'no_such_module'"),
        ("my_strategies:number", "my_strategies:number is not callable"),
    ],
)
def test_one_that_cannot_be_loaded_is_told_when_the_worker_starts(install: Install, value: str, why: str) -> None:
    install(BAD, {"mine": value})
    with pytest.raises(ConfigurationError, match=f"routing.strategy: mine: {why}"):
        load_strategy("mine")


def test_one_that_was_taken_away_since_the_configuration_was_read_is_told_too() -> None:
    with pytest.raises(ConfigurationError, match="gone: install one package"):
        load_strategy("gone")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("raises", "raised RuntimeError: no idea"),
        ("invents", "returned something that was not among its choices"),
        ("repeats", "or one of them twice"),
        ("returns_nothing", "raised TypeError"),
    ],
)
def test_a_strategy_that_fails_breaks_no_job_and_is_told_once(
    name: str, why: str, install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    install(BAD, {name: f"my_strategies:{name}"})
    with caplog.at_level(logging.ERROR):
        found = ways(name, count=3)
    assert [order(way) for way in found] == ["abc"] * 3
    (record,) = caplog.records
    assert f"the strategy {name} " in record.message
    assert why in record.message
    assert found[0].rejected == {}
