from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import CommandLine

SECRET = "gsk_0123456789abcdefWXYZ"  # noqa: S105 - a made-up one, to look for


def test_a_key_is_added_listed_and_revoked_and_never_shown(cli: CommandLine) -> None:
    added = cli.run("keys", "add", "groq", "--priority", "2", "--daily-limit", "500", text=SECRET + "\n")
    assert added.stdout == "groq#1 is in the vault (…WXYZ)\n"
    listed = json.loads(cli.run("keys", "list", "--json").stdout)
    assert listed == [
        {
            "id": "groq#1",
            "provider": "groq",
            "last4": "WXYZ",
            "priority": 2,
            "quota_group": "groq#1",
            "daily_limit": 500,
            "is_active": True,
        }
    ]
    assert cli.run("keys", "revoke", "groq#1").stdout == "groq#1 is revoked\n"
    table = cli.run("keys", "list").stdout
    assert "revoked" in table
    assert SECRET not in added.stdout + added.stderr + table
    assert all(SECRET.encode() not in path.read_bytes() for path in cli.home.iterdir())


def test_an_env_file_is_imported_and_again_changes_nothing(cli: CommandLine, repository: Path) -> None:
    lines = ["GROQ_API_KEY_1=gsk_0123456789abcdef", "GROQ_KEY_1_PRIORITY=2", f"GEMINI_API_KEY={SECRET}"]
    (cli.folder / ".env").write_text("\n".join(lines))
    first, second = (cli.run("keys", "import").stdout.splitlines() for _ in range(2))
    assert [line.split()[1] for line in first] == ["added", "added"]
    assert [line.split()[1] for line in second] == ["unchanged", "unchanged"]
    assert {line.split()[0] for line in first} == {"groq#1", "gemini#1"}


def test_mistakes_of_an_env_file_are_told_without_the_secret(cli: CommandLine) -> None:
    (cli.folder / "keys.env").write_text(f"GROQ_API_KEY_1={SECRET}\nGROQ_KEY_1_PRIORITY=first\n")
    ended = cli.run("keys", "import", "keys.env")
    assert ended.returncode == 2
    assert "keys.env:2" in ended.stderr
    assert SECRET not in ended.stderr


@pytest.mark.parametrize("secret", ["", "two words", "line\nbreak"])
def test_what_cannot_be_a_key_is_refused(cli: CommandLine, secret: str) -> None:
    ended = cli.run("keys", "add", "groq", text=secret)
    assert ended.returncode == 2
    assert json.loads(cli.run("keys", "list", "--json").stdout) == []


def test_a_secret_on_the_command_line_is_refused_and_not_repeated(cli: CommandLine) -> None:
    refused = cli.run("keys", "add", "groq", SECRET)
    assert refused.returncode == 2
    assert "give no key on the command line" in refused.stderr
    assert SECRET not in refused.stdout + refused.stderr
