"""What each refusal means: PROVIDERS.md §5, a row for each answer that was seen in the wild. The first row that fits decides.

A row fits when everything it names fits: the provider, the status, one of the codes, the words. Most rows name no provider,
because most words mean the same everywhere, and so a provider that we never heard of is understood too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pool_worker.errors import (
    AttemptError,
    AuthenticationFailedError,
    BadRequestError,
    BillingError,
    ContentRefusedError,
    ModelGoneError,
    ModelNotAllowedError,
    ModelOverloadedError,
    ProviderFailedError,
    ProviderOverloadedError,
    RequestTooLargeError,
    WindowSpentError,
)
from pool_worker.providers.deadlines import Deadline, day_in, hour, minute, month_in, refilling_day, stated, unnamed
from pool_worker.providers.dialects import dialect_of
from pool_worker.providers.observed import parse_count
from pool_worker.providers.refusal import Refusal


@dataclass(frozen=True, slots=True)
class Row:
    """A refusal, and what it means."""

    error: type[AttemptError]
    until: Deadline = unnamed
    provider: str | None = None
    status: frozenset[int] = frozenset()
    """One of these; empty: any."""
    codes: frozenset[str] = frozenset()
    """One of these, in lower case, among the body's codes; empty: any."""
    says: re.Pattern[str] | None = None
    """Found in the body's message or codes."""
    zero_headers: tuple[str, ...] = field(default=())
    """One of these headers is there and says 0."""
    charged: bool = False
    is_guess: bool = False
    """Whether it is for all that nobody has seen yet: the safe thing to do."""

    def fits(self, refusal: Refusal) -> bool:
        """Whether this row is about that refusal."""
        return (
            (self.provider is None or self.provider == dialect_of(refusal.provider_id))
            and (not self.status or refusal.status in self.status)
            and (not self.codes or not self.codes.isdisjoint(refusal.error.codes))
            and (not self.zero_headers or any(parse_count(refusal.headers.get(name)) == 0 for name in self.zero_headers))
            and (self.says is None or self.says.search(refusal.said) is not None)
        )


def _row(
    error: type[AttemptError],
    until: Deadline = unnamed,
    *,
    at: str | None = None,
    status: int | tuple[int, ...] = (),
    code: str = "",
    says: str = "",
    zero_headers: tuple[str, ...] = (),
    charged: bool = False,
    guess: bool = False,
) -> Row:
    """A row in few words: `code` holds alternatives separated by blanks."""
    return Row(
        error=error,
        until=until,
        provider=at,
        status=frozenset({status} if isinstance(status, int) else status),
        codes=frozenset(code.split()),
        says=re.compile(says, re.IGNORECASE) if says else None,
        zero_headers=zero_headers,
        charged=charged,
        is_guess=guess,
    )


_TOO_LONG = (
    r"context[_ ]length|context[_ ]window|maximum context|exceeds? (?:the )?(?:available )?context|prompt is too long"
    r"|too many (?:input )?tokens|prompt contains \d+ tokens|input token count|reduce the length|request too large"
    r"|string_above_max_length|max_(?:completion_)?tokens.{0,60}(?:less than|at most|exceed|too large|maximum|supports)"
)
_FILTERED = (
    r"content[_ ](?:filter|policy|management)|content_policy_violation|responsible ?ai|flagged|moderation|safety system"
    r"|prohibited_content|blocked by|data_inspection_failed"
)
_PER_DAY = r"per[-_ ]?day|/ ?day|\bdaily\b|\((?:TPD|RPD)\)"
_PER_HOUR = r"per[-_ ]?hour|/ ?hour|\bhourly\b|\((?:TPH|RPH)\)"
_PER_MONTH = r"per[-_ ]?month|/ ?month|\bmonthly\b"
_NO_CAPACITY = r"high traffic|high demand|overloaded|(?:at|no|out of) capacity|capacity exceeded|server busy"
_UNSUPPORTED = (
    r"does not support|not supported (?:with|by|for|in)|unsupported[_ ](?:parameter|value)"
    r"|(?:is deprecated|cannot both be specified) for this model"
    r"|extra_forbidden|extra inputs are not permitted"
)
_ONLY_COHERE = r"system turn must be the first|tool names can only contain|must be between \d"
"""What Cohere is stricter about than others are, who may take the same request."""

