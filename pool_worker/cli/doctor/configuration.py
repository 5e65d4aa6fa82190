"""Configuration files, `.env`, and variables that nobody reads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pool_worker.cli.doctor.finding import Finding, failure, ok, warning
from pool_worker.config import ConfigError, load_registry, read_env_keys
from pool_worker.registry import Registry
from pool_worker.settings import Settings, misspelt_variables


def check_variables() -> Iterator[Finding]:
    """Names that are nearly right."""
    for sentence in misspelt_variables(os.environ):
        yield warning("environment", sentence, "rename or remove it")


def read_configuration(settings: Settings) -> tuple[Registry | None, list[Finding]]:
    """The registry, if it can be read, and what there is to say about it: every mistake is a finding."""
    try:
        registry = load_registry(settings.config_dir, profile=settings.profile, simulator_url=settings.simulator_url)
    except ConfigError as error:
        return None, _mistakes("configuration", error)
    providers = sum(provider.enabled for provider in registry.providers.values())
    models = sum(model.is_active for model in registry.models.values())
    text = f"{settings.config_dir}: {providers} providers, {models} models, {len(registry.agents)} agents"
    return registry, [ok("configuration", text)]


def check_env_file(path: Path, registry: Registry) -> Iterator[Finding]:
    """The keys in `.env`, where there is one."""
    if not path.is_file():
        return
    try:
        file = read_env_keys(path, registry.providers)
    except ConfigError as error:
        yield from _mistakes(".env", error)
        return
    for note in file.notes:
        yield warning(".env", note, "mend it, or leave it")
    yield ok(".env", f"{len(file.keys)} keys; `model-pool up` and `model-pool keys import` bring them into the vault")


def _mistakes(check: str, error: ConfigError) -> list[Finding]:
    found = []
    for mistake in error.mistakes:
        what, _, right = str(mistake).rpartition("; ")
        found.append(failure(check, what, right))
    return found
