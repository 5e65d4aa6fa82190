"""The dashboard and the documents name the metrics that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from pool_worker.metrics.exposition import GAUGES, JOBS_IN_FLIGHT, REDIS_UP
from pool_worker.metrics.instruments import COUNTERS, HISTOGRAMS

DASHBOARD = Path("configs/grafana/model-pool.json")
ALONE = {JOBS_IN_FLIGHT[0], REDIS_UP[0]}
SINGLE = {it.name for it in (*COUNTERS, *GAUGES)} | ALONE
LABELS = {it.name: set(it.labels) for it in (*COUNTERS, *HISTOGRAMS, *GAUGES)} | {name: set[str]() for name in ALONE}
SERIES = SINGLE | {f"{it.name}_{part}" for it in HISTOGRAMS for part in ("bucket", "sum", "count")}
PROMETHEUS_OWN = {"le", "instance"}


def expressions(repository: Path) -> list[str]:
    dashboard: dict[str, Any] = json.loads((repository / DASHBOARD).read_text(encoding="utf-8"))
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]


def test_names_are_as_prometheus_wants_them() -> None:
    names = [it.name for it in (*COUNTERS, *HISTOGRAMS, *GAUGES)]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"model_pool_[a-z_]+", name) for name in names)
    assert all(it.name.endswith("_total") for it in COUNTERS)
    assert all(it.name.endswith("_seconds") for it in HISTOGRAMS)


def test_no_label_is_of_a_job_a_key_or_a_caller() -> None:
    known = {"provider", "model", "outcome", "direction", "answer", "state", "priority", "agent", "queue", "scope"}
    assert set.union(*LABELS.values()) == known


def test_the_dashboard_shows_every_metric_and_no_other(repository: Path) -> None:
    asked = {name for each in expressions(repository) for name in re.findall(r"model_pool_\w+", each)}
    assert asked - SERIES == set()
    assert {name for name in LABELS if not any(series.startswith(name) for series in asked)} == set()


def test_the_dashboard_asks_for_labels_that_there_are(repository: Path) -> None:
    for each in expressions(repository):
        there = set.union(*(LABELS[name] for name in LABELS if name in each)) | PROMETHEUS_OWN
        asked = {label.strip() for group in re.findall(r"by \(([^)]*)\)", each) for label in group.split(",")}
        assert asked <= there, each


def test_every_panel_has_a_place_and_a_number_of_its_own(repository: Path) -> None:
    panels = json.loads((repository / DASHBOARD).read_text(encoding="utf-8"))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(panels)


def test_the_documents_have_every_metric_with_its_labels(repository: Path) -> None:
    page = (repository / "docs/monitoring.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"(?m)^\| `(model_pool_\w+)` \| ([^|]*) \|", page))
    assert {name: set(re.findall(r"\w+", labels)) for name, labels in rows.items()} == LABELS
