"""Reads a whole configuration into a `Registry`. A file that is not in the folder is taken from the shipped configuration."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pool_worker.config import models, profiles, rules
from pool_worker.config.agents import read_agents
from pool_worker.config.document import Document, Fields, nothing, read_document
from pool_worker.config.env_alerts import with_environment
from pool_worker.config.env_file import read_assignments
from pool_worker.config.mistakes import ConfigError, Mistake, did_you_mean, shown_path
from pool_worker.config.profiles import Profile, read_profile
from pool_worker.config.providers import Surroundings, check_names, read_providers, simulated
from pool_worker.config.rules import read_pool_file
from pool_worker.registry import Key, Registry
from pool_worker.settings import shipped_config_dir

_PROFILES = "profiles"

SECTIONS = {
    "providers.yaml": ("providers",),
    "models.yaml": models.SECTIONS,
    "agents.yaml": ("agents",),
    "pool.yaml": rules.SECTIONS,
}
"""File → what may stand in it."""
FILES = tuple(SECTIONS)
_HOMES = {section: file for file, sections in SECTIONS.items() for section in sections}


def load_registry(
    config_dir: Path,
    *,
    profile: str | None = None,
    simulator_url: str | None = None,
    keys: Sequence[Key] = (),
    environ: Mapping[str, str] | None = None,
) -> Registry:
    """Everything that is configured in a folder.

    Args:
        config_dir: Folder with any of `FILES` and, for profiles, a folder `profiles`.
        profile: Name of a profile to lay over it; the profile's own keys come before `keys`.
        simulator_url: Where calls go instead of to the providers' addresses.
        keys: The keys there are, as the vault lists them.
        environ: What `${NAME}` in an address stands for; None: `.env` in the working folder, and the environment.

    Raises:
        ConfigError: naming every mistake of every file.
    """
    mistakes: list[Mistake] = []
    folder = _Folder(config_dir, mistakes)
    environ = _environment(mistakes) if environ is None else environ
    around = Surroundings(environ, frozenset(key.provider for key in keys), simulator_url)
    pool = read_pool_file(folder.read("pool.yaml"))
    rows = folder.read("providers.yaml")["providers"]
    providers = read_providers(rows, around)
    check_names(rows, providers)
    models_fields = folder.read("models.yaml")
    plan = Profile("")
    if profile is not None:
        fields = folder.profile(profile)
        providers = providers | read_providers(fields["providers"], around, providers)
        plan = read_profile(profile, fields, providers)
        models_fields = fields if fields["models"] else models_fields
    found = models.read_models_file(models_fields, providers, timezone=pool.rules.timezone)
    agents = read_agents(folder.read("agents.yaml")["agents"], environ)
    if mistakes:
        raise ConfigError(mistakes)
    return Registry(
        providers={each: simulated(row, simulator_url) if simulator_url else row for each, row in providers.items()},
        models={each: model for each, model in found.models.items() if model.provider},
        agents=agents,
        keys=(*plan.keys(), *keys),
        task_capabilities=pool.task_capabilities,
        budget=found.budget,
        failover=found.failover,
        rules=replace(pool.rules, alerts=with_environment(pool.rules.alerts, environ)),
    )


def load_profile(config_dir: Path, name: str) -> Profile:
    """What a profile of this folder says of itself.

    Raises:
        ConfigError: naming every mistake of that file, or the profiles there are.
    """
    mistakes: list[Mistake] = []
    profile = read_profile(name, _Folder(config_dir, mistakes).profile(name))
    if mistakes:
        raise ConfigError(mistakes)
    return profile


class _Folder:
    """A folder of configuration files, with the shipped ones behind it.

    What a shipped file gets wrong beside the folder's own files is not the user's mistake and not told: a shipped model whose
    provider the folder does not have is just not there.
    """

    def __init__(self, path: Path, mistakes: list[Mistake]) -> None:
        self._own = path
        self._shipped = shipped_config_dir()
        self._mistakes = mistakes
        if not any((path / file).exists() for file in (*FILES, _PROFILES)):
            problem = "has no configuration file" if path.is_dir() else "is not a folder"
            mistakes.append(Mistake(shown_path(path), None, "", "", problem, f"name a folder with any of {', '.join(FILES)}"))

    def read(self, file: str) -> Fields:
        """The sections of a file; of the shipped one if there is no such file."""
        if (self._own / file).exists():
            return Fields(read_document(self._own / file, self._mistakes), SECTIONS[file], elsewhere=_HOMES)
        return Fields(read_document(self._shipped / file, []), SECTIONS[file])

    def profile(self, name: str) -> Fields:
        """The sections of a profile, which has to exist."""
        there = {file.stem for place in (self._own, self._shipped) for file in (place / _PROFILES).glob("*.yaml")}
        file = f"{_PROFILES}/{name}.yaml"
        if name in there:
            place = self._own if (self._own / file).exists() else self._shipped
            return Fields(read_document(place / file, self._mistakes), profiles.SECTIONS, elsewhere=_HOMES)
        where = shown_path(self._own / _PROFILES)
        self._mistakes.append(Mistake(where, None, "", f'"{name}"', "is not a profile", did_you_mean(name, there)))
        return Fields(nothing(Document(where, self._mistakes)))


def _environment(mistakes: list[Mistake]) -> dict[str, str]:
    """The process's variables, behind them those of `.env` in the working folder."""
    file = Path(".env")
    written = read_assignments(file, mistakes).variables if file.is_file() else []
    return {variable.name: variable.value for variable in written} | dict(os.environ)
