"""Scripts: how their shared parts get in, and what they may do."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest
import redis
import redis.asyncio

from pool_client.redis_connection import connection_options
from pool_worker.lua import load_scripts, read_script, script

PACKAGE = Path(__file__).parents[2] / "pool_worker"
OPERATIONS = sorted(
    (f"pool_worker.{path.parent.parent.name}", path.stem)
    for path in PACKAGE.glob("*/lua/*.lua")
    if "-- Purpose:" in path.read_text(encoding="utf-8")
)


def test_a_shared_part_is_included_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "room_of_scripts" / "lua"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    (folder / "a.lua").write_text("-- include b.lua\nA\n")
    (folder / "b.lua").write_text("B\n")
    (folder / "main.lua").write_text("-- include a.lua\n-- include b.lua\nmain\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert read_script("room_of_scripts", "main") == "B\nA\nmain\n"
    sys.modules.pop("room_of_scripts")


def test_a_script_that_is_not_there_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        read_script("pool_worker.limits", "no_such_script")


def test_every_operation_can_be_made_known_to_the_server_beforehand(redis_url: str, redis_client: redis.Redis) -> None:
    redis_client.script_flush()

    async def load() -> None:
        async with redis.asyncio.Redis.from_url(redis_url, **connection_options(asynchronous=True)) as client:
            await load_scripts(client, "pool_worker.broker", "pool_worker.limits")

    asyncio.run(load())
    ours = [script(package, name).sha for package, name in OPERATIONS if package in {"pool_worker.broker", "pool_worker.limits"}]
    assert len(ours) > 10
    assert all(redis_client.script_exists(*ours))


@pytest.mark.parametrize(("package", "name"), OPERATIONS)
def test_no_script_uses_a_command_that_scans_or_blocks(package: str, name: str) -> None:
    commands = set(re.findall(r"redis\.call\('(\w+)'", script(package, name).text))
    assert commands
    assert not commands & {"KEYS", "SCAN", "FLUSHALL", "BLPOP", "EVAL"}
