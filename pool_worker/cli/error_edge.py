"""What becomes of an exception that no command caught: one readable message, and an exit code."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import typer
from rich.text import Text
from typer.exceptions import TyperException

from pool_worker.cli.main import COMMANDS
from pool_worker.cli.terminal import CommandError, as_typed, err
from pool_worker.cli.withholding import HOW_A_KEY_IS_GIVEN, withhold

WRONG_USE = 2
FAILED = 1

EXIT_CODES = {
    "pool_client.errors.ConfigurationError": WRONG_USE,
    "pool_client.errors.InvalidRequestError": WRONG_USE,
    "pool_client.errors.PoolError": FAILED,
    "pool_worker.embedded_redis.NoRedisServerError": FAILED,
    "redis.exceptions.RedisError": FAILED,
    "sqlalchemy.exc.OperationalError": FAILED,
    "builtins.OSError": FAILED,
}
"""Errors whose message is meant for people. By name, so that complaining does not cost importing them all."""


def report(error: Exception) -> int:
    """Print what went wrong. Returns the exit code."""
    if isinstance(error, CommandError):
        _print(str(error))
        return error.exit_code
    if isinstance(error, TyperException):
        return _report_misuse(error)
    if isinstance(error, typer.Abort):
        _print("left off")
        return FAILED
    for kind in type(error).__mro__:
        code = EXIT_CODES.get(f"{kind.__module__}.{kind.__qualname__}")
        if code is not None:
            _print(_sentence(error))
            return code
    place = _write_traceback(error)
    _print(f"an error that should not happen: {type(error).__name__}. Its traceback is in {place}; please report it.")
    return FAILED


def _report_misuse(error: TyperException) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":  # its help is on the screen
        return error.exit_code
    misuse = import_module("pool_worker.cli.misuse")
    _print(misuse.misuse_words(error))
    if help_command := misuse.where_help_is(error):
        err.print(Text(f"how it is called: {help_command}", style="dim"))
    return error.exit_code


def _print(message: str) -> None:
    """Print it; where a key may have been written on the command line, without repeating that."""
    command = next((word for word in sys.argv[1:] if word in COMMANDS), "keys")
    shown = withhold(message, sys.argv[1:]) if command == "keys" else message
    err.print(Text(shown, style="red"))
    if shown != message:
        err.print(Text(HOW_A_KEY_IS_GIVEN, style="red"))


def _sentence(error: Exception) -> str:
    if type(error).__module__ == "sqlalchemy.exc":
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        return (
            f"the ledger's database cannot be used: {reason}. Check MODEL_POOL_DATABASE_URL; `{as_typed('doctor')}` looks closer"
        )
    if type(error).__module__ == "redis.exceptions":
        return f"Redis cannot be used: {str(error).rstrip('.')}. `{as_typed('doctor')}` looks closer"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error).rstrip(".")


def _write_traceback(error: Exception) -> Path:
    """Append the traceback to a file in the home folder, else in the folder for temporary files."""
    home = Path(os.environ.get("MODEL_POOL_HOME") or Path.home() / ".model-pool").expanduser()
    if os.access(home, os.W_OK):
        path = home / "errors.log"
        path.touch(mode=0o600)
    else:
        path = Path(tempfile.mkstemp(prefix="model-pool-error-", suffix=".log")[1])
    command = " ".join(sys.argv[1:2])
    with path.open("a", encoding="utf-8") as log:
        log.write(f"\n{datetime.now(UTC).isoformat()} model-pool {command}\n")
        log.writelines(traceback.format_exception(error))
    return path
