"""Hints name the program so that this user's shell finds it, with the options that led here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(sys.executable).with_name("model-pool")
ASK = "from pool_worker.cli.terminal import as_typed; print(as_typed('up'))"


def typed_by(argv: list[str], *, path: str = "/usr/bin", folder: Path | None = None) -> str:
    """What is printed to somebody who called the program like this."""
    program = f"import sys; sys.argv = {argv!r}\n{ASK}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_the_bare_name_if_path_leads_to_this_very_program(tmp_path: Path) -> None:
    (tmp_path / "model-pool").symlink_to(SCRIPT)
    assert typed_by([str(SCRIPT)], path=str(SCRIPT.parent)) == "model-pool up"
    assert typed_by([str(SCRIPT)], path=str(tmp_path)) == "model-pool up"
    assert typed_by([str(tmp_path / "model-pool")], path=str(SCRIPT.parent)) == "model-pool up"


def test_not_if_another_program_of_that_name_is_on_path(tmp_path: Path) -> None:
    (tmp_path / "model-pool").write_text("#!/bin/sh\n")
    (tmp_path / "model-pool").chmod(0o755)
    assert typed_by([str(SCRIPT)], path=str(tmp_path), folder=Path("/")) == f"{SCRIPT.relative_to('/')} up"


@pytest.mark.parametrize(("folder", "words"), [("venv/bin", "./model-pool up"), (".", "venv/bin/model-pool up")])
def test_relative_where_that_is_shorter(tmp_path: Path, folder: str, words: str) -> None:
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    script = tmp_path / "venv" / "bin" / "model-pool"
    script.write_text("")
    assert typed_by([str(script)], folder=tmp_path / folder) == words


def test_as_it_was_called_where_that_is_shorter(tmp_path: Path) -> None:
    script = tmp_path / "model-pool"
    script.write_text("")
    deep = Path(*["deep"] * 40)
    (tmp_path / deep).mkdir(parents=True)
    assert typed_by([str(script)], folder=tmp_path / deep) == f"{script} up"


def test_started_as_a_module_it_names_the_script_beside_the_interpreter() -> None:
    assert typed_by(["/somewhere/main.py"], path=str(SCRIPT.parent)) == "model-pool up"


@pytest.mark.parametrize(
    ("url", "option"),
    [
        ("redis://:secret@h/0", ' --redis "$MODEL_POOL_REDIS_URL"'),
        ("redis://h/0?password=secret", ' --redis "$MODEL_POOL_REDIS_URL"'),
        ("redis://h/0?timeout=2", " --redis 'redis://h/0?timeout=2'"),
        ("redis://h/0", " --redis redis://h/0"),
        ("", ""),
    ],
)
def test_the_options_that_were_given_are_repeated_but_no_password(tmp_path: Path, url: str, option: str) -> None:
    words = ["version", "--home", f"{tmp_path}/c/../a b", "--redis", url]
    program = f"from pool_worker.cli.main import app; app({words!r}, standalone_mode=False); {ASK}"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.endswith(f"model-pool up --home '{tmp_path / 'a b'}'{option}\n")
