"""Answers that are known already, and questions that are being asked just now: what deterministic jobs share."""

from __future__ import annotations

from pool_worker.cache.answers import Kept, recall, remember
from pool_worker.cache.flights import Flights
from pool_worker.cache.question import is_shared, question_of

__all__ = ["Flights", "Kept", "is_shared", "question_of", "recall", "remember"]
