"""Who is told of alerts."""

from __future__ import annotations

from collections.abc import Iterator

from pool_worker.alert_rules import AlertRules
from pool_worker.cli.doctor.finding import Finding, ok, warning
from pool_worker.cli.terminal import as_typed


def check_alerts(rules: AlertRules) -> Iterator[Finding]:
    """The targets, and what keeps somebody whom the environment names from being one. Nothing is sent."""
    if rules.targets:
        names = ", ".join(target.name for target in rules.targets)
        yield ok("alerts", f"go to {names}; `{as_typed('alerts test')}` tries it")
        if not any("critical" in target.severities for target in rules.targets):
            yield warning("alerts", "no target gets the critical ones", "add critical to the severities of one in pool.yaml")
    elif not rules.missing:
        yield ok("alerts", f"are sent to nobody: they are in the log and in `{as_typed('alerts list')}`")
    for sentence in rules.missing:
        what, _, mend = sentence.rpartition("; ")
        yield warning("alerts", what, mend)
