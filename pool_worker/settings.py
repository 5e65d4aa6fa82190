"""How one process is set up: environment variables with the prefix `MODEL_POOL_`, and `ENCRYPTION_KEY`.

They are also read from a file `.env` in the working folder; the environment itself wins.

What the pool is to do (providers, models, agents) is not here but in `configs/`, read by `pool_worker.config`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from pool_client.errors import ConfigurationError
from pool_client.redis_connection import DEFAULT_URL
from pool_worker.redis_url import connection_arguments, known_options, unknown_options

PREFIX = "MODEL_POOL_"
_NEARLY = 0.85
"""How alike two names are that are one and the same with a slip of the hand; see `difflib.SequenceMatcher.ratio`."""
_PACKAGE = Path(__file__).parent


def shipped_config_dir() -> Path:
    """The configuration that comes with the package: inside a wheel, or beside the package in a checkout."""
    packaged = _PACKAGE / "default_configs"
    return packaged if packaged.is_dir() else _PACKAGE.parent / "configs"


def default_config_dir() -> Path:
    """`./configs` where there is one, else the shipped configuration."""
    here = Path("configs")
    return here.absolute() if here.is_dir() else shipped_config_dir()


def _existing_dir(path: Path) -> Path:
    if not path.is_dir():
        msg = "is not a folder"
        raise ValueError(msg)
    return path


def _with_scheme(*schemes: str) -> AfterValidator:
    def check(url: str) -> str:
        if _scheme(url) not in schemes:
            msg = f"does not begin with {' or '.join(f'{scheme}://' for scheme in schemes)}"
            raise ValueError(msg)
        return url

    return AfterValidator(check)


def _scheme(url: str) -> str:
    return url.partition("://")[0]


def _name_psycopg(url: str) -> str:
    """PostgreSQL is spoken through psycopg 3, whatever the short forms of the URL would choose."""
    for short in ("postgres://", "postgresql://"):
        if url.startswith(short):
            return "postgresql+psycopg://" + url.removeprefix(short)
    return url


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


AbsolutePath = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]
RedisUrl = Annotated[str, _with_scheme("redis", "rediss", "unix")]
DatabaseUrl = Annotated[str, AfterValidator(_name_psycopg), _with_scheme("sqlite", "postgresql+psycopg")]
HttpUrl = Annotated[str, _with_scheme("http", "https"), AfterValidator(lambda url: url.rstrip("/"))]

_RIGHT = {
    "redis_url": "write e.g. redis://localhost:6379/0, or leave it out to use the embedded Redis",
    "database_url": "write e.g. postgresql+psycopg://user@host/model_pool, or leave it out to use SQLite in the home folder",
    "config_dir": "name a folder with providers.yaml, models.yaml, agents.yaml and pool.yaml",
    "home": "name a folder for the embedded data, e.g. ~/.model-pool",
    "visibility_s": "write seconds, 1 or more, e.g. 45",
    "drain_s": "write seconds, 0 or more, e.g. 25",
    "concurrency": "write a whole number from 1 to 10000, e.g. 200",
    "simulator_url": "write e.g. http://127.0.0.1:8900",
    "profile": "write the name of a file in configs/profiles without .yaml, e.g. thirty-two-keys",
    "log_format": "write text or json",
    "metrics_port": "write a port from 1 to 65000, e.g. 9610, or leave it out for no metrics",
    "metrics_host": "write an address of this machine, e.g. 127.0.0.1, or 0.0.0.0 for all",
    "traces": "write true or false",
    "trace_content": "write true or false",
    "log_level": "write debug, info, warning or error",
    "encryption_key": "write one or more Fernet keys, separated by commas, the newest first",
}


class Settings(BaseSettings):
    """What the environment says; keyword arguments (of a command line) win over it.

    Raises:
        ConfigurationError: naming every wrong variable, its value and what would be right.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True, populate_by_name=True
    )

    redis_url: RedisUrl | None = Field(default=None, repr=False)
    """None: the embedded Redis."""
    database_url: DatabaseUrl | None = Field(default=None, repr=False)
    """None: SQLite in `home`; see `ledger_url`."""
    config_dir: Annotated[AbsolutePath, AfterValidator(_existing_dir)] = Field(default_factory=default_config_dir)
    home: AbsolutePath = Field(default_factory=lambda: Path.home() / ".model-pool")
    """Where the embedded Redis, SQLite and the vault keep their data."""
    visibility_s: Annotated[float, Field(ge=1, le=86_400)] = 45.0
    """How long a message stays with a silent worker before another gets it."""
    drain_s: Annotated[float, Field(ge=0, le=86_400)] = 25.0
    """How long a leaving worker waits for its jobs in flight."""
    concurrency: Annotated[int, Field(ge=1, le=10_000)] = 200
    """Jobs in flight per worker process."""
    simulator_url: HttpUrl | None = None
    """Calls go to this simulator instead of to the providers."""
    profile: Annotated[str, Field(pattern=r"^[\w-]+$")] | None = None
    """A file of `configs/profiles` that overrides the configuration."""
    metrics_port: Annotated[int, Field(ge=1, le=65_000)] | None = None
    """Where Prometheus reads this process's figures; None: nowhere. `up` gives the ports from there on to its parts."""
    metrics_host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    traces: bool = False
    """Whether spans of jobs and calls go to an OpenTelemetry collector; see `pool_worker.tracing`."""
    trace_content: bool = False
    """Whether prompts and answers are in them."""
    log_format: Annotated[Literal["text", "json"], BeforeValidator(_lower)] = "text"
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = "info"
    encryption_key: SecretStr | None = Field(default=None, validation_alias="ENCRYPTION_KEY")
    """The vault's master keys, comma-separated, the newest first."""

    def __init__(self, **values: Any) -> None:
        for name in values:
            if name not in _RIGHT and not name.startswith("_"):
                msg = f"{name} is not a setting; there are {', '.join(_RIGHT)}"
                raise ConfigurationError(msg)
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigurationError(_readable(error)) from None
        except UnicodeDecodeError:
            msg = ".env is not UTF-8 text; save it as UTF-8"
            raise ConfigurationError(msg) from None

    @property
    def broker_url(self) -> str:
        """The Redis of workers, beat and Flower: the configured one, else that of this machine.

        Raises:
            ConfigurationError: for options of the URL that are not the URL's to set, or a URL that cannot be read.
        """
        url = self.redis_url or DEFAULT_URL
        if options := ", ".join(unknown_options(url)):
            right = f"with {_scheme(url)} there are {', '.join(known_options(url))}"
            msg = f"MODEL_POOL_REDIS_URL: workers cannot use options in the URL ({options}); {right}"
            raise ConfigurationError(msg)
        try:
            connection_arguments(url)
        except ValueError:  # its words may quote the password
            msg = f"MODEL_POOL_REDIS_URL: {_shown('redis_url', url)} is wrong; {_RIGHT['redis_url']}"
            raise ConfigurationError(msg) from None
        return url

    @property
    def ledger_url(self) -> str:
        """SQLAlchemy URL of the ledger: the configured one, else SQLite in `home`."""
        return self.database_url or f"sqlite:///{self.home / 'ledger.db'}"


