"""The demo's requests: what six agents ask, varied but always the same, so that two runs compare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count, cycle, islice
from pathlib import Path
from random import Random
from string import Template
from typing import Any

import yaml

FILE = Path(__file__).with_name("prompts.yaml")
LINES = (4, 30)
"""The shortest and the longest `$log`."""
SEED = 700

SHIFT = (
    "log_analyzer", "security_monitor", "performance_monitor", "database_manager", "log_analyzer", "ai_manager",
    "performance_monitor", "backup_recovery", "database_manager", "log_analyzer", "security_monitor", "performance_monitor",
    "log_analyzer", "ai_manager", "database_manager", "backup_recovery",
)  # fmt: skip
"""Who asks, in turn: how busy the agents are in comparison."""


@dataclass(frozen=True, slots=True)
class Request:
    """One job to submit."""

    agent: str
    prompt: str
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of `submit`, beside the agent's defaults."""


def make_requests(number: int) -> list[Request]:
    """So many requests, no two alike."""
    return list(islice(_requests(), number))


def _requests() -> Iterator[Request]:
    material = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    writer = _Writer(material["words"], material["log_lines"], Random(SEED))  # noqa: S311 - variety, no secrets
    themes = {agent: cycle(of_agent) for agent, of_agent in material["agents"].items()}
    seen: set[str] = set()
    for agent in cycle(SHIFT):
        theme = next(themes[agent])
        prompt = next(text for text in (writer.write(theme["text"]) for _ in count()) if text not in seen)
        seen.add(prompt)
        yield Request(agent, prompt, theme.get("options", {}))


class _Writer:
    """Fills templates with words, each time others."""

    def __init__(self, words: Mapping[str, list[str]], log_lines: list[str], rng: Random) -> None:
        self._words = words
        self._log_lines = log_lines
        self._rng = rng

    def write(self, template: str) -> str:
        """One text."""
        filled = Template(template).substitute(self._chosen() | {"log": self._log()})
        return filled.strip()

    def _log(self) -> str:
        lines = self._rng.choices(self._log_lines, k=self._rng.randint(*LINES))
        return "\n".join(Template(line).substitute(self._chosen()) for line in lines)

    def _chosen(self) -> dict[str, str]:
        chosen = {name: self._rng.choice(words) for name, words in self._words.items()}
        return chosen | {"number": str(self._rng.randint(12, 950))}
