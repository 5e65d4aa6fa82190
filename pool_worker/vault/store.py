"""The vault: API keys in the table `api_keys`, their secrets encrypted, every opening and change in `key_audit`."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import Unpack

from sqlalchemy import Engine, insert, select, update

from pool_client.errors import ConfigurationError
from pool_worker.ledger.database import VAULT_LOCK, forget_deleted, writing
from pool_worker.ledger.tables import api_keys, vault_seal
from pool_worker.registry import Key
from pool_worker.vault.auditing import Audit, entries_of, together
from pool_worker.vault.facts import KeyFacts, Removable, check_facts, check_index, check_provider
from pool_worker.vault.importing import Imported, KeyEntry, import_entry
from pool_worker.vault.sealing import Sealer, Secret, checked, sealed_with
from pool_worker.vault.shelf import Change, KeyColumns, Shelf, as_key

_AT_ONCE = 500
"""Rows of the record."""


class Vault:
    """The keys of one database. Every method is one transaction; those that change something take turns with other processes.

    `actor` is whom the record names: by default user, machine and process.

    Raises:
        ConfigurationError: if the master keys do not open what is in the database.
    """

    def __init__(
        self,
        engine: Engine,
        master_keys: Sequence[str],
        *,
        actor: str | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._engine = engine
        self._sealer = Sealer(master_keys)
        self._actor = actor or _this_process()
        self._now = now
        self._sealer.break_seal(self._seal())

    @property
    def master_key_ids(self) -> tuple[str, ...]:
        """Which master keys this one has, the newest first; see `master_key_id`."""
        return self._sealer.ids

    def add(
        self,
        provider: str,
        secret: str,
        *,
        index: int | None = None,
        actor: str | None = None,
        **said: Unpack[KeyFacts],
    ) -> Key:
        """Put a key into the vault, as number `index` of its provider or the next free one.

        A secret that is there already stays the same key: it takes the facts given here and comes back if it was revoked.

        Raises:
            ConfigurationError: if a value is wrong, or the number is another secret's.
        """
        check_provider(provider)
        check_index(index)
        facts = _given(said)
        word = checked(secret, of=provider)
        with self._shelf(actor) as shelf:
            known = shelf.with_fingerprint(self._sealer.fingerprint(provider, word))
            if known is not None:
                return as_key(self._again(shelf, known, word, facts))
            key_id = shelf.free_id(provider) if index is None else f"{provider}#{index}"
            if shelf.has(key_id):
                msg = f"{key_id} exists already, with another secret: rotate it, or leave the number out to add another key"
                raise ConfigurationError(msg)
            blank: KeyColumns = {"priority": 1, "quota_group": "", "daily_limit": None, "metadata": {}}
            return as_key(
                shelf.put({"key_id": key_id, "provider": provider, **blank, **facts, **self._sealer.columns(provider, word)})
            )

    def import_keys(self, entries: Iterable[KeyEntry], *, actor: str | None = None) -> tuple[Imported, ...]:
        """Bring the vault in line with a file's keys, all or nothing; numbered ones keep their numbers where these are free.

        A secret that changed in the file replaces the one imported from the same place before. One that did not change in the
        file leaves alone what a person did meanwhile: a rotated key stays rotated, a revoked one revoked.

        Raises:
            ConfigurationError: if a value is wrong.
        """
        in_order = sorted(entries, key=lambda entry: (entry.index == 0, entry.index))
        with self._shelf(actor) as shelf:
            return tuple(import_entry(shelf, self._sealer, entry) for entry in in_order)

    def list(self) -> tuple[Key, ...]:
        """Every key, revoked ones too (`is_active` tells), by provider and number; without secrets, so nothing is recorded."""
        with self._engine.connect() as connection:
            return tuple(as_key(row) for row in Shelf(connection, actor=self._actor, at=self._now()).rows())

    def known(self, key_id: str) -> Key:
        """The key of this id, without its secret.

        Raises:
            ConfigurationError: if there is none; the message names those that there are.
        """
        with self._engine.connect() as connection:
            return as_key(Shelf(connection, actor=self._actor, at=self._now()).row(key_id))

    def secrets(self, providers: Iterable[str] | None = None, *, actor: str | None = None) -> dict[str, Secret]:
        """Key id → secret, of the active keys of these providers (None: of all). Each reading is recorded.

        Raises:
            ConfigurationError: naming the key whose secret cannot be opened.
        """
        wanted = None if providers is None else frozenset(providers)
        with self._shelf(actor) as shelf:
            rows = [row for row in shelf.rows() if row["is_active"] and (wanted is None or row["provider"] in wanted)]
            opened = {row["key_id"]: self._sealer.decrypt(row["encrypted_key"], key_id=row["key_id"]) for row in rows}
            shelf.record(Change.READ, *opened)
        return opened

    def with_secret(self, secret: str) -> tuple[Key, ...]:
        """The active keys, of whatever provider, that have this secret; no secret leaves, so nothing is recorded."""
        with self._engine.connect() as connection:
            shelf = Shelf(connection, actor=self._actor, at=self._now())
            return tuple(as_key(row) for row in shelf.rows() if self._sealer.is_secret_of(row, secret.strip()))

    def rotate(self, key_id: str, secret: str, *, actor: str | None = None) -> Key:
        """Give a key a new secret; its id, and with it its history, stays.

        Raises:
            ConfigurationError: if there is no such active key, or the secret is another key's.
        """
        with self._shelf(actor) as shelf:
            row = shelf.row(key_id)
            if not row["is_active"]:
                msg = f"{key_id} is revoked: add the new secret as a key of its own"
                raise ConfigurationError(msg)
            word = checked(secret, of=key_id)
            columns = self._sealer.columns(row["provider"], word)
            known = shelf.with_fingerprint(columns["fingerprint"])
            if known is not None and known["key_id"] != key_id:
                msg = f"this secret is {known['key_id']} already"
                raise ConfigurationError(msg)
            return as_key(shelf.change(row, Change.ROTATED, last_rotated=shelf.at, **columns))

    def update(
        self, key_id: str, *, without: Iterable[Removable] = (), actor: str | None = None, **said: Unpack[KeyFacts]
    ) -> Key:
        """Change what is said of a key; None leaves a fact as it is, `without` takes it away.

        Raises:
            ConfigurationError: if there is no such active key, or a value is wrong.
        """
        facts = _given(said) | dict.fromkeys(without)
        with self._shelf(actor) as shelf:
            row = shelf.row(key_id)
            if not row["is_active"]:
                msg = f"{key_id} is revoked: add its secret again, and it comes back with what you say of it then"
                raise ConfigurationError(msg)
            return as_key(shelf.update_facts(row, facts))

    def revoke(self, key_id: str, *, actor: str | None = None) -> Key:
        """Take a key out of use and delete its secret; its row stays, for the books name it.

        Raises:
            ConfigurationError: if there is no such key.
        """
        with self._shelf(actor) as shelf:
            row = shelf.row(key_id)
            if row["is_active"]:
                row = shelf.change(row, Change.REVOKED, is_active=False, encrypted_key=None)
        forget_deleted(self._engine)
        return as_key(row)

    def renew(self, *, actor: str | None = None) -> int:
        """Encrypt everything again with the newest master key, after which the older ones can go; returns the number of keys.

        What is so already is left alone.
        """
        newest = self._sealer.ids[0]
        with self._shelf(actor) as shelf:
            rows = [row for row in shelf.rows() if row["encrypted_key"] and sealed_with(row["encrypted_key"]) != newest]
            for row in rows:
                renewed = self._sealer.renew(row["encrypted_key"])
                shelf.change(row, Change.RENEWED, detail=f"with master key {newest}", encrypted_key=renewed)
            sealed = shelf.connection.execute(select(vault_seal.c.sealed)).scalar_one()
            if sealed_with(sealed) != newest:
                shelf.connection.execute(update(vault_seal).values(sealed=self._sealer.renew(sealed)))
        forget_deleted(self._engine)
        return len(rows)

    def needs(self) -> frozenset[str]:
        """The ids of the master keys that something in the vault is encrypted with; "" for what does not say."""
        with self._engine.connect() as connection:
            tokens = (*connection.execute(select(api_keys.c.encrypted_key)).scalars(), self._seal())
        return frozenset(sealed_with(token) for token in tokens if token)

    def audit(self, *, key_id: str | None = None, provider: str | None = None, limit: int = 100) -> tuple[Audit, ...]:
        """What was done, the newest first; with `key_id` to one key, with `provider` to all of its keys."""
        query = entries_of(key_id=key_id, provider=provider).limit(limit)
        with self._engine.connect() as connection:
            return tuple(Audit(**row) for row in connection.execute(query).mappings())

    def audit_together(
        self, *, key_id: str | None = None, provider: str | None = None, limit: int = 100
    ) -> tuple[tuple[Audit, ...], ...]:
        """The same with what was read at once put together, which counts once for `limit`."""
        query = entries_of(key_id=key_id, provider=provider)
        with self._engine.connect() as plain:
            connection = plain.execution_options(yield_per=_AT_ONCE)
            with connection.execute(query) as rows:
                return tuple(islice(together(Audit(**row) for row in rows.mappings()), limit))

    @contextmanager
    def _shelf(self, actor: str | None) -> Iterator[Shelf]:
        with writing(self._engine, lock=VAULT_LOCK) as connection:
            yield Shelf(connection, actor=actor or self._actor, at=self._now())

    def _seal(self) -> str:
        query = select(vault_seal.c.sealed)
        with self._engine.connect() as connection:
            sealed: str | None = connection.execute(query).scalar()
        if sealed is None:
            with writing(self._engine, lock=VAULT_LOCK) as connection:
                sealed = connection.execute(query).scalar()
                if sealed is None:
                    sealed = self._sealer.new_seal()
                    connection.execute(insert(vault_seal), {"id": 1, "sealed": sealed, "created_at": self._now()})
        return sealed

    def _again(self, shelf: Shelf, known: KeyColumns, secret: Secret, facts: KeyColumns) -> KeyColumns:
        if not known["is_active"]:
            token = self._sealer.encrypt(secret)
            return shelf.change(known, Change.RESTORED, is_active=True, encrypted_key=token, **facts)
        return shelf.update_facts(known, facts)


def _given(said: KeyFacts) -> KeyColumns:
    facts: KeyColumns = {name: value for name, value in said.items() if value is not None}
    check_facts(facts)
    return facts


def _this_process() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}:{os.getpid()}"
