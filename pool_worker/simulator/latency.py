"""How long a simulated provider takes."""

from __future__ import annotations

import math
from random import Random


def draw_latency_s(rng: Random, *, median_ms: float, sigma: float, factor: float = 1.0) -> float:
    """Seconds until an answer: lognormal around the median, times `factor` (0: at once)."""
    if factor <= 0 or median_ms <= 0:
        return 0.0
    return rng.lognormvariate(math.log(median_ms), sigma) * factor / 1000
