"""Talking to a simulator's admin API, from tests, benchmarks and the demo; the simulator may be another process."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import httpx2

TIMEOUT_S = 10.0


class SimulatorAdmin:
    """The admin API of the simulator at `url`.

    Every method raises `ValueError` with the simulator's own words when it refuses the request as wrong.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx2.Client(base_url=url, timeout=TIMEOUT_S, trust_env=False)

    def counts(self, *, every_job: bool = False, offers: bool = False) -> dict[str, Any]:
        """What was counted since the last reset (see `counts.report`)."""
        asked = {"jobs": "all" if every_job else "some", "offers": "all" if offers else "none"}
        return self._ask("GET", f"/_admin/counts?{urlencode(asked)}")

    def fault(self, provider: str, kind: str, **more: Any) -> None:
        """Let something go wrong (see `faults.Fault` for the further fields)."""
        self._ask("POST", "/_admin/faults", {"provider": provider, "kind": kind, **more})

    def clear_faults(self) -> None:
        """Nothing goes wrong any more."""
        self._ask("DELETE", "/_admin/faults")

    def replace_secret(self, key: str, secret: str) -> None:
        """An account (`groq#1`) has this secret from now on, and its old one is refused; until a reset."""
        self._ask("POST", "/_admin/keys", {"key": key, "secret": secret})

    def reset(self) -> None:
        """Forget counts, windows and faults."""
        self._ask("POST", "/_admin/reset")

    def options(self, **changed: Any) -> None:
        """Run differently from now on (see `simulation.Options`)."""
        self._ask("POST", "/_admin/options", changed)

    def advance(self, seconds: float) -> None:
        """Move the simulated clock ahead."""
        self._ask("POST", "/_admin/clock", {"advance_s": seconds})

    def close(self) -> None:
        """End the connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def _ask(self, method: str, path: str, json: Any = None) -> dict[str, Any]:
        response = self._client.request(method, path, json=json)
        answer: dict[str, Any] = response.json()
        if response.is_error:
            mistakes = "; ".join(f"{one['field']}: {one['value']!r} {one['problem']}" for one in answer["errors"])
            raise ValueError(mistakes)
        return answer
