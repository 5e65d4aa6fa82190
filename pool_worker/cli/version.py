"""`model-pool version`."""

from __future__ import annotations

import importlib.metadata

import typer


def version() -> None:
    """Show the release of Model Pool."""
    typer.echo(importlib.metadata.version("model-pool"))
