"""What a provider's probation means for its calls, in words."""

from __future__ import annotations

from pool_worker.cli.figures import moment, percent
from pool_worker.overview.probation import Probation


def probation_words(it: Probation) -> str:
    """`down since 12:04:10: it is called again, to see whether it is well`, `recovering: it gets 25% of its calls`."""
    gets = "it is called again" if it.share == 1 else f"it gets {percent(it.share)} of its calls"
    return (
        f"recovering: {gets}"
        if it.down_since is None
        else f"down since {moment(it.down_since)}: {gets}, to see whether it is well"
    )
