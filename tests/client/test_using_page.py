from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

from pool_client.job import Result
from pool_client.options import JobOptions


def lines(code: str) -> str:
    return "\n".join(line.strip() for line in code.strip().splitlines())


def test_the_code_of_docs_using_is_in_the_guide(repository: Path) -> None:
    page = (repository / "docs" / "using.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    guide = [
        lines(dedent(path.read_text(encoding="utf-8"))) for path in sorted((repository / "tests" / "guide").glob("test_*.py"))
    ]
    assert len(blocks) >= 10
    assert [block for block in blocks if not any(lines(block) in text for text in guide)] == []


def test_docs_using_names_every_option_and_every_part_of_a_result(repository: Path) -> None:
    page = (repository / "docs" / "using.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(?:usage\.)?(\w+)`", page))
    assert set(JobOptions.__annotations__) - {"stream"} <= named
    assert set(Result.model_fields) - {"version", "job_id", "usage"} <= named
