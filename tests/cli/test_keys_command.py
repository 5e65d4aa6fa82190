from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import CommandLine
from cryptography.fernet import Fernet

from pool_worker.ledger.database import open_database
from pool_worker.settings import Settings
from pool_worker.vault import Vault, master_keys

SECRET = "gsk_0123456789abcdefWXYZ"  # noqa: S105 - a made-up one, to look for


def test_a_key_is_added_listed_and_revoked_and_never_shown(cli: CommandLine) -> None:
    added = cli.run(
        "keys", "add", "groq", "--priority", "2", "--daily-limit", "500", "--daily-budget", "2.50", text=SECRET + "\n"
    )
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
            "daily_budget_usd": "2.5",
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


@pytest.mark.parametrize("secret", ["", "two words", "line\nbreak", "short", f"GROQ_API_KEY_1={SECRET}"])
def test_what_cannot_be_a_key_is_refused(cli: CommandLine, secret: str) -> None:
    ended = cli.run("keys", "add", "groq", text=secret)
    assert ended.returncode == 2
    assert "the key for groq " in ended.stderr
    assert SECRET not in ended.stderr
    assert json.loads(cli.run("keys", "list", "--json").stdout) == []


@pytest.mark.parametrize(
    "words",
    [
        "keys add groq {}",
        "keys add {}",
        "keys rotate groq 1 {}",
        "keys rotate groq {}",
        "keys rotate {}",
        "keys revoke {}#1",
        "keys check {}",
        "keys audit {}",
        "keys set groq 1 --daily-budget {}",
        "keys set groq 1 --key={}",
        "keys rotate groq 1 --{}",
        "keys import {}",
        "keys {}",
        "{}",
    ],
)
def test_a_secret_on_the_command_line_is_refused_and_not_repeated(cli: CommandLine, words: str) -> None:
    cli.run("keys", "add", "groq", text="gsk_one-that-is-there")
    refused = cli.run(*words.format(SECRET).split())
    assert refused.returncode == 2
    assert SECRET not in refused.stdout + refused.stderr
    if "--key=" not in words:
        assert "give no key on the command line" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (("check", "unheard-of"), "there is no active key of unheard-of;"),
        (("import", "keys2.env"), "keys2.env is not a file"),
        (("import", "a/Keys22"), "a/Keys22 is not a file"),
        (("set", "groq#1", "--daily-budget", "20000000"), "daily_budget_usd: 20000000 is no amount"),
    ],
)
def test_what_is_no_secret_is_repeated(cli: CommandLine, arguments: tuple[str, ...], shown: str) -> None:
    cli.run("keys", "add", "groq", text=SECRET)
    ended = cli.run("keys", *arguments)
    assert ended.returncode == 2
    assert shown in ended.stderr
    assert "give no key" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("rotate", "groq"), '"groq" names no key: write e.g. groq#2, or groq 2'),
        (("rotate", "groq#99"), "there is no key groq#99: groq has groq#1"),
        (("rotate", "groq#2", "2"), '"groq#2" names no key'),
        (("rotate", "groq", "2"), "groq#2 is revoked: add the new secret as a key of its own"),
        (("set", "groq#1"), "say what to change: --priority, --quota-group, --daily-limit or --daily-budget"),
        (("check", "nobody"), "there is no active key of nobody"),
        (("set", "groq#2", "--priority", "3"), "groq#2 is revoked: add its secret again"),
        (("audit", "groq#99"), "there is no key groq#99"),
        (("audit", "groc"), 'ID: "groc" is not a provider with a key; did you mean "groq"?'),
    ],
)
def test_mistakes_are_answered_with_what_would_be_right(cli: CommandLine, arguments: tuple[str, ...], says: str) -> None:
    for secret in (SECRET, SECRET + "2"):
        cli.run("keys", "add", "groq", text=secret)
    cli.run("keys", "revoke", "groq", "2")
    ended = cli.run("keys", *arguments, text="a-secret-of-some-length")
    assert (ended.returncode, says in ended.stderr) == (2, True), ended.stderr


def test_facts_of_a_key_are_changed_and_everything_is_on_record(cli: CommandLine) -> None:
    cli.run("keys", "add", "groq", text=SECRET)
    assert cli.run("keys", "set", "groq#1", "--priority", "3", "--daily-limit", "500").stdout == "groq#1 is changed\n"
    assert cli.run("keys", "set", "groq", "1", "--priority", "3").stdout == "groq#1 is so already\n"
    rotated = cli.run("keys", "rotate", "groq", "1", text="gsk_another-one-entirely")
    assert rotated.stdout == "groq#1 has a new secret (…rely)\n"
    record = json.loads(cli.run("keys", "audit", "groq", "1", "--json").stdout)
    assert [entry["action"] for entry in record] == ["rotated", "updated", "added"]
    assert record[1]["detail"] == "priority 3, daily_limit 500"
    assert all("@" in entry["actor"] for entry in record)
    assert "rotated" in cli.run("keys", "audit").stdout


def test_a_daily_limit_and_a_daily_budget_are_taken_away_again(cli: CommandLine) -> None:
    def limits() -> tuple[object, object]:
        (key,) = json.loads(cli.run("keys", "list", "--json").stdout)
        return key["daily_limit"], key["daily_budget_usd"]

    cli.run("keys", "add", "groq", "--daily-limit", "500", "--daily-budget", "2.50", text=SECRET)
    assert cli.run("keys", "set", "groq#1", "--daily-budget", "none").stdout == "groq#1 is changed\n"
    assert limits() == (500, None)
    assert cli.run("keys", "set", "groq#1", "--daily-limit", "none").returncode == 0
    assert limits() == (None, None)
    assert cli.run("keys", "set", "groq#1", "--daily-limit", "none", "--daily-budget", "none").stdout == "groq#1 is so already\n"
    (last, *_) = json.loads(cli.run("keys", "audit", "--json").stdout)
    assert last["detail"] == "daily_limit none"


