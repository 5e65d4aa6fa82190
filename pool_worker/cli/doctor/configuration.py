"""Configuration files, `.env`, and variables that nobody reads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pool_worker.cli.doctor.finding import Finding, failure, ok, warning
from pool_worker.cli.figures import count_of
from pool_worker.cli.terminal import as_typed
from pool_worker.config import ConfigError, EnvKey, load_registry, read_env_keys
from pool_worker.registry import Registry, UnknownPrice
from pool_worker.settings import Settings, misspelt_variables


def check_variables() -> Iterator[Finding]:
    """Names that are nearly right."""
    for sentence in misspelt_variables(os.environ):
        what, _, right = sentence.rpartition("; ")
        yield warning("environment", what, right)


def read_configuration(settings: Settings) -> tuple[Registry | None, list[Finding]]:
    """The registry, if it can be read, and what there is to say about it: every mistake is a finding."""
    try:
        registry = load_registry(settings.config_dir, profile=settings.profile, simulator_url=settings.simulator_url)
    except ConfigError as error:
        return None, _mistakes("configuration", error)
    providers = sum(provider.enabled for provider in registry.providers.values())
    models = sum(model.is_active for model in registry.models.values())
    text = f"{settings.config_dir}: {providers} providers, {models} models, {len(registry.agents)} agents"
    return registry, [ok("configuration", text), *_unknown_prices(registry)]


def _unknown_prices(registry: Registry) -> Iterator[Finding]:
    """Models that cost money, and are counted as if they did not."""
    may_be_called = registry.budget.unknown_price is UnknownPrice.ALLOW
    unknown = [model.id for model in registry.models.values() if model.is_active and not model.price_known]
    if unknown and may_be_called:
        text = f"the price is not known of {', '.join(unknown)}: what is called there is counted as 0 USD"
        mend = "write cost_per_1k_input_tokens and cost_per_1k_output_tokens, or unknown_price: refuse under cost_management"
        yield warning("prices", text, mend)


def read_env_file(path: Path, registry: Registry) -> tuple[tuple[EnvKey, ...], list[Finding]]:
    """The keys in `.env`, and what there is to say about it; nothing if there is no such file."""
    if not path.is_file():
        return (), []
    try:
        file = read_env_keys(path, registry.providers)
    except ConfigError as error:
        return (), _mistakes(".env", error)
    notes = [_note(note) for note in file.notes]
    if not file.keys:
        mend = "write lines such as GROQ_API_KEY_1=gsk_…"
        return (), [*notes, warning(".env", f"{path} has no key", mend)]
    text = f"{count_of(len(file.keys), 'key')}; `{as_typed('up')}` and `{as_typed('keys import')}` bring them into the vault"
    return file.keys, [*notes, ok(".env", text)]


def _note(note: str) -> Finding:
    what, _, right = note.rpartition("; ")
    return warning(".env", what or note, right if what else "mend it, or leave it")


def _mistakes(check: str, error: ConfigError) -> list[Finding]:
    found = []
    for mistake in error.mistakes:
        what, _, right = str(mistake).rpartition("; ")
        found.append(failure(check, what, right))
    return found
