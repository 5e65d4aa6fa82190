"""Commands called wrongly: one sentence, no box, nothing of the libraries below."""

from __future__ import annotations

import subprocess
import sys

import pytest
from command_line import CommandLine


def last_words(ended: subprocess.CompletedProcess[str]) -> tuple[str, str]:
    """What was told, and where help is."""
    assert (ended.returncode, ended.stdout) == (2, "")
    told, _, hint = ended.stderr.partition("\nhow it is called: ")
    return told, hint.rstrip()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("submit", "x", "--tier", "gold"), "--tier: 'gold' is not one of 'free', 'paid', 'premium', 'local'"),
        (("submit", "x", "--deadline", "soon"), '--deadline: "soon" is not valid; write a number'),
        (("submit", "x", "--temperature", "5"), '--temperature: "5" is not valid; write 2 or less'),
        (("submit", "x", "--max-tokens", "0"), '--max-tokens: "0" is not valid; write 1 or more'),
        (("submit", "x", "--max-cost", "-1"), '--max-cost: "-1" is not valid; write 0 or more'),
        (("submit", "x", "--max-latency-ms", "2s"), '--max-latency-ms: "2s" is not valid; write a whole number'),
        (("up", "--workers", "two"), '--workers: "two" is not valid; write a whole number'),
        (("submit", "x", "--file", "nowhere"), "--file: file 'nowhere' does not exist"),
        (
            ("submit", "x", "--stream", "--json"),
            "--stream: leave out --json, --no-wait and --timeout: it prints to the end",
        ),
        (("submit", "why", "not"), "too many arguments; a text of several words stands in quotes"),
        (("ledger", "prune", "now"), "too many arguments"),
        (("submit", "x", "--prioritty", "low"), "No such option: --prioritty (Possible options: --priority)"),
        (("job",), "Missing argument 'ID'"),
    ],
)
def test_the_option_the_value_and_what_would_be_right(cli: CommandLine, arguments: tuple[str, ...], words: str) -> None:
    told, hint = last_words(cli.run(*arguments))
    assert told == words
    assert f"model-pool {arguments[0]} " in hint
    assert hint.endswith(" --help")


def test_a_command_that_is_not_there(cli: CommandLine) -> None:
    told, hint = last_words(cli.run("sumbit", "x"))
    assert told == "No such command 'sumbit'. Did you mean 'submit'?"
    assert hint.endswith("model-pool --help")


@pytest.mark.parametrize("group", ["keys", "models", "alerts", "dead"])
def test_a_group_without_a_command_shows_its_help_and_nothing_else(cli: CommandLine, group: str) -> None:
    ended = cli.run(group)
    assert ended.returncode == 2
    assert "list" in ended.stdout + ended.stderr
    assert "how it is called" not in ended.stdout + ended.stderr


def test_a_question_that_is_left_unanswered(cli: CommandLine) -> None:
    (cli.folder / "asking.py").write_text("import typer\ndef ask() -> None: typer.prompt('Why?')")
    program = (
        "import sys; from pool_worker.cli import main\n"
        "main.COMMANDS['version'] = ('asking:ask', '')\n"
        "sys.argv[1:] = ['version']; main.main()"
    )
    command, folder = [sys.executable, "-c", program], cli.folder
    ended = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == "left off"
