"""Why a parked job waits, or somebody is left alone, in words.

`groq#3: requests per minute` becomes `groq has no requests left this minute`.
"""

from __future__ import annotations

import re

from pool_worker.errors import WindowSpentError

NOW = {"minute": "this minute", "hour": "this hour", "day": "today", "month": "this month"}
WINDOW = re.compile(r"(?P<unit>[a-z ]+) per (?P<period>minute|hour|day|month)")
IN_FLIGHT = re.compile(r"(?P<calls>\d+) calls in flight")
HOLD = re.compile(r"(?P<kind>\w+Error): (?P<story>.+)")
BUDGET = "budget "
AGENT = "agent:"


def reason_words(reason: str) -> str:
    """The words for a record's `wait_reason`; a reason of another form is told as it is."""
    who, _, what = reason.rstrip(".").partition(": ")
    if who.startswith(BUDGET):
        owner = who.removeprefix(BUDGET)
        return (
            f"the money of {owner.removeprefix(AGENT)} for today is spent"
            if owner.startswith(AGENT)
            else "today's money is spent"
        )
    provider = who.partition("#")[0]
    if window := WINDOW.fullmatch(what):
        return f"{provider} has no {window['unit']} left {NOW[window['period']]}"
    if busy := IN_FLIGHT.fullmatch(what):
        return f"{provider} is at {busy['calls']} calls, as many as it takes at a time"
    if hold := HOLD.fullmatch(what):
        if hold["kind"] == WindowSpentError.__name__:
            return f"the quota of {who} is spent: {hold['story']}"
        return f"{who} is left alone after failures: {hold['story']}"
    return reason.rstrip(".")


def outcome_words(outcome: str) -> str:
    """`ProviderFailedError` as people say it: `provider failed`."""
    name = outcome.removesuffix("Error")
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()


def plain_reason(reason: str) -> str:
    """The reason of a hold, `WindowSpentError: …`, without the name of a class."""
    kind, colon, words = reason.partition(": ")
    return f"{outcome_words(kind)}{colon}{words}" if kind.endswith("Error") else reason
