from __future__ import annotations

import importlib
import subprocess
import sys

import pytest
from command_line import CommandLine

from pool_worker.cli.error_edge import EXIT_CODES
from pool_worker.cli.main import COMMANDS, load_command


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_loads_helps_and_takes_the_global_options(name: str, cli: CommandLine) -> None:
    command = load_command(name)
    leaves = list(getattr(command, "commands", {}).values()) or [command]
    for leaf in leaves:
        flags = {flag for parameter in leaf.params for flag in parameter.opts}
        assert {"--redis", "--home", "--config"} <= flags
        assert leaf.callback.__doc__


def test_help_lists_every_command_without_importing_what_they_need() -> None:
    program = (
        "import sys; sys.argv[1:] = ['--help']\n"
        "from pool_worker.cli.main import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "print('HEAVY', {'celery', 'redis', 'sqlalchemy', 'pydantic', 'yaml'} & set(sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert all(name in shown for name in COMMANDS)
    assert "HEAVY set()" in shown


@pytest.mark.parametrize("before", [True, False])
def test_global_options_stand_before_or_after_the_command_and_beat_the_environment(cli: CommandLine, *, before: bool) -> None:
    option = ("--home", str(cli.folder / "named"))
    words = (*option, "database", "migrate") if before else ("database", "migrate", *option)
    ended = cli.run(*words)
    assert ended.returncode == 0
    assert (cli.folder / "named" / "ledger.db").exists()
    assert not cli.home.exists()


def test_database_migrate_may_be_repeated(cli: CommandLine) -> None:
    assert [cli.run("database", "migrate").stdout for _ in range(2)] == [
        f"sqlite:///{cli.home}/ledger.db is at revision 0004\n"
    ] * 2


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--redis", "http://x", "doctor"), 1, "MODEL_POOL_REDIS_URL"),
        (("worker", "--redis", "http://x"), 2, 'MODEL_POOL_REDIS_URL: "http://x" does not begin with redis://'),
        (("worker", "--config", "nowhere"), 2, "is not a folder"),
        (("worker", "--queues", "free,freee"), 2, "no such queue: freee"),
        (("worker", "--concurrency", "0"), 2, "--concurrency"),
        (("wroker",), 2, "Did you mean 'worker'"),
        (("keys", "import", "nowhere"), 2, "nowhere is not a file"),
        (("keys", "revoke", "groq#1"), 2, "groq#1"),
        (("keys", "add", "grok"), 2, 'did you mean "groq"'),
    ],
)
def test_mistakes_are_told_in_a_sentence(cli: CommandLine, arguments: tuple[str, ...], code: int, words: str) -> None:
    ended = cli.run(*arguments)
    assert ended.returncode == code
    assert words in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr


def test_a_home_that_cannot_be_made_is_named(cli: CommandLine) -> None:
    (cli.folder / "file").write_text("")
    ended = cli.run("database", "migrate", "--home", str(cli.folder / "file" / "home"))
    assert ended.returncode == 1
    assert f"{cli.folder / 'file' / 'home'}: Not a directory" in ended.stderr


def test_an_unexpected_error_is_one_line_and_its_traceback_is_in_a_file(cli: CommandLine) -> None:
    cli.home.mkdir()
    program = (
        "import sys; from pool_worker.cli import main\n"
        "main.COMMANDS['version'] = ('builtins:nothing', '')\n"
        "sys.argv[1:] = ['version']; main.main()"
    )
    ended = subprocess.run([sys.executable, "-c", program], env=cli.environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == (
        f"an error that should not happen: AttributeError. Its traceback is in {cli.home / 'errors.log'}; please report it.\n"
    )
    log = cli.home / "errors.log"
    assert "AttributeError: module 'builtins' has no attribute 'nothing'" in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", EXIT_CODES)
def test_the_errors_that_are_known_by_name_exist(name: str) -> None:
    module, _, kind = name.rpartition(".")
    assert issubclass(getattr(importlib.import_module(module), kind), Exception)


def test_the_version_is_shown(cli: CommandLine) -> None:
    assert cli.run("version").stdout.strip() == importlib.import_module("importlib.metadata").version("model-pool")
