"""What callers of Model Pool install: submit completion jobs and get their results.

>>> with Pool(agent="log_analyzer") as pool:  # doctest: +SKIP
...     print(pool.submit("Why did this fail?").result(timeout=60).content)
"""

from pool_client.base import BasePool
from pool_client.client import Pool
from pool_client.errors import (
    AuthenticationError,
    BudgetExceededError,
    CacheError,
    CompletionError,
    ConfigurationError,
    DeadlineExceededError,
    FailoverError,
    InvalidRequestError,
    JobCancelledError,
    JobTimeoutError,
    ModelUnavailableError,
    PoolError,
    PoolUnavailableError,
    ProviderError,
    QualityThresholdError,
    RateLimitError,
    StatsUnavailableError,
    TextRestartedError,
)
from pool_client.handle import JobHandle
from pool_client.job import Attempt, Failure, Job, JobState, Message, OnExhausted, Priority, Progress, Result, Status, Tier, Usage
from pool_client.models import ModelInfo
from pool_client.stats import (
    DayStats,
    HealthStatus,
    KeyHealth,
    KeyStats,
    PoolHealth,
    PoolStats,
    ProviderHealth,
    ProviderStats,
    WindowStats,
)

__all__ = [
    "Attempt",
    "AuthenticationError",
    "BasePool",
    "BudgetExceededError",
    "CacheError",
    "CompletionError",
    "ConfigurationError",
    "DayStats",
    "DeadlineExceededError",
    "FailoverError",
    "Failure",
    "HealthStatus",
    "InvalidRequestError",
    "Job",
    "JobCancelledError",
    "JobHandle",
    "JobState",
    "JobTimeoutError",
    "KeyHealth",
    "KeyStats",
    "Message",
    "ModelInfo",
    "ModelUnavailableError",
    "OnExhausted",
    "Pool",
    "PoolError",
    "PoolHealth",
    "PoolStats",
    "PoolUnavailableError",
    "Priority",
    "Progress",
    "ProviderError",
    "ProviderHealth",
    "ProviderStats",
    "QualityThresholdError",
    "RateLimitError",
    "Result",
    "StatsUnavailableError",
    "Status",
    "TextRestartedError",
    "Tier",
    "Usage",
    "WindowStats",
]
