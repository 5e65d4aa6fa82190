"""Faults 18 to 20 as a job's trail tells them: what each failure is taken for, who is called next, who answers in the end, and
what is booked and charged; for answers that come in one piece and for streams.

Told elsewhere: one failed call among healthy providers, with whom it leaves alone and for how long, and every sibling down with
its rests of 2, 4 and 8 s (`completion/test_failover.py`); odd bytes in place of an answer in one piece, and one call that hangs
or dribbles (`test_providers_fail.py`); many jobs in a storm (`test_storms.py`).
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import Any

import pytest
from memory_taken import BOUND_MB, peak_mb
from odd_provider import OddProvider, Wire, head, serve_oddly
from odd_replies import MANY_BYTES, SPACES, packed, zeros
from small_worker import FREE_MODELS, SmallWorker

from pool_client import DeadlineExceededError, JobHandle

FREE = ("groq", "cerebras", "mistral")
EACH_PROVIDER = ("groq#1", "cerebras#1", "mistral#1")
EACH_KEY = ("groq#1", "groq#2", "cerebras#1", "mistral#1")
MAX_TOKENS = 50


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How every free provider fails, and what becomes of a job that meets them."""

    fault: dict[str, Any]
    outcomes: tuple[str, ...]
    """Of the calls in vain, in order."""
    keys: tuple[str | None, ...] = EACH_PROVIDER
    """With which they were made."""
    charges: int = 0
    """For how many of them the providers charge."""
    booked: bool = False
    """Whether they are booked: it may be that they were charged."""
    waits: bool = False
    """Whether the job waits then (it rests for the sake of the one that is overloaded); if not, the paid tier is asked."""
    answers: str = "openai-small"
    """Which model does in the end."""


def status(code: int, **more: Any) -> dict[str, Any]:
    return {"kind": "status", "status": code, **more}


KINDS = {
    "429": Kind(
        fault=status(429),
        outcomes=("WindowSpentError", "WindowSpentError", "ModelOverloadedError", "WindowSpentError", "paused"),
        keys=(*EACH_KEY, None),
        waits=True,
        answers="groq-small",
    ),
    "429, back in 30 s": Kind(
        fault=status(429, retry_after_s=30),
        outcomes=("WindowSpentError", "WindowSpentError", "ModelOverloadedError", "WindowSpentError", "paused"),
        keys=(*EACH_KEY, None),
        waits=True,
        answers="groq-small",
    ),
    "500": Kind(fault=status(500), outcomes=("ProviderFailedError",) * 3),
    "503": Kind(fault=status(503), outcomes=("ProviderOverloadedError",) * 3),
    "503, back in 30 s": Kind(fault=status(503, retry_after_s=30), outcomes=("ProviderOverloadedError",) * 3),
    "down": Kind(fault={"kind": "down"}, outcomes=("ProviderOverloadedError",) * 3),
    "the keys are refused": Kind(fault={"kind": "unauthorized"}, outcomes=("AuthenticationFailedError",) * 4, keys=EACH_KEY),
    "a hang before the headers": Kind(fault={"kind": "hang"}, outcomes=("ProviderFailedError",) * 3, booked=True),
    "a reset after the charge": Kind(fault={"kind": "reset"}, outcomes=("ProviderFailedError",) * 3, charges=3, booked=True),
    "cut in the middle": Kind(fault={"kind": "cut"}, outcomes=("BadAnswerError",) * 3, charges=3, booked=True),
    "an error in the middle": Kind(
        fault={"kind": "error_event"},  # groq's says `error`; the others' are flat, and only half an answer for all one can tell
        outcomes=("ProviderFailedError", "BadAnswerError", "BadAnswerError"),
        charges=3,
        booked=True,
    ),
    "garbage": Kind(fault={"kind": "garbage"}, outcomes=("BadAnswerError",) * 3, charges=3, booked=True),
    "a web page": Kind(fault={"kind": "html"}, outcomes=("BadAnswerError",) * 3, charges=3, booked=True),
    "wrong usage": Kind(fault={"kind": "wrong_usage"}, outcomes=(), keys=(), answers="groq-small"),
}


@pytest.fixture
def hurried(worker: SmallWorker) -> SmallWorker:
    """Its free providers have little time."""
    providers = worker.pool.registry.providers
    worker.configure(providers={**providers, **{name: replace(providers[name], timeout_s=0.4) for name in FREE}})
    return worker


@pytest.mark.parametrize("stream", [False, True], ids=["in one piece", "stream"])
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_free_provider_fails_alike(hurried: SmallWorker, kind: Kind, *, stream: bool) -> None:
    worker = hurried
    for provider in FREE:
        worker.simulator.fault(provider, **kind.fault)
    job = worker.submit("Tell the whole story.", max_tokens=MAX_TOKENS, stream=stream)
    became = worker.complete()
    assert became.startswith("parked: ") is kind.waits
    if kind.waits:
        assert worker.requests() == len([key for key in kind.keys if key]), "no hot loop"
        quota_returns(worker, job)
        worker.complete()

    result = job.result(timeout=5)
    *in_vain, answered = result.attempts
    assert tuple(attempt.outcome for attempt in in_vain) == kind.outcomes
    assert tuple(attempt.key_id for attempt in in_vain) == kind.keys
    assert (answered.outcome, answered.model_id) == ("ok", kind.answers)
    assert worker.requests() == sum(attempt.is_call for attempt in result.attempts), "no call but these"
    assert [bool(attempt.usage.output_tokens) for attempt in in_vain] == [kind.booked] * len(in_vain)
    judge = worker.simulator.counts()["totals"]
    assert judge["charges"] == kind.charges + 1
    assert sum(attempt.usage.output_tokens for attempt in result.attempts) >= judge["output_tokens"]
    assert worker.nothing_is_held()


