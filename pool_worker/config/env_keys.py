"""The API keys of a `.env` file: `GROQ_API_KEY`, `GROQ_API_KEY_1` …, with `GROQ_KEY_1_PRIORITY|DAILY_LIMIT|QUOTA_GROUP`.

Variables that are no key and no setting of one are left alone: other programs' without a word, those whose names are nearly ours
with a note. Placeholders are skipped with a note. Mistakes are told all at once, and never with a secret.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pool_worker.config.env_alerts import AlertTargets, read_alert_targets
from pool_worker.config.env_file import Assignments, Variable, is_placeholder, read_assignments
from pool_worker.config.env_names import KEY_SETTINGS, meant_name
from pool_worker.config.mistakes import ConfigError, Mistake, did_you_mean
from pool_worker.config.providers import names_of
from pool_worker.config.scalars import NAME
from pool_worker.registry import Provider

_KEY = re.compile(r"(?P<provider>\w+?)_API_KEY(_(?P<index>\d{1,6}))?", re.IGNORECASE | re.ASCII)
_SETTING = re.compile(
    rf"(?P<provider>\w+?)_KEY(_(?P<index>\d{{1,6}}))?_(?P<setting>{'|'.join(KEY_SETTINGS)})", re.IGNORECASE | re.ASCII
)
_NEARLY_SETTING = re.compile(r"(?P<provider>\w+?)_KEY_\d+_(?P<setting>\w+)", re.IGNORECASE | re.ASCII)
_SECRET = re.compile(r"[\x21-\x7e]+")
_WHOLE = re.compile(r"0*[1-9]\d{0,14}", re.ASCII)
_CANNOT_BE_SECRET = re.compile(r"[\w.+-]{1,10}")
_NEARLY = 0.75
"""How alike a provider's name and a misspelt one are: `grok` and `groq`, but not `azure_openai` and `openai`."""

Slot = tuple[str, int]
"""Provider and number; 0 for the key that has none."""


@dataclass(frozen=True, slots=True)
class EnvKey:
    """An API key as a file gives it."""

    provider: str
    index: int
    """Its number; 0 for `GROQ_API_KEY`, which has none."""
    secret: str = field(repr=False)
    priority: int = 1
    daily_limit: int | None = None
    """In the provider's `daily_unit`."""
    quota_group: str = ""


@dataclass(frozen=True, slots=True)
class EnvFile:
    """What a `.env` file gives."""

    keys: tuple[EnvKey, ...]
    notes: tuple[str, ...]
    """What was left out or is of no use now, and why: a sentence each."""
    alert_targets: AlertTargets


def read_env_keys(path: Path, providers: Mapping[str, Provider]) -> EnvFile:
    """The keys of a file, ordered by provider and number.

    Raises:
        ConfigError: naming every mistake, with its line.
    """
    mistakes: list[Mistake] = []
    assignments = read_assignments(path, mistakes)
    reading = _Reading(assignments, providers)
    for variable in assignments.variables:
        reading.take(variable)
    reading.check_settings()
    keys = reading.keys()
    targets = read_alert_targets(assignments)
    if mistakes:
        raise ConfigError([*mistakes, *reading.slips])  # a slip may be what the others come from
    return EnvFile(keys, (*map(str, reading.slips), *reading.notes), targets)


