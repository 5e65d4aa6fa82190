"""What is skipped on a machine that lacks something fails in CI."""

from __future__ import annotations

import pytest
from optional_package import optional_package


@pytest.mark.parametrize("ci", ["", "false"])
def test_on_somebodys_machine_it_is_skipped(monkeypatch: pytest.MonkeyPatch, ci: str) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(pytest.skip.Exception, match="pip install no-such-package"):
        optional_package("no_such_package", install="no-such-package")


@pytest.mark.parametrize("ci", ["true", "1"])
def test_in_ci_it_fails(monkeypatch: pytest.MonkeyPatch, ci: str) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(ModuleNotFoundError):
        optional_package("no_such_package", install="no-such-package")
