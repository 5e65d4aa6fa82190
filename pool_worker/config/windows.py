"""Limits as files write them: `{unit: requests, limit: 30, per: minute, kind: sliding}`, or short as `rpm_limit: 30`."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from pool_worker.config.document import Fields, Value
from pool_worker.config.scalars import MOST, choice, decimal, timezone, whole
from pool_worker.registry import Period, Unit, Window, WindowKind

_FIELDS = ("unit", "limit", "per", "kind", "timezone")
_EXAMPLE = "write e.g. {unit: requests, limit: 30, per: minute, kind: sliding}"
_MICRO = 1_000_000
UNLIMITED = "unlimited"

SHORT = {
    "rpm_limit": (Unit.REQUESTS, Period.MINUTE),
    "tpm_limit": (Unit.TOKENS, Period.MINUTE),
    "rpd_limit": (Unit.REQUESTS, Period.DAY),
    "tpd_limit": (Unit.TOKENS, Period.DAY),
}

Slot = tuple[Unit, Period]
"""There is at most one window of a unit over a period."""


def slots(windows: tuple[Window, ...]) -> dict[Slot, Window]:
    """Windows by what they limit."""
    return {(window.unit, window.per): window for window in windows}


def read_limits(value: Value | None) -> dict[Slot, Window | None]:
    """A `limits:` list. None stands for `unlimited`: no such window, whatever the provider has."""
    found: dict[Slot, Window | None] = {}
    for item in () if value is None else value.items():
        fields = Fields(item, _FIELDS)
        unit = choice(fields.need("unit", _EXAMPLE), Unit, None)
        per = choice(fields.need("per", _EXAMPLE), Period, None)
        if unit is None or per is None:
            continue
        if (unit, per) in found:
            item.wrong(f"limits {unit} per {per} a second time", "keep one of the two")
        found[unit, per] = _window(fields, unit, per)
    return found


def _window(fields: Fields, unit: Unit, per: Period) -> Window | None:
    limit = fields.need("limit", _EXAMPLE)
    kind_value = fields["kind"]
    kind = choice(kind_value, WindowKind, _usual_kind(per))
    zone_value = fields["timezone"]
    zone = timezone(zone_value, "UTC")
    if kind_value and per is Period.MONTH and kind is not WindowKind.FIXED:
        kind_value.wrong("does not fit a month", "write kind: fixed, as months are calendar months")
    if zone_value and kind is not WindowKind.FIXED:
        zone_value.wrong(f"means nothing for a window of kind {kind}", "leave it out, or write kind: fixed")
    if limit is not None and limit.shown == f'"{UNLIMITED}"':
        return None
    return Window(unit, _amount(limit, unit), per, kind, zone)


def _amount(value: Value | None, unit: Unit) -> int:
    """In whole units; USD in millionths. 0 where it is wrong, which nobody sees."""
    if unit is Unit.USD:
        return int(decimal(value, Decimal(0), most=MOST // _MICRO) * _MICRO)
    return whole(value, 0)


def _usual_kind(per: Period) -> WindowKind:
    """Days and months are mostly calendar ones; a sliding minute is the strictest reading of any."""
    return WindowKind.FIXED if per in {Period.DAY, Period.MONTH} else WindowKind.SLIDING


def model_windows(fields: Fields, inherited: tuple[Window, ...]) -> tuple[Window, ...] | None:
    """A model's own windows: its provider's, with what its entry says put in their place; None if it says nothing."""
    own = read_limits(fields["limits"])
    windows = slots(inherited)
    for name, (unit, per) in SHORT.items():
        value = fields[name]
        if value is None:
            continue
        if (unit, per) in own:
            value.wrong("is said a second time under limits", "keep one of the two")
        limit = whole(value, 0)
        place = _counted_as(unit, per, windows)
        old = windows.get(place)
        own[place] = replace(old, limit=limit) if old else Window(unit, limit, per, _usual_kind(per))
    if not own:
        return None
    merged: dict[Slot, Window | None] = {**windows, **own}
    return tuple(window for window in merged.values() if window is not None)


def _counted_as(unit: Unit, per: Period, windows: dict[Slot, Window]) -> Slot:
    """A provider that counts only input tokens (Gemini) does so for `tpm_limit` too."""
    if unit is Unit.TOKENS and (unit, per) not in windows and (Unit.INPUT_TOKENS, per) in windows:
        return Unit.INPUT_TOKENS, per
    return unit, per
