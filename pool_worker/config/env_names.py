"""Names in a `.env` file that are nearly ours: one slip of the hand away from a variable that is read."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pool_worker.settings import nearest_variable

KEY_SETTINGS = ("PRIORITY", "DAILY_LIMIT", "QUOTA_GROUP")
_OTHERS = ("ENCRYPTION_KEY", "TELEGRAM_BOT_TOKEN", "TELEGRAM_CHAT_ID", "ALERT_EMAIL", "ALERT_SMTP_URL")
_NUMBER = re.compile(r"\d{1,6}")
_APP = re.compile(r"_APP_", re.IGNORECASE)
"""`GITHUB_APP_KEY` is a thing of its own, not a slip."""


def meant_name(name: str, providers: Iterable[str]) -> str | None:
    """The variable that whoever wrote this name most likely meant; None if it is right, or likely another program's.

    Args:
        name: As it stands in the file.
        providers: The names that keys may have in front, ids and aliases.
    """
    if found := nearest_variable(name):
        return found
    if _APP.search(name):
        return None
    numbers = _NUMBER.findall(name)
    written = _plain(name)
    names = _names(providers)
    meant = names.get(written) or next((proper for form, proper in names.items() if _is_one_slip(written, form)), "")
    meant = meant.replace("#", numbers[-1] if numbers else "1")
    return None if meant == name.upper() else meant or None


def _names(providers: Iterable[str]) -> dict[str, str]:
    """What may be written, without underscores and with `#` for a number → the name as it is read, with `#` for that number."""
    names = {_plain(other): other for other in _OTHERS}
    for provider in providers:
        front = provider.upper().replace("-", "_")
        for number in ("", "_#"):
            key = f"{front}_API_KEY{number}"
            names |= {_plain(key): key, _plain(f"{front}_KEY{number}"): key}
            for setting in KEY_SETTINGS:
                proper = f"{front}_KEY{number}_{setting}"
                names |= {_plain(proper): proper, _plain(f"{front}_API_KEY{number}_{setting}"): proper}
    return names


def _plain(name: str) -> str:
    return _NUMBER.sub("#", name.upper().replace("_", ""))


def _is_one_slip(written: str, right: str) -> bool:
    """Whether one letter more, less or other, or two changed about, are all the difference."""
    pairs = enumerate(zip(written, right, strict=False))
    same = next((place for place, (one, other) in pairs if one != other), min(len(written), len(right)))
    written, right = written[same:], right[same:]
    changed_about = written[1::-1] + written[2:]
    return written[1:] == right[1:] or written[1:] == right or written == right[1:] or changed_about == right
