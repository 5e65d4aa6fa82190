"""Page 10: the examples of `docs/using.md`, word for word, each by itself."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pool_client import InvalidRequestError

PAGE = (Path(__file__).parents[2] / "docs" / "using.md").read_text(encoding="utf-8")
(MISTAKE,) = re.findall(r"```python\n([^`]*)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)
EXAMPLES = [example for example in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if example != MISTAKE[0]]
NOBODY_WORKS = ["queued", "cancelled"]
PRINTED = [
    ["You said: Why did this fail?"],
    ["You said: What is wrong here?"],
    ["You said: first", "You said: second"],
    ["You said: Why did this fail?"],
    ["You said: Is the backup of last night complete?"],
    ["You said: Is the backup of last night complete?"],
    ["You said: sample 99"],
    NOBODY_WORKS,
    ["True"],
    ["3 of 3 have ended, 0 failed"],
    ["groq is healthy: 1 of 1 keys can be called", "groq#1: 75.0 % of 1000 requests per day are used"],
    ["groq_gpt_oss_120b: can be called"],
    [],
]


def run(example: str) -> None:
    """As a program of its own."""
    exec(compile(example, "using.md", "exec"), {})  # noqa: S102 - our own page


@pytest.mark.parametrize(("example", "printed"), list(zip(EXAMPLES, PRINTED, strict=True)))
def test_each_example_runs_as_it_stands(
    example: str, printed: list[str], request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is given nothing but a Redis, and workers who repeat what they hear."""
    if printed is not NOBODY_WORKS:
        request.getfixturevalue("workers")
    run(example)
    assert capsys.readouterr().out.splitlines() == printed


def test_the_example_of_a_mistake_is_refused_in_these_words() -> None:
    """Both mistakes are told at once."""
    example, words = MISTAKE
    with pytest.raises(InvalidRequestError) as caught:
        run(example)
    assert f"{caught.type.__module__}.{caught.type.__name__}: {caught.value}".split() == words.split()
