"""How a job is completed: `recipe.py` tells the whole story, the others are its steps."""

from __future__ import annotations

from pool_worker.completion.lapsing import end_lapsed
from pool_worker.completion.recipe import complete

__all__ = ["complete", "end_lapsed"]
