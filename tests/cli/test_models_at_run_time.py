"""`models disable`, `enable` and `reload` on a system that runs, with two workers and jobs under way."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine, wait_until
from system_at_work import AtWork
from system_fixture import PROFILE

from pool_client import JobHandle, ModelUnavailableError, RateLimitError, Result
from pool_worker import redis_keys

FIRST, SECOND = "cerebras_gpt_oss_120b", "groq_gpt_oss_120b"
SEEN_WITHIN_S = 2.5
"""Two seconds until the workers look, and a moment to do so."""
OFF = """
    - {id: groq_off, provider: groq, model: openai/gpt-oss-120b, cost: 0, is_active: false}
"""
NEW = """
    - {id: groq_again, provider: groq, model: openai/gpt-oss-120b, cost: 0}
"""
UNSERVED = """
    - {id: unheard_of, provider: newcomer, model: small, cost: 0}
"""
GROQ = "    priority: 85\n    limits:\n      - {unit: requests, limit: %s,"


@dataclass(frozen=True)
class Switched(AtWork):
    """Somebody changes its models."""

    @property
    def profile(self) -> Path:
        """The file with the models and limits that the workers have."""
        return self.cli.folder / "configs" / "profiles" / f"{PROFILE}.yaml"

    def models(self, *arguments: str, code: int = 0) -> str:
        """What `model-pool models …` says."""
        ended = self.cli.run("models", *arguments)
        both = ended.stdout + ended.stderr
        assert ended.returncode == code, both
        assert "Traceback" not in both
        return both

    def submit(self, count: int, **options: Any) -> list[JobHandle]:
        return self.pool.submit_many((f"line {number}" for number in range(count)), max_tokens=20, cache=False, **options)

    def calls_of(self, provider: str) -> int:
        """As the provider counts them."""
        return sum(key["requests"] for key in self.simulator.counts()["providers"][provider]["keys"].values())

    def why_not(self, model_id: str) -> str | None:
        (model,) = self.pool.models(model_id=model_id)
        return model.why_not


def results(jobs: Sequence[JobHandle]) -> list[Result]:
    return [job.result(timeout=60) for job in jobs]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Switched]:
    folder = tmp_path_factory.mktemp("at-run-time")
    shutil.copytree(Path(__file__).parents[2] / "configs", folder / "configs")
    with Switched.running(CommandLine.in_folder(folder), config_dir=folder / "configs", workers=2) as at_work:
        yield at_work


@pytest.fixture
def at_work(started: Switched) -> Iterator[Switched]:
    """With the configuration and the switches that it began with, when the test is over too."""
    as_shipped = started.profile.read_text()
    yield started
    started.redis.delete(redis_keys.DISABLED_MODELS)
    if started.profile.read_text() != as_shipped:
        started.profile.write_text(as_shipped)
        started.models("reload")


def test_a_model_that_is_disabled_under_load_is_called_no_more_and_the_jobs_go_on(at_work: Switched) -> None:
    jobs = at_work.submit(60)
    jobs[0].result(timeout=60)
    assert at_work.calls_of("cerebras")
    assert "is disabled: no worker chooses it any more" in at_work.models("disable", FIRST, "--reason", "it rambles")
    seen_at = time.monotonic() + SEEN_WITHIN_S
    while time.monotonic() < seen_at:
        results(at_work.submit(2))
    results(jobs)

    before = at_work.calls_of("cerebras")
    after = results(at_work.submit(80))
    assert at_work.calls_of("cerebras") == before
    assert {result.provider for result in after}.isdisjoint({"cerebras"})

    (pinned,) = at_work.submit(1, model=FIRST)
    with pytest.raises(ModelUnavailableError, match="disabled by a person: it rambles"):
        pinned.result(timeout=60)
    assert at_work.why_not(FIRST) == "disabled by a person: it rambles"
    for command in (("list",), ("show", FIRST)):
        assert "disabled by a person: it rambles" in at_work.models(*command)
    assert f"{FIRST} cannot be called: disabled by a person: it rambles" in at_work.models("test", FIRST, code=1)
    assert "disabled by a person: it rambles" not in at_work.models("show", SECOND)
    capacity = json.loads(at_work.cli.run("capacity", "--json").stdout)
    assert "no active model" in str(next(row for row in capacity if row["provider"] == "cerebras"))

    assert "is enabled" in at_work.models("enable", FIRST)
    wait_until(lambda: at_work.why_not(FIRST) is None)
    wait_until(lambda: is_called(at_work, FIRST))


def is_called(at_work: Switched, model_id: str) -> bool:
    """Whether a job gets its answer there; one of the two workers may not have looked yet."""
    try:
        return results(at_work.submit(1, model=model_id))[0].model_id == model_id
    except ModelUnavailableError:
        return False


def test_doing_it_twice_says_so(at_work: Switched) -> None:
    assert f"{FIRST} was not disabled" in at_work.models("enable", FIRST)
    assert "is disabled" in at_work.models("disable", FIRST)
    assert at_work.models("disable", FIRST) == f"{FIRST} was disabled already\n"
    assert "the reason is another now" in at_work.models("disable", FIRST, "--reason", "too [slow]")
    assert at_work.models("disable", FIRST) == f"{FIRST} was disabled already: too [slow]\n"
    assert "is enabled" in at_work.models("enable", FIRST)
    assert not at_work.redis.exists(redis_keys.DISABLED_MODELS)


def test_what_the_configuration_switches_off_is_switched_on_there(at_work: Switched) -> None:
    at_work.profile.write_text(at_work.profile.read_text().replace("\nfailover_strategy", f"{OFF}\nfailover_strategy"))
    told = at_work.models("enable", "groq_off", code=1)
    assert "groq_off stays off, for the configuration says `is_active: false`: write true there, then" in told
    assert "models reload`" in told


def test_what_is_no_longer_configured_can_be_enabled_and_that_is_said(at_work: Switched) -> None:
    at_work.redis.hset(redis_keys.DISABLED_MODELS, "of_last_year", "")
    assert "it is not configured either" in at_work.models("enable", "of_last_year")
    assert not at_work.redis.exists(redis_keys.DISABLED_MODELS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("disable", "groq_gpt_oss_12b"), f'did you mean "{SECOND}"'),
        (("enable", "groq_gpt_oss_12b"), f'did you mean "{SECOND}"'),
        (
            ("disable", FIRST, "--reason", "two\nlines"),
            "--reason: 'two\\nlines' cannot be shown in a line; write one line of text",
        ),
        (("disable", FIRST, "--reason", "x" * 201), "200 characters at most"),
        (("disable",), "ID"),
        (("disable", FIRST, SECOND), "too many arguments"),
        (("reload", "now"), "too many arguments"),
    ],
)
def test_mistakes_are_told_and_change_nothing(at_work: Switched, arguments: tuple[str, ...], words: str) -> None:
    assert words in at_work.models(*arguments, code=2)
    assert not at_work.redis.exists(redis_keys.DISABLED_MODELS)


def test_a_limit_and_a_new_model_are_there_without_a_restart(at_work: Switched) -> None:
    as_it_was = at_work.profile.read_text()
    results(at_work.submit(20, model=SECOND, on_exhausted="fail"))
    with pytest.raises(ModelUnavailableError, match="no such model is configured"):
        results(at_work.submit(1, model="groq_again"))

    changed = as_it_was.replace(GROQ % 30, GROQ % 1).replace("\nfailover_strategy", f"{NEW}\nfailover_strategy")
    at_work.profile.write_text(changed)
    assert at_work.models("reload") == "the new configuration was taken by 2 workers\n"
    with pytest.raises(RateLimitError):
        results(at_work.submit(1, model=SECOND, on_exhausted="fail"))
    at_work.profile.write_text(changed.replace(GROQ % 1, GROQ % 30))
    at_work.models("reload")
    assert results(at_work.submit(2, model=SECOND, on_exhausted="fail"))[0].provider == "groq"
    assert results(at_work.submit(1, model="groq_again"))[0].model_id == "groq_again"
    assert at_work.why_not("groq_again") is None


def test_broken_files_are_shown_and_the_workers_told_nothing(at_work: Switched) -> None:
    before = at_work.redis.get(redis_keys.RELOADS)
    at_work.profile.write_text(at_work.profile.read_text().replace(GROQ % 30, GROQ % "many"))
    told = at_work.models("reload", code=2)
    assert f"{PROFILE}.yaml:" in told
    assert "providers.groq.limits[0].limit" in told
    assert at_work.redis.get(redis_keys.RELOADS) == before

    at_work.redis.incr(redis_keys.RELOADS)  # as from another machine, where the files are well
    for worker in at_work.redis.scan_iter(redis_keys.worker("*")):
        wait_until(lambda worker=worker: "limits[0].limit" in json.loads(at_work.redis.get(worker))["trouble"])
    wait_until(lambda: "The configuration was not taken" in at_work.cli.run("alerts", "list", "--open").stdout)
    assert results(at_work.submit(5, model=SECOND))[0].provider == "groq"


def test_who_has_not_taken_it_is_named_with_the_reason(at_work: Switched) -> None:
    silent = redis_keys.worker("silent@elsewhere")
    at_work.redis.set(silent, '{"pid": 1, "queues": ["free"], "since": "2026-11-21T10:00:00+00:00"}')
    told = at_work.cli.run("models", "reload", "--json")
    at_work.redis.delete(silent)
    assert told.returncode == 1
    (found,) = [row for row in json.loads(told.stdout) if not row["taken"]]
    assert found["worker"] == "silent@elsewhere"
    assert "has not answered within 8 s" in found["why_not"]
    assert len(json.loads(told.stdout)) == 3


def test_a_provider_for_which_no_worker_runs_is_named_and_not_used(at_work: Switched) -> None:
    added = "providers:\n  newcomer:\n    base_url: https://llm.example.com/v1\n    needs_key: false\n"
    text = at_work.profile.read_text().replace("\nfailover_strategy", f"{UNSERVED}\nfailover_strategy")
    at_work.profile.write_text(text.replace("providers:\n", added, 1))
    assert "newcomer is not used: no worker serves its queue free.newcomer; start the workers again" in at_work.models("reload")
    with pytest.raises(ModelUnavailableError, match="no worker that runs serves its queue"):
        results(at_work.submit(1, model="unheard_of"))
