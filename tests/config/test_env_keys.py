"""Keys from `.env`: what is taken, what is skipped, what is refused; never a secret in what is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pool_worker.config import AlertTargets, ConfigError, EnvFile, EnvKey, load_registry, read_env_keys
from pool_worker.settings import shipped_config_dir

PROVIDERS = load_registry(shipped_config_dir(), environ={}).providers
WriteEnv = Callable[[str], Path]
SECRET = "gsk_" + "s3cret" * 6
KEY = f"GROQ_API_KEY_1={SECRET}\n"


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WriteEnv:
    monkeypatch.chdir(tmp_path)

    def write(content: str) -> Path:
        Path(".env").write_text(content, encoding="utf-8")
        return Path(".env")

    return write


def read(path: Path) -> EnvFile:
    return read_env_keys(path, PROVIDERS)


def mistakes_of(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(path)
    assert "s3cret" not in repr(caught.value.mistakes)
    return str(caught.value).splitlines()


def test_the_design_document_imports_unchanged(data: Path) -> None:
    found = read(data / "design.env")
    assert found.keys == (
        EnvKey("gemini", 1, "AIzaXXX", 1, 1500),
        EnvKey("gemini", 2, "AIzaYYY", 2, 1500),
        EnvKey("groq", 1, "sk-proj-AAA", 1, 14400),
        EnvKey("groq", 2, "sk-proj-BBB", 2, 14400),
        EnvKey("groq", 3, "sk-proj-CCC", 3, 14400),
    )
    assert found.alert_targets == AlertTargets("123456:ABC-DEF", "987654321", ("admin@platform.example",))
    assert found.notes == ()


def test_the_example_file_has_a_line_for_every_enabled_provider_with_keys_and_gives_none(repository: Path) -> None:
    example = repository / "configs" / ".env.example"
    found = read(example)
    assert (found.keys, found.notes, found.alert_targets) == ((), (), AlertTargets())
    named = {
        line.removeprefix("# ").removesuffix("_API_KEY_1=").lower()
        for line in example.read_text().splitlines()
        if "_API_KEY_1=" in line
    }
    expected = {each.id for each in PROVIDERS.values() if each.needs_key and (each.enabled or each.id == "cloudflare")}
    assert named == expected


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("GROQ_API_KEY=k", EnvKey("groq", 0, "k")),
        ("groq_api_key_12=k", EnvKey("groq", 12, "k")),
        ("export GOOGLE_API_KEY='k'", EnvKey("gemini", 0, "k")),
        ("GOOGLE_AI_API_KEY_2=k", EnvKey("gemini", 2, "k")),
        ("HF_API_KEY=k # mine", EnvKey("huggingface", 0, "k")),
        ('Claude_Api_Key_1="k$${X}"', EnvKey("anthropic", 1, "k$${X}")),
        ("GROQ_API_KEY_1=k\nGROQ_KEY_1_QUOTA_GROUP=work", EnvKey("groq", 1, "k", quota_group="work")),
        ("GROQ_API_KEY=k\nGROQ_KEY_PRIORITY=2", EnvKey("groq", 0, "k", 2)),
        ("GROQ_KEY_1_DAILY_LIMIT=\nGROQ_API_KEY_1=k", EnvKey("groq", 1, "k")),
    ],
)
def test_forms_of_names(env: WriteEnv, line: str, key: EnvKey) -> None:
    assert read(env(line)).keys == (key,)


@pytest.mark.parametrize("value", ["", "your_key_here", "your-api-key", "<key>", "sk-...", "xxxx", "changeme", "PLACEHOLDER"])
def test_placeholders_are_skipped_with_a_note_and_their_settings_with_them(env: WriteEnv, value: str) -> None:
    found = read(env(f"# mine\n\nGROQ_API_KEY_1={value}\nGROQ_KEY_1_PRIORITY=1\n"))
    assert found.keys == ()
    assert found.notes == (f".env:3: GROQ_API_KEY_1 is {'a placeholder' if value else 'empty'}: skipped",)


def test_a_copy_of_a_key_brings_no_quota_and_is_skipped(env: WriteEnv) -> None:
    found = read(env(f"GROQ_API_KEY_1={SECRET}\nGROQ_API_KEY_2={SECRET}\n"))
    assert [key.index for key in found.keys] == [1]
    assert found.notes == (".env:2: GROQ_API_KEY_2 is the same key as GROQ_API_KEY_1: skipped",)
    assert "s3cret" not in repr(found)


def test_keys_of_a_disabled_provider_are_kept_with_a_note(env: WriteEnv) -> None:
    found = read(env("GITHUB_API_KEY=k"))
    assert len(found.keys) == 1
    assert found.notes == (".env:1: GITHUB_API_KEY is kept, but github is disabled: GitHub Models was retired on 2026-07-30",)


def test_variables_of_others_are_left_alone(env: WriteEnv) -> None:
    found = read(env("PATH=/bin\nMODEL_POOL_API_KEY=x\nSSH_KEY_1_PATH=/x\nENCRYPTION_KEY=abc\nAPI_KEY=1\nDEBUG=\n"))
    assert (found.keys, found.notes) == ((), ())


@pytest.mark.parametrize(
    "name",
    [
        *("OPENAI_API_BASE", "OPENAI_BASE_URL", "OPENAI_API_TYPE", "OPENAI_MODEL", "AZURE_OPENAI_API_KEY", "OPENWEATHER_API_KEY"),
        *("HF_TOKEN", "HF_HOME", "GITHUB_TOKEN", "GITHUB_APP_KEY", "GOOGLE_APPLICATION_CREDENTIALS", "CLOUDFLARE_API_TOKEN"),
        *("STRIPE_API_KEY", "LANGCHAIN_API_KEY", "SSH_KEY_PRIORITY", "AWS_ACCESS_KEY_ID", "SECRET_KEY", "DECRYPTION_KEY"),
        *("MODEL_NAME", "POOL_SIZE", "REDIS_URL", "DATABASE_URL", "POSTGRES_PASSWORD", "TELEGRAM_TOKEN", "OLLAMA_HOST"),
    ],
)
def test_other_programs_variables_that_look_a_little_like_ours_are_left_alone(env: WriteEnv, name: str) -> None:
    found = read(env(f"{name}={SECRET}"))
    assert (found.keys, found.notes) == ((), ())


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("MODEL_POOL_HOEM", "MODEL_POOL_HOME"),
        ("MODELPOOL_REDIS_URL", "MODEL_POOL_REDIS_URL"),
        ("GROQ_APIKEY_2", "GROQ_API_KEY_2"),
        ("GROQ_API_KEY2", "GROQ_API_KEY_2"),
        ("groq_api_kye_2", "GROQ_API_KEY_2"),
        ("GROQ_API_KEYS", "GROQ_API_KEY"),
        ("GROQ_KEY", "GROQ_API_KEY"),
        ("HF_KEY_3", "HF_API_KEY_3"),
        ("GROQ_API_KEY_1_PRIORITY", "GROQ_KEY_1_PRIORITY"),
        ("GROQ_KEY1_DAILY_LIMIT", "GROQ_KEY_1_DAILY_LIMIT"),
        ("ENCRYTION_KEY", "ENCRYPTION_KEY"),
    ],
)
def test_a_slip_in_a_name_is_noted_with_the_one_that_was_meant(env: WriteEnv, name: str, meant: str) -> None:
    found = read(env(f"{KEY}\n{name}={SECRET}x"))
    assert [key.index for key in found.keys] == [1]
    assert found.notes == (f".env:3: {name}: is not read by anything; did you mean {meant}?",)
    assert "s3cret" not in repr(found)


def test_a_slip_is_told_among_the_mistakes_that_come_from_it(env: WriteEnv) -> None:
    assert mistakes_of(env(f"GROQ_APIKEY_1={SECRET}\nGROQ_KEY_1_PRIORITY=1")) == [
        ".env:1: GROQ_APIKEY_1: is not read by anything; did you mean GROQ_API_KEY_1?",
        ".env:2: GROQ_KEY_1_PRIORITY: belongs to a key that is not in the file; add GROQ_API_KEY_1, or take this out",
    ]


def test_a_numbered_key_of_an_unknown_provider_is_skipped_with_a_note(env: WriteEnv) -> None:
    found = read(env(f"TOGETHER_API_KEY_1={SECRET}"))
    assert found.keys == ()
    assert found.notes == (
        ".env:1: TOGETHER_API_KEY_1 is skipped: together is not in providers.yaml; a row there would bring it into use",
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            KEY + "GROQ_KEY_1_PRIORITY=abc",
            '2: GROQ_KEY_1_PRIORITY: "abc" is not a whole number of 1 or more; write e.g. 1, which is used before 2',
        ),
        (
            KEY + "GROQ_KEY_1_DAILY_LIMIT=0",
            '2: GROQ_KEY_1_DAILY_LIMIT: "0" is not a whole number of 1 or more; write e.g. 14400',
        ),
        (
            KEY + f"GROQ_KEY_1_DAILY_LIMIT={SECRET}",
            "2: GROQ_KEY_1_DAILY_LIMIT: the value is not a whole number of 1 or more; write e.g. 14400",
        ),
        (
            KEY + "GROQ_KEY_9_PRIORITY=1",
            "2: GROQ_KEY_9_PRIORITY: belongs to a key that is not in the file; add GROQ_API_KEY_9, or take this out",
        ),
        (
            KEY + "GROQ_KEY_1_QUOTA_GROUP=two words",
            "2: GROQ_KEY_1_QUOTA_GROUP: cannot be the name of a quota group; write e.g. groq-account-1",
        ),
        (
            KEY + "GROQ_KEY_1_PRIORTY=1",
            '2: GROQ_KEY_1_PRIORTY: ends in PRIORTY, which is no setting of a key; did you mean "PRIORITY"?',
        ),
        (
            f"GROK_API_KEY={SECRET}",
            '1: GROK_API_KEY: names the provider "grok", which is not in providers.yaml; did you mean "groq"?',
        ),
        (
            KEY + f"groq_api_key_01={SECRET}x",
            "2: groq_api_key_01: has the same provider and number as GROQ_API_KEY_1 (line 1); give each key a number of its own",
        ),
        (KEY + KEY, "2: GROQ_API_KEY_1: is set twice (first on line 1); keep one of the two"),
        (
            KEY + "GROQ_KEY_1_PRIORITY=1\ngroq_key_01_priority=2",
            "3: groq_key_01_priority: says what GROQ_KEY_1_PRIORITY (line 2) says; keep one of the two",
        ),
        (
            f'GROQ_API_KEY_1="{SECRET} {SECRET}"',
            "1: GROQ_API_KEY_1: holds blanks or other characters that no key has; copy the key again, on one line",
        ),
        (KEY + SECRET, "2: is not an assignment; write NAME=value, or # before a comment"),
        (KEY + f"\n# x\n=x {SECRET}", "4: is not an assignment; write NAME=value, or # before a comment"),
        (
            "TELEGRAM_BOT_TOKEN=1:s3cret",
            "1: TELEGRAM_BOT_TOKEN: is of no use without TELEGRAM_CHAT_ID; add TELEGRAM_CHAT_ID=…, or take this out",
        ),
        (
            "TELEGRAM_CHAT_ID=1",
            "1: TELEGRAM_CHAT_ID: is of no use without TELEGRAM_BOT_TOKEN; add TELEGRAM_BOT_TOKEN=…, or take this out",
        ),
        (
            "ALERT_EMAIL=a@b.example, s3cret",
            "1: ALERT_EMAIL: is not an e-mail address; write e.g. admin@platform.example, several with commas between",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line_and_no_secret(env: WriteEnv, content: str, sentence: str) -> None:
    assert mistakes_of(env(content)) == [f".env:{sentence}"]


def test_all_mistakes_are_told_at_once(env: WriteEnv) -> None:
    lines = ["GROQ_KEY_1_PRIORITY=high", KEY, "MISTRALL_API_KEY=k", "GROQ_KEY_2_PRIORITY=1"]
    assert [line.split(" ")[0] for line in mistakes_of(env("\n".join(lines)))] == [".env:1:", ".env:4:", ".env:5:"]


def test_a_file_that_cannot_be_read(tmp_path: Path, env: WriteEnv) -> None:
    assert mistakes_of(env("").with_name("none.env")) == [
        "none.env: cannot be read (No such file or directory); check the path and its rights"
    ]
    (tmp_path / ".env").write_bytes(b"A=\xff")
    assert mistakes_of(Path(".env")) == [".env: is not UTF-8 text (byte 2); save it as UTF-8"]


def test_a_file_of_the_working_folder_fills_addresses(env: WriteEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLOUDFLARE_ACCOUNT_ID", raising=False)
    env("CLOUDFLARE_ACCOUNT_ID=from-file\n")
    address = load_registry(shipped_config_dir()).providers["cloudflare"].base_url
    assert address == "https://api.cloudflare.com/client/v4/accounts/from-file/ai/v1"
    monkeypatch.setenv("CLOUDFLARE_ACCOUNT_ID", "from-environment")
    address = load_registry(shipped_config_dir()).providers["cloudflare"].base_url
    assert address == "https://api.cloudflare.com/client/v4/accounts/from-environment/ai/v1"
