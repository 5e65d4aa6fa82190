"""What is reserved for a call: the estimate at first, then what calls of its kind have really taken."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_worker import MODELS, PROVIDERS, SmallWorker

from pool_client.job import Job, Message, Usage
from pool_worker import redis_keys
from pool_worker.completion.estimates import LEAST_BOUND_TOKENS, ROOMIER, charge_to_reserve
from pool_worker.limits.holds import hold, model_scope
from pool_worker.limits.token_history import ENOUGH_CALLS, TokenHistory, input_field, output_field, read_token_history
from pool_worker.registry import Agent, Charges, Period, Provider, Registry, Unit, Window, WindowKind
from pool_worker.routing.choice import Choice

GROQ, MODEL = PROVIDERS[0], MODELS[0]
UPFRONT = replace(GROQ, charges=Charges.UPFRONT)
AGENT = "log_analyzer"
LONG = "Tell the whole story."
"""The simulated model says more than `LEAST_BOUND_TOKENS` to it."""


def job(max_tokens: int | None) -> Job:
    return Job(id="j", agent=AGENT, messages=[Message(role="user", content="Why?")], max_tokens=max_tokens)


def history(*, factor: float = 1.0, output_tokens: int) -> TokenHistory:
    return TokenHistory({input_field(MODEL.id): factor, output_field(MODEL.id, AGENT): output_tokens})


def reserved(
    provider: Provider, max_tokens: int | None, known: TokenHistory, *, model_writes: int | None = None, cut_at: int = 0
) -> tuple[int, int]:
    model = replace(MODEL, max_output_tokens=model_writes)
    estimated = Usage(input_tokens=100, output_tokens=max_tokens or 512)
    choice = Choice(model, MODEL.price.cost_usd(estimated), estimated)
    registry = Registry({provider.id: provider}, {model.id: model}, {AGENT: Agent(AGENT)})
    charge = charge_to_reserve(choice, job(max_tokens), registry, known, cut_at=cut_at)
    return charge.input_tokens, charge.output_tokens


@pytest.mark.parametrize("provider", [GROQ, UPFRONT])
def test_as_long_as_nothing_is_known_half_as_much_again_is_reserved_for_the_prompt(provider: Provider) -> None:
    assert reserved(provider, 1000, TokenHistory()) == (150, 1000)
    assert reserved(provider, None, TokenHistory()) == (150, 512)


def test_where_only_what_is_used_counts_what_was_used_is_expected() -> None:
    assert reserved(GROQ, 1000, history(factor=1.255, output_tokens=90)) == (126, 90)
    assert reserved(GROQ, None, history(output_tokens=900)) == (100, 900)


def test_but_never_more_than_the_call_can_take() -> None:
    assert reserved(GROQ, 50, history(output_tokens=90)) == (100, 50)
    assert reserved(GROQ, None, history(output_tokens=900), model_writes=700) == (100, 700)


def test_where_the_bound_counts_it_is_trimmed_to_room_for_twice_what_was_used() -> None:
    assert reserved(UPFRONT, 1000, history(output_tokens=90)) == (100, 180)
    assert reserved(UPFRONT, 150, history(output_tokens=90)) == (100, 150)
    assert reserved(UPFRONT, None, history(output_tokens=3)) == (100, LEAST_BOUND_TOKENS)
    assert reserved(UPFRONT, None, history(output_tokens=900)) == (100, 1800)
    assert reserved(UPFRONT, None, history(output_tokens=900), model_writes=1500) == (100, 1500)


def test_who_was_cut_short_is_given_all_that_the_job_allows_or_much_more_than_before() -> None:
    assert reserved(UPFRONT, 1000, history(output_tokens=90), cut_at=180) == (100, 1000)
    assert reserved(UPFRONT, 4000, history(output_tokens=90), cut_at=180, model_writes=1500) == (100, 1500)
    assert reserved(UPFRONT, None, history(output_tokens=90), cut_at=180) == (100, ROOMIER * 180)
    assert reserved(UPFRONT, None, TokenHistory(), cut_at=512, model_writes=1500) == (150, 1500)


def trimming(worker: SmallWorker, *, expected_tokens: int, limits: tuple[Window, ...] | None = None) -> None:
    """One provider that charges up front, whose answers took so many tokens up to now."""
    provider = replace(worker.pool.registry.providers[GROQ.id], charges=Charges.UPFRONT)
    worker.configure(providers={GROQ.id: provider}, models={MODEL.id: replace(MODEL, limits=limits)})
    learned = TokenHistory({output_field(MODEL.id, "other"): expected_tokens, input_field(MODEL.id): 1.0})
    worker.pool.outlook = replace(worker.pool.outlook, token_history=learned)


def test_an_answer_that_our_bound_cut_short_is_asked_for_once_more_with_the_jobs_own(worker: SmallWorker) -> None:
    trimming(worker, expected_tokens=3)
    job = worker.submit(LONG, max_tokens=1000)
    assert "succeeded" in worker.complete()
    result = job.result(timeout=5)
    assert (result.finish_reason, result.usage.output_tokens > LEAST_BOUND_TOKENS) == ("stop", True)
    cut, whole = result.attempts
    assert (cut.outcome, cut.model_id, cut.usage.output_tokens) == ("CutShortError", MODEL.id, LEAST_BOUND_TOKENS)
    assert (whole.outcome, whole.model_id) == ("ok", MODEL.id)
    judge = worker.simulator.counts()["totals"]
    assert (judge["charges"], judge["output_tokens"]) == (2, cut.usage.output_tokens + whole.usage.output_tokens)
    assert worker.held() == {}
    assert worker.nothing_is_held()


def test_an_answer_that_the_jobs_own_bound_cuts_is_its_answer(worker: SmallWorker) -> None:
    trimming(worker, expected_tokens=50)
    job = worker.submit(LONG, max_tokens=LEAST_BOUND_TOKENS)
    worker.complete()
    result = job.result(timeout=5)
    assert (result.finish_reason, [it.outcome for it in result.attempts]) == ("length", ["ok"])


def test_where_no_more_fits_the_second_answer_is_taken_as_it_is(worker: SmallWorker) -> None:
    trimming(worker, expected_tokens=3, limits=(Window(Unit.TOKENS, 200, Period.MINUTE, WindowKind.REFILL),))
    job = worker.submit(LONG)
    assert "succeeded" in worker.complete()
    result = job.result(timeout=5)
    assert (result.finish_reason, [it.outcome for it in result.attempts]) == ("length", ["CutShortError", "ok"])


def test_every_answer_teaches_and_all_workers_learn(worker: SmallWorker) -> None:
    worker.configure(agents={AGENT: Agent(AGENT)})
    for number in range(ENOUGH_CALLS):
        assert worker.run(read_token_history(worker.pool.redis)).most == {}
        worker.submit(f"What does report {number} say?", max_tokens=1000, model=MODEL.id)
        worker.complete()
    worker.look_around()
    learned = worker.pool.outlook.token_history
    used = [row["output_tokens"] for row in worker.simulator.counts()["providers"]["groq"]["keys"].values()]
    assert max(used) / ENOUGH_CALLS < (learned.output_tokens(MODEL.id, AGENT) or 0) <= 161
    assert 0.5 < learned.input_factor(MODEL.id) < 1.5
    assert learned.output_tokens(MODEL.id, "other") is None


def test_agents_that_are_not_configured_are_one(worker: SmallWorker) -> None:
    """Callers may use any number of names: what is kept of them must not grow."""
    for _ in range(2):
        worker.submit(model=MODEL.id)
        worker.complete()
    assert set(worker.redis.hkeys(redis_keys.HISTORY)) == {input_field(MODEL.id), output_field(MODEL.id, "other")}


def test_what_was_long_ago_is_forgotten(worker: SmallWorker) -> None:
    field = output_field(MODEL.id, "other")
    worker.redis.hset(redis_keys.HISTORY, field, "198 5000 0")
    for expected in (5000.0, 5000.0):
        worker.submit(model=MODEL.id, max_tokens=30)
        worker.complete()
        assert worker.run(read_token_history(worker.pool.redis)).most[field] == expected
    worker.redis.hset(redis_keys.HISTORY, field, "199 40 5000")
    worker.submit(model=MODEL.id, max_tokens=30)
    worker.complete()
    assert worker.run(read_token_history(worker.pool.redis)).most[field] == 40.0


def test_a_job_that_fits_by_its_estimate_alone_is_tried_where_nothing_else_fits(worker: SmallWorker) -> None:
    tight = (Window(Unit.TOKENS, 100, Period.MINUTE, WindowKind.REFILL),)
    worker.configure(models={MODEL.id: replace(MODEL, limits=tight)})
    worker.pool.outlook = replace(worker.pool.outlook, token_history=history(factor=4.0, output_tokens=90))
    job = worker.submit("Why did this fail?", max_tokens=80)
    assert "succeeded" in worker.complete()
    assert job.result(timeout=5).model_id == MODEL.id


def test_nor_does_it_wait_for_another_model_while_it_fits_here(worker: SmallWorker) -> None:
    tight = (Window(Unit.TOKENS, 100, Period.MINUTE, WindowKind.REFILL),)
    worker.configure(models={MODEL.id: replace(MODEL, limits=tight), MODELS[1].id: MODELS[1]})
    worker.run(hold(worker.pool.redis, model_scope("cerebras", "small"), reason="busy", ttl_ms=86_400_000))
    worker.pool.outlook = replace(worker.pool.outlook, token_history=history(factor=4.0, output_tokens=90))
    worker.submit("Why did this fail?", max_tokens=80)
    assert "succeeded on groq-small" in worker.complete()


def test_a_window_that_only_the_provider_knows_is_waited_for(worker: SmallWorker) -> None:
    """Cerebras tells of an hour's requests, of which nothing remains; no such window is configured."""
    headers = {"x-ratelimit-remaining-requests-hour": "0", "x-ratelimit-reset-requests-hour": "1200.5"}
    worker.simulator.fault("cerebras", "status", status=200, headers=headers, body=CHAT, count=1)
    worker.submit(model="cerebras-small")
    assert "succeeded" in worker.complete()
    assert 1190 < worker.held()["group:cerebras:small:cerebras#1"] < 1201


