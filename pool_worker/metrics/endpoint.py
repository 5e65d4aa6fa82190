"""The page that Prometheus reads: `GET /metrics`, in a thread of its own, as long as the process lives."""

from __future__ import annotations

import logging

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.registry import Collector

logger = logging.getLogger(__name__)


def serve_metrics(collector: Collector, *, host: str, port: int) -> bool:
    """Answer with what the collector says and what the process itself uses (CPU, memory, open files).

    Jobs do not stop for it: if nobody can listen there a warning says so, and it returns False.
    """
    registry = CollectorRegistry()
    registry.register(collector)
    ProcessCollector(registry=registry)
    try:
        start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        logger.warning(
            "no metrics: MODEL_POOL_METRICS_PORT %d on %s cannot be listened on (%s); name another, this process goes on without",
            port,
            host,
            error.strerror or error,
        )
        return False
    return True
