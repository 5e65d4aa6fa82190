"""Scripts: how their shared parts get in, and what they may do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pool_worker.limits.scripts import LUA, read_script, script

OPERATIONS = sorted(path.stem for path in LUA.glob("*.lua") if "-- Purpose:" in path.read_text(encoding="utf-8"))


def test_a_shared_part_is_included_once_and_relative_to_its_file(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "a.lua").write_text("-- include b.lua\nA\n")
    (tmp_path / "parts" / "b.lua").write_text("B\n")
    (tmp_path / "main.lua").write_text("-- include parts/a.lua\n-- include parts/b.lua\nmain\n")
    assert read_script(tmp_path / "main.lua") == "B\nA\nmain\n"


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_names_its_keys_arguments_and_answer(name: str) -> None:
    head = (LUA / f"{name}.lua").read_text(encoding="utf-8")
    for part in ("-- Purpose:", "-- KEYS", "-- ARGV[", "-- Returns:"):
        assert part in head


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_script_uses_a_command_that_scans_or_blocks(name: str) -> None:
    assert not set(re.findall(r"redis\.call\('(\w+)'", script(name).text)) & {"KEYS", "SCAN", "FLUSHALL", "BLPOP", "EVAL"}
