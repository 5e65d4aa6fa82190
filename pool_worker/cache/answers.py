"""Answers that are kept for a while, by model and question. A cache that fails, or holds nonsense, is as good as empty."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from pool_client.job import Result
from pool_worker import redis_keys
from pool_worker.lua import run_script
from pool_worker.registry import CacheRules

LARGEST_CHARS = 256 * 1024
"""A longer answer is not kept: a few of them would take the memory of thousands."""

logger = logging.getLogger(__name__)


class Kept(BaseModel):
    """What is kept of an answer: everything but what it took this one time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model_id: str
    provider: str
    content: str
    finish_reason: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    reasoning: str | None = None

    @classmethod
    def of(cls, result: Result) -> Kept:
        """What to keep of a result."""
        return cls.model_validate({name: getattr(result, name) for name in cls.model_fields})


async def recall(redis: Redis, question: str, model_ids: Sequence[str]) -> Kept | None:
    """The answer of the first of these models that has one; it counts as just used."""
    entries = [redis_keys.cached_answer(model_id, question) for model_id in model_ids]
    try:
        text = await run_script(redis, __package__, "recall", keys=[redis_keys.CACHE_USED, *entries])
        return Kept.model_validate_json(text) if text else None
    except (RedisError, ValidationError) as error:
        logger.warning("the cache is of no use for a job: %s", type(error).__name__)
        return None


async def remember(redis: Redis, question: str, kept: Kept, rules: CacheRules) -> None:
    """Keep an answer for `rules.ttl_s`; where there are too many, the least recently used go."""
    text = kept.model_dump_json(exclude_none=True)
    if len(text) > LARGEST_CHARS:
        return
    keys = [redis_keys.CACHE_USED, redis_keys.cached_answer(kept.model_id, question)]
    try:
        await run_script(redis, __package__, "remember", keys=keys, arguments=[text, rules.ttl_s * 1000, rules.max_entries])
    except RedisError as error:
        logger.warning("an answer could not be cached: %s", type(error).__name__)
