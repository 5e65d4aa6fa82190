"""Which system runs on a home folder: a lock held for as long as it runs, and a record that others read."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import IO

from pydantic import BaseModel, ConfigDict, ValidationError

from pool_client.errors import ConfigurationError
from pool_client.redis_connection import DEFAULT_URL
from pool_worker.cli.terminal import CommandError, in_columns, option_of
from pool_worker.settings import Settings

ALREADY_RUNNING = 3
LOCK_ATTEMPTS = 5


class Running(BaseModel):
    """What runs on a home folder (`up.json` in it)."""

    model_config = ConfigDict(frozen=True)

    home: Path
    since: datetime
    redis_url: str
    embedded_redis_port: int | None = None
    """None: a Redis that somebody else runs."""
    simulator_url: str | None = None
    profile: str | None = None
    pids: Mapping[str, int]
    """Name of a part → process id; `up` is the one that holds them all."""


class AlreadyRunningError(CommandError):
    """Another process runs the system on this home."""

    def __init__(self, home: Path) -> None:
        self.home = home
        super().__init__(f"Model Pool is already running on {home}", exit_code=ALREADY_RUNNING)


class HomeLock:
    """Held by the one process that runs the system on a home folder; released by its end, however it ends."""

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._record = _record_path(home)
        self._file = _lock_path(home).open("a")
        if not _takes(self._file):
            self._file.close()
            raise AlreadyRunningError(home)

    def write(self, running: Running) -> None:
        """Tell others what runs here."""
        new = self._record.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(running.model_dump_json(indent=2), encoding="utf-8")
        new.replace(self._record)

    def release(self, *, forget: bool) -> None:
        """Let go of the home. `forget`: nothing runs here any more."""
        if forget:
            self._record.unlink(missing_ok=True)
        self._file.close()


def recorded(home: Path) -> Running | None:
    """What was last recorded, whether it still runs or not."""
    try:
        return Running.model_validate_json(_record_path(home).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def running_on(home: Path) -> Running | None:
    """What runs on a home now; None if nothing does."""
    return recorded(home) if _is_locked(home) else None


def find_running(home: Path) -> list[Running]:
    """What runs on a home and on the homes of its simulations."""
    homes = [home, *sorted(home.glob("simulate-*"))]
    return [running for each in homes if (running := running_on(each)) is not None]


def left_behind(home: Path) -> Running | None:
    """What ran on a home, or on one of its simulations', and was killed instead of stopped; its Redis may still run."""
    homes = [home, *sorted(home.glob("simulate-*"))]
    return next((was for each in homes if (was := recorded(each)) is not None and not _is_locked(each)), None)


def connected_settings(settings: Settings) -> Settings:
    """The settings with which a command reaches what runs here: a configured Redis, else the one of a running `model-pool up`.

    Where the configured Redis is that of a system which runs here, its ledger and its profile come with it: `up` tells people
    to set MODEL_POOL_REDIS_URL, and does not tell them more.

    Raises:
        ConfigurationError: if several systems run here, so that one must be named.
    """
    found = find_running(settings.home)
    if settings.redis_url is not None:
        owner = next((running for running in found if running.redis_url == settings.redis_url), None)
        return settings if owner is None else attached(settings, owner)
    if len(found) > 1:
        ways = {option_of("--redis", running.redis_url): str(running.home) for running in found}
        msg = f"{len(found)} systems are running here: choose one with\n{in_columns(ways)}"
        raise ConfigurationError(msg)
    if not found:
        return settings.model_copy(update={"redis_url": DEFAULT_URL})
    return attached(settings, found[0])


def attached(settings: Settings, running: Running) -> Settings:
    """The settings of a running system's own parts."""
    changes: dict[str, object] = {"redis_url": running.redis_url, "home": running.home}
    if running.profile is not None:
        changes |= {"profile": running.profile, "simulator_url": running.simulator_url, "database_url": None}
    return settings.model_copy(update=changes)


def _takes(file: IO[str]) -> bool:
    """Take the lock. Who only looks whether it is taken holds it for a moment, so one refusal means nothing."""
    for _ in range(LOCK_ATTEMPTS):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.02)
        else:
            return True
    return False


def _is_locked(home: Path) -> bool:
    try:
        probe: IO[bytes] = _lock_path(home).open("rb")
    except FileNotFoundError:
        return False
    with probe:
        try:
            fcntl.flock(probe, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _lock_path(home: Path) -> Path:
    return home / "up.lock"


def _record_path(home: Path) -> Path:
    return home / "up.json"
