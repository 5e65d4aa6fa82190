"""Page 0: the example of the README, word for word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest


@pytest.mark.usefixtures("workers")
def test_the_example_of_the_readme(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It submits a job, waits for the answer, and prints what came back."""
    (example,) = re.findall(r"```python\n(.*?)```", (repository / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(example, "README.md", "exec"), {})  # noqa: S102 - our own README
    assert capsys.readouterr().out.splitlines() == ["You said: Why did the nightly backup fail?", "groq 1 0"]
