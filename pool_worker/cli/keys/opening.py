"""Opening the vault from a command line, and the words by which a key is named there."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from pool_worker.cli.terminal import CommandError, err
from pool_worker.config import load_registry
from pool_worker.ledger.database import open_database
from pool_worker.ledger.schema import migrate
from pool_worker.registry import Registry
from pool_worker.settings import Settings
from pool_worker.vault import Vault, master_keys

KeyArgument = Annotated[str, typer.Argument(metavar="ID", help="As `keys list` shows it: groq#2, or in two words: groq 2")]
NumberArgument = Annotated[int | None, typer.Argument(metavar="[NUMBER]", min=1, help="Where ID is a provider.")]

PRIORITY_HELP = "1 is used before 2."
GROUP_HELP = "The account whose limits it shares."
LIMIT_HELP = "In the provider's daily unit."
BUDGET_HELP = "What calls with it may cost a day."
NONE = "none"
"""In place of a limit or a budget that a key has: it is taken away."""


@contextmanager
def open_vault(settings: Settings) -> Iterator[Vault]:
    """The vault of a home or a database; it gets its tables if it has none.

    Raises:
        ConfigurationError: if the master key is wrong.
    """
    if settings.profile is not None:
        err.print(f"these are the simulated keys of {settings.home}, and none of your own", style="dim", markup=False)
    engine = open_database(settings.ledger_url)
    try:
        migrate(engine)
        yield Vault(engine, master_keys(settings))
    finally:
        engine.dispose()


def configuration(settings: Settings) -> Registry:
    """The configuration, without keys.

    Raises:
        ConfigError: naming every mistake.
    """
    return load_registry(settings.config_dir, profile=settings.profile, simulator_url=settings.simulator_url)


def key_id(word: str, number: int | None) -> str:
    """`groq#2`, from that or from `groq 2`.

    Raises:
        CommandError: if it is neither.
    """
    provider, sign, rest = word.partition("#")
    if number is None and sign and rest.isdecimal():
        return word
    if number is not None and not sign:
        return f"{provider}#{number}"
    msg = f'"{word}" names no key: write e.g. groq#2, or groq 2; `keys list` shows them'
    raise CommandError(msg, exit_code=2)


def ask_for_secret(of_whom: str) -> str:
    """A secret from a hidden prompt, or from stdin."""
    return str(typer.prompt(f"Key for {of_whom}", hide_input=True)) if sys.stdin.isatty() else sys.stdin.read()


def same_secret(key_id: str, others: Iterable[str]) -> str:
    """The warning that other providers' keys have the same secret."""
    return f"{key_id} has the same secret as {', '.join(others)}, another provider's key: is it the right one?"


def daily_units(text: str | None) -> int | None:
    """What `--daily-limit` says.

    Raises:
        CommandError: if it is no whole number.
    """
    if text is None or (text.isdecimal() and int(text)):
        return None if text is None else int(text)
    msg = f'--daily-limit: "{text}" is no whole number of 1 or more; write e.g. 500, or {NONE} to take it away'
    raise CommandError(msg, exit_code=2)


def amount_usd(text: str | None) -> Decimal | None:
    """What `--daily-budget` says.

    Raises:
        CommandError: if it is no amount.
    """
    if text is None:
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        msg = f'--daily-budget: "{text}" is no amount of USD; write e.g. 2.50'
        raise CommandError(msg, exit_code=2) from None
