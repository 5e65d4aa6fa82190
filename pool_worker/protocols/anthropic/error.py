"""Errors that come inside a 200, or as an event of a stream: `{"type": "error", "error": {"type", "message"}}`."""

from __future__ import annotations

from dataclasses import replace

from pool_worker.protocols import error_body
from pool_worker.protocols.error_body import ErrorBody
from pool_worker.protocols.fields import text_or_none

STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""Error type → the HTTP status that it has elsewhere. Source: https://platform.claude.com/docs/en/api/errors."""


def find_error(body: object) -> ErrorBody | None:
    """The error in a body or an event; its `http_status` is the one that its type has elsewhere, for the body names none."""
    error = error_body.find_error(body)
    status = STATUSES.get(text_or_none(error.fields.get("type")) or "") if error else None
    return replace(error, fields={**error.fields, "code": status}) if error and status else error