SPECIFIC: tuple[Row, ...] = (
    # Groq: a request that is larger than a minute's tokens is a 413 that names a false Retry-After
    _row(ProviderOverloadedError, stated, at="groq", status=498),
    _row(ContentRefusedError, at="groq", status=400, code="json_validate_failed tool_use_failed", charged=True),
    _row(
        ModelNotAllowedError, at="groq", code="model_permission_blocked_org model_permission_blocked_project model_terms_required"
    ),
    _row(BillingError, at="groq", code="organization_restricted"),
    # Cerebras: the error has no wrapper
    _row(ModelOverloadedError, stated, code="queue_exceeded"),
    # Gemini: the quota id tells the window; its retryDelay misleads for a day, and a limit of 0 never opens
    _row(ModelNotAllowedError, at="gemini", status=429, says=r"\blimit: ?0\b(?![.,]?\d)"),
    _row(BillingError, at="gemini", status=429, says=r"spend(?:ing)? cap|prepayment credits|prepaid credits"),
    _row(WindowSpentError, day_in("America/Los_Angeles"), at="gemini", status=429, says=_PER_DAY),
    _row(WindowSpentError, stated, at="gemini", status=429),
    _row(ModelOverloadedError, stated, at="gemini", status=503),
    _row(AuthenticationFailedError, at="gemini", status=400, says=r"api[_ ]key[_ ](?:not valid|invalid|expired)|api key expired"),
    _row(ModelNotAllowedError, at="gemini", status=400, says=r"user location is not supported|free tier is not available"),
    _row(
        ContentRefusedError,
        at="gemini",
        status=400,
        says=r"is not (?:enabled|supported) for|is unsupported|unsupported mime[_ ]type|thought[_ ]signature",
    ),
    # OpenRouter: its own limits, and those of whoever serves the model behind it
    _row(BillingError, at="openrouter", status=402),
    _row(WindowSpentError, day_in("UTC"), at="openrouter", says=r"free-models-per-day", charged=True),
    _row(WindowSpentError, minute, at="openrouter", says=r"free-models-per-min", charged=True),
    _row(
        ModelOverloadedError,
        stated,
        at="openrouter",
        status=(200, 408, 429, 500, 502, 503, 529),
        says=r"provider returned error|upstream",
        charged=True,
    ),
    _row(ModelNotAllowedError, at="openrouter", status=404, says=r"data policy|privacy"),
    _row(ContentRefusedError, at="openrouter", status=404, says=r"no endpoints found that support"),
    _row(ModelGoneError, at="openrouter", says=r"no endpoints found|not a valid model id"),
    # Mistral: no Retry-After and no reset; a limit header of 0 means never
    _row(
        ModelNotAllowedError,
        at="mistral",
        status=429,
        zero_headers=("x-ratelimit-limit-req-minute", "x-ratelimit-limit-tokens-minute"),
    ),
    _row(ModelNotAllowedError, at="mistral", status=403, code="1913"),
    _row(ModelOverloadedError, stated, at="mistral", status=429, code="3505"),
    _row(WindowSpentError, minute, at="mistral", status=429, code="1300 rate_limited"),
    # Cohere: the trial key's two windows differ in their text only
    _row(WindowSpentError, month_in("UTC"), at="cohere", status=429, says=_PER_MONTH),
    _row(WindowSpentError, minute, at="cohere", status=429),
    _row(ContentRefusedError, at="cohere", status=498),  # a word of the request or the answer is on its list
    _row(ContentRefusedError, at="cohere", status=400, says=_ONLY_COHERE),
    # Cloudflare: numbers of its own
    _row(WindowSpentError, day_in("UTC"), at="cloudflare", code="4006 3036"),
    _row(ModelOverloadedError, stated, at="cloudflare", code="3040"),
    _row(RequestTooLargeError, at="cloudflare", code="3006"),
    _row(ProviderFailedError, at="cloudflare", code="3007", charged=True),
    _row(ModelNotAllowedError, at="cloudflare", code="5035"),
    _row(ModelGoneError, at="cloudflare", code="5007"),
    # Hugging Face: credit comes back with the month, so nobody has to act
    _row(WindowSpentError, month_in("UTC"), at="huggingface", status=402),
    # OpenAI, Anthropic
    _row(BillingError, code="insufficient_quota billing_hard_limit_reached billing_not_active access_terminated"),
    _row(BillingError, at="anthropic", status=400, says=r"credit balance is too low|organization has been disabled"),
    _row(WindowSpentError, month_in("UTC"), at="anthropic", status=(400, 429), says=r"regain access on"),  # a month's money
    _row(ProviderOverloadedError, stated, at="anthropic", code="overloaded_error"),
)

