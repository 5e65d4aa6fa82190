"""Everything that a running simulator remembers: the accounts, the charges per job, the faults in wait."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

from pool_client.job import Usage
from pool_worker.registry import MILLION, Charges, Unit
from pool_worker.simulator.accounts import Account, Amounts
from pool_worker.simulator.answers import Answer
from pool_worker.simulator.clock import SimulatedClock
from pool_worker.simulator.faults import Faults
from pool_worker.simulator.profile import SimulatedModel, SimulatedProfile, SimulatedProvider


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a simulation runs."""

    lenient: bool = False
    """Admit what does not fit a window, and count it as overshoot, instead of refusing it."""
    latency_factor: float = 1.0
    """0: every answer at once."""
    tokens_off: float = 0.0
    """By what share a text may have more or fewer tokens than its bytes tell; which of it, its digest decides."""
    seed: int = 0
    """Of the latencies and of faults with a probability."""


@dataclass(slots=True)
class ProviderTally:
    """What happened at a provider outside of any account."""

    unauthorized: int = 0
    """Requests with an unknown key."""
    listings: int = 0
    down: int = 0
    """Requests that found the provider down."""


@dataclass(slots=True)
class Charge:
    """What one admitted request costs."""

    usage: Usage
    amounts: Amounts
    usd: Decimal


@dataclass(slots=True)
class Simulation:
    """The state behind the server. Used from one event loop only."""

    profile: SimulatedProfile
    clock: SimulatedClock
    options: Options = field(default_factory=Options)
    rng: Random = field(init=False)
    faults: Faults = field(init=False)
    accounts: dict[str, Account] = field(init=False)
    """By label."""
    _of_secret: dict[tuple[str, str], Account] = field(init=False)
    tallies: dict[str, ProviderTally] = field(init=False)
    charges_per_job: Counter[str] = field(init=False)
    bill_per_job: dict[str, Decimal] = field(init=False)
    """In USD."""
    charges_without_job: int = field(init=False)
    first_call_s: float | None = field(init=False)
    """When the first call of all came, admitted or not."""

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything: counts, windows, faults, and begin the random numbers anew. The clock goes on."""
        self.rng = Random(self.options.seed)  # noqa: S311 - latencies, nothing secret
        self.faults = Faults(self.rng)
        providers = self.profile.providers
        self.accounts = {label: Account(provider, label) for provider in providers.values() for label in provider.labels()}
        self._of_secret = {
            (name, secret): self.accounts[label]
            for name, provider in providers.items()
            for secret, label in zip(provider.keys, provider.labels(), strict=False)
        }
        self.tallies = {name: ProviderTally() for name in providers}
        self.charges_per_job = Counter()
        self.bill_per_job = defaultdict(Decimal)
        self.charges_without_job = 0
        self.first_call_s = None

    def account(self, provider: SimulatedProvider, secret: str) -> Account | None:
        """Whose key this is; None: nobody's."""
        if not provider.needs_key:
            return self.accounts[provider.labels()[0]]
        return self._of_secret.get((provider.id, secret))

    def replace_secret(self, label: str, secret: str) -> None:
        """The account's old secrets are nobody's from now on, this one is its own; until the next reset."""
        account = self.accounts[label]
        self._of_secret = {known: it for known, it in self._of_secret.items() if it is not account}
        self._of_secret[account.provider.id, secret] = account

    def accounts_of(self, provider: str) -> list[Account]:
        """A provider's accounts in the order of its keys."""
        return [self.accounts[label] for label in self.profile.providers[provider].labels()]

    def charge(self, account: Account, charge: Charge, *, job_id: str | None) -> None:
        """Book what a request costs: on the account's bill and on its job."""
        tally = account.tally
        tally.charges += 1
        tally.input_tokens += charge.usage.input_tokens
        tally.output_tokens += charge.usage.output_tokens
        tally.bill_usd += charge.usd
        if job_id:
            self.charges_per_job[job_id] += 1
            self.bill_per_job[job_id] += charge.usd
        else:
            self.charges_without_job += 1


def charge_for(
    answer: Answer, provider: SimulatedProvider, model: SimulatedModel, *, max_tokens: int | None, output_tokens: int
) -> Charge:
    """What a request takes from the windows (for the whole answer) and costs (for `output_tokens` of it)."""
    counted = answer.output_tokens
    if provider.charges is Charges.UPFRONT:
        counted = max_tokens or provider.default_max_tokens
    usage = Usage(input_tokens=answer.input_tokens, output_tokens=output_tokens)
    usd = model.price.cost_usd(usage)
    rate = model.unit_rate
    units = rate.input_per_mtok * answer.input_tokens + rate.output_per_mtok * answer.output_tokens
    amounts = {
        Unit.REQUESTS: 1.0,
        Unit.TOKENS: float(answer.input_tokens + counted),
        Unit.INPUT_TOKENS: float(answer.input_tokens),
        Unit.OUTPUT_TOKENS: float(counted),
        Unit.UNITS: float(units / MILLION),
        Unit.USD: float(usd * MILLION),
    }
    return Charge(usage, amounts, usd)
