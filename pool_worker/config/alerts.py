"""Reads who is told of alerts: `alerts` of pool.yaml. Addresses are secrets: what may be shown of them is their name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import time

from pool_worker.alert_rules import SEVERITIES, AlertRules, AlertTarget, DigestRules, QuietHours, Severity
from pool_worker.config.document import Fields, Value
from pool_worker.config.mistakes import did_you_mean
from pool_worker.config.scalars import text, whole

SECTIONS = ("targets", "quiet_hours", "digest", "repeat_after_s")

_ADDRESS = re.compile(r"(?P<scheme>[a-zA-Z][\w+-]*)://(?:(?P<user>[^/?#]*)@)?(?P<host>[^/?#@]*)(?P<rest>.*)", re.DOTALL)
_WITH_HOST = frozenset({"mailto", "mailtos", "json", "jsons", "xml", "xmls", "form", "forms"})
"""After these a host comes; after others it may be a token."""
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)", re.ASCII)


def read_alert_rules(fields: Fields | None) -> AlertRules:
    """The section `alerts`."""
    usual = AlertRules()
    if fields is None:
        return usual
    listed = fields["targets"]
    return AlertRules(
        targets=distinct(map(_target, listed.items() if listed else ())),
        quiet_hours=_quiet_hours(fields.section("quiet_hours", ("from", "until"))),
        digest=_digest(fields.section("digest", ("more_than", "within_s"))),
        repeat_after_s=whole(fields["repeat_after_s"], usual.repeat_after_s, least=0, example=3600),
    )


def distinct(targets: Iterable[AlertTarget]) -> tuple[AlertTarget, ...]:
    """The same, with a number after the name of each that is called as one before it."""
    seen: Counter[str] = Counter()
    named = []
    for target in targets:
        seen[target.name] += 1
        number = seen[target.name]
        named.append(target if number == 1 else replace(target, name=f"{target.name} ({number})"))
    return tuple(named)


def shown_address(url: str) -> str:
    """What may be shown of an Apprise address: never a user, a token or a path."""
    found = _ADDRESS.fullmatch(url)
    if found is None:
        return "…"
    scheme = found["scheme"].lower()
    if scheme not in _WITH_HOST:
        return f"{scheme}://…"
    user = "" if found["user"] is None else "…@"
    rest = "/…" if found["rest"].strip("/") else ""
    return f"{scheme}://{user}{found['host']}{rest}"


def _target(value: Value) -> AlertTarget:
    """A plain address, or one with more about it."""
    if value.is_mapping:
        fields = Fields(value, ("url", "name", "severities"))
        given = fields.need("url", "write e.g. url: mailto://user@example.com")
        url = "" if given is None else _url(given)
        return AlertTarget(url, str(text(fields["name"], shown_address(url))), _severities(fields["severities"]))
    url = _url(value)
    return AlertTarget(url, shown_address(url))


def _url(value: Value) -> str:
    url = text(value, "")
    if not _ADDRESS.fullmatch(url):
        value.wrong("is not an Apprise address", "write e.g. mailto://user@example.com", secret=True)
    return url


def _severities(value: Value | None) -> frozenset[Severity]:
    if value is None:
        return frozenset(SEVERITIES)
    words: dict[str, Severity] = {severity: severity for severity in SEVERITIES}
    found = set()
    for each in value.items():
        word = str(text(each, ""))
        if word in words:
            found.add(words[word])
        elif word:
            each.wrong("is not a severity", did_you_mean(word, words))
    return frozenset(found)


def _quiet_hours(fields: Fields | None) -> QuietHours | None:
    if fields is None:
        return None
    right = 'write e.g. "22:00"'
    begin, until = (_clock(fields.need(name, right), right) for name in ("from", "until"))
    if begin is None or until is None:
        return None
    if begin == until:
        fields.value.wrong("begins when it ends", 'write e.g. {from: "22:00", until: "07:00"}, or take it out')
    return QuietHours(begin, until)


def _clock(value: Value | None, right: str) -> time | None:
    if value is None:
        return None
    found = _CLOCK.fullmatch(str(text(value, "")))
    if found is None:
        value.wrong("is no time of day", right)
        return None
    return time(int(found[1]), int(found[2]))


def _digest(fields: Fields | None) -> DigestRules:
    usual = DigestRules()
    if fields is None:
        return usual
    return DigestRules(
        more_than=whole(fields["more_than"], usual.more_than, least=0, example=5),
        within_s=whole(fields["within_s"], usual.within_s, least=1, most=3600, example=60),
    )
