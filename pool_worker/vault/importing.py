"""Brings one key of a file into the vault, without undoing what a person did to it since the last import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from pool_worker.registry import Key
from pool_worker.vault.facts import check_facts, check_provider
from pool_worker.vault.sealing import Sealer, checked
from pool_worker.vault.shelf import Change, KeyColumns, Shelf, as_key


class KeyEntry(Protocol):
    """A key as a file gives it, such as `pool_worker.config.EnvKey`."""

    @property
    def provider(self) -> str:
        """Its provider's id."""

    @property
    def index(self) -> int:
        """Its number in the file; 0: it has none."""

    @property
    def secret(self) -> str:
        """The key itself."""

    @property
    def priority(self) -> int:
        """1 is used before 2."""

    @property
    def daily_limit(self) -> int | None:
        """In the provider's `daily_unit`."""

    @property
    def quota_group(self) -> str:
        """Empty: a group of its own."""


@dataclass(frozen=True, slots=True)
class Imported:
    """A key of a file and what its import did; `REVOKED`: it had been revoked and stays so."""

    key: Key
    change: Change
    same: tuple[str, ...] = ()
    """Of a secret that is new: the ids of other providers' keys that have it too."""


def import_entry(shelf: Shelf, sealer: Sealer, entry: KeyEntry) -> Imported:
    """One key of a file: added, changed or left alone.

    The row's metadata keep the place in the file and the fingerprint of what stood there, so that a change in the file and a
    change by a person can be told apart.

    Raises:
        ConfigurationError: if a value is wrong.
    """
    check_provider(entry.provider)
    facts = {"priority": entry.priority, "quota_group": entry.quota_group, "daily_limit": entry.daily_limit}
    check_facts(facts)
    secret = checked(entry.secret, of=f"{entry.provider} (number {entry.index} in the file)" if entry.index else entry.provider)
    fingerprint = sealer.fingerprint(entry.provider, secret)
    place = {"file_index": entry.index, "file_fingerprint": fingerprint}

    same_secret = shelf.with_fingerprint(fingerprint)
    same_place = shelf.from_file(entry.provider, entry.index)
    if same_secret is None and same_place is not None and same_place["metadata"]["file_fingerprint"] == fingerprint:
        same_secret = same_place  # a person has rotated it since
    if same_secret is not None:
        return _known(shelf, same_secret, facts, place)
    same = tuple(row["key_id"] for row in shelf.rows() if sealer.is_secret_of(row, secret))
    columns = {**facts, **sealer.columns(entry.provider, secret)}
    if same_place is not None:
        metadata = {**same_place["metadata"], **place}
        row = shelf.change(
            same_place,
            Change.ROTATED,
            detail="changed in the file",
            is_active=True,
            last_rotated=shelf.at,
            metadata=metadata,
            **columns,
        )
        return Imported(as_key(row), Change.ROTATED, same)
    row = shelf.put({"key_id": _id_for(shelf, entry), "provider": entry.provider, "metadata": place, **columns})
    return Imported(as_key(row), Change.ADDED, same)


def _known(shelf: Shelf, row: KeyColumns, facts: dict[str, Any], place: dict[str, Any]) -> Imported:
    if not row["is_active"]:
        return Imported(as_key(row), Change.REVOKED)
    after = shelf.update_facts(row, {**facts, "metadata": {**row["metadata"], **place}})
    return Imported(as_key(after), Change.UNCHANGED if after is row else Change.UPDATED)


def _id_for(shelf: Shelf, entry: KeyEntry) -> str:
    numbered = f"{entry.provider}#{entry.index}"
    return numbered if entry.index and not shelf.has(numbered) else shelf.free_id(entry.provider)
