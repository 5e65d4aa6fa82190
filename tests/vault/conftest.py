"""A vault on each database, at a time of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Engine

from pool_worker.vault import Vault

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def master_key() -> str:
    return Fernet.generate_key().decode()


@pytest.fixture
def open_vault(engine: Engine) -> Callable[..., Vault]:
    def open_it(*master_keys: str) -> Vault:
        return Vault(engine, master_keys, actor="ann", now=lambda: NOON)

    return open_it


@pytest.fixture
def vault(open_vault: Callable[..., Vault], master_key: str) -> Vault:
    return open_vault(master_key)
