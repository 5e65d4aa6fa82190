"""The API keys, encrypted at rest; who may open them holds a master key, and every opening is on record."""

from __future__ import annotations

from pool_worker.vault.auditing import Audit
from pool_worker.vault.importing import Imported, KeyEntry
from pool_worker.vault.master_keys import master_keys
from pool_worker.vault.sealing import Secret, master_key_id
from pool_worker.vault.shelf import Change
from pool_worker.vault.store import Vault

__all__ = ["Audit", "Change", "Imported", "KeyEntry", "Secret", "Vault", "master_key_id", "master_keys"]
