"""The providers' side of the server: `/{provider}/…` asks a model, in one of the wire formats, or lists the models."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

import orjson
from starlette.types import Receive, Scope, Send

from pool_worker.simulator import problems
from pool_worker.simulator.accounts import Account, Spent
from pool_worker.simulator.answers import Answer, plan_answer
from pool_worker.simulator.delivery import Delivery, deliver, output_tokens_sent
from pool_worker.simulator.durations import whole_seconds
from pool_worker.simulator.exchange import Exchange
from pool_worker.simulator.faults import AT_THE_DOOR, IN_THE_ANSWER, Fault, FaultKind
from pool_worker.simulator.formats import ADDRESSES, CHAT, asked_format, asks_of_key, listing_format
from pool_worker.simulator.formats.format import Format, Reply, ToldUsage
from pool_worker.simulator.headers import Headers
from pool_worker.simulator.latency import draw_latency_s
from pool_worker.simulator.model_request import ModelRequest, WrongRequestError, job_id_in, secret_in
from pool_worker.simulator.problems import Problem
from pool_worker.simulator.profile import SimulatedModel, SimulatedProvider
from pool_worker.simulator.refusals import Refused
from pool_worker.simulator.simulation import Charge, Simulation, charge_for

ANY_MODEL = {"simulated-model": SimulatedModel()}
"""What a provider lists at which every name is a model."""


@dataclass(frozen=True, slots=True)
class Visit:
    """Who is asked, and in which wire format."""

    exchange: Exchange
    provider: SimulatedProvider
    format: Format

    async def explain(self, problem: Problem, fault: Fault | None = None) -> None:
        """Answer with a problem in the provider's form, or with what a fault says."""
        headers: Headers = []
        body = self.format.explain(self.provider.id, problem)
        if fault is not None:
            headers += fault.headers.items()
            if fault.retry_after_s is not None:
                headers.append(("retry-after", whole_seconds(fault.retry_after_s)))
            body = body if fault.body is None else fault.body
        await self.exchange.reply(problem.status, orjson.dumps(body), headers=headers)


@dataclass(frozen=True, slots=True)
class Call:
    """A request that is well formed, and who asks."""

    visit: Visit
    account: Account
    request: ModelRequest
    model: SimulatedModel
    answer: Answer

    def charge(self, *, output_tokens: int) -> Charge:
        """What it costs when that much of the answer is billed."""
        provider, max_tokens = self.visit.provider, self.request.max_tokens
        return charge_for(self.answer, provider, self.model, max_tokens=max_tokens, output_tokens=output_tokens)


