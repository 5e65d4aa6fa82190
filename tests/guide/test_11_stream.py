"""Page 11: the answer's text while it is written.

Ask for a stream, and iterate over the job. The text comes from whichever provider answers, piece by piece.
"""

from __future__ import annotations

import asyncio

import pytest
from small_worker import SmallWorker

from pool_client import JobHandle, ModelUnavailableError, Pool, TextRestartedError


def test_text_as_it_arrives(small_pool: SmallWorker) -> None:
    """In the end the pieces are the content; the result is there as ever."""
    with Pool(agent="log_analyzer") as pool:
        job = pool.submit("Why did this fail?", stream=True)
        small_pool.complete()  # what the workers do by themselves

        text = ""
        for piece in job:
            text += piece
        assert text == job.result().content


def test_in_coroutines(small_pool: SmallWorker) -> None:
    """The same with `async for`."""

    async def read(job: JobHandle) -> str:
        return "".join([piece async for piece in job])

    with Pool(agent="log_analyzer") as pool:
        job = pool.submit("Why did this fail?", stream=True)
        small_pool.complete()
        assert asyncio.run(read(job)) == job.result().content


def test_when_the_provider_fails_in_the_middle(small_pool: SmallWorker) -> None:
    """A provider that fails before its first piece is not noticed. After it, what you read is void: iterate again."""
    small_pool.simulator.fault("groq", "down")
    with Pool(agent="log_analyzer") as pool:
        job = pool.submit("Why did this fail?", stream=True)
        small_pool.complete()

        def shown() -> str:
            while True:
                text = ""
                try:
                    for piece in job:
                        text += piece
                except TextRestartedError:
                    continue  # clear what was shown
                return text

        assert shown() == job.result().content


def test_a_job_that_fails_raises_while_it_is_read(small_pool: SmallWorker) -> None:
    """As `result` does."""
    with Pool(agent="log_analyzer") as pool:
        job = pool.submit("Why did this fail?", stream=True, model="groq-smal")
        small_pool.complete()
        with pytest.raises(ModelUnavailableError, match='did you mean "groq-small"'):
            list(job)
