"""The providers' side of the server: `/{provider}/…/chat/completions` and `/{provider}/…/models`."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

import orjson
from starlette.types import Receive, Scope, Send

from pool_worker.simulator import problems
from pool_worker.simulator.accounts import Account, Spent
from pool_worker.simulator.answers import Answer, plan_answer
from pool_worker.simulator.chat_request import ChatRequest, WrongRequestError, job_id_in, parse_chat_request, secret_in
from pool_worker.simulator.completions import model_list
from pool_worker.simulator.delivery import Delivery, deliver, output_tokens_sent
from pool_worker.simulator.durations import whole_seconds
from pool_worker.simulator.exchange import Exchange
from pool_worker.simulator.faults import AT_THE_DOOR, IN_THE_ANSWER, Fault, FaultKind
from pool_worker.simulator.headers import Headers, refusal_headers, success_headers
from pool_worker.simulator.latency import draw_latency_s
from pool_worker.simulator.problems import Problem
from pool_worker.simulator.profile import SimulatedModel, SimulatedProvider
from pool_worker.simulator.refusals import Refused, refuse
from pool_worker.simulator.simulation import Charge, Simulation, charge_for

CHAT = "/chat/completions"
MODELS = "/models"


@dataclass(frozen=True, slots=True)
class Call:
    """A chat request that is well formed, and who asks."""

    exchange: Exchange
    provider: SimulatedProvider
    account: Account
    request: ChatRequest
    model: SimulatedModel
    answer: Answer

    def charge(self, *, output_tokens: int) -> Charge:
        """What it costs when that much of the answer is billed."""
        return charge_for(self.answer, self.provider, self.model, max_tokens=self.request.max_tokens, output_tokens=output_tokens)


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
        elif exchange.method == "POST" and exchange.path.endswith(CHAT):
            await self._chat(exchange, provider)
        elif exchange.method == "GET" and exchange.path.endswith(MODELS):
            await self._models(exchange, provider)
        else:
            await _say_404(exchange, f"a provider has POST …{CHAT} and GET …{MODELS}")

    async def _models(self, exchange: Exchange, provider: SimulatedProvider) -> None:
        account = await self._account_at_the_door(exchange, provider)
        if account is None:
            return
        if self.simulation.faults.take({FaultKind.UNAUTHORIZED}, provider=provider.id, key=account.label):
            await _explain(exchange, provider, problems.with_status(provider.id, 401))
            return
        self.simulation.tallies[provider.id].listings += 1
        names = provider.models or ("simulated-model",)
        await exchange.reply(200, model_list(names, owner=provider.id, created=int(self.simulation.clock())))

    async def _chat(self, exchange: Exchange, provider: SimulatedProvider) -> None:
        raw = await exchange.body()
        account = await self._account_at_the_door(exchange, provider)
        if account is None:
            return
        account.tally.requests += 1
        try:
            request = parse_chat_request(raw)
            call = self._understand(exchange, provider, account, request)
        except WrongRequestError as error:
            account.tally.errors[str(error.problem.status)] += 1
            await _explain(exchange, provider, error.problem)
            return
        fault = self.simulation.faults.take(AT_THE_DOOR, provider=provider.id, key=account.label, model=request.model)
        if fault is None:
            await self._admit(call)
        else:
            await self._fail(call, fault)

    async def _account_at_the_door(self, exchange: Exchange, provider: SimulatedProvider) -> Account | None:
        """Whose key it is; None after a 503 (down) or a 401 (unknown key) was answered."""
        tally = self.simulation.tallies[provider.id]
        if down := self.simulation.faults.take({FaultKind.DOWN}, provider=provider.id):
            tally.down += 1
            await _explain(exchange, provider, problems.with_status(provider.id, problems.UNAVAILABLE), down)
            return None
        account = self.simulation.account(provider, secret_in(exchange, provider))
        if account is None:
            tally.unauthorized += 1
            await _explain(exchange, provider, problems.with_status(provider.id, 401))
        return account

    async def _fail(self, call: Call, fault: Fault) -> None:
        provider, tally = call.provider, call.account.tally
        tally.faults[fault.kind.value] += 1
        if fault.kind is FaultKind.STATUS and provider.failed_calls_count:
            amounts = call.charge(output_tokens=0).amounts
            call.account.take(call.request.model, amounts, now_s=self.simulation.clock())
        await _explain(call.exchange, provider, problems.with_status(provider.id, fault.status or 401), fault)

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
            await _explain(call.exchange, call.provider, problems.too_many_at_once(limit))
        else:
            account.take(model, charge.amounts, now_s=now_s)
            await self._answer(call, charge, now_s=now_s)

    async def _answer(self, call: Call, charge: Charge, *, now_s: float) -> None:
        account, provider, model = call.account, call.provider, call.request.model
        fault = self.simulation.faults.take(IN_THE_ANSWER, provider=provider.id, key=account.label, model=model)
        account.tally.admitted += 1
        if fault is not None:
            account.tally.faults[fault.kind.value] += 1
        self._bill(call, charge, fault)
        standings = account.standings(model, now_s=now_s)
        delivery = Delivery(
            answer=call.answer,
            answer_id=f"chatcmpl-{provider.id}-{next(self._numbers)}",
            model=model,
            created=int(now_s),
            stream=call.request.stream,
            headers=success_headers(provider.id, standings, cost=charge.usage.total_tokens),
            latency_s=self._latency_s(provider),
        )
        await deliver(call.exchange, delivery, fault, account)
        account.taken[model].busy_s += self.simulation.clock() - now_s

    def _bill(self, call: Call, charge: Charge, fault: Fault | None) -> None:
        billed = output_tokens_sent(call.answer, fault.kind if fault else None)
        if billed is None:
            return
        if billed != call.answer.output_tokens:
            charge = call.charge(output_tokens=billed)
        self.simulation.charge(call.account, charge, job_id=job_id_in(call.exchange, call.request.body))

    def _understand(self, exchange: Exchange, provider: SimulatedProvider, account: Account, request: ChatRequest) -> Call:
        model = provider.model(request.model)
        if model is None:
            raise WrongRequestError(problems.model_gone(request.model))
        answer = plan_answer(
            request.body,
            max_tokens=request.max_tokens,
            answer_tokens=provider.answer_tokens,
            bytes_per_token=provider.bytes_per_token,
            tokens_off=self.simulation.options.tokens_off,
        )
        requested = answer.input_tokens + (request.max_tokens or 0)
        if model.context_window is not None and requested > model.context_window:
            raise WrongRequestError(problems.context_exceeded(limit=model.context_window, requested=requested))
        return Call(exchange, provider, account, request, model, answer)

    def _latency_s(self, provider: SimulatedProvider) -> float:
        simulation = self.simulation
        factor = simulation.options.latency_factor
        return draw_latency_s(simulation.rng, median_ms=provider.latency_ms, sigma=provider.latency_sigma, factor=factor)


async def _refuse(call: Call, charge: Charge, spent: Spent, *, now_s: float) -> None:
    provider, account, model = call.provider.id, call.account, call.request.model
    account.tally.refused[spent.name] += 1
    refusal = refuse(Refused(provider, account.label, model, spent, now_s))
    told = refusal_headers(provider, account.standings(model, now_s=now_s), cost=charge.usage.total_tokens)
    await call.exchange.reply(refusal.status, orjson.dumps(refusal.body), headers=[*told, *refusal.headers])


async def _explain(exchange: Exchange, provider: SimulatedProvider, problem: Problem, fault: Fault | None = None) -> None:
    """Answer with a problem in the provider's form, or with what a fault says."""
    headers: Headers = []
    body = problems.body_of(provider.id, problem)
    if fault is not None:
        headers += fault.headers.items()
        if fault.retry_after_s is not None:
            headers.append(("retry-after", whole_seconds(fault.retry_after_s)))
        body = body if fault.body is None else fault.body
    await exchange.reply(problem.status, orjson.dumps(body), headers=headers)


async def _say_404(exchange: Exchange, message: str) -> None:
    await exchange.reply(404, orjson.dumps({"error": {"message": f"simulator: {exchange.path}: {message}"}}))