@pytest.mark.parametrize("value", ["0", "-1", "many", "2.5"])
def test_a_daily_limit_that_is_none_is_named(cli: CommandLine, value: str) -> None:
    cli.run("keys", "add", "groq", text=SECRET)
    ended = cli.run("keys", "set", "groq#1", "--daily-limit", value)
    assert ended.returncode == 2
    assert f'--daily-limit: "{value}" is no whole number of 1 or more; write e.g. 500, or none' in ended.stderr


def test_what_changes_nothing_says_so(cli: CommandLine) -> None:
    def keys(*arguments: str, text: str | None = None) -> str:
        ended = cli.run("keys", *arguments, text=text)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    keys("add", "groq", text=SECRET)
    assert keys("add", "groq", text=SECRET) == "this secret is groq#1 already (…WXYZ); nothing was changed\n"
    again = keys("add", "groq", "--priority", "2", text=SECRET)
    assert again == "this secret is groq#1 already (…WXYZ); what is said of it is changed\n"
    assert keys("revoke", "groq#1") == "groq#1 is revoked\n"
    assert keys("revoke", "groq#1") == "groq#1 is revoked already; nothing was changed\n"
    assert keys("add", "groq", text=SECRET) == "groq#1 was revoked, and is in use again (…WXYZ)\n"


def test_what_a_worker_read_at_once_is_one_line_of_the_record(cli: CommandLine) -> None:
    for number in range(3):
        cli.run("keys", "add", "groq", text=f"{SECRET}{number}")
    settings = Settings(home=cli.home)
    engine = open_database(settings.ledger_url)
    Vault(engine, master_keys(settings)).secrets(actor="worker w1")
    engine.dispose()
    newest = cli.run("keys", "audit").stdout.splitlines()[1:]
    assert newest[0].split()[2:] == ["3", "keys", "read", "worker", "w1"]
    assert len(newest) == 4
    assert len(cli.run("keys", "audit", "--all").stdout.splitlines()[1:]) == 6
    assert len(json.loads(cli.run("keys", "audit", "--json").stdout)) == 6
    assert cli.run("keys", "audit", "groq", "2").stdout.splitlines()[1].split()[2:] == ["groq#2", "read", "worker", "w1"]


def test_a_key_that_has_the_same_secret_is_named(cli: CommandLine) -> None:
    warning = "mistral#1 has the same secret as groq#1, another provider's key: is it the right one?"
    cli.run("keys", "add", "groq", text=SECRET)
    rotated = cli.run("keys", "rotate", "groq", "1", text=SECRET)
    assert rotated.stdout == "this is the secret that groq#1 has already; nothing was changed\n"
    assert len(json.loads(cli.run("keys", "audit", "--json").stdout)) == 1
    added = cli.run("keys", "add", "mistral", text=SECRET)
    assert (added.stdout, warning in added.stderr) == ("mistral#1 is in the vault (…WXYZ)\n", True)
    assert warning not in cli.run("keys", "rotate", "mistral#1", text=SECRET + "2").stderr
    back = cli.run("keys", "rotate", "mistral#1", text=SECRET)
    assert (back.stdout, warning in back.stderr) == ("mistral#1 has a new secret (…WXYZ)\n", True)
    (cli.folder / ".env").write_text(f"GEMINI_API_KEY_1={SECRET}\n")
    assert "gemini#1 has the same secret as groq#1, mistral#1" in cli.run("keys", "import").stderr
    assert "the same secret" not in cli.run("keys", "import").stderr


def test_a_secret_of_a_file_that_is_none_is_named_by_its_number(cli: CommandLine) -> None:
    (cli.folder / ".env").write_text(f"GROQ_API_KEY_3=GROQ_API_KEY_3={SECRET}\n")
    ended = cli.run("keys", "import")
    assert (ended.returncode, "groq (number 3 in the file) is a whole line" in ended.stderr) == (2, True)
    assert SECRET not in ended.stderr


def test_the_record_of_all_keys_of_a_provider(cli: CommandLine) -> None:
    for provider, secret in (("groq", SECRET), ("groq", SECRET + "2"), ("gemini", SECRET)):
        cli.run("keys", "add", provider, text=secret)
    record = json.loads(cli.run("keys", "audit", "groq", "--json").stdout)
    assert [entry["key_id"] for entry in record] == ["groq#2", "groq#1"]


def test_a_master_key_that_came_into_the_environment_is_taken_and_the_old_one_can_go(cli: CommandLine) -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    cli.run("keys", "add", "groq", text=SECRET, variables={"ENCRYPTION_KEY": old})
    assert "put a new one first in ENCRYPTION_KEY" in cli.run("keys", "rotate-master", variables={"ENCRYPTION_KEY": old}).stdout
    both = cli.run("keys", "rotate-master", variables={"ENCRYPTION_KEY": f"{new},{old}"})
    assert "1 key is encrypted with the master key" in both.stdout
    assert "take all others out of ENCRYPTION_KEY now" in both.stdout
    assert cli.run("keys", "list", variables={"ENCRYPTION_KEY": new}).returncode == 0
    refused = cli.run("keys", "list", variables={"ENCRYPTION_KEY": old})
    assert (refused.returncode, "none of the master keys" in refused.stderr) == (2, True)
    assert old not in refused.stderr
