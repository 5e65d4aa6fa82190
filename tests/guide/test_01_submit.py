"""Page 1: submitting a job and getting its result.

A job is what you want from a model. You hand it to the pool, and the pool finds a model, a provider and a key for it.
"""

from __future__ import annotations

import pytest

from pool_client import InvalidRequestError, Pool

pytestmark = pytest.mark.usefixtures("workers")


def test_submit_and_read_the_answer() -> None:
    """`submit` returns at once; `result` waits for the answer."""
    with Pool(agent="log_analyzer") as pool:
        job = pool.submit("Why did this fail?", task_type="analysis", priority="high")
        answer = job.result(timeout=60)

    assert answer.content == "You said: Why did this fail?"
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (3, 1)
    assert (answer.model_id, answer.provider, answer.cost_usd) == ("m", "groq", 0)


def test_a_conversation() -> None:
    """Instead of a prompt, give the messages of a chat."""
    with Pool(agent="log_analyzer") as pool:
        job = pool.submit(
            messages=[
                {"role": "system", "content": "You read log files."},
                {"role": "user", "content": "What is wrong here?"},
            ],
            max_tokens=200,
            temperature=0,
        )
        assert job.result(timeout=60).content == "You said: What is wrong here?"


def test_many_jobs() -> None:
    """`submit_many` sends thousands of jobs in a few round trips. Options apply to all of them, a request's own go before."""
    with Pool(agent="log_analyzer") as pool:
        jobs = pool.submit_many(["first", {"prompt": "second", "priority": "high"}], priority="low")
        answers = [job.result(timeout=60).content for job in jobs]

    assert answers == ["You said: first", "You said: second"]


def test_a_wrong_job_is_refused_before_it_is_sent() -> None:
    """Mistakes are told at once, all of them, each with the field, the value and what would be right."""
    with Pool(agent="log_analyzer") as pool, pytest.raises(InvalidRequestError) as caught:
        pool.submit("Hello", temperature=3, priority="urgent")

    assert str(caught.value) == (
        "priority: 'urgent' is not valid: give 'low', 'normal', 'high' or 'critical'; temperature: 3 is not valid: give 2 or less"
    )
