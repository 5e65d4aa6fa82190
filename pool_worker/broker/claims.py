"""What this process has claimed and not yet answered for.

It belongs to the process, not to a connection: jobs that are under way when a connection is cut stay ours, are renewed over the
next one, and are not given to anybody else. The hub (which claims and acknowledges), the loop (where jobs run) and the keeper
share it; each step below is one step of a dict or set.
"""

from __future__ import annotations

from collections.abc import Callable, Container

UNREADY_AT_MOST = 16
"""Jobs that are claimed but have no lease yet. More would only wait here for their turn, where no other worker can take them and
nothing more urgent can pass them."""


class Claims:
    """Claims by their tags, the oldest first."""

    def __init__(self) -> None:
        self._held: dict[str, str] = {}
        self._unready: set[str] = set()
        self._suspects: set[str] = set()
        self._owed: dict[str, bool] = {}
        self._hub_waits = False
        self.wake_hub: Callable[[], None] = lambda: None
        """Have the hub look again whether there is room; the pool's."""
        self.known_tasks: Container[str] = ()
        """Names of the tasks that this process can do; the pool's."""

    def __contains__(self, tag: str) -> bool:
        return tag in self._held

    def __len__(self) -> int:
        return len(self._held)

    def tags(self) -> list[str]:
        """All that are held, the oldest first."""
        return list(self._held)

    def task_id(self, tag: str) -> str:
        """Whose message it is; "" if that is not known."""
        return self._held.get(tag, "")

    @property
    def has_suspect(self) -> bool:
        """Whether one is held whose workers have died so often that the next death is to be its own."""
        return bool(self._suspects)

    def take(self, tag: str, *, task_id: str, is_suspect: bool = False) -> None:
        """A message has been claimed."""
        self._held[tag] = task_id
        if is_suspect:
            self._suspects.add(tag)
        self._unready.add(tag)

    def forget(self, tag: str) -> None:
        """It is no longer ours: done, moved on, parked, given back, or lost."""
        self._held.pop(tag, None)
        self._owed.pop(tag, None)
        self._suspects.discard(tag)
        self.has_begun(tag)

    def begins(self, tag: str) -> None:
        """Its job is about to get ready."""
        if tag in self._held:
            self._unready.add(tag)

    def has_begun(self, tag: str) -> None:
        """Its job is ready, or needs no getting ready: there is room for another."""
        self._unready.discard(tag)
        if self._hub_waits and self._is_roomy():
            self._hub_waits = False
            self.wake_hub()

    def room(self, prefetch: int) -> int:
        """How many more may be claimed: as many as can soon be got ready, if `prefetch` (0: any number) in hand allow it.

        Room is made by the handful, so that a claim is worth its round trip.
        """
        if not self._is_roomy():
            self._hub_waits = True  # and look again: there may be room since
            if not self._is_roomy():
                return 0
        ready = UNREADY_AT_MOST - len(self._unready)
        return min(ready, prefetch - len(self._held)) if prefetch else ready

    def owe(self, tag: str, *, give_back: bool) -> None:
        """Redis could not be told what became of it; it is to be told when it can be."""
        if tag in self._held:
            self._owed[tag] = give_back

    def owed(self) -> list[tuple[str, bool]]:
        """Tags of which Redis is still to be told, and whether they are to be given back rather than acknowledged."""
        return list(self._owed.items())

    def _is_roomy(self) -> bool:
        return len(self._unready) <= UNREADY_AT_MOST // 2


claims = Claims()
"""This process's: kombu makes its channels itself, anew after every reconnect, and hands nothing to them."""
