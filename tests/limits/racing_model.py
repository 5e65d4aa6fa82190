"""What is known of the calls of a pool whose limits are tried by several processes, and what follows from that. No I/O."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

from account_books import MINUTE_MS, Book, Entry

from pool_worker.limits.acquire import Lease
from pool_worker.limits.candidates import Charge
from pool_worker.registry import Charges

GUARD_MS, TTL_MS = 500, 90_000
LIMITS = {"requests": 4, "tokens": 100, "input_tokens": 60}
GROUPS = ("one", "two")
KEYS = {f"groq#{number}": GROUPS[number % 2] for number in range(4)}
CONCURRENCY = 4


@dataclass(frozen=True)
class Job:
    """A call as it will be, if it gets a lease."""

    size: tuple[int, int]
    used: float
    sent_after_ms: int
    arrives_after_ms: int
    takes_ms: int
    is_sent: bool
    tells: str
    """What the provider's answer tells of the account: how it was at the `arrival` of the call, at its `end`, or nothing."""

    @property
    def reserved(self) -> Charge:
        return Charge(input_tokens=self.size[0], output_tokens=self.size[1])

    @property
    def actual(self) -> Charge:
        return Charge(input_tokens=int(self.size[0] * self.used), output_tokens=int(self.size[1] * self.used))


ARRIVALS = ((0, 0), (0, 250), (250, 250), (0, GUARD_MS), (GUARD_MS, GUARD_MS))
IS_SENT = (True, True, True, False)
TELLS = ("", "arrival", "end")
SIZES = (((1, 0),), ((0, 40), (0, 50)), ((1, 0), (10, 0), (10, 15)), ((1, 0), (0, 40), (40, 60)))
DURATIONS = ((0, 1, 700), (20_000, 61_000), (0, 700, 20_000, TTL_MS - GUARD_MS))


@dataclass(frozen=True)
class Setup:
    """The windows of the provider, and when it charges."""

    kinds: tuple[str, ...]
    charges: Charges
    charged_at_arrival: bool

    def is_late(self, unit: str) -> bool:
        return self.charges is Charges.ACTUAL and unit == "tokens"


@cache
def jobs_of(charges: Charges, sizes: tuple[tuple[int, int], ...], durations: tuple[int, ...]) -> list[Job]:
    """Calls of these sizes that take so long, in every way in which they may go."""
    used = (0.0, 0.3, 1.0, 1.0, 1.0) if charges is Charges.ACTUAL else (1.0,)
    parts = itertools.product(sizes, used, ARRIVALS, durations, IS_SENT, TELLS)
    return [Job(size, share, *arrival, takes, sent, tells) for size, share, arrival, takes, sent, tells in parts]


@dataclass
class Taken:
    """A lease, and the call it was taken for."""

    lease: Lease
    job: Job
    step: int
    state: str = "open"
    ended_ms: int = 0

    @property
    def arrival_ms(self) -> int:
        return self.lease.acquired_ms + self.job.arrives_after_ms

    @property
    def end_ms(self) -> int:
        """When its holder may end it."""
        return self.arrival_ms + self.job.takes_ms if self.job.is_sent else self.lease.acquired_ms

    def counts(self, unit: str) -> int:
        """How much of it is to be counted now."""
        if self.state == "refunded":
            return 0
        return (self.job.actual if self.state == "settled" else self.job.reserved).amounts()[unit]

    def counts_from_ms(self) -> int:
        return self.lease.acquired_ms + (self.job.sent_after_ms if self.state == "settled" else 0)


