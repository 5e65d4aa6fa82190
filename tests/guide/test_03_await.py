"""Page 3: async programs.

A job can be awaited. However many are awaited at a time, there is one thread and one connection for all of them.
"""

from __future__ import annotations

import asyncio

import pytest

from pool_client import Pool


@pytest.mark.usefixtures("workers")
def test_await_jobs() -> None:
    """`await job` gives the result, and `gather` many of them."""

    async def main() -> list[str]:
        with Pool(agent="performance_monitor") as pool:
            jobs = pool.submit_many(f"sample {number}" for number in range(100))
            answers = await asyncio.gather(*jobs)
        return [answer.content for answer in answers]

    assert asyncio.run(main())[99] == "You said: sample 99"


def test_a_time_limit() -> None:
    """Put `asyncio.timeout` around it; as always, the job goes on."""

    async def main() -> str:
        with Pool(agent="performance_monitor") as pool:
            job = pool.submit("Nobody works here yet")
            try:
                async with asyncio.timeout(0.1):
                    return (await job).content
            except TimeoutError:
                return job.status().state

    assert asyncio.run(main()) == "queued"
