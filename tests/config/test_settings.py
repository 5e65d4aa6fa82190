"""Settings from the environment, and the sentences for wrong ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pool_client.errors import ConfigurationError
from pool_worker.settings import Settings, misspelt_variables, shipped_config_dir


@pytest.fixture(autouse=True)
def empty_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [*os.environ]:
        if name.startswith("MODEL_POOL_") or name == "ENCRYPTION_KEY":
            monkeypatch.delenv(name)


def test_defaults() -> None:
    settings = Settings()
    assert (settings.redis_url, settings.database_url, settings.simulator_url, settings.profile) == (None, None, None, None)
    assert (settings.visibility_s, settings.drain_s, settings.concurrency) == (45.0, 25.0, 200)
    assert settings.home == Path.home() / ".model-pool"
    assert settings.ledger_url == f"sqlite:///{Path.home()}/.model-pool/ledger.db"
    assert settings.config_dir == shipped_config_dir()
    assert settings.encryption_key is None


def test_configs_of_the_working_folder_come_before_the_shipped_ones(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    assert Settings().config_dir == tmp_path / "configs"


def test_the_environment_wins_over_env_and_arguments_over_both(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text(
        "MODEL_POOL_DRAIN_S=1\nMODEL_POOL_VISIBILITY_S=2\nENCRYPTION_KEY=file\nGROQ_API_KEY=x\n", encoding="utf-8"
    )
    monkeypatch.setenv("MODEL_POOL_DRAIN_S", "10")
    monkeypatch.setenv("MODEL_POOL_CONCURRENCY", "10")
    monkeypatch.setenv("MODEL_POOL_REDIS_URL", "")
    settings = Settings(concurrency=99)
    assert (settings.drain_s, settings.visibility_s, settings.concurrency, settings.redis_url) == (10, 2, 99, None)
    assert settings.encryption_key is not None
    assert settings.encryption_key.get_secret_value() == "file"


def test_values_are_brought_into_one_form() -> None:
    settings = Settings(
        home="~/x", simulator_url="http://127.0.0.1:1/", database_url="postgres://me@h/d", log_format="JSON", log_level="WARNING"
    )
    assert settings.home == Path.home() / "x"
    assert settings.simulator_url == "http://127.0.0.1:1"
    assert settings.ledger_url == settings.database_url == "postgresql+psycopg://me@h/d"
    assert (settings.log_format, settings.log_level) == ("json", "warning")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        (
            "MODEL_POOL_REDIS_URL",
            "localhost:6379",
            (
                '"localhost:6379" does not begin with redis:// or rediss:// or unix://; '
                "write e.g. redis://localhost:6379/0, or leave it out to use the embedded Redis"
            ),
        ),
        (
            "MODEL_POOL_DATABASE_URL",
            "mysql://me:s3cret/@h/d?password=s3cret",
            (
                '"mysql://***@h/d?***" does not begin with sqlite:// or postgresql+psycopg://; '
                "write e.g. postgresql+psycopg://user@host/model_pool, or leave it out to use SQLite in the home folder"
            ),
        ),
        ("MODEL_POOL_VISIBILITY_S", "soon", '"soon" is wrong; write seconds, 1 or more, e.g. 45'),
        ("MODEL_POOL_VISIBILITY_S", "0.5", '"0.5" is wrong; write seconds, 1 or more, e.g. 45'),
        ("MODEL_POOL_DRAIN_S", "-1", '"-1" is wrong; write seconds, 0 or more, e.g. 25'),
        ("MODEL_POOL_CONCURRENCY", "2.5", '"2.5" is wrong; write a whole number from 1 to 10000, e.g. 200'),
        (
            "MODEL_POOL_CONFIG_DIR",
            "/none",
            '"/none" is not a folder; name a folder with providers.yaml, models.yaml, agents.yaml and pool.yaml',
        ),
        (
            "MODEL_POOL_SIMULATOR_URL",
            "127.0.0.1",
            '"127.0.0.1" does not begin with http:// or https://; write e.g. http://127.0.0.1:8900',
        ),
        (
            "MODEL_POOL_METRICS_PORT",
            "65535",
            '"65535" is wrong; write a port from 1 to 65000, e.g. 9610, or leave it out for no metrics',
        ),
        ("MODEL_POOL_TRACES", "some", '"some" is wrong; write true or false'),
        ("MODEL_POOL_LOG_FORMAT", "xml", '"xml" is wrong; write text or json'),
        (
            "MODEL_POOL_PROFILE",
            "../x",
            '"../x" is wrong; write the name of a file in configs/profiles without .yaml, e.g. thirty-two-keys',
        ),
    ],
)
def test_a_wrong_value(monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        Settings()
    assert str(caught.value) == f"{name}: {sentence}"


def test_all_wrong_values_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings(drain_s="x", concurrency=0, encryption_key=["s3cret"])
    assert str(caught.value).splitlines() == [
        'MODEL_POOL_DRAIN_S: "x" is wrong; write seconds, 0 or more, e.g. 25',
        'MODEL_POOL_CONCURRENCY: "0" is wrong; write a whole number from 1 to 10000, e.g. 200',
        "ENCRYPTION_KEY: the value is wrong; write one or more Fernet keys, separated by commas, the newest first",
    ]


def test_no_such_setting() -> None:
    with pytest.raises(ConfigurationError, match="redis_ulr is not a setting; there are redis_url, "):
        Settings(redis_ulr="redis://x")


def test_an_env_file_that_is_no_text() -> None:
    Path(".env").write_bytes(b"A=\xff")
    with pytest.raises(ConfigurationError, match="UTF-8"):
        Settings()


def test_secrets_are_not_shown() -> None:
    shown = repr(Settings(redis_url="redis://:s3cret@h/0", database_url="postgresql://me:s3cret@h/d", encryption_key="s3cret"))
    assert "s3cret" not in shown


def test_misspelt_variables_are_pointed_out() -> None:
    environ = {"MODEL_POOL_REDIS_ULR": "x", "MODEL_POOL_HOME": "y", "MODEL_POOL_FAILPOINT": "z", "PATH": "/bin"}
    assert misspelt_variables(environ) == ["MODEL_POOL_REDIS_ULR is not read by anything; did you mean MODEL_POOL_REDIS_URL?"]
