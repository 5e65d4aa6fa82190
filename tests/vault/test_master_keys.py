"""Where the master keys come from, and what is refused."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from pool_client.errors import ConfigurationError
from pool_worker.settings import Settings
from pool_worker.vault import master_keys
from pool_worker.vault.master_keys import add_to_file, keep_newest_in_file


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ENCRYPTION_KEY", raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_environment_gives_them_newest_first(tmp_path: Path) -> None:
    new, old = (Fernet.generate_key().decode() for _ in range(2))
    assert master_keys(Settings(home=tmp_path, encryption_key=f"{new}, {old}")) == (new, old)
    assert list(tmp_path.iterdir()) == []


def test_without_them_a_file_is_made_that_only_its_owner_can_read(tmp_path: Path) -> None:
    home = tmp_path / "home"
    settings = Settings(home=home)
    (key,) = master_keys(settings)
    assert master_keys(settings) == (key,)
    assert stat.S_IMODE((home / "master.key").stat().st_mode) == 0o600
    assert [path.name for path in home.iterdir()] == ["master.key"]
    assert key not in repr(master_keys(settings))


def test_processes_that_start_together_agree_on_one_file(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(master_keys, [Settings(home=tmp_path)] * 16))
    assert len(found) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o666])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    settings = Settings(home=tmp_path)
    master_keys(settings)
    (tmp_path / "master.key").chmod(mode)
    with pytest.raises(ConfigurationError, match=rf"mode {mode:04o}\): chmod 600 .*master\.key"):
        master_keys(settings)


def test_a_second_line_of_the_file_is_an_older_master_key(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    (old,) = master_keys(settings)
    new = Fernet.generate_key().decode()
    (tmp_path / "master.key").write_text(f"{new}\n{old}\n")
    assert master_keys(settings) == (new, old)


def test_a_new_one_is_put_into_the_file_and_older_ones_are_taken_out(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    (old,) = master_keys(settings)
    new, kept = add_to_file(settings)
    assert (kept, master_keys(settings)) == (old, (new, old))
    keep_newest_in_file(settings)
    assert master_keys(settings) == (new,)
    assert [path.name for path in tmp_path.iterdir()] == ["master.key"]
    assert stat.S_IMODE((tmp_path / "master.key").stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"\n", b"hush-not-a-key\n", b"\xff\xfe"])
def test_a_damaged_file_is_told_without_its_content(tmp_path: Path, content: bytes) -> None:
    master_keys(Settings(home=tmp_path))
    (tmp_path / "master.key").write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"master\.key") as caught:
        master_keys(Settings(home=tmp_path))
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("value", ["hush", "hush,", "aGFsZg=="])
def test_a_value_that_is_no_master_key_is_told_without_it(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigurationError, match="ENCRYPTION_KEY: entry 1 is no Fernet key") as caught:
        master_keys(Settings(home=tmp_path, encryption_key=value))
    assert value not in str(caught.value)
