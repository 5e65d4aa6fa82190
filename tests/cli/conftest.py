"""The real command line, as processes, on homes that are thrown away."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command_line import GONE_WITHIN_S, CommandLine, Up

from pool_worker.embedded_redis import free_port


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    return CommandLine.in_folder(tmp_path)


@pytest.fixture
def start_up(cli: CommandLine) -> Iterator[Callable[..., Up]]:
    """Starts `model-pool up`, with `--simulate` unless told otherwise; whatever a test leaves running is ended."""
    started: list[Up] = []

    def start(*arguments: str, simulate: bool = True) -> Up:
        command = cli.command("up", *(("--simulate",) if simulate else ()), "--port", str(free_port()), *arguments)
        process = subprocess.Popen(
            command,
            cwd=cli.folder,
            env=cli.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        up = Up(process, cli.home / "simulate-thirty-two-keys" if simulate else cli.home)
        started.append(up)
        up.wait_for("Ctrl-C stops it all")
        return up

    yield start
    for up in started:
        if up.process.poll() is None:
            up.process.terminate()
            up.process.communicate(timeout=GONE_WITHIN_S)
