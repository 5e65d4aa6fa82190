"""What a call will use up and cost, guessed before it is made; and how usage is counted against windows. No I/O."""

from __future__ import annotations

import math

from pool_client.job import Job, Usage
from pool_worker.limits.acquire import Lease
from pool_worker.limits.candidates import Charge
from pool_worker.limits.token_history import TokenHistory
from pool_worker.protocols.answer import Answer
from pool_worker.protocols.tokens import estimate_input_tokens, estimate_output_tokens, most_input_tokens, tokens_of
from pool_worker.registry import Charges, Model, Registry
from pool_worker.routing.choice import Choice

LEAST_BOUND_TOKENS = 64
"""No answer is bound to fewer tokens by us, however short those before were."""
ROOMIER = 4
"""So many times the bound at which an answer was cut short is given to the next, where the job names none."""


def estimate_usage(job: Job, model: Model, *, text_bytes: int = 0) -> Usage:
    """The tokens that a job will take on a model; or has taken, of whose answer so many bytes of text have come."""
    return Usage(
        input_tokens=estimate_input_tokens(job.messages, tools=job.tools),
        output_tokens=tokens_of(text_bytes) if text_bytes else estimate_output_tokens(job, model),
    )


def charge_of(usage: Usage, model: Model) -> Charge:
    """One request with this usage, in every unit that windows count."""
    return Charge(
        requests=1,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        milli_units=model.unit_rate.milli_units(usage),
    )


def charge_of_answer(usage: Usage, lease: Lease) -> Charge:
    """What windows count of a call that was answered: its usage; where the provider charges up front, the bound it was told."""
    candidate = lease.candidate
    if candidate.provider.charges is Charges.UPFRONT:
        bound = candidate.charge.output_tokens
        usage = Usage(input_tokens=usage.input_tokens, output_tokens=max(usage.output_tokens, bound))
    return charge_of(usage, candidate.model)


def charge_to_reserve(choice: Choice, job: Job, registry: Registry, history: TokenHistory, *, cut_at: int = 0) -> Charge:
    """What is enough for a call: the estimate, corrected by what calls of this kind have taken.

    `cut_at`: the tokens at which an answer of this job was cut short by a bound of ours; 0 if none was.
    """
    model, usage = choice.model, choice.estimated_usage
    expected = history.output_tokens(model.id, registry.kind_of_agent(job.agent))
    if registry.provider_of(model).charges is Charges.UPFRONT:
        output_tokens = _upfront_bound(job, model, expected, cut_at=cut_at)
    else:
        output_tokens = usage.output_tokens if expected is None else _within(expected, most_output(job, model))
    reserved = Usage(input_tokens=math.ceil(usage.input_tokens * history.input_factor(model.id)), output_tokens=output_tokens)
    return charge_of(reserved, model)


def least_charge(choice: Choice, *, cut_at: int) -> Charge:
    """For where nothing more fits: the plain estimate; of an answer that was cut short, at least as much again."""
    usage = choice.estimated_usage
    return charge_of(Usage(input_tokens=usage.input_tokens, output_tokens=cut_at or usage.output_tokens), choice.model)


def most_usage(job: Job, model: Model, charge: Charge) -> Usage:
    """What a call takes at most, for which money is reserved: `charge`, and more where the job and the model allow more."""
    output_tokens = most_output(job, model)
    return Usage(
        input_tokens=max(charge.input_tokens, most_input_tokens(job.messages, tools=job.tools)),
        output_tokens=max(charge.output_tokens, output_tokens or estimate_output_tokens(job, model)),
    )


def _upfront_bound(job: Job, model: Model, expected: int | None, *, cut_at: int) -> int:
    """What the provider is told, and counts whatever is used of it: room for twice what was seen, never more than is allowed.

    Once an answer was cut short it is all that the job allows; four times as much where it does not say. So it is for a stream at
    once: who has read half of it does not want it anew.
    """
    most = most_output(job, model)
    if (cut_at or job.stream) and job.max_tokens is not None:
        return estimate_output_tokens(job, model)
    if cut_at:
        return _within(ROOMIER * cut_at, most)
    if expected is None:
        return estimate_output_tokens(job, model)
    return _within(max(2 * expected, LEAST_BOUND_TOKENS), most)


def most_output(job: Job, model: Model) -> int | None:
    """The most tokens that an answer may have: what the job allows, and the model can write; None: nobody says."""
    bounds = [bound for bound in (job.max_tokens, model.max_output_tokens) if bound is not None]
    return min(bounds, default=None)


def _within(tokens: int, most: int | None) -> int:
    return tokens if most is None else min(tokens, most)


def is_cut_short(answer: Answer, job: Job, lease: Lease) -> bool:
    """Whether it was a bound of ours that ended the answer, lower than the job's and the model's."""
    bound, most = max_tokens_to_send(job, lease), most_output(job, lease.candidate.model)
    if bound is None or answer.finish_reason != "length" or (most is not None and bound >= most):
        return False
    return not answer.usage_reported or answer.usage.output_tokens >= bound


def max_tokens_to_send(job: Job, lease: Lease) -> int | None:
    """The bound of the answer: the job's, never more than the model can write; None to leave it to the provider.

    A provider that charges up front counts the bound itself, so it is always told one: what was reserved.
    """
    candidate = lease.candidate
    if candidate.provider.charges is Charges.UPFRONT:
        return candidate.charge.output_tokens
    return None if job.max_tokens is None else estimate_output_tokens(job, candidate.model)
