"""The lab's simulator as a process: `python -m simulated_providers CONFIG_DIR PORT LATENCY_MS KEY_COUNTS` (JSON)."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

from pool_worker.config import load_registry
from pool_worker.simulator.profile import SimulatedProfile, profile_from
from pool_worker.simulator.server import serve


def main() -> None:
    config_dir, port, latency_ms, key_counts = sys.argv[1:]
    registry = load_registry(Path(config_dir), environ={})
    profile = profile_from(registry.providers.values(), json.loads(key_counts), models=registry.models.values())
    always = {name: replace(each, latency_ms=float(latency_ms), latency_sigma=0.0) for name, each in profile.providers.items()}
    serve(SimulatedProfile(always), port=int(port))


if __name__ == "__main__":
    main()
