"""What the jobs of one worker process share: connections, the registry, the keys' secrets. Opened once, on the worker's loop."""

from __future__ import annotations

from pool_worker.resources.opening import open_resources
from pool_worker.resources.shared import Resources

__all__ = ["Resources", "open_resources"]
