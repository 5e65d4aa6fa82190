"""Short ways to ask a simulator for something."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from simulator_fixture import Ask

from pool_worker.simulator.server import RunningSimulator


@pytest.fixture
def http() -> Iterator[httpx2.Client]:
    with httpx2.Client(timeout=5, trust_env=False) as client:
        yield client


@pytest.fixture
def ask(http: httpx2.Client) -> Ask:
    """POST a chat completion: `ask(simulator, "groq", prompt="…", key=1, model="m", **body)`."""

    def post(
        simulator: RunningSimulator,
        provider: str,
        *,
        prompt: str = "Why did the backup fail?",
        key: int = 1,
        model: str = "m",
        job: str | None = None,
        **body: Any,
    ) -> httpx2.Response:
        headers = {"authorization": f"Bearer sim-{provider}-{key}"}
        if job is not None:
            headers["x-job-id"] = job
        content = {"model": model, "messages": [{"role": "user", "content": prompt}], **body}
        return http.post(f"{simulator.url}/{provider}/v1/chat/completions", json=content, headers=headers)

    return post
