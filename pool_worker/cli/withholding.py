"""What of a command line no message repeats, for it might be an API key that somebody wrote there. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

NO_KEY = re.compile(r"-{0,2}[a-z][a-z.-]{0,23}|[\w-]{0,24}\.(env|txt)|[\d.]+")
"""An option, the name of a provider, a command or a file, a number."""
LONGEST_SHOWN = 7
"""Characters: shorter than every key."""
WITHHELD = "…"
HOW_A_KEY_IS_GIVEN = (
    "give no key on the command line, where your shell's history keeps it: "
    "`keys add` and `keys rotate` ask for it, or read it from standard input"
)


def withhold(message: str, arguments: Iterable[str]) -> str:
    """The message, with `…` in place of each word of the command line that might be a key. Paths are shown."""
    words = {word for argument in arguments for word in re.split(r"[\s=#]+", argument) if _might_be_key(word)}
    for word in sorted(words, key=len, reverse=True):
        message = message.replace(word, WITHHELD)
    return message


def _might_be_key(word: str) -> bool:
    return len(word) > LONGEST_SHOWN and "/" not in word and NO_KEY.fullmatch(word) is None
