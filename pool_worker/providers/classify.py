"""From a refusal to an error that says whom to blame and until when. What means what is in the table, not here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pool_worker.errors import AttemptError
from pool_worker.providers.observed import observed_in_headers
from pool_worker.providers.observed_in_body import observed_in_body
from pool_worker.providers.refusal import Refusal
from pool_worker.providers.refusal_table import TABLE
from pool_worker.providers.safe_text import safe_text
from pool_worker.providers.unknown import note_unknown

MAX_HOLD = timedelta(days=32)
"""Nothing is left alone for longer than a month, whatever a provider claims."""
MIN_HOLD = timedelta(seconds=1)
"""A time in the past (our clocks differ) means very soon, not at once."""


def classify(refusal: Refusal, *, now: datetime, secret: str = "") -> AttemptError:
    """The error to raise for a refusal. One that nobody has seen yet is logged, once.

    Args:
        refusal: What came back.
        now: The present, UTC; `retry_at` is between one second and 32 days after it.
        secret: The API key that was used, to be kept out of the reason.
    """
    row = next(row for row in TABLE if row.fits(refusal))
    if row.is_guess:
        note_unknown(refusal, row.error)
    wanted = row.until(refusal, now)
    retry_at = None if wanted is None else min(max(wanted.astimezone(UTC), now + MIN_HOLD), now + MAX_HOLD)
    words = safe_text(refusal.error.message, secret=secret) or ", ".join(refusal.error.codes) or "no reason given"
    return row.error(
        f"{refusal.provider_id} answered {refusal.status}: {safe_text(words, secret=secret)}",
        status_code=refusal.status,
        retry_at=retry_at,
        charged=row.charged,
        observed=(*observed_in_headers(refusal.provider_id, refusal.headers, now=now), *observed_in_body(refusal)),
    )
