"""A package that a test needs and somebody's machine may lack."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

import pytest


def optional_package(name: str, *, install: str) -> Any:
    """Import it; where it is missing the test is skipped, but for CI (`CI=true`), where it fails: nothing is left out unseen."""
    if os.environ.get("CI", "").lower() in {"", "0", "false"}:
        return pytest.importorskip(name, reason=f"pip install {install}")
    return import_module(name)
