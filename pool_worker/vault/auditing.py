"""The record of the vault: its entries, and those that tell of one reading put together. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import count, groupby

from sqlalchemy import Select, select

from pool_worker.ledger.tables import key_audit
from pool_worker.vault.shelf import Change


@dataclass(frozen=True, slots=True)
class Audit:
    """One entry of the record: who did what to which key."""

    at: datetime
    actor: str
    action: str
    """A `Change`."""
    key_id: str
    detail: str


def entries_of(*, key_id: str | None = None, provider: str | None = None) -> Select[tuple[object, ...]]:
    """The query for entries, the newest first; with `key_id` of one key, with `provider` of all of its keys."""
    query = select(*(key_audit.c[name] for name in Audit.__slots__)).order_by(key_audit.c.id.desc())
    if key_id is not None:
        query = query.where(key_audit.c.key_id == key_id)
    if provider is not None:
        query = query.where(key_audit.c.key_id.startswith(f"{provider}#", autoescape=True))
    return query


def together(entries: Iterable[Audit]) -> Iterator[tuple[Audit, ...]]:
    """Consecutive readings by the same reader at the same time as one, everything else by itself."""
    numbers = count()

    def sort_of(entry: Audit) -> object:
        return (entry.actor, entry.at) if entry.action == Change.READ else next(numbers)

    return (tuple(group) for _, group in groupby(entries, key=sort_of))