@dataclass
class Model:
    """All leases, the provider's books, and the holds."""

    setup: Setup
    now_ms: int
    step: int = 0
    taken: dict[str, Taken] = field(default_factory=dict)
    ended_early: set[str] = field(default_factory=set)
    holds: dict[str, int] = field(default_factory=dict)
    told_at_ms: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: {group: [] for group in GROUPS})
    """By account: when the limiter was told, and of which moment."""

    def __post_init__(self) -> None:
        self.books = {
            (group, unit): Book(kind, LIMITS[unit])
            for group in GROUPS
            for unit, kind in zip(LIMITS, self.setup.kinds, strict=True)
        }

    def open(self) -> dict[str, Taken]:
        return {lease_id: it for lease_id, it in self.taken.items() if it.state == "open"}

    def in_flight(self, group: str) -> dict[str, Taken]:
        return {lease_id: it for lease_id, it in self.open().items() if it.lease.group == group}

    def _of(self, group: str) -> Iterable[Taken]:
        return (it for it in self.taken.values() if it.lease.group == group)

    def start(self, it: Taken) -> None:
        """A lease was granted: what will become of it is written into the provider's books at once."""
        self.taken[it.lease.id] = it
        if it.job.is_sent:
            for unit, amount in it.job.actual.amounts().items():
                if book := self.books.get((it.lease.group, unit)):
                    is_charged_late = self.setup.is_late(unit) and not self.setup.charged_at_arrival
                    at_ms = it.end_ms if is_charged_late else it.arrival_ms
                    book.ours.append(Entry(at_ms, amount, it.step))

    def others_use(self, group: str, share: float) -> None:
        for unit in LIMITS:
            book = self.books[group, unit]
            book.others.append(Entry(self.now_ms, int(book.left(self.now_ms) * share), self.step))

    # --- what the limiter may count ----------------------------------------------------------------------------------------

    def may_count(self, it: Taken, unit: str) -> bool:
        """Whether a call may still be in a window: there is no sense in which it is, if not."""
        kind, acquired_ms = self.setup.kinds[list(LIMITS).index(unit)], it.lease.acquired_ms
        this_minute_ms = self.now_ms - self.now_ms % MINUTE_MS
        if not self.setup.is_late(unit):
            if kind == "fixed":
                return acquired_ms >= this_minute_ms - 2 * GUARD_MS
            return it.counts_from_ms() > self.now_ms - MINUTE_MS - GUARD_MS
        if it.state == "open":
            return True
        return max(acquired_ms, it.ended_ms) >= this_minute_ms if kind == "fixed" else it.ended_ms > self.now_ms - MINUTE_MS

    def most(self, group: str, unit: str) -> float:
        """The most that the limiter may count."""
        book = self.books[group, unit]
        drains_what_was_reserved = book.kind == "refill" and not self.setup.is_late(unit)
        ours = sum(
            it.job.reserved.amounts()[unit] if drains_what_was_reserved else it.counts(unit)
            for it in self._of(group)
            if self.may_count(it, unit)
        )
        drains_before_it_arrives = math.ceil(GUARD_MS * book.limit / MINUTE_MS) if drains_what_was_reserved else 0
        is_ours_alone = all(it.at_ms <= self.now_ms - 5 * MINUTE_MS for it in book.others)
        if is_ours_alone and (book.kind != "sliding" or self.setup.is_late(unit)):
            ours = min(ours, book.limit)  # a sliding window counts a call anew that is settled when another has taken its place
        return ours + drains_before_it_arrives + self._told_before(group, unit, of_the_last_ms=5 * MINUTE_MS)

    def _told_before(self, group: str, unit: str, *, of_the_last_ms: int) -> float:
        """What others used, as far as the limiter was told of any time after that."""
        told_of_ms = max((of_ms for _, of_ms in self.told_at_ms[group]), default=0)
        others = self.books[group, unit].others
        return sum(it.amount for it in others if self.now_ms - of_the_last_ms < it.at_ms <= told_of_ms)

    # --- what the limiter must make of what it is told -----------------------------------------------------------------------

    def tell(self, it: Taken, of_ms: int, left: dict[str, int]) -> None:
        """The provider told, in the answer of a call, how much was left at a time."""
        group = it.lease.group
        for unit, remaining in left.items():
            book = self.books[group, unit]
            kept_ms = {"fixed": self.now_ms % MINUTE_MS + 1, "refill": 3 * MINUTE_MS, "sliding": 3 * MINUTE_MS}[book.kind]
            most_ours = self._compared_with(it, unit) + self._told_before(group, unit, of_the_last_ms=kept_ms)
            used: float = book.limit - remaining
            if book.kind == "refill":
                used -= (self.now_ms - it.counts_from_ms() + GUARD_MS) * book.limit / MINUTE_MS  # our own come last of all
            others = used - (2 if self.setup.is_late(unit) else 1) * most_ours
            if others >= 1 and self._is_of_now(it, book.kind):
                book.told.append(Entry(self.now_ms, others, self.step))
        self.told_at_ms[group].append((self.now_ms, of_ms))

    def _is_of_now(self, it: Taken, kind: str) -> bool:
        """Whether what was told is not too old to learn from."""
        acquired_ms = it.lease.acquired_ms
        if kind == "fixed":
            return acquired_ms // MINUTE_MS == self.now_ms // MINUTE_MS
        return kind == "refill" or self.now_ms - acquired_ms < MINUTE_MS

    def _compared_with(self, told: Taken, unit: str) -> int:
        """The most that the limiter may take for our own."""
        kind, total = self.books[told.lease.group, unit].kind, 0
        for it in self._of(told.lease.group):
            reserved, acquired_ms = it.job.reserved.amounts()[unit], told.lease.acquired_ms
            if kind != "sliding":
                total += reserved * self.may_count(it, unit)
                continue
            counted_ms = it.ended_ms if self.setup.is_late(unit) else it.lease.acquired_ms + it.job.sent_after_ms
            twice = it.lease.acquired_ms <= acquired_ms < counted_ms
            has_left = it.state != "open" and counted_ms <= acquired_ms - MINUTE_MS - GUARD_MS
            total += 0 if has_left else reserved * (2 if twice else 1)
        return total
