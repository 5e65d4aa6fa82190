"""Streamed answers, from the provider to the caller."""

from __future__ import annotations

import threading

import pytest
from small_worker import SmallWorker

from pool_client import JobHandle, TextRestartedError, redis_keys
from pool_worker.ledger.rows import AttemptRow
from pool_worker.simulator.answers import plan_answer

PROMPT = "Tell the whole story."
ANSWER = plan_answer({"messages": [{"role": "user", "content": PROMPT}]})


def test_the_text_is_that_of_the_answer(worker: SmallWorker) -> None:
    job = worker.submit(PROMPT, stream=True)
    worker.complete()
    assert "".join(job) == job.result(timeout=5).content == ANSWER.content
    assert "".join(job) == ANSWER.content, "it can be read again"
    assert 0 < worker.redis.pttl(redis_keys.text(job.id)) <= redis_keys.TEXT_TTL_MS
    assert job.result().usage.output_tokens == ANSWER.output_tokens


def test_a_job_that_asks_for_no_stream_comes_in_one_piece(worker: SmallWorker) -> None:
    job = worker.submit(PROMPT)
    worker.complete()
    assert list(job) == [ANSWER.content]
    assert not worker.redis.exists(redis_keys.text(job.id))


def test_the_first_piece_is_there_before_the_last(worker: SmallWorker) -> None:
    worker.simulator.fault("groq", "slow", delay_s=0.05)
    job = worker.submit(PROMPT, stream=True)
    heard: list[str] = []

    def hear_and_cancel() -> None:
        heard.append(next(iter(job)))
        job.cancel()

    reader = threading.Thread(target=hear_and_cancel)
    reader.start()
    assert worker.complete().startswith("cancelled"), "it had not ended"
    reader.join()
    assert ANSWER.content.startswith(heard[0])


def test_a_failover_before_the_first_piece_is_not_seen(worker: SmallWorker) -> None:
    worker.simulator.fault("groq", "down")
    job = worker.submit(PROMPT, stream=True)
    worker.complete()
    assert "".join(job) == ANSWER.content
    assert [it.outcome for it in job.result().attempts] == ["ProviderOverloadedError", "ok"]


def test_after_the_first_piece_the_reader_is_told_and_may_read_anew(worker: SmallWorker) -> None:
    worker.simulator.fault("groq", "cut")
    job = worker.submit(PROMPT, stream=True)
    worker.complete()
    assert "".join(job) == ANSWER.content, "who comes later reads only what counts"
    with pytest.raises(TextRestartedError):
        _read_from_the_cut(worker, job)


def _read_from_the_cut(worker: SmallWorker, job: JobHandle) -> None:
    """As a reader who was there when the first provider's half had come, and then the second's answer came."""
    name = redis_keys.text(job.id)
    pieces = worker.redis.xrange(name)
    first = pieces[0][1]["attempt"]
    worker.redis.delete(name)
    text = iter(job)
    for place, fields in pieces:
        worker.redis.xadd(name, fields, id=place)
        if fields["attempt"] == first:
            assert ANSWER.content.startswith(next(text))
    list(text)


def test_what_a_broken_stream_had_brought_is_booked(worker: SmallWorker) -> None:
    worker.simulator.fault("openai", "cut", count=1)
    worker.submit(PROMPT, stream=True, model="openai-small", tier="paid")
    worker.complete()
    cut = worker.rows(AttemptRow)[0]
    assert cut.outcome == "BadAnswerError"
    assert 0 < cut.output_tokens < ANSWER.output_tokens


def test_who_reads_too_late_is_given_the_result(worker: SmallWorker) -> None:
    job = worker.submit(PROMPT, stream=True)
    worker.complete()
    name = redis_keys.text(job.id)
    worker.redis.xdel(name, worker.redis.xrange(name)[0][0])
    assert "".join(job) == ANSWER.content
    worker.redis.delete(name)
    assert list(job) == [ANSWER.content]
