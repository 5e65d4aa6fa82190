"""What an account offers: the calls that an ideal client could make of it, alone, at once, and knowing every window."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from pool_worker.registry import Window
from pool_worker.simulator.accounts import Amounts
from pool_worker.simulator.windows import meter_of

COUNTED_AT_MOST = 100_000
"""Whoever offers more calls is as good as without limits."""


def offered_calls(
    windows: Iterable[Window], amounts: Amounts, *, concurrency: int | None, call_s: float, since_s: float, until_s: float
) -> int | None:
    """How many calls, each of these amounts, fit all windows between two times, if every one comes as soon as it fits.

    The windows are empty at first, as after a reset. At most `concurrency` calls, of `call_s` seconds each, are in flight.

    Returns:
        The number; None if there is no limit that it comes near.
    """
    began_s = deque[float](maxlen=concurrency)
    meters = [meter_of(window) for window in windows if amounts[window.unit]]
    at_s = since_s
    for calls in range(COUNTED_AT_MOST):
        # A meter that has room at some time has it later too, if nothing else comes: the last of them decides.
        if len(began_s) == concurrency:
            at_s = max(at_s, began_s[0] + call_s)
        at_s = max((meter.fits_at(amounts[meter.window.unit], at_s) for meter in meters), default=at_s)
        if at_s >= until_s:
            return calls
        for meter in meters:
            meter.add(amounts[meter.window.unit], at_s)
        began_s.append(at_s)
    return None
