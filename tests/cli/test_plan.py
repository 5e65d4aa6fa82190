from __future__ import annotations

from pathlib import Path

import pytest

from pool_client.errors import ConfigurationError
from pool_worker.cli.plan import make_plan
from pool_worker.settings import Settings


def _configured(home: Path) -> Settings:
    return Settings(
        home=home,
        redis_url="redis://real/0",
        database_url="postgresql+psycopg://real/books",
        simulator_url="http://real",
        _env_file=None,
    )


def test_a_real_run_is_as_configured(tmp_path: Path) -> None:
    settings = _configured(tmp_path)
    assert make_plan(settings, workers=3).settings == settings


def test_simulated_and_real_data_never_mix(tmp_path: Path) -> None:
    plan = make_plan(_configured(tmp_path), simulate="thirty-two-keys")
    home = tmp_path / "simulate-thirty-two-keys"
    assert (plan.settings.home, plan.settings.profile) == (home, "thirty-two-keys")
    assert plan.settings.redis_url is None
    assert plan.settings.simulator_url is None
    assert plan.settings.ledger_url == f"sqlite:///{home}/ledger.db"
    assert "free.github" in plan.registry.queues()


def test_a_redis_named_on_the_command_line_is_used_for_a_simulation_too(tmp_path: Path) -> None:
    plan = make_plan(_configured(tmp_path), simulate="thirty-two-keys", keep_redis=True)
    assert plan.settings.redis_url == "redis://real/0"


def test_an_unknown_profile_is_answered_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="thirty-two-keys"):
        make_plan(_configured(tmp_path), simulate="thirty-three-keys")
