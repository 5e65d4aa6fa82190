"""What a call will use up and cost, guessed before it is made; and how usage is counted against windows. No I/O."""

from __future__ import annotations

from collections.abc import Iterable

from pool_client.job import Job, Usage
from pool_worker.limits.candidates import Charge
from pool_worker.protocols.tokens import estimate_input_tokens, estimate_output_tokens
from pool_worker.registry import Charges, Model, Provider
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


def charge_of_answer(job: Job, usage: Usage, model: Model, provider: Provider) -> Charge:
    """What windows count of a call that was answered: its usage; where the provider charges up front, the bound it was told."""
    if provider.charges is Charges.UPFRONT:
        bound = estimate_output_tokens(job, model)
        usage = Usage(input_tokens=usage.input_tokens, output_tokens=max(usage.output_tokens, bound))
    return charge_of(usage, model)


def charge_of_any(choices: Iterable[Choice]) -> Charge:
    """The most that a call of any of these may use up: one reservation has to fit whichever is free."""
    charges = [charge_of(choice.estimated_usage, choice.model) for choice in choices]
    return Charge(
        requests=1,
        input_tokens=max(charge.input_tokens for charge in charges),
        output_tokens=max(charge.output_tokens for charge in charges),
        milli_units=max(charge.milli_units for charge in charges),
    )


def max_tokens_to_send(job: Job, model: Model, provider: Provider) -> int | None:
    """The bound of the answer: the job's, never more than the model can write; None to leave it to the provider.

    A provider that charges up front counts the bound itself, so it is always told one.
    """
    if job.max_tokens is None and provider.charges is not Charges.UPFRONT:
        return None
    return estimate_output_tokens(job, model)
