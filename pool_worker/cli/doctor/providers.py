"""The providers: does each answer, and does it take its keys? Asked all at once by the cheapest question, never a completion."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from pool_worker.cli.doctor.finding import Finding, failure, ok, warning
from pool_worker.cli.terminal import as_typed
from pool_worker.cli.trials import WITHIN_S, Trial, Tried, try_all
from pool_worker.config import EnvKey
from pool_worker.errors import AuthenticationFailedError
from pool_worker.registry import Provider, Registry

KEYS_EACH = 8
"""Of a provider with more keys only so many are tried."""


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
    mend = f"{as_typed(f'keys rotate {key_id}')} with a good one, or {as_typed(f'keys revoke {key_id}')}"
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
    tried = try_all(trials, within_s=within_s)
    by_provider: dict[str, list[Tried]] = {}
    for each in tried:
        by_provider.setdefault(each.trial.provider.id, []).append(each)
    unreachable = {provider for provider, those in by_provider.items() if all(each.is_of_provider for each in those)}
    for provider, those in by_provider.items():
        if provider in unreachable:
            yield failure("providers", f"{provider} is down: {those[0].reason}", _mend_network(unreachable, by_provider))
        else:
            yield from _judged(provider, those)


def _judged(provider: str, those: Sequence[Tried]) -> Iterator[Finding]:
    """Of a provider that answers."""
    good = [each.trial.key for each in those if each.works]
    if good:
        yield ok("providers", f"{provider} answers ({', '.join(good)})")
    for each in those:
        if each.trial.key in good:
            continue
        if isinstance(each.error, AuthenticationFailedError):
            yield failure("providers", f"{each.trial.key} is refused: {each.reason}", each.trial.mend)
        elif each.is_of_provider:
            yield warning("providers", f"{provider} does not always answer: {each.reason}", "try again in a while")
        else:
            text = f"{provider} answers, but not what was asked for with {each.trial.key}: {each.reason}"
            yield warning("providers", text, "see whether a job gets an answer; if none does, ask the provider")


def _mend_network(unreachable: set[str], asked: Mapping[str, object]) -> str:
    if len(unreachable) < len(asked):
        return "it may be back soon; if not, look at its status page, or correct its base_url in providers.yaml"
    proxies = [name for name in ("HTTPS_PROXY", "https_proxy") if os.environ.get(name)]
    used = f"; {proxies[0]} is not used, providers are called directly" if proxies else ""
    return f"see whether this machine is online, and what its firewall lets out{used}"
