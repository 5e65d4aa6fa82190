"""What `docs/using.md` tells beside its examples, which `tests/guide/` runs."""

from __future__ import annotations

import re
from pathlib import Path

from pool_client.job import Result
from pool_client.options import JobOptions


def test_docs_using_names_every_option_and_every_part_of_a_result(repository: Path) -> None:
    page = (repository / "docs" / "using.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(?:usage\.)?(\w+)`", page))
    assert set(JobOptions.__annotations__) <= named
    assert set(Result.model_fields) - {"version", "job_id", "usage"} <= named
