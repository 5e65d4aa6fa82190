"""A provider's words made fit for logs, trails and tables: without keys, on one line, of bounded length."""

from __future__ import annotations

import re

MAX_LENGTH = 400
MASK = "[key]"
_MIN_ECHO = 8
_KEY_SHAPES = re.compile(
    r"\b(?:sk|gsk|csk|hf|nvapi|ghp|gho|github_pat|pk|key|rk|xai)[-_][\w*.-]{6,}"  # the prefixes that providers give their keys
    r"|\bAIza[\w*-]{10,}"
    r"|(?<=bearer )[\w*.~+/=-]{6,}"
    r"|\b(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{32,}\b",
    re.IGNORECASE,
)
_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]+")
"""Also what a terminal would obey, or what would show the rest in another order."""
_MAX_READ = 20_000


def safe_text(text: str, *, secret: str = "") -> str:
    """The text without the secret (nor its beginning, as providers echo it) and without whatever looks like a key."""
    text = text[:_MAX_READ]
    if secret:
        text = text.replace(secret, MASK)
    if len(secret) >= 2 * _MIN_ECHO:
        text = re.sub(re.escape(secret[:_MIN_ECHO]) + r"\S*", MASK, text)
    text = _BLANK.sub(" ", _KEY_SHAPES.sub(MASK, text)).strip()
    return text if len(text) <= MAX_LENGTH else f"{text[: MAX_LENGTH - 1]}…"
