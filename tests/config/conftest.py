"""A folder `configs` inside an empty working folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

WriteConfigs = Callable[[dict[str, str]], Path]


@pytest.fixture
def write_configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WriteConfigs:
    monkeypatch.chdir(tmp_path)

    def write(files: dict[str, str]) -> Path:
        folder = Path("configs")
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content, encoding="utf-8")
        return folder

    return write


@pytest.fixture
def data() -> Path:
    """The design documents' own files."""
    return Path(__file__).parent / "data"
