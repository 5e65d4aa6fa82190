"""Reads a page of metrics as Prometheus does."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass

import httpx2
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from pool_worker.embedded_redis import free_port


@dataclass(frozen=True)
class Page:
    samples: tuple[Sample, ...]

    def value(self, name: str, **labels: str) -> float:
        """The sum of what has this name and these labels; 0 if nothing has."""
        return sum(it.value for it in self.samples if it.name == name and labels.items() <= it.labels.items())

    def names(self) -> set[str]:
        return {it.name for it in self.samples}

    def label_values(self, label: str) -> set[str]:
        return {it.labels[label] for it in self.samples if label in it.labels}


def parse(texts: Iterable[str]) -> Page:
    """Several pages as one."""
    families = (family for text in texts for family in text_string_to_metric_families(text))
    return Page(tuple(sample for family in families for sample in family.samples))


def scrape(*ports: int) -> Page:
    """By HTTP."""
    answers = [httpx2.get(f"http://127.0.0.1:{port}/metrics", timeout=10) for port in ports]
    assert [answer.status_code for answer in answers] == [200] * len(ports)
    return parse(answer.text for answer in answers)


def collected(collector: Collector) -> Page:
    """Of this process."""
    registry = CollectorRegistry()
    registry.register(collector)
    return parse([generate_latest(registry).decode()])


def free_ports(count: int) -> int:
    """The first of so many neighbouring ports that nobody listens on."""
    while True:
        first = min(free_port(), 65_000)
        if not any(listens(port) for port in range(first, first + count)):
            return first


def listens(port: int) -> bool:
    """Whether somebody does."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
