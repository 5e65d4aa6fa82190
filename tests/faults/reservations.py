"""Whether the limiter's counts are the judge's: a reservation made twice, or never undone, shows as a call that nobody made."""

from __future__ import annotations

from collections.abc import Iterator

from lab import Lab
from lab_config import PROVIDERS, Row

from pool_worker import redis_keys

A_MILLION_A_DAY: Row = {"limits": [{"unit": "requests", "limit": 1_000_000, "per": "day", "kind": "fixed"}]}
COUNTED = dict.fromkeys(PROVIDERS, A_MILLION_A_DAY)
"""For `start_lab(providers=COUNTED)`: windows that go on counting for as long as any run takes."""


def miscounted(lab: Lab) -> Iterator[str]:
    """What differs once all is settled; the run must have been `COUNTED`."""
    for provider, counts in lab.simulator.counts()["providers"].items():
        pattern = redis_keys.window(provider, "*", unit="requests", period="day", kind="fixed@*", group="*")
        reserved = sum(int(lab.redis.client.get(name)) for name in lab.redis.client.scan_iter(f"{pattern}:*"))
        if reserved != counts["admitted"]:
            yield f"{provider}: {reserved} calls reserved, {counts['admitted']} made"
