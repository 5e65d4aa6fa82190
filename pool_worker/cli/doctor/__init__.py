"""`model-pool doctor`: checks everything and says how to mend it. It changes nothing and makes nothing.

Only that it has read the keys, to try them, is written down in the vault's record, as for everybody who reads them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import redis
import typer
from sqlalchemy.exc import SQLAlchemyError

from pool_client.errors import ConfigurationError
from pool_client.redis_connection import connect
from pool_worker.cli.doctor.alerts import check_alerts
from pool_worker.cli.doctor.configuration import check_variables, read_configuration, read_env_file
from pool_worker.cli.doctor.database import check_database, existing_database, is_migrated
from pool_worker.cli.doctor.finding import Finding, State, failure, warning
from pool_worker.cli.doctor.keys import check_keys, open_secrets
from pool_worker.cli.doctor.machine import check_home, check_python
from pool_worker.cli.doctor.providers import check_providers, trials_of
from pool_worker.cli.doctor.redis_server import check_redis
from pool_worker.cli.doctor.work import check_work
from pool_worker.cli.json_output import print_json_list
from pool_worker.cli.plan import ENV_FILE
from pool_worker.cli.running import connected_settings
from pool_worker.cli.status.beat import beat_is_starting
from pool_worker.cli.terminal import as_typed, out
from pool_worker.config import EnvKey
from pool_worker.embedded_redis import NoRedisServerError, server_program
from pool_worker.registry import Registry
from pool_worker.settings import Settings

SIGNS = {State.OK: ("✓", "green"), State.WARNING: ("!", "yellow"), State.FAILURE: ("✗", "red")}


def doctor(*, as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Check everything, and say how to mend what is wrong. Exit code 1 if something does not work; nothing is changed."""
    found = []
    for finding in examine():
        found.append(finding)
        if not as_json:
            _print(finding)
    if as_json:
        print_json_list(asdict(finding) for finding in found)
    if any(finding.state is State.FAILURE for finding in found):
        raise typer.Exit(1)


def examine() -> Iterator[Finding]:
    """Every check, in an order in which mending makes sense."""
    yield from check_python()
    yield from check_variables()
    try:
        configured = Settings()
        settings = connected_settings(configured)
    except ConfigurationError as error:
        for sentence in str(error).splitlines():
            what, _, right = sentence.rpartition("; ")
            yield failure("settings", what or right, right if what else "correct it")
        return
    yield from check_home(settings.home)
    registry, findings = read_configuration(settings)
    yield from findings
    env_keys: Sequence[EnvKey] = ()
    if registry is not None:
        env_keys, findings = read_env_file(ENV_FILE, registry)
        yield from findings
        yield from check_alerts(registry.rules.alerts)
    nothing_runs = configured.redis_url is None and settings.home == configured.home and not _answers(settings)
    if nothing_runs:
        yield _embedded()
    else:
        yield from _redis(settings, registry)
    yield from _database(settings, registry, env_keys=env_keys)


def _answers(settings: Settings) -> bool:
    with connect(str(settings.redis_url)) as client:
        try:
            return bool(client.ping())
        except (redis.RedisError, OSError):
            return False


def _embedded() -> Finding:
    try:
        program = server_program()
    except NoRedisServerError as error:
        return failure("redis", "none runs here, and there is no server program", str(error).partition(": ")[2])
    mend = f"{as_typed('up')} starts it, or name one with --redis"
    return warning("redis", f"none runs here; {program.name} is there to be embedded", mend)


def _redis(settings: Settings, registry: Registry | None) -> Iterator[Finding]:
    url = str(settings.redis_url)
    with connect(url) as client:
        findings = list(check_redis(client, url))
        yield from findings
        if len(findings) > 1 and registry is not None:
            starts = beat_is_starting(settings.home, now=datetime.now(UTC))
            yield from check_work(client, registry, beat_starts=starts)


def _database(settings: Settings, registry: Registry | None, *, env_keys: Sequence[EnvKey]) -> Iterator[Finding]:
    """The database, the keys in it and beside it, and the providers that they are for."""
    with existing_database(settings.ledger_url) as engine:
        yield from check_database(engine, settings.ledger_url)
        if registry is None:
            return
        vault = engine if engine is not None and is_migrated(engine) else None
        yield from check_keys(vault, settings, registry, env_keys=env_keys)
        try:
            secrets = open_secrets(vault, settings, registry)
        except SQLAlchemyError as error:
            text = f"the keys of the vault were not tried: {type(error).__name__} where their reading is recorded"
            yield warning("providers", text, "see the database")
            secrets = {}
    is_rehearsal = settings.profile is not None  # simulated providers: no real key goes there
    yield from check_providers(trials_of(secrets, () if is_rehearsal else env_keys, registry))


def _print(finding: Finding) -> None:
    sign, colour = SIGNS[finding.state]
    out.print(f"[{colour}]{sign}[/] [bold]{finding.check:<15}[/] ", end="")
    out.print(finding.text, markup=False)
    if finding.mend:
        out.print(f"  {'':<15} → {finding.mend}", markup=False)
