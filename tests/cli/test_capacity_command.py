"""`model-pool capacity`: what is read and drawn, and what is said where nothing runs."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
import redis
import redis.asyncio
from command_line import CommandLine

from pool_client.redis_connection import connection_options
from pool_worker import redis_keys
from pool_worker.cli.capacity.view import capacity_view
from pool_worker.cli.screen import as_text
from pool_worker.cli.status.reading import StatusReader
from pool_worker.config import load_registry
from pool_worker.limits.enroll import enroll
from pool_worker.limits.holds import group_scope, hold, provider_scope
from pool_worker.overview.capacity import capacities
from pool_worker.registry import Registry

WIDTH = 80


@pytest.fixture
def registry(repository: Path) -> Registry:
    return load_registry(repository / "configs", profile="thirty-two-keys")


@pytest.fixture
def enrolled(redis_url: str, registry: Registry) -> str:
    """URL of a Redis in which workers have enrolled thirty-two keys, and one provider is left alone."""

    async def work() -> None:
        async with redis.asyncio.Redis.from_url(redis_url, **connection_options(asynchronous=True)) as client:
            await enroll(client, registry)
            await hold(client, provider_scope("cerebras"), reason="ProviderOverloadedError: 503", ttl_ms=3_600_000)

    asyncio.run(work())
    return redis_url


def page(url: str, registry: Registry) -> str:
    with StatusReader(url, registry) as reader:
        overview = reader.overview()
    text = as_text(capacity_view(capacities(overview.providers), at=overview.at), width=WIDTH)
    assert max(len(line) for line in text.splitlines()) <= WIDTH
    assert "…" not in text
    return text


def test_what_can_be_done_is_shown_by_provider_and_in_total(enrolled: str, registry: Registry) -> None:
    text = page(enrolled, registry)
    assert re.search(r"(?m)^requests +keys +a minute +left now +a day +left today +more in$", text)
    assert re.search(r"(?m)^groq +7/7 +210 +210 +7,000 +7,000 +– *$", text)
    assert re.search(r"(?m)^groq +7/7 +56,000 +56,000 +1,400,000 +1,400,000 +– *$", text)
    assert len(re.findall(r"(?m)^total +25/32 ", text)) == 2
    assert not re.search(r"(?m)^cerebras +\d+/", text), "what is held counts nothing"
    assert re.search(r"cerebras +(1 h|59 m \d+ s) +provider overloaded: 503", text)
    assert re.search(r"– +disabled: it has no active model *\nanthropic, ollama", text)
    assert re.search(r"no limit on tokens: .*openrouter", text)
    assert "limited in other ways too: cloudflare (units/day)" in text


def test_a_learned_limit_is_shown_with_the_configured_one(enrolled: str, registry: Registry, redis_client: redis.Redis) -> None:
    model = registry.models["groq_gpt_oss_120b"]
    seconds, _ = redis_client.time()
    for number in range(1, 7):
        window = redis_keys.window("groq", model.name, unit="tokens", period="minute", kind="refill", group=f"groq#{number}")
        redis_client.hset(redis_keys.key_facts(f"groq#{number}"), "learned", json.dumps({window: [6000, int(seconds) * 1000]}))
    text = page(enrolled, registry)
    assert re.search(r"groq on openai/gpt-oss-120b +tokens/min +6,000 \(of 8,000\) +6 keys", text)
    assert re.search(r"(?m)^groq +7/7 +44,000 ", text)


def test_what_is_spent_says_when_more_comes(enrolled: str, registry: Registry) -> None:
    async def refuse() -> None:
        async with redis.asyncio.Redis.from_url(enrolled, **connection_options(asynchronous=True)) as client:
            for number in range(1, 8):
                scope = group_scope("openrouter", f"openrouter#{number}")
                await hold(client, scope, reason="WindowSpentError: 429", ttl_ms=100_000 * number)

    asyncio.run(refuse())
    assert re.search(r"(?m)^openrouter +0/7 +140 +0 +350 +350 +1 m (3|4)\d s", page(enrolled, registry))


def test_for_programs_it_is_a_list_with_the_total_at_its_end(cli: CommandLine, enrolled: str) -> None:
    ended = cli.run("capacity", "--json", "--redis", enrolled, variables={"MODEL_POOL_PROFILE": "thirty-two-keys"})
    assert ended.returncode == 0, ended.stderr
    *providers, total = json.loads(ended.stdout)
    groq = next(it for it in providers if it["provider"] == "groq")
    assert groq["requests"]["per_minute"] == {"counted": 210, "unlimited": False}
    assert (total["provider"], total["keys"], total["keys_usable"]) == ("*", 32, 25)
    cerebras = next(it for it in providers if it["provider"] == "cerebras")
    assert (cerebras["status"], cerebras["requests"]["usable_now"]["counted"]) == ("held", 0)


def test_a_redis_in_which_no_worker_has_been_says_how_to_start_one(cli: CommandLine, redis_url: str) -> None:
    for options in ((), ("--json",)):
        ended = cli.run("capacity", *options, "--redis", redis_url)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert "no worker has told this Redis yet which keys there are. To start one: " in ended.stderr
        assert "model-pool up" in ended.stderr


def test_a_wrong_option_is_told(cli: CommandLine) -> None:
    ended = cli.run("capacity", "--per", "day")
    assert ended.returncode == 2
    assert "--per" in ended.stderr
