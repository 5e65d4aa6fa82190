"""Processes that do what they are told at the same moment, each with a connection and an event loop of its own."""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from redis.asyncio import Redis
from small_pool import connect

from pool_worker.limits.settle import expire, find_lapsed

START_S = 30.0
Command = Callable[[Redis], Awaitable[Any]]
"""A `functools.partial` of an operation that lacks its Redis only, so that it can be sent."""


async def sweep(redis: Redis, *, limit: int, now_ms: int) -> list[str]:
    """End some leases whose deadline has passed; the ids of those that ended here."""
    return await expire(redis, await find_lapsed(redis, limit=limit, now_ms=now_ms), rows={}, now_ms=now_ms)


def process(url: str, pipe: Any, start: Any) -> None:
    """Carry out what comes through the pipe until it is closed."""
    with asyncio.Runner() as runner, suppress(EOFError):
        redis = connect(url)

        async def carry_out(commands: Sequence[Command]) -> list[Any]:
            return await asyncio.gather(*(command(redis) for command in commands), return_exceptions=True)

        while True:
            commands, is_race = pipe.recv()
            if is_race:
                start.wait(START_S)
            pipe.send(runner.run(carry_out(commands)))


class Racers:
    """Some processes, alive until they are closed."""

    def __init__(self, url: str, count: int) -> None:
        spawn = multiprocessing.get_context("spawn")
        self.start = spawn.Barrier(count)
        pipes = [spawn.Pipe() for _ in range(count)]
        self.processes = [spawn.Process(target=process, args=(url, theirs, self.start), daemon=True) for _, theirs in pipes]
        for one in self.processes:
            one.start()
        for _, theirs in pipes:
            theirs.close()
        self.pipes: list[Any] = [ours for ours, _ in pipes]

    def together(self, commands: Sequence[Command]) -> list[Any]:
        """Have all of it done at once: the answers in the order of the commands, errors among them."""
        if len(commands) < 2:
            shares = [commands] if commands else []
        else:
            shares = [commands[first :: len(self.pipes)] for first in range(len(self.pipes))]
        for pipe, share in zip(self.pipes, shares, strict=False):
            pipe.send((share, len(commands) > 1))
        answers = [pipe.recv() for pipe, _ in zip(self.pipes, shares, strict=False)]
        in_turn = itertools.chain.from_iterable(itertools.zip_longest(*answers))
        return list(itertools.islice(in_turn, len(commands)))

    def close(self) -> None:
        for pipe in self.pipes:
            pipe.close()
        for one in self.processes:
            one.join(10)
            assert one.exitcode == 0
