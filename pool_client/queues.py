"""Names of the queues, and of the Redis lists behind them.

Every tier has an entry queue (`free`) and one queue per provider (`free.groq`). Each queue is four Redis lists, one per
priority, under the names that kombu's Redis transport gives them, so that Celery, Flower and we mean the same thing.
"""

from __future__ import annotations

from pool_client.job import Priority, Tier

TASK_NAME = "pool.complete"
"""The Celery task that completes a job."""

MAINTENANCE_QUEUE = "maintenance"
"""Where beat's tasks go."""

KOMBU_SEPARATOR = "\x06\x16"
"""What kombu puts between a queue's name and a priority in the name of a list."""

CELERY_PRIORITY: dict[Priority, int] = {
    Priority.CRITICAL: 0,
    Priority.HIGH: 3,
    Priority.NORMAL: 6,
    Priority.LOW: 9,
}
"""Celery's number for each of our priorities: on Redis 0 is served first."""


def entry_queue(tier: Tier) -> str:
    """The queue in which a job of this tier starts."""
    return tier.value


def provider_queue(tier: Tier, provider: str) -> str:
    """The queue of the workers that may call this provider."""
    return f"{tier.value}.{provider}"


def list_name(queue: str, celery_priority: int) -> str:
    """The Redis list (claimed from its right end) that holds this queue's messages of one priority."""
    return f"{queue}{KOMBU_SEPARATOR}{celery_priority}" if celery_priority else queue


def list_names(queue: str) -> list[str]:
    """All lists of a queue, the most urgent first."""
    return [list_name(queue, number) for number in sorted(CELERY_PRIORITY.values())]


def queue_of_list(name: str) -> str:
    """The queue to which a Redis list belongs."""
    return name.split(KOMBU_SEPARATOR, 1)[0]
