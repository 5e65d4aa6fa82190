"""The keys' rows inside one transaction: found by id, secret or place in a file; every change of one is recorded with it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, insert, select, update

from pool_client.errors import ConfigurationError
from pool_worker.ledger.tables import api_keys, key_audit
from pool_worker.registry import Key

KeyColumns = dict[str, Any]
"""One row of `api_keys`, by column."""


class Change(StrEnum):
    """What was done to a key, or with it."""

    ADDED = "added"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    ROTATED = "rotated"
    """It has a new secret under its old id."""
    REVOKED = "revoked"
    RESTORED = "restored"
    """It was revoked, and a person added the same secret again."""
    READ = "read"
    RENEWED = "renewed"
    """Its secret was encrypted again, with the newest master key."""


class Shelf:
    """All keys, as of the beginning of the transaction and as changed since."""

    def __init__(self, connection: Connection, *, actor: str, at: datetime) -> None:
        self.connection = connection
        self._actor = actor
        self.at = at
        self._rows: dict[str, KeyColumns] = {}
        self._ids_by_fingerprint: dict[str, str] = {}
        self._ids_by_place: dict[tuple[str, int], str] = {}
        for row in connection.execute(select(api_keys)).mappings():
            self._remember(dict(row))

    def rows(self) -> list[KeyColumns]:
        """Every key, by provider and number."""
        return sorted(self._rows.values(), key=lambda row: (row["provider"], number_of(row["key_id"])))

    def row(self, key_id: str) -> KeyColumns:
        """The key of this id.

        Raises:
            ConfigurationError: if there is none; the message names those that there are.
        """
        if key_id not in self._rows:
            provider = key_id.partition("#")[0]
            of_provider = [row["key_id"] for row in self.rows() if row["provider"] == provider]
            there = f"{provider} has {', '.join(of_provider[:20])}" if of_provider else f"{provider} has no key"
            msg = f"there is no key {key_id[:80]}: {there}"
            raise ConfigurationError(msg)
        return self._rows[key_id]

    def with_fingerprint(self, fingerprint: str) -> KeyColumns | None:
        """The key that has this secret, or had it when it was revoked."""
        key_id = self._ids_by_fingerprint.get(fingerprint)
        return None if key_id is None else self._rows[key_id]

    def from_file(self, provider: str, index: int) -> KeyColumns | None:
        """The key that was imported from this place in a file."""
        key_id = self._ids_by_place.get((provider, index))
        return None if key_id is None else self._rows[key_id]

    def has(self, key_id: str) -> bool:
        """Whether the id is taken, by a revoked key too."""
        return key_id in self._rows

    def free_id(self, provider: str) -> str:
        """The lowest free id; that of a revoked key is not free, for the books name it."""
        number = 1
        while f"{provider}#{number}" in self._rows:
            number += 1
        return f"{provider}#{number}"

    def put(self, row: KeyColumns) -> KeyColumns:
        """A new key."""
        complete = {"daily_budget_usd": None, **row, "is_active": True, "created_at": self.at, "last_rotated": None}
        self.connection.execute(insert(api_keys), complete)
        self.record(Change.ADDED, row["key_id"])
        return self._remember(complete)

    def change(self, row: KeyColumns, change: Change, *, detail: str = "", **values: Any) -> KeyColumns:
        """The same key with other values."""
        self.connection.execute(update(api_keys).where(api_keys.c.key_id == row["key_id"]).values(**values))
        self.record(change, row["key_id"], detail=detail)
        self._forget(row)
        return self._remember({**row, **values})

    def update_facts(self, row: KeyColumns, facts: KeyColumns) -> KeyColumns:
        """Take over what differs; the record names it."""
        changed = {name: value for name, value in facts.items() if row[name] != value}
        if not changed:
            return row
        named = ", ".join(f"{name} {'none' if value is None else value}" for name, value in changed.items() if name != "metadata")
        return self.change(row, Change.UPDATED, detail=named, **changed)

    def record(self, action: str, *key_ids: str, detail: str = "") -> None:
        """Write down who did this to these keys, and when."""
        entry = {"at": self.at, "actor": self._actor, "action": str(action), "detail": detail}
        if key_ids:
            self.connection.execute(insert(key_audit), [{**entry, "key_id": key_id} for key_id in key_ids])

    def _remember(self, row: KeyColumns) -> KeyColumns:
        key_id = row["key_id"]
        self._rows[key_id] = row
        self._ids_by_fingerprint[row["fingerprint"]] = key_id
        if (place := _place(row)) is not None:
            self._ids_by_place[place] = key_id
        return row

    def _forget(self, row: KeyColumns) -> None:
        self._ids_by_fingerprint.pop(row["fingerprint"], None)
        if (place := _place(row)) is not None:
            self._ids_by_place.pop(place, None)


def _place(row: KeyColumns) -> tuple[str, int] | None:
    index = row["metadata"].get("file_index")
    return None if index is None else (row["provider"], index)


def number_of(key_id: str) -> int:
    """The number in `groq#1`."""
    return int(key_id.rpartition("#")[2])


def as_key(row: KeyColumns) -> Key:
    """What everybody may know of a key."""
    return Key(
        id=row["key_id"],
        provider=row["provider"],
        priority=row["priority"],
        quota_group=row["quota_group"],
        daily_limit=row["daily_limit"],
        daily_budget_usd=row["daily_budget_usd"],
        last4=row["last4"],
        is_active=row["is_active"],
    )
