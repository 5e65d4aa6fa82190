"""The demo as a user runs it, here with its output in a pipe."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from command_line import CommandLine

from pool_worker.simulator.server import RunningSimulator

JOBS = 500
LONGEST_S = 90


@pytest.fixture
def temporary(cli: CommandLine) -> Path:
    """Where the demo makes its folder."""
    folder = cli.folder / "temporary"
    folder.mkdir()
    cli.environment["TMPDIR"] = str(folder)
    del cli.environment["COLUMNS"]
    return folder


SPENT = "(cerebras has no (tokens|requests) left this minute|others wait for the same and come first)"
"""Of the jobs that wait, some are the first, and the others stand behind them."""


def assert_fit_for_people(text: str) -> None:
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
    assert not any(bad in text for bad in ("Traceback", "object at 0x", "Decimal(", "Counter(", "None", "…"))


def assert_waits_told_as_they_were(text: str) -> None:
    """On a machine so slow that the jobs come at less than cerebras's pace, it has room for the last of them too."""
    if re.search(r"(?m)^waits +no job had to wait for capacity$", text):
        assert "parked" not in text, text
        assert re.search(r"(?m)^cerebras .* \d\d%$", text), "it was not used up"
        return
    assert re.search(rf"(?m)^ +[\d.]+ s  jobs are parked: {SPENT}$", text), text
    assert re.search(r"(?m)^ +[\d.]+ s  500 of 500 submitted, \d+ answered, (\d+ \w+, )?\d+ parked", text)
    waits = re.search(r"(?m)^waits +(\d+) jobs had to wait, parked: (cerebras has no|others wait)", text)
    assert waits is not None
    assert 3 <= int(waits[1]) <= 24


@pytest.mark.timeout(150)
def test_every_job_is_answered_and_the_account_adds_up(cli: CommandLine, temporary: Path) -> None:
    ended = subprocess.run(
        cli.command("demo"), cwd=cli.folder, env=cli.environment, capture_output=True, text=True, timeout=LONGEST_S, check=False
    )
    text = ended.stdout
    assert (ended.returncode, ended.stderr) == (0, ""), text + ended.stderr
    assert_fit_for_people(text)
    assert f"✓ {JOBS} of {JOBS} jobs answered, 0 failed, 0 lost" in text
    assert "✓ no key over a limit" in text
    assert "✓ 0 calls refused" in text
    assert "✓ 0 jobs charged twice" in text
    assert re.search(r"✓ the ledger has ([\d,]+) calls and ([\d,]+) tokens, the simulator \1 and \2", text)
    assert "cerebras fails" in text
    assert "cerebras is well again" in text
    assert text.index("starting Redis, ledger, simulator, 3 workers and beat") < text.index("here come the jobs")
    assert_waits_told_as_they_were(text)
    assert "capacity: how much of the limit on requests/min was in use" in text
    rows = {line.split()[0]: line for line in text.splitlines() if "█" in line and line[0] != " "}
    providers = {"cerebras", "groq", "openrouter", "mistral#1", "codestral#1", "github#1", "cloudflare#1", "gemini"}
    assert set(rows) == providers
    calls = {name: int(re.findall(r"(?<= )\d[\d,]*(?= )", line)[0].replace(",", "")) for name, line in rows.items()}
    assert JOBS <= sum(calls.values()) <= 2 * JOBS
    assert len(re.findall(r"(?m)^ [├└] \w+#\d", text)) == 28
    assert sum(int(jobs) for jobs in re.findall(r"(?m)^(?:\w+_\w+) +(\d+) +\d+ +\S+ m?s", text)) == JOBS
    assert re.search(r"(?m)^moves +\d+ times a job went on to the queue", text)
    assert not any(temporary.iterdir())
    assert not cli.home.exists()


def test_ctrl_c_leaves_nothing_behind(cli: CommandLine, temporary: Path) -> None:
    with subprocess.Popen(
        cli.command("demo"), cwd=cli.folder, env=cli.environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as demo:
        assert demo.stdout is not None
        next(line for line in demo.stdout if "here come the jobs" in line)
        os.killpg(demo.pid, signal.SIGINT)
        rest = demo.stdout.read()
        assert demo.wait(timeout=30) == 130
    assert "stopped; nothing is left behind" in rest
    assert not any(temporary.iterdir())


def test_with_keys_in_env_real_providers_are_called_and_that_is_said(
    cli: CommandLine, temporary: Path, simulator: RunningSimulator
) -> None:
    (cli.folder / ".env").write_text("GROQ_API_KEY_1=sim-groq-1\nGROQ_API_KEY_2=sim-groq-2\nMISTRAL_API_KEY=sim-mistral-1\n")
    cli.environment["MODEL_POOL_SIMULATOR_URL"] = simulator.url  # nothing leaves this machine
    ended = cli.run("demo")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert_fit_for_people(ended.stdout)
    assert "It calls real providers with the keys in .env: groq, mistral (`--simulated` calls none)" in ended.stdout
    assert "✓ 24 of 24 jobs answered" in ended.stdout
    assert simulator.counts()["totals"]["admitted"] == 24
    assert not any(temporary.iterdir())