GENERAL: tuple[Row, ...] = (
    # A proxy in front of the provider that dislikes the client says nothing about the key
    _row(ProviderFailedError, status=403, says=r"\b1010\b|cloudflare.{0,200}blocked|attention required"),
    # The request and this model do not go together
    _row(RequestTooLargeError, status=(413, 414, 431)),
    _row(RequestTooLargeError, status=429, says=r"request too large"),  # "too many tokens" in a 429 speaks of a window
    _row(RequestTooLargeError, status=(200, 400, 422), code="context_length_exceeded request_too_large"),
    _row(RequestTooLargeError, status=(200, 400, 422), says=_TOO_LONG),
    _row(ContentRefusedError, status=(200, 400, 403, 422, 451), says=_FILTERED),
    # The model is no more
    _row(ModelGoneError, code="model_not_found model_decommissioned model_deprecated model_not_active deployment_not_found"),
    _row(
        ModelGoneError,
        status=(400, 404, 410),
        says=r"model.{0,120}(?:not found|does not exist|not exist|decommissioned|deprecated|retired|archived)",
    ),
    _row(ModelGoneError, status=(404, 410)),
    # Credentials and money
    _row(BillingError, status=402),
    _row(BillingError, status=(400, 403), says=r"insufficient (?:credit|balance|fund)|out of credit|payment required"),
    _row(
        AuthenticationFailedError,
        status=400,
        says=r"(?:invalid|incorrect|expired) api[_ ]key|api[_ ]key[_ ](?:not valid|invalid)",
    ),
    _row(AuthenticationFailedError, status=401),
    _row(
        ModelNotAllowedError,
        status=403,
        says=r"model.{0,80}(?:access|permission|not (?:allowed|available|enabled))|access to (?:this |the )?model",
    ),
    _row(AuthenticationFailedError, status=403, guess=True),
    # Limits and capacity
    _row(WindowSpentError, month_in("UTC"), status=429, says=_PER_MONTH),
    _row(WindowSpentError, refilling_day, status=429, says=_PER_DAY),
    _row(WindowSpentError, hour, status=429, says=_PER_HOUR),
    _row(ModelOverloadedError, stated, status=(200, 429), says=_NO_CAPACITY),
    _row(WindowSpentError, stated, status=429),
    _row(ProviderOverloadedError, stated, status=(503, 529)),
    _row(ProviderFailedError, stated, status=(408, 409, 421, 425)),
    # Wrong for this model, or in any hands
    _row(ContentRefusedError, status=(400, 422), says=_UNSUPPORTED),
    _row(BadRequestError, status=(400, 415, 422), guess=True),
    _row(ProviderFailedError, stated, status=(500, 502, 504, 520, 521, 522, 523, 524)),
    # Everything else: a redirect, a wrong address (405), an error inside a 200 that says nothing more
    _row(ProviderFailedError, stated, charged=True, status=200, guess=True),
    _row(ProviderFailedError, stated, guess=True),
)

TABLE: tuple[Row, ...] = (*SPECIFIC, *GENERAL)
"""All rows, in the order in which they are tried. The last one fits everything."""
