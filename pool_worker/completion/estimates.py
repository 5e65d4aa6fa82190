"""What a call will use up and cost, guessed before it is made; and how usage is counted against windows. No I/O."""

from __future__ import annotations

import math

from pool_client.job import Job, Usage
from pool_worker.limits.acquire import Lease
from pool_worker.limits.candidates import Charge
from pool_worker.limits.token_history import TokenHistory
from pool_worker.protocols.tokens import DEFAULT_OUTPUT_TOKENS, estimate_input_tokens, estimate_output_tokens
from pool_worker.registry import Charges, Model, Registry
from pool_worker.routing.choice import Choice


def estimate_usage(job: Job, model: Model) -> Usage:
    """The tokens that a job will take on a model."""
    return Usage(
        input_tokens=estimate_input_tokens(job.messages, tools=job.tools), output_tokens=estimate_output_tokens(job, model)
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


def charge_to_reserve(choice: Choice, job: Job, registry: Registry, history: TokenHistory) -> Charge:
    """What is enough for a call: the estimate, corrected by what calls of this kind have taken."""
    model, usage = choice.model, choice.estimated_usage
    provider, agent = registry.provider_of(model), registry.kind_of_agent(job.agent)
    expected = history.output_tokens(model.id, agent)
    bound = _upfront_bound if provider.charges is Charges.UPFRONT else _expected_output
    reserved = Usage(
        input_tokens=math.ceil(usage.input_tokens * history.input_factor(model.id)),
        output_tokens=usage.output_tokens if expected is None else bound(job, model, expected),
    )
    return charge_of(reserved, model)


def _expected_output(job: Job, model: Model, expected: int) -> int:
    bounds = [bound for bound in (job.max_tokens, model.max_output_tokens) if bound is not None]
    return min([expected, *bounds])


def _upfront_bound(job: Job, model: Model, expected: int) -> int:
    """What the provider is told, and counts whatever is used of it: the job's own bound, else room for twice what was seen."""
    if job.max_tokens is not None:
        return estimate_output_tokens(job, model)
    roomy = max(2 * expected, DEFAULT_OUTPUT_TOKENS)
    return roomy if model.max_output_tokens is None else min(roomy, model.max_output_tokens)


def max_tokens_to_send(job: Job, lease: Lease) -> int | None:
    """The bound of the answer: the job's, never more than the model can write; None to leave it to the provider.

    A provider that charges up front counts the bound itself, so it is always told one: what was reserved.
    """
    candidate = lease.candidate
    if candidate.provider.charges is Charges.UPFRONT:
        return candidate.charge.output_tokens
    return None if job.max_tokens is None else estimate_output_tokens(job, candidate.model)