class _Reading:
    """The variables of a file, sorted into keys and settings of keys."""

    def __init__(self, assignments: Assignments, providers: Mapping[str, Provider]) -> None:
        self.notes: list[str] = []
        self.slips: list[Mistake] = []
        self._assignments = assignments
        self._providers = providers
        self._known = names_of(providers)
        self._secrets: dict[Slot, Variable] = {}
        self._skipped: set[Slot] = set()
        self._settings: dict[Slot, dict[str, Variable]] = {}

    def take(self, variable: Variable) -> None:
        """Sort one variable."""
        if found := _SETTING.fullmatch(variable.name):
            self._take_setting(variable, found)
        elif found := _KEY.fullmatch(variable.name):
            self._take_key(variable, found)
        elif (found := _NEARLY_SETTING.fullmatch(variable.name)) and self._provider(found):
            right = did_you_mean(found["setting"].upper(), KEY_SETTINGS)
            self._assignments.wrong(variable, f"ends in {found['setting']}, which is no setting of a key", right)
        else:
            self._note_slip(variable)

    def check_settings(self) -> None:
        """Settings without a key are mistakes."""
        for slot in self._settings.keys() - self._secrets.keys() - self._skipped:
            name = f"{slot[0].upper().replace('-', '_')}_API_KEY" + (f"_{slot[1]}" if slot[1] else "")
            for variable in self._settings[slot].values():
                self._assignments.wrong(variable, "belongs to a key that is not in the file", f"add {name}, or take this out")

    def keys(self) -> tuple[EnvKey, ...]:
        """The keys with their settings. A second copy of a key is left out: it brings no quota of its own."""
        copies: dict[tuple[str, str], Variable] = {}
        keys = []
        for slot, variable in sorted(self._secrets.items(), key=lambda item: item[0]):
            provider = self._providers[slot[0]]
            first = copies.setdefault((provider.id, variable.value), variable)
            if first is not variable:
                self._note(variable, f"is the same key as {first.name}: skipped")
                continue
            if not provider.enabled:
                self._note(variable, f"is kept, but {provider.id} is disabled: {provider.disabled_reason}")
            keys.append(self._key(slot, variable))
        return tuple(keys)

    def _note(self, variable: Variable, sentence: str) -> None:
        self.notes.append(f"{self._assignments.file}:{variable.line}: {variable.name} {sentence}")

    def _provider(self, found: re.Match[str]) -> str | None:
        written = found["provider"].lower()
        return self._known.get(written) or self._known.get(written.replace("_", "-"))

    def _slot(self, variable: Variable, found: re.Match[str]) -> Slot | None:
        """Whose key it is about; None if it is nobody's, and then what is to be said of that is said."""
        provider = self._provider(found)
        if provider is not None:
            return provider, int(found["index"] or 0)
        written = found["provider"].lower()
        if near := difflib.get_close_matches(written, self._known, n=1, cutoff=_NEARLY):
            problem = f'names the provider "{written}", which is not in providers.yaml'
            self._assignments.wrong(variable, problem, f'did you mean "{near[0]}"?')
        elif not self._note_slip(variable) and found["index"]:  # numbered, as only our keys are
            self._note(variable, f"is skipped: {written} is not in providers.yaml; a row there would bring it into use")
        return None

    def _note_slip(self, variable: Variable) -> bool:
        """Say so if the name is nearly one of ours; whether it is."""
        meant = meant_name(variable.name, self._known)
        if meant is not None:
            place = (self._assignments.file, variable.line, variable.name)
            self.slips.append(Mistake(*place, "", "is not read by anything", f"did you mean {meant}?"))
        return meant is not None

    def _take_setting(self, variable: Variable, found: re.Match[str]) -> None:
        slot = self._slot(variable, found)
        if slot is None or not variable.value:
            return
        first = self._settings.setdefault(slot, {}).setdefault(found["setting"].upper(), variable)
        if first is not variable:
            self._assignments.wrong(variable, f"says what {first.name} (line {first.line}) says", "keep one of the two")

    def _take_key(self, variable: Variable, found: re.Match[str]) -> None:
        slot = self._slot(variable, found)
        if slot is None:
            return
        if not variable.value or is_placeholder(variable.value):
            self._skipped.add(slot)
            self._note(variable, "is a placeholder: skipped" if variable.value else "is empty: skipped")
        elif not _SECRET.fullmatch(variable.value):
            self._assignments.wrong(
                variable, "holds blanks or other characters that no key has", "copy the key again, on one line"
            )
        elif (first := self._secrets.setdefault(slot, variable)) is not variable:
            problem = f"has the same provider and number as {first.name} (line {first.line})"
            self._assignments.wrong(variable, problem, "give each key a number of its own")

    def _key(self, slot: Slot, variable: Variable) -> EnvKey:
        settings = self._settings.get(slot, {})
        priority = self._whole(settings.get("PRIORITY"), "1, which is used before 2")
        group = settings.get("QUOTA_GROUP")
        if group and not NAME.fullmatch(group.value):
            self._assignments.wrong(group, "cannot be the name of a quota group", "write e.g. groq-account-1")
        return EnvKey(
            provider=slot[0],
            index=slot[1],
            secret=variable.value,
            priority=1 if priority is None else priority,
            daily_limit=self._whole(settings.get("DAILY_LIMIT"), "14400"),
            quota_group=group.value if group else "",
        )

    def _whole(self, variable: Variable | None, example: str) -> int | None:
        """A whole number of at least 1. A wrong one is shown only if it cannot be a key that slipped into the line."""
        if variable is None:
            return None
        if _WHOLE.fullmatch(variable.value):
            return int(variable.value)
        shown = f'"{variable.value}"' if _CANNOT_BE_SECRET.fullmatch(variable.value) else "the value"
        self._assignments.wrong(variable, "is not a whole number of 1 or more", f"write e.g. {example}", value=shown)
        return None