def quota_returns(worker: SmallWorker, job: JobHandle) -> None:
    worker.simulator.clear_faults()
    worker.time_passes()
    worker.enroll()  # keys are ready again
    worker.wake(job)


# --- streams of odd bytes: the first provider sends them, the second answers


def event(content: str = "", *, finish: str | None = None, usage: str = "null") -> bytes:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": finish}
    chunk = json.dumps({"choices": [choice], "usage": None}, ensure_ascii=False)
    return f"data: {chunk.replace('null}', usage + '}')}\n\n".encode()


def events(*pieces: bytes, **headers: object) -> Wire:
    """A stream that sends just this."""
    return lambda: (head(content_type="text/event-stream", **headers), *pieces)


BEGIN, END = event("Déjà "), event("vu", finish="stop") + b"data: [DONE]\n\n"
INSIDE_A_CHARACTER = BEGIN.index("é".encode()) + 1

NO_ANSWERS: dict[str, Wire] = {
    "no event": events(),
    "garbage": events(BEGIN, b"data: {never closed\n\n", END),
    "a web page in an event": events(b"data: <html>Bad gateway</html>\n\n"),
    "a web page instead of events": lambda: (head(content_type="text/html"), b"<html>Bad gateway</html>"),
    "NaN": events(BEGIN, event(finish="stop", usage='{"prompt_tokens": NaN, "completion_tokens": 1}')),
    "bytes that are no UTF-8": events(BEGIN.replace("é".encode(), b"\xff\xfe"), END),
    "an end inside a character": events(BEGIN[:INSIDE_A_CHARACTER]),
    "an end between events": events(BEGIN),
    "an event of 50 MB": lambda: chain(events(b"data: ")(), repeat(SPACES, MANY_BYTES // len(SPACES))),
    "events without end": lambda: chain(events()(), repeat(event("x" * 2**16))),
    "a gzip bomb": lambda: chain([head(content_type="text/event-stream", content_encoding="gzip")], bomb()),
    "a gzip cut short": events(gzip.compress(BEGIN + END)[:-12], content_encoding="gzip"),
}


def bomb() -> Iterable[bytes]:
    """The body alone of a reply that is one."""
    return (piece for number, piece in enumerate(packed("gzip", inside=zeros)()) if number)


@pytest.fixture
def odd(worker: SmallWorker) -> Iterator[OddProvider]:
    """In the place of groq, the first that every job tries."""
    with serve_oddly() as provider:
        providers = worker.pool.registry.providers
        worker.configure(providers={**providers, "groq": replace(providers["groq"], base_url=provider.url, timeout_s=2)})
        yield provider


@pytest.mark.parametrize("wire", NO_ANSWERS.values(), ids=NO_ANSWERS)
def test_a_stream_that_is_no_answer_is_booked_and_the_next_provider_answers(
    worker: SmallWorker, odd: OddProvider, wire: Wire
) -> None:
    odd.wire, job, started = wire, worker.submit(max_tokens=MAX_TOKENS, stream=True), time.monotonic()
    assert peak_mb(worker.complete) < BOUND_MB
    failed, answered = job.result(timeout=5).attempts
    assert (failed.outcome, failed.model_id, failed.status_code) == ("BadAnswerError", "groq-small", 200), failed.reason
    assert failed.usage.output_tokens
    assert (answered.outcome, answered.model_id) == ("ok", "cerebras-small")
    assert "".join(job) == job.result().content
    assert (odd.requests, worker.requests()) == (1, 1)
    assert time.monotonic() - started < 5
    assert worker.nothing_is_held()


def test_a_character_that_arrives_in_two_packets_is_whole(worker: SmallWorker, odd: OddProvider) -> None:
    """The head and each half go out by themselves."""
    odd.wire = events(BEGIN[:INSIDE_A_CHARACTER], BEGIN[INSIDE_A_CHARACTER:], END)
    job = worker.submit(stream=True)
    assert worker.complete() == "succeeded on groq-small after 1 call(s)"
    assert "".join(job) == job.result(timeout=5).content == "Déjà vu"


# --- the deadline


@pytest.mark.parametrize(
    ("fault", "text_comes"), [({"kind": "hang"}, False), ({"kind": "slow", "delay_s": 0.15}, True)], ids=["hang", "dribble"]
)
def test_a_stream_that_does_not_come_ends_at_the_jobs_deadline(
    worker: SmallWorker, fault: dict[str, Any], *, text_comes: bool
) -> None:
    """One call, and nobody else is asked. What had come is booked; where nothing had, what was expected."""
    for provider in worker.pool.registry.providers:
        worker.simulator.fault(provider, **fault)
    job, started = worker.submit("Tell the whole story.", stream=True, deadline_s=0.8), time.monotonic()
    assert worker.complete().startswith("failed: DeadlineExceededError")
    assert time.monotonic() - started < 2
    with pytest.raises(DeadlineExceededError) as caught:
        job.result(timeout=5)
    assert caught.value.failure is not None
    (attempt,) = caught.value.failure.attempts
    assert (attempt.outcome, attempt.model_id) == ("ProviderFailedError", FREE_MODELS[0])
    assert (0 < attempt.usage.output_tokens <= 0.8 / 0.15 * 2) is text_comes
    assert attempt.usage.output_tokens
    assert worker.requests() == 1
    assert worker.nothing_is_held()
