"""Keys of one account show the same calls in flight: together they are counted once."""

from __future__ import annotations

from pool_client.stats import KeyStats, ProviderStats
from pool_worker.cli.status.grouping import by_provider
from pool_worker.overview.facts import KeyUse

GROUPS = {"groq#1": "org", "groq#2": "org", "groq#3": "other"}


def test_for_people() -> None:
    keys = [
        KeyUse(key_id=key, provider="groq", priority=1, quota_group=group, calls_in_flight=2, windows=())
        for key, group in GROUPS.items()
    ]
    assert [it.calls_in_flight for it in by_provider(keys)] == [4]


def test_for_programs() -> None:
    keys = {key: KeyStats(quota_group=group, calls_in_flight=2) for key, group in GROUPS.items()}
    assert ProviderStats(keys=keys).calls_in_flight == 4