class Gateway:
    """An ASGI application over one simulation."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self._numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        exchange = Exchange(scope, receive, send)
        provider = self.simulation.profile.providers.get(exchange.path.split("/", 2)[1])
        if provider is None:
            known = ", ".join(sorted(self.simulation.profile.providers))
            await _say_404(exchange, f"no such provider in this profile; it has {known}")
        elif (asked := asked_format(exchange)) is not None:
            await self._ask(Visit(exchange, provider, asked))
        elif (listing := listing_format(exchange, provider.id)) is not None:
            await self._models(Visit(exchange, provider, listing))
        elif asks_of_key(exchange):
            await self._key(Visit(exchange, provider, CHAT))
        else:
            await _say_404(exchange, f"a provider has {ADDRESSES}")

    async def _models(self, visit: Visit) -> None:
        provider = visit.provider
        if await self._account_that_may_look(visit):
            listed = visit.format.models(provider.models or ANY_MODEL, provider=provider.id, created=int(self.simulation.clock()))
            await visit.exchange.reply(200, orjson.dumps(listed))

    async def _key(self, visit: Visit) -> None:
        if account := await self._account_that_may_look(visit):
            facts = {"label": account.label, "limit": None, "limit_remaining": None, "usage": 0, "is_free_tier": True}
            await visit.exchange.reply(200, orjson.dumps({"data": facts}))

    async def _account_that_may_look(self, visit: Visit) -> Account | None:
        """Whose key it is, for a question that is no completion; None after a refusal was answered."""
        provider = visit.provider.id
        account = await self._account_at_the_door(visit)
        if account is None:
            return None
        if self.simulation.faults.take({FaultKind.UNAUTHORIZED}, provider=provider, key=account.label):
            await visit.explain(visit.format.unknown_key(provider))
            return None
        self.simulation.tallies[provider].listings += 1
        return account

    async def _ask(self, visit: Visit) -> None:
        raw = await visit.exchange.body()
        account = await self._account_at_the_door(visit)
        if account is None:
            return
        account.tally.requests += 1
        try:
            call = self._understand(visit, account, visit.format.read(visit.exchange, raw))
        except WrongRequestError as error:
            account.tally.errors[str(error.problem.status)] += 1
            await visit.explain(error.problem)
            return
        provider, model = visit.provider.id, call.request.model
        fault = self.simulation.faults.take(AT_THE_DOOR, provider=provider, key=account.label, model=model)
        if fault is None:
            await self._admit(call)
        else:
            await self._fail(call, fault)

    async def _account_at_the_door(self, visit: Visit) -> Account | None:
        """Whose key it is; None after a 503 (down) or a refusal of the key was answered."""
        provider = visit.provider
        tally = self.simulation.tallies[provider.id]
        if down := self.simulation.faults.take({FaultKind.DOWN}, provider=provider.id):
            tally.down += 1
            await visit.explain(problems.with_status(provider.id, problems.UNAVAILABLE), down)
            return None
        account = self.simulation.account(provider, secret_in(visit.exchange, provider))
        if account is None:
            tally.unauthorized += 1
            await visit.explain(visit.format.unknown_key(provider.id))
        return account

    async def _fail(self, call: Call, fault: Fault) -> None:
        visit, provider, tally = call.visit, call.visit.provider, call.account.tally
        tally.faults[fault.kind.value] += 1
        if fault.kind is FaultKind.STATUS and provider.failed_calls_count:
            amounts = call.charge(output_tokens=0).amounts
            call.account.take(call.request.model, amounts, now_s=self.simulation.clock())
        problem = problems.with_status(provider.id, fault.status) if fault.status else visit.format.unknown_key(provider.id)
        await visit.explain(problem, fault)

    async def _admit(self, call: Call) -> None:
        account, model = call.account, call.request.model
        lenient = self.simulation.options.lenient
        now_s = self.simulation.clock()
        if self.simulation.first_call_s is None:
            self.simulation.first_call_s = now_s
        charge = call.charge(output_tokens=call.answer.output_tokens)
        spent = account.weigh(model, charge.amounts, now_s=now_s)
        if spent is not None and not lenient:
            await _refuse(call, charge, spent, now_s=now_s)
        elif (limit := account.too_many(model)) is not None and not lenient:
            account.tally.refused["concurrency"] += 1
            await call.visit.explain(problems.too_many_at_once(limit))
        else:
            account.take(model, charge.amounts, now_s=now_s)
            await self._answer(call, charge, now_s=now_s)

    async def _answer(self, call: Call, charge: Charge, *, now_s: float) -> None:
        account, provider, wire = call.account, call.visit.provider, call.visit.format
        model, usage = call.request.model, charge.usage
        fault = self.simulation.faults.take(IN_THE_ANSWER, provider=provider.id, key=account.label, model=model)
        account.tally.admitted += 1
        if fault is not None:
            account.tally.faults[fault.kind.value] += 1
        self._bill(call, charge, fault)
        standings = account.standings(model, now_s=now_s)
        delivery = Delivery(
            format=wire,
            reply=Reply(
                answer=call.answer,
                request=call.request,
                id=f"{provider.id}-{next(self._numbers)}",
                created=int(now_s),
                usage=ToldUsage(usage.input_tokens, usage.output_tokens, usage.total_tokens),
            ),
            error=wire.explain(provider.id, wire.overloaded(provider.id)),
            headers=wire.success_headers(provider.id, standings, cost=usage.total_tokens, now_s=now_s),
            latency_s=self._latency_s(provider),
        )
        await deliver(call.visit.exchange, delivery, fault, account)
        account.taken[model].busy_s += self.simulation.clock() - now_s

    def _bill(self, call: Call, charge: Charge, fault: Fault | None) -> None:
        billed = output_tokens_sent(call.answer, fault.kind if fault else None)
        if billed is None:
            return
        if billed != call.answer.output_tokens:
            charge = call.charge(output_tokens=billed)
        self.simulation.charge(call.account, charge, job_id=job_id_in(call.visit.exchange, call.request.body))

    def _understand(self, visit: Visit, account: Account, request: ModelRequest) -> Call:
        provider = visit.provider
        model = provider.model(request.model)
        if model is None:
            raise WrongRequestError(visit.format.model_gone(request.model))
        answer = plan_answer(
            {"messages": request.messages, "tools": request.tools},
            max_tokens=request.max_tokens,
            answer_tokens=provider.answer_tokens,
            bytes_per_token=provider.bytes_per_token,
            tokens_off=self.simulation.options.tokens_off,
            tool=request.tool,
            schema=request.schema,
        )
        requested = answer.input_tokens + (request.max_tokens or 0)
        if model.context_window is not None and requested > model.context_window:
            raise WrongRequestError(visit.format.context_exceeded(limit=model.context_window, requested=requested))
        return Call(visit, account, request, model, answer)

    def _latency_s(self, provider: SimulatedProvider) -> float:
        simulation = self.simulation
        factor = simulation.options.latency_factor
        return draw_latency_s(simulation.rng, median_ms=provider.latency_ms, sigma=provider.latency_sigma, factor=factor)


async def _refuse(call: Call, charge: Charge, spent: Spent, *, now_s: float) -> None:
    provider, wire, account, model = call.visit.provider.id, call.visit.format, call.account, call.request.model
    account.tally.refused[spent.name] += 1
    refusal = wire.refuse(Refused(provider, account.label, model, spent, now_s))
    standings = account.standings(model, now_s=now_s)
    told = wire.refusal_headers(provider, standings, cost=charge.usage.total_tokens, now_s=now_s)
    await call.visit.exchange.reply(refusal.status, orjson.dumps(refusal.body), headers=[*told, *refusal.headers])


async def _say_404(exchange: Exchange, message: str) -> None:
    await exchange.reply(404, orjson.dumps({"error": {"message": f"simulator: {exchange.path}: {message}"}}))
