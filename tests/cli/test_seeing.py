"""The commands that show something, as a user calls them, on one system that runs for all of these tests."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio
from command_line import CommandLine, wait_until
from system_at_work import AtWork
from system_fixture import PROFILE

from pool_client import redis_keys as shared_keys
from pool_client.job import JobState
from pool_worker import redis_keys
from pool_worker.alerts import resolve, tell_sync
from pool_worker.simulator.answers import expected_digest

PROMPT = "Why is the sky blue?"


@dataclass(frozen=True)
class Shown(AtWork):
    """Somebody looks at it."""

    def run(self, *arguments: str, code: int = 0, text: str | None = None) -> tuple[str, str]:
        """stdout and stderr; never a traceback, a repr or a control character."""
        ended = self.cli.run(*arguments, text=text)
        both = ended.stdout + ended.stderr
        assert ended.returncode == code, both
        assert not any(bad in both for bad in ("Traceback", "\x1b", "object at 0x", "Decimal(", "datetime("))
        return ended.stdout, ended.stderr

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", code=code)[0])


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    cli = CommandLine.in_folder(tmp_path_factory.mktemp("shown"), columns=100)
    with Shown.running(cli, config_dir=Path(__file__).parents[2] / "configs") as shown:
        yield shown


def test_the_answer_goes_to_stdout_and_everything_about_it_to_stderr(shown: Shown) -> None:
    answer, about = shown.run("submit", PROMPT, "--agent", "log_analyzer", "--priority", "high", "--max-tokens", "30")
    assert answer.startswith(f"echo {expected_digest(PROMPT)}")
    assert all(words in about for words in ("cerebras_gpt_oss_120b", "cerebras#", "tokens in", "ms", "0.00 USD"))


def test_a_stream_is_printed_as_the_same_text(shown: Shown) -> None:
    answer, about = shown.run("submit", PROMPT, "--stream")
    assert answer == shown.run("submit", PROMPT)[0]
    assert "tokens in" in about
    assert "\nchosen: first of " in about
    _, told = shown.run("submit", PROMPT, "--stream", "--model", "no_such_model", code=1)
    assert "no such model is configured" in told


def test_a_model_can_be_tried(shown: Shown) -> None:
    _, about = shown.run("models", "test", "groq_gpt_oss_120b")
    assert "groq#" in about
    assert shown.json("models", "test", "groq_gpt_oss_120b")["cached"] is False
    _, told = shown.run("models", "test", "groq_gpt_oss_12b", code=2)
    assert "did you mean" in told.lower()


def test_the_prompt_may_come_from_stdin_or_a_file(shown: Shown) -> None:
    (shown.cli.folder / "prompt.txt").write_text("From a file: é")
    assert shown.json("submit", "--file", "prompt.txt")["content"].startswith(f"echo {expected_digest('From a file: é')}")
    answer, _ = shown.run("submit", "-", text="From stdin")
    assert answer.startswith(f"echo {expected_digest('From stdin')}")


def test_without_waiting_the_id_is_printed_and_brings_the_answer(shown: Shown) -> None:
    job_id = shown.run("submit", PROMPT, "--no-wait")[0].strip()
    answer, about = shown.run("result", job_id)
    assert answer.startswith(f"echo {expected_digest(PROMPT)}")
    assert "tokens in" in about
    assert shown.json("result", job_id)["content"] == answer.rstrip("\n")
    assert shown.run("job", job_id)[0].endswith(f"\nanswer\n{answer}")
    facts = shown.json("job", job_id)
    assert facts["content"] == answer.rstrip("\n")
    assert (facts["state"], facts["source"], facts["queue"]) == ("succeeded", "redis", "free")
    assert [attempt["outcome"] for attempt in facts["attempts"]] == ["ok"]
    assert facts["selection"] == shown.json("result", job_id)["selection"]
    assert 0 < facts["selection"]["score"] <= 1
    assert len(facts["selection"]["alternatives"]) == 3


def test_a_failover_is_told_with_its_reason(shown: Shown) -> None:
    shown.simulator.fault("cerebras", "status", status=503, count=1)
    job = shown.pool.submit(PROMPT, required_capabilities=["fast"])
    job.result(timeout=30)
    facts = shown.json("job", job.id)
    assert [attempt["outcome"] for attempt in facts["attempts"]] == ["ProviderOverloadedError", "ok"]
    text, _ = shown.run("job", job.id)
    assert all(words in text for words in ("succeeded", "provider overloaded", "cerebras#", "groq#", "503"))
    assert all(words in text for words in ("chosen", "and not", "it failed: ProviderOverloadedError", "its priority is lower"))


def test_a_job_that_waits_says_for_what_and_until_when(shown: Shown) -> None:
    shown.simulator.fault("codestral", "status", status=429, retry_after_s=890)
    job = shown.pool.submit(PROMPT, model="codestral")
    wait_until(lambda: job.status().state is JobState.PARKED)
    text, _ = shown.run("job", job.id)
    assert all(words in text for words in ("parked until", "because the quota of codestral#1 is spent", "window spent", "429"))
    parked = shown.json("status")["parked"]
    assert (parked["jobs"], sum(wait["jobs"] for wait in parked["waits"])) == (1, 1)
    assert parked["waits"][0]["reason"].startswith("codestral: ")
    text, _ = shown.run("status")
    assert all(words in text for words in ("1 parked", "codestral answered 429", "left alone", "14 m"))
    assert "is cancelled" in shown.run("cancel", job.id)[0]
    _, told = shown.run("submit", PROMPT, "--model", "codestral", "--on-exhausted", "fail", code=1)
    assert "Another try may succeed in 14 m" in told


def test_a_failure_is_told_and_where_its_story_is(shown: Shown) -> None:
    _, told = shown.run("submit", PROMPT, "--model", "no_such_model", code=1)
    assert "no such model is configured; there are cerebras_gpt_oss_120b, " in told
    job_id = told.rsplit("model-pool job ", 1)[1].strip()
    text, _ = shown.run("job", job_id)
    assert "ModelUnavailableError: no_such_model" in text
    assert "no call was made for it" in text
    assert "nothing has been tried" not in text
    assert shown.json("submit", PROMPT, "--model", "no_such_model", code=1)["type"] == "ModelUnavailableError"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["submit"], "give a prompt"),
        (["submit", "a", "--file", __file__], "only one of them"),
        (["submit", "a", "--priority", "urgent"], "'critical'"),
        (["submit", "a", "--agent", "a b"], "agent: 'a b' is not valid"),
        (["submit", "a", "--exclude", "groc"], '--exclude: "groc" is not a provider of any model; did you mean "groq"?'),
        (["job", "no-such-job"], "job no-such-job is not known"),
        (["usage", "--since", "yesterday"], '"yesterday" is no time'),
        (["usage", "--by", "hour"], "'model'"),
        (["costs", "--json", "--csv"], "--json / --csv: print either of them"),
        (["models", "show", "gemini_flsh"], 'did you mean "gemini_flash"'),
        (["models", "list", "--capability", "codign"], 'did you mean "coding"'),
        (["alerts", "ack", "999"], "there is no alert 999"),
        (["status", "--watch"], "needs a terminal"),
    ],
)
def test_wrong_input_is_told_with_what_would_be_right(shown: Shown, arguments: list[str], words: str) -> None:
    printed, told = shown.run(*arguments, code=2)
    assert words in " ".join(told.replace("│", " ").split())
    assert not printed


def test_status_says_who_works_and_what_is_used(shown: Shown) -> None:
    shown.pool.submit(PROMPT, model="github_gpt_4_1").result(timeout=20)
    shown.simulator.fault("gemini", "unauthorized", key="gemini#1", count=1)
    shown.pool.submit(PROMPT, model="gemini_flash").result(timeout=20)
    status = shown.json("status")
    assert [worker["name"].partition("@")[0] for worker in status["workers"]] == ["worker"]
    assert status["beat_is_active"]
    assert len(status["keys"]) >= 32
    github = next(key for key in status["keys"] if key["key_id"] == "github#1")
    assert {(window["unit"], window["per"], window["used"], window["limit"]) for window in github["windows"]} == {
        ("requests", "minute", 1, 15),
        ("requests", "day", 1, 150),
    }
    assert ("key", "gemini#1") in {(hold["kind"], hold["name"]) for hold in status["holds"]}
    text, _ = shown.run("status")
    assert all(words in text for words in ("cerebras ×7", "github", "key gemini#1", "active", "of 10.00 USD spent today"))
    assert "gemini#7" in shown.run("status", "--keys")[0]


def test_capacity_is_what_is_configured_less_what_is_used(shown: Shown) -> None:
    shown.pool.submit(PROMPT, model="github_gpt_4_1").result(timeout=20)
    *providers, total = shown.json("capacity")
    github = next(it for it in providers if it["provider"] == "github")["requests"]
    assert github["usable_now"]["counted"] < github["per_minute"]["counted"] == 15
    assert github["left_today"]["counted"] < github["per_day"]["counted"] == 150
    assert total["keys"] == 32
    text, _ = shown.run("capacity")
    assert all(words in text for words in ("requests", "tokens", "left today", "total"))


def test_beat_publishes_the_figures_that_programs_ask_for(shown: Shown) -> None:
    wait_until(lambda: shown.redis.exists(shared_keys.STATS))
    stats, health = shown.pool.get_all_stats(), shown.pool.get_health_status()
    assert len(stats.providers["groq"].keys) == health.providers["groq"].keys_total == 7
    assert health.providers["anthropic"].status == "disabled"


def test_the_ledger_knows_what_was_called_and_redis_may_forget(shown: Shown) -> None:
    shown.pool.submit(PROMPT, model="gemini_flash").result(timeout=20)
    job = shown.pool.submit(PROMPT, model="mistral_small", max_tokens=20)
    result = job.result(timeout=20)
    wait_until(lambda: not shown.redis.xlen(redis_keys.OUTBOX))
    row = next(row for row in shown.json("usage", "--model", "mistral_small"))
    assert (row["calls"], row["input_tokens"], row["output_tokens"]) == (1, result.usage.input_tokens, result.usage.output_tokens)
    text, _ = shown.run("usage", "--by", "key", "--since", "1h")
    assert "mistral#1" in text
    assert "total" in text
    assert {row["group"]: row["cost_usd"] for row in shown.json("costs", "--by", "provider")}["mistral"] == "0"
    filters = ("--model", "mistral_small", "--provider", "mistral", "--key", "mistral#1", "--agent", "default")
    header, line = shown.run("usage", "--csv", *filters)[0].splitlines()
    assert header.startswith("group,calls,successes,refusals,errors,input_tokens,output_tokens,cost_usd,")
    assert line.startswith(f"mistral_small,1,1,0,0,{result.usage.input_tokens},{result.usage.output_tokens},0,")
    assert shown.run("usage", "--csv", "--key", "mistral#1", "--agent", "backup_recovery")[0] == f"{header}\n"

    shown.redis.delete(shared_keys.job(job.id), shared_keys.result(job.id))
    facts = shown.json("job", job.id)
    assert (facts["source"], facts["state"], facts["model_id"]) == ("ledger", "succeeded", "mistral_small")
    assert [attempt["key_id"] for attempt in facts["attempts"]] == ["mistral#1"]
    text, _ = shown.run("job", job.id)
    assert "ledger.db; Redis does not have it: it keeps a job for 24 hours" in " ".join(text.split())
    assert text.endswith("\nanswer\n(Redis alone has answers, and for no longer than 24 hours)\n")
    assert (
        "Redis has its answer no more: it keeps one for 24 hours, unless it is emptied" in shown.run("result", job.id, code=1)[1]
    )
    assert "had succeeded before" in shown.run("cancel", job.id)[0]


@pytest.mark.parametrize(
    ("option", "name", "told"),
    [
        ("--model", "mistral_smal", '"mistral_smal" is not a model, and no call of it is known; did you mean "mistral_small"?'),
        ("--agent", "nobody", '"nobody" is not an agent, and no call of it is known; there are '),
        ("--provider", "gorq", '"gorq" is not a provider, and no call of it is known; did you mean "groq"?'),
        ("--key", "mistral#11", '"mistral#11" is not a key, and no call of it is known; did you mean "mistral#1"?'),
    ],
)
def test_a_name_that_nobody_has_is_a_mistake(shown: Shown, option: str, name: str, told: str) -> None:
    for form in ((), ("--json",), ("--csv",)):
        stdout, stderr = shown.run("usage", option, name, *form, code=2)
        assert (stdout, f"{option}: {told}" in stderr) == ("", True), stderr
    assert "no calls of agent backup_recovery since" in shown.run("usage", "--agent", "backup_recovery")[1]


def test_a_pool_of_free_models_costs_nothing_and_will_not(shown: Shown) -> None:
    shown.pool.submit(PROMPT, model="gemini_flash").result(timeout=20)
    wait_until(lambda: not shown.redis.xlen(redis_keys.OUTBOX))
    rows = shown.json("costs", "--by", "day")
    assert [(row["cost_usd"], row["share"], row["budget_share"]) for row in rows] == [("0", 0, 0)] * len(rows)
    assert shown.run("costs", "--csv")[0].startswith("group,calls,cost_usd,share,budget_share\n")
    told = "today: 0.00 of 10.00 USD (0%); 0.00 USD by midnight (UTC) if it goes on at the pace so far\n"
    assert shown.run("costs", "--forecast")[0] == told
    assert shown.run("costs")[0].endswith(told)
    today = shown.json("costs", "--forecast")
    assert (today["spent_usd"], today["forecast_usd"], today["budget_usd"], today["timezone"]) == ("0", "0", "10", "UTC")


def test_alerts_are_listed_and_acknowledged(shown: Shown) -> None:
    now = datetime.now(UTC)
    tell_sync(shown.redis, severity="critical", source="test", title="[bold]Fire", message="in the house", cause="c", now=now)
    wait_until(lambda: not shown.redis.xlen(redis_keys.OUTBOX))
    alert = next(alert for alert in shown.json("alerts", "list", "--open") if alert["title"] == "[bold]Fire")
    assert "in the house" in shown.run("alerts", "list")[0]
    assert f"alert {alert['id']} is acknowledged" in shown.run("alerts", "ack", str(alert["id"]))[0]
    assert alert["id"] not in {each["id"] for each in shown.json("alerts", "list", "--open")}
    assert f"seen {datetime.now().astimezone():%H:%M}" in shown.run("alerts", "list")[0]


def test_an_alert_that_is_over_is_shown_as_such(shown: Shown) -> None:
    now = datetime.now(UTC)
    storm = {"source": "test", "title": "Storm", "message": "over the house", "cause": "storm"}
    drought = {"source": "test", "title": "Drought", "message": "lasts", "cause": "drought"}
    tell_sync(shown.redis, **drought, severity="warning", now=now - timedelta(hours=1))
    tell_sync(shown.redis, **storm, severity="warning", now=now)
    wait_until(lambda: not shown.redis.xlen(redis_keys.OUTBOX))
    is_open = re.compile(r"warning +Storm +open")
    assert is_open.search(shown.run("alerts", "list", "--open")[0])

    async def resolve_it() -> None:
        async with redis.asyncio.Redis.from_url(shown.url) as client:
            await resolve(client, **{**storm, "title": "Calm"}, now=now + timedelta(seconds=1))

    asyncio.run(resolve_it())
    wait_until(lambda: not shown.redis.xlen(redis_keys.OUTBOX))
    text, _ = shown.run("alerts", "list")
    assert re.search(r"warning +Storm +over \d", text)
    assert "Calm" in text
    assert "Storm" not in shown.run("alerts", "list", "--open")[0]
    assert "over the house" in shown.run("alerts", "list", "--all")[0]
    assert shown.json("alerts", "list", "--limit", "1")[0]["title"] == "Calm"
    assert "Calm" not in shown.run("alerts", "list", "--limit", "1")[0], "what is open comes first, also if it is older"


def test_while_beat_runs_no_alert_means_that_all_is_well(shown: Shown) -> None:
    for alert in shown.json("alerts", "list", "--open"):
        shown.run("alerts", "ack", str(alert["id"]))
    lasting = [each for each in shown.json("alerts", "list") if each["acknowledged_at"] and not each["resolved_at"]]
    assert lasting
    told = shown.run("alerts", "list", "--open")[1]
    assert "not over yet: " in told
    assert told.endswith("\nno open alert\n")

    async def resolve_all() -> None:
        async with redis.asyncio.Redis.from_url(shown.url) as client:
            for each in lasting:
                words = {"source": "test", "title": "Over", "message": "", "cause": each["cause"]}
                await resolve(client, **words, now=datetime.now(UTC))

    asyncio.run(resolve_all())
    wait_until(lambda: not shown.redis.xlen(redis_keys.OUTBOX))
    assert shown.run("alerts", "list", "--open") == ("", "no open alert: all is well\n")


def test_models_and_why_one_cannot_be_used(shown: Shown) -> None:
    listed = shown.json("models", "list", "--capability", "vision")
    assert {model["id"] for model in listed} == {"mistral_small", "github_gpt_4_1", "gemini_flash"}
    assert all(model["is_usable"] for model in listed)
    assert "30 requests per minute (refill)" in shown.run("models", "show", "cerebras_gpt_oss_120b")[0]


def test_a_redis_that_is_named_brings_its_ledger_and_profile(shown: Shown) -> None:
    url = json.loads((shown.cli.home / f"simulate-{PROFILE}" / "up.json").read_text())["redis_url"]
    assert len(shown.json("models", "list", "--redis", url)) == 8
    assert "there is no ledger yet" not in shown.run("alerts", "list", "--redis", url)[1]
