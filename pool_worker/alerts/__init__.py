"""Alerts: what a person should know, told once per cause, in the log and in the table `alerts`."""

from __future__ import annotations

from pool_worker.alerts.telling import tell, tell_sync

__all__ = ["tell", "tell_sync"]
