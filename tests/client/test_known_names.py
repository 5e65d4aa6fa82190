"""Names that the workers do not know are allowed, and told of once: they are more often a mistake."""

from __future__ import annotations

import logging

import pytest
import redis
from stand_in_worker import StandInWorker

from pool_client import Pool, redis_keys


@pytest.fixture
def told(redis_client: redis.Redis, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What was told, where workers have published their names."""
    redis_client.hset(redis_keys.AGENTS, mapping={"log_analyzer": "{}", "ai_manager": "{}"})
    redis_client.sadd(redis_keys.TASK_TYPES, "analysis", "coding")
    redis_client.sadd(redis_keys.PROVIDERS, "groq", "gemini", "google")
    caplog.set_level(logging.WARNING, logger="pool_client")
    return caplog


def test_an_agent_that_the_workers_do_not_know(redis_url: str, worker: StandInWorker, told: pytest.LogCaptureFixture) -> None:
    with Pool(agent="log_analyser", redis_url=redis_url) as pool:
        ids = [pool.submit("x").id, pool.submit("x").id]
    (words,) = told.messages
    assert words == (
        "agent: 'log_analyser' is not known: its jobs have the pool's defaults, and no budget of their own. "
        "Known are ai_manager, log_analyzer; did you mean log_analyzer?"
    )
    assert worker.waiting() == ids


def test_a_task_type_that_the_workers_do_not_know(redis_url: str, told: pytest.LogCaptureFixture) -> None:
    with Pool(agent="ai_manager", redis_url=redis_url) as pool:
        pool.submit_many(["x", {"prompt": "y", "task_type": "translation"}], task_type="translation")
    assert told.messages == [
        "task_type: 'translation' is not known: its jobs go to any model that fits, as without one. Known are analysis, coding"
    ]


def test_a_provider_to_exclude_that_the_workers_do_not_know(redis_url: str, told: pytest.LogCaptureFixture) -> None:
    with Pool(agent="ai_manager", redis_url=redis_url) as pool:
        pool.submit("x", excluded_providers=["gorq", "google"])
    assert told.messages == [
        "excluded_providers: 'gorq' is not known: it excludes nobody. Known are gemini, google, groq; did you mean groq?"
    ]


@pytest.mark.parametrize(("agent", "task_type"), [("log_analyzer", "coding"), ("default", None)])
def test_nothing_is_told_of_known_names(
    redis_url: str, told: pytest.LogCaptureFixture, agent: str, task_type: str | None
) -> None:
    with Pool(agent=agent, redis_url=redis_url) as pool:
        pool.submit("x", task_type=task_type)
    assert told.messages == []


def test_nothing_is_told_where_nothing_was_published(redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    with Pool(agent="whoever", redis_url=redis_url) as pool:
        pool.submit("x", task_type="whatever", excluded_providers=["whoever"])
    assert caplog.messages == []