def misspelt_variables(environ: Mapping[str, str]) -> list[str]:
    """A sentence for each variable that no setting reads but whose name is nearly that of one."""
    near = ((name, nearest_variable(name)) for name in sorted(environ))
    return [f"{name} is not read by anything; did you mean {meant}?" for name, meant in near if meant]


def nearest_variable(name: str) -> str | None:
    """The variable of a setting whose name this one nearly is; None if it is one, or is like none."""
    known = [PREFIX + field.upper() for field in Settings.model_fields if field != "encryption_key"]
    near = difflib.get_close_matches(name.upper(), known, n=1, cutoff=_NEARLY)
    return None if name.upper() in known or not near else near[0]


def _readable(error: ValidationError) -> str:
    return "\n".join(_sentence(detail) for detail in error.errors(include_url=False, include_context=False))


def _sentence(detail: ErrorDetails) -> str:
    field = str(detail["loc"][0]).lower()
    name = "ENCRYPTION_KEY" if field == "encryption_key" else PREFIX + field.upper()
    problem = detail["msg"].removeprefix("Value error, ") if detail["type"] == "value_error" else "is wrong"
    return f"{name}: {_shown(field, detail['input'])} {problem}; {_RIGHT[field]}"


def _shown(field: str, value: object) -> str:
    """The value as it may be printed: no master key, nothing of a URL in which a password can stand."""
    if field == "encryption_key":
        return "the value"
    return '"' + re.sub(r"//.*@|\?.*", lambda part: "//***@" if part[0].endswith("@") else "?***", str(value)) + '"'