def test_a_limit_that_is_lower_than_configured_is_learned_from_the_first_answer(worker: SmallWorker) -> None:
    headers = {"x-ratelimit-limit-requests-minute": "1", "x-ratelimit-remaining-requests-minute": "0"}
    worker.simulator.fault("cerebras", "status", status=200, headers=headers, body=CHAT, count=1)
    for _ in range(2):
        worker.submit(model="cerebras-small")
    assert "succeeded" in worker.complete()
    assert "parked: cerebras#1: requests per minute" in worker.complete()


CHAT = {
    "id": "c",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "So it is."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
}


def test_a_refusal_is_not_followed_by_a_second_one_for_the_same_cause(worker: SmallWorker) -> None:
    """Groq says that a minute has 8,000 tokens and not the 50,000 that were configured: nothing larger is sent there again."""
    words = "on tokens per minute (TPM): Limit 8000, Used 7990, Requested 900. Please try again in 1ms."
    body = {"error": {"message": f"Rate limit reached {words}", "type": "tokens", "code": "rate_limit_exceeded"}}
    worker.simulator.fault("groq", "status", status=429, body=body, count=1)
    minute = (Window(Unit.TOKENS, 50_000, Period.MINUTE, WindowKind.REFILL),)
    (only,) = [key for key in worker.pool.registry.keys if key.id == "groq#1"]
    worker.configure(models={MODEL.id: replace(MODEL, limits=minute)}, keys=(only,))
    worker.submit("word " * 3_000, max_tokens=80)
    worker.complete()
    worker.time_passes()
    worker.submit("word " * 3_000, max_tokens=80)
    assert "parked: groq#1: tokens per minute" in worker.complete()
    assert worker.simulator.counts()["providers"]["groq"]["requests"] == 1
