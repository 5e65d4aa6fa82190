from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pool_client.errors import ConfigurationError
from pool_worker.cli.running import AlreadyRunningError, HomeLock, Running, connected_settings, find_running, recorded, running_on
from pool_worker.settings import Settings


def _running(home: Path, **more: object) -> Running:
    facts = {"home": home, "since": datetime(2026, 1, 1, tzinfo=UTC), "redis_url": "redis://127.0.0.1:7/0", "pids": {"up": 1}}
    return Running.model_validate({**facts, **more})


def _settings(home: Path) -> Settings:
    return Settings(home=home, _env_file=None)


def test_a_home_has_one_holder(tmp_path: Path) -> None:
    lock = HomeLock(tmp_path / "home")
    with pytest.raises(AlreadyRunningError) as refused:
        HomeLock(tmp_path / "home")
    assert refused.value.exit_code == 3
    lock.release(forget=True)
    HomeLock(tmp_path / "home").release(forget=True)


def test_what_runs_is_read_by_others_and_only_by_the_same_user(tmp_path: Path) -> None:
    lock = HomeLock(tmp_path)
    lock.write(_running(tmp_path))
    assert running_on(tmp_path) == _running(tmp_path)
    assert (tmp_path / "up.json").stat().st_mode & 0o077 == 0
    lock.release(forget=False)
    assert running_on(tmp_path) is None
    assert recorded(tmp_path) == _running(tmp_path)


def test_a_spoilt_record_is_none(tmp_path: Path) -> None:
    (tmp_path / "up.json").write_text('{"home": 1')
    assert recorded(tmp_path) is None


def test_looking_changes_nothing(tmp_path: Path) -> None:
    assert find_running(tmp_path / "home") == []
    assert list(tmp_path.iterdir()) == []


def test_commands_find_the_one_that_runs_here(tmp_path: Path) -> None:
    assert connected_settings(_settings(tmp_path)).redis_url == "redis://localhost:6379/0"
    home = tmp_path / "simulate-x"
    lock = HomeLock(home)
    lock.write(_running(home, profile="x", simulator_url="http://127.0.0.1:9"))
    settings = connected_settings(_settings(tmp_path))
    lock.release(forget=True)
    assert (settings.home, settings.redis_url, settings.profile) == (home, "redis://127.0.0.1:7/0", "x")
    assert settings.ledger_url == f"sqlite:///{home}/ledger.db"


def test_a_configured_redis_wins(tmp_path: Path) -> None:
    lock = HomeLock(tmp_path)
    lock.write(_running(tmp_path))
    settings = Settings(home=tmp_path, redis_url="redis://elsewhere/0", _env_file=None)
    assert connected_settings(settings) == settings
    lock.release(forget=True)


def test_two_that_run_here_must_be_told_apart(tmp_path: Path) -> None:
    homes = [tmp_path, tmp_path / "simulate-x"]
    locks = [HomeLock(home) for home in homes]
    for lock, home, port in zip(locks, homes, (7, 8), strict=True):
        lock.write(_running(home, redis_url=f"redis://127.0.0.1:{port}/0"))
    with pytest.raises(ConfigurationError) as told:
        connected_settings(_settings(tmp_path))
    assert str(told.value).splitlines() == [
        "2 systems are running here: choose one with",
        f"  --redis redis://127.0.0.1:7/0   {tmp_path}",
        f"  --redis redis://127.0.0.1:8/0   {tmp_path}/simulate-x",
    ]
    for lock in locks:
        lock.release(forget=True)
