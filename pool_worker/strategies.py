"""The strategy that `pool.yaml` names: of the house, or an installed package's. Loaded when a worker starts, and at a reload."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib.metadata import entry_points

from pool_client.errors import ConfigurationError
from pool_worker.registry import STRATEGIES_GROUP
from pool_worker.routing.choice import Choice
from pool_worker.routing.strategy import OF_THE_HOUSE, Order, Situation, Strategy

logger = logging.getLogger(__name__)


def load_strategy(name: str) -> Strategy:
    """The strategy of that name.

    Raises:
        ConfigurationError: if there is none, or its package does not bring what it says.
    """
    if name in OF_THE_HOUSE:
        return OF_THE_HOUSE[name]
    try:
        (entry,) = {found.value: found for found in entry_points(group=STRATEGIES_GROUP, name=name)}.values()
        order = entry.load()
    except ValueError:
        msg = f"routing.strategy: {name}: install one package with an entry point of this name in the group {STRATEGIES_GROUP}"
        raise ConfigurationError(msg) from None
    except (ImportError, AttributeError) as error:
        msg = f"routing.strategy: {name}: {entry.value} cannot be loaded ({error}): mend its package, or name another strategy"
        raise ConfigurationError(msg) from None
    if not callable(order):
        msg = f"routing.strategy: {name}: {entry.value} is not callable: it takes (choices, situation) and returns choices"
        raise ConfigurationError(msg)
    return Strategy(name, _Guarded(name, order))


class _Guarded:
    """Somebody else's order: if it fails, or returns what it was not given, the pool's own is taken, and that is logged once."""

    def __init__(self, name: str, order: Order) -> None:
        self._name = name
        self._order = order
        self._told = False

    def __call__(self, choices: Sequence[Choice], situation: Situation) -> Sequence[Choice]:
        try:
            ordered = list(self._order(choices, situation))
        except Exception as error:  # noqa: BLE001 - whatever it does, no job is broken by it
            return self._not_ordered(choices, f"raised {type(error).__name__}: {error}")
        given = {id(choice) for choice in choices}
        if len({id(choice) for choice in ordered} & given) < len(ordered):
            return self._not_ordered(choices, "returned something that was not among its choices, or one of them twice")
        return ordered

    def _not_ordered(self, choices: Sequence[Choice], why: str) -> Sequence[Choice]:
        if not self._told:
            self._told = True
            logger.error("the strategy %s %s; the pool's own order is taken (this is logged once)", self._name, why)
        return choices
