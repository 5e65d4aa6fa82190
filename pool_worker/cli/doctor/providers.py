"""The providers: does each answer, and does it take its keys? Asked all at once by the cheapest question, never a completion."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice

import httpx2

from pool_worker.cli.doctor.finding import Finding, failure, ok, warning
from pool_worker.cli.terminal import as_typed
from pool_worker.config import EnvKey
from pool_worker.errors import AttemptError, AuthenticationFailedError, Scope, WindowSpentError
from pool_worker.providers.http import open_http
from pool_worker.providers.probe import probe
from pool_worker.registry import Provider, Registry

WITHIN_S = 5.0
AT_ONCE = 16
KEYS_EACH = 8
"""Of a provider with more keys only so many are tried."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A key that is to be tried."""

    provider: Provider
    key: str
    """How a person knows it: `groq#1`, or `groq#1 of .env`."""
    secret: str = field(repr=False)
    mend: str
    """What to do if it is refused."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of it."""

    trial: Trial
    error: AttemptError | None


def trials_of(vault: Mapping[str, str], env_keys: Iterable[EnvKey], registry: Registry) -> list[Trial]:
    """The keys of enabled providers, from the vault (id → secret) and those of `.env` that are not in it, each once."""
    known = [_of_vault(key_id, secret, registry) for key_id, secret in vault.items()]
    by_provider: dict[str, dict[str, Trial]] = {provider: {} for provider in registry.providers}
    for trial in (*known, *(_of_env_file(key, registry) for key in env_keys)):
        if trial is not None:
            by_provider[trial.provider.id].setdefault(trial.secret, trial)
    return [trial for those in by_provider.values() for trial in islice(those.values(), KEYS_EACH)]


def _of_vault(key_id: str, secret: str, registry: Registry) -> Trial | None:
    provider = _called(key_id.partition("#")[0], registry)
    if provider is None:
        return None
    mend = f"{as_typed(f'keys add {provider.id}')} with a good one, then {as_typed(f'keys revoke {key_id}')}"
    return Trial(provider, key_id, secret, mend)


def _of_env_file(key: EnvKey, registry: Registry) -> Trial | None:
    provider = _called(key.provider, registry)
    if provider is None:
        return None
    number = f"#{key.index}" if key.index else ""
    return Trial(provider, f"{provider.id}{number} of .env", key.secret, f"correct it in .env: copy it again from {provider.id}")


def _called(provider_id: str, registry: Registry) -> Provider | None:
    provider = registry.providers.get(provider_id)
    return provider if provider is not None and provider.enabled and provider.needs_key else None


def check_providers(trials: Sequence[Trial], *, within_s: float = WITHIN_S) -> Iterator[Finding]:
    """What every provider with a key says; takes as long as the slowest, at most `within_s` for each `AT_ONCE` keys."""
    tried = asyncio.run(_try_all(trials, within_s)) if trials else []
    by_provider: dict[str, list[Tried]] = {}
    for each in tried:
        by_provider.setdefault(each.trial.provider.id, []).append(each)
    unreachable = {provider for provider, those in by_provider.items() if all(map(_is_of_provider, those))}
    for provider, those in by_provider.items():
        if provider in unreachable:
            yield failure("providers", f"{provider} is down: {_reason(those[0])}", _mend_network(unreachable, by_provider))
        else:
            yield from _judged(provider, those)


async def _try_all(trials: Sequence[Trial], within_s: float) -> list[Tried]:
    turn = asyncio.Semaphore(AT_ONCE)

    async def try_it(trial: Trial, http: httpx2.AsyncClient) -> Tried:
        async with turn:
            try:
                await probe(http, provider=trial.provider, secret=trial.secret, now=_now, within_s=within_s)
            except AttemptError as error:
                return Tried(trial, error)
        return Tried(trial, None)

    async with open_http(concurrency=AT_ONCE) as http:
        return list(await asyncio.gather(*(try_it(trial, http) for trial in trials)))


def _now() -> datetime:
    return datetime.now(UTC)


def _judged(provider: str, those: Sequence[Tried]) -> Iterator[Finding]:
    """Of a provider that answers."""
    good = [each.trial.key for each in those if each.error is None or isinstance(each.error, WindowSpentError)]
    if good:
        yield ok("providers", f"{provider} answers ({', '.join(good)})")
    for each in those:
        if each.trial.key in good:
            continue
        if isinstance(each.error, AuthenticationFailedError):
            yield failure("providers", f"{each.trial.key} is refused: {_reason(each)}", each.trial.mend)
        elif _is_of_provider(each):
            yield warning("providers", f"{provider} does not always answer: {_reason(each)}", "try again in a while")
        else:
            text = f"{provider} answers, but not what was asked for with {each.trial.key}: {_reason(each)}"
            yield warning("providers", text, "see whether a job gets an answer; if none does, ask the provider")


def _is_of_provider(tried: Tried) -> bool:
    return tried.error is not None and tried.error.scope is Scope.PROVIDER


def _reason(tried: Tried) -> str:
    return tried.error.reason if tried.error is not None else ""


def _mend_network(unreachable: set[str], asked: Mapping[str, object]) -> str:
    if len(unreachable) < len(asked):
        return "it may be back soon; if not, look at its status page, or correct its base_url in providers.yaml"
    proxies = [name for name in ("HTTPS_PROXY", "https_proxy") if os.environ.get(name)]
    used = f"; {proxies[0]} is not used, providers are called directly" if proxies else ""
    return f"see whether this machine is online, and what its firewall lets out{used}"
