"""Alerts: what a person should know, told once per cause, in the log and in the table `alerts`, until it is over."""

from __future__ import annotations

from pool_worker.alerts.matter import Matter
from pool_worker.alerts.telling import open_causes, resolve, tell, tell_sync
from pool_worker.alerts.told import told

__all__ = ["Matter", "open_causes", "resolve", "tell", "tell_sync", "told"]
