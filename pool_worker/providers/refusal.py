"""A refusal as it came over the wire: what there is to be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from pool_worker.protocols.error_body import ErrorBody, parse_error

_MAX_SAID = 4_000


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A provider's no."""

    provider_id: str
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    body: object = None
    """Decoded JSON, or the text if it was none."""

    @cached_property
    def error(self) -> ErrorBody:
        """The body, read."""
        return parse_error(self.body)

    @cached_property
    def said(self) -> str:
        """Everything in words: the message and the codes, bounded, for matching."""
        return f"{self.error.message[:_MAX_SAID]}\n{' '.join(self.error.codes)}"
