"""What a lab's workers may call: a few providers with room for everything and a price, so that lost and doubled money shows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

Row = Mapping[str, Any]

ROOM: Row = {
    "concurrency": 1000,
    "timeout_s": 20,
    "limits": [{"unit": "requests", "limit": 1_000_000, "per": "minute", "kind": "refill"}],
}
PROVIDERS: Mapping[str, Row] = {
    "groq": {"base_url": "https://api.groq.com/openai/v1", "tier": "free", "priority": 90, **ROOM},
    "cerebras": {"base_url": "https://api.cerebras.ai/v1", "tier": "free", "priority": 80, **ROOM},
    "mistral": {"base_url": "https://api.mistral.ai/v1", "tier": "free", "priority": 70, **ROOM},
    "openai": {"base_url": "https://api.openai.com/v1", "tier": "paid", "priority": 60, **ROOM},
}
KEY_COUNTS = {"groq": 2, "cerebras": 1, "mistral": 1, "openai": 1}
MODEL: Row = {
    "model": "small",
    "cost_per_1k_input_tokens": 0.001,
    "cost_per_1k_output_tokens": 0.003,
    "capabilities": ["reasoning", "analysis", "coding", "tools"],
}
"""Of every provider, called `<provider>-small`; also the free ones cost, so that the bill counts every call."""


def write_config(folder: Path, changes: Mapping[str, Row | None], *, model: Row, daily_budget_usd: float) -> None:
    """Write the configuration; `changes` are laid over `PROVIDERS` field by field, None leaves a provider out.

    `model` is laid over `MODEL`.
    """
    names = [*PROVIDERS, *(name for name in changes if name not in PROVIDERS)]
    rows = {
        name: {**PROVIDERS.get(name, ROOM), **(changes.get(name) or {})} for name in names if changes.get(name, {}) is not None
    }
    tiers: dict[str, list[Row]] = {}
    for name, row in rows.items():
        tiers.setdefault(f"{row['tier']}_tier", []).append({"id": f"{name}-small", "provider": name, **MODEL, **model})
    models = {"models": tiers, "cost_management": {"daily_budget": daily_budget_usd}}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "providers.yaml").write_text(yaml.safe_dump({"providers": rows}))
    (folder / "models.yaml").write_text(yaml.safe_dump(models))
    (folder / "agents.yaml").write_text(yaml.safe_dump({"agents": {"log_analyzer": {"daily_budget_usd": 1_000_000}}}))
