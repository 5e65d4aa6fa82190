"""`models list` and `show` tell of models that are left alone, until when and why, or on probation; nothing runs here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import redis.asyncio
from command_line import CommandLine

from pool_client.redis_connection import connection_options
from pool_worker.cli.figures import moment
from pool_worker.cli.models.held import held_models
from pool_worker.health.matters import down
from pool_worker.limits.holds import group_scope, hold, key_scope, model_scope, provider_scope
from pool_worker.overview.facts import Hold
from pool_worker.registry import Key, Model, Provider, Registry

REGISTRY = Registry(
    {"groq": Provider(id="groq", base_url="https://groq.example")},
    {f"groq_{name}": Model(id=f"groq_{name}", provider="groq", name=name) for name in ("large", "small")},
    keys=(Key("groq#1", "groq"), Key("groq#2", "groq")),
)
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
BOTH = {"groq_large", "groq_small"}


@pytest.mark.parametrize(
    ("minutes", "held"),
    [
        ({}, {}),
        ({provider_scope("groq"): 5}, dict.fromkeys(BOTH, 5)),
        ({model_scope("groq", "small"): 5}, {"groq_small": 5}),
        ({key_scope("groq#1"): 5}, {}),
        ({key_scope("groq#1"): 7, group_scope("groq", "groq#2"): 5}, dict.fromkeys(BOTH, 5)),
        ({key_scope("groq#1"): 7, group_scope("groq", "groq#2", model="small"): 9}, {"groq_small": 7}),
        ({provider_scope("groq"): 8, key_scope("groq#1"): 5}, dict.fromkeys(BOTH, 8)),
    ],
)
def test_a_model_is_held_until_its_first_key_is_back(minutes: dict[str, int], held: dict[str, int]) -> None:
    holds = {scope: Hold("", scope, NOON + timedelta(minutes=each), "why") for scope, each in minutes.items()}
    found = held_models(REGISTRY, holds)
    assert {model: hold.until for model, hold in found.items()} == {
        model: NOON + timedelta(minutes=each) for model, each in held.items()
    }


@pytest.fixture
def models(cli: CommandLine, redis_url: str) -> Callable[..., str]:
    """`models …` of a provider that needs no key; what it prints."""
    (cli.folder / "configs").mkdir()
    (cli.folder / "configs" / "providers.yaml").write_text(
        "providers:\n  acme:\n    base_url: https://acme.example/v1\n    needs_key: false\n"
    )
    (cli.folder / "configs" / "models.yaml").write_text(
        "models:\n  free_tier:\n    - {id: acme_small, provider: acme, model: small, cost: 0}\n"
    )

    def run(*arguments: str) -> str:
        ended = cli.run("models", *arguments, "--redis", redis_url, "--config", "configs")
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    return run


async def fail(url: str, *, is_held: bool) -> None:
    """People know that acme is down."""
    async with redis.asyncio.Redis.from_url(url, **connection_options(asynchronous=True)) as client:
        await down("acme").begins(client, now=datetime.now(UTC).replace(hour=0, minute=0, second=1))
        if is_held:
            await hold(client, provider_scope("acme"), reason="ProviderOverloadedError: 503", ttl_ms=60_000)


def test_it_is_shown_with_its_end_and_the_reason(models: Callable[..., str], redis_url: str) -> None:
    assert "usable" in models("list")
    asyncio.run(fail(redis_url, is_held=True))
    (facts,) = json.loads(models("list", "--json"))
    until = datetime.fromisoformat(facts["held_until"])
    words = f"left alone until {until.astimezone():%H:%M:%S}: provider overloaded: 503"
    assert facts["held_because"] == "ProviderOverloadedError: 503"
    assert words in models("list")
    assert f"no: {words}" in models("show", "acme_small")


def test_between_two_holds_it_is_on_probation(models: Callable[..., str], redis_url: str) -> None:
    asyncio.run(fail(redis_url, is_held=False))
    (facts,) = json.loads(models("list", "--json"))
    since = datetime.fromisoformat(facts["provider_down_since"])
    assert (facts["held_until"], facts["share_of_calls"]) == (None, 1.0)
    words = f"on probation: acme is down since {moment(since)}: it is called again, to see whether it is well"
    assert words in " ".join(models("list").split())
    assert words in " ".join(models("show", "acme_small").split())
    assert "usable" not in models("list")
