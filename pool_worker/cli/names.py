"""Names that an option is confined to: one that nobody has is a mistake, not an empty listing."""

from __future__ import annotations

from collections.abc import Collection

import typer

from pool_worker.config.mistakes import did_you_mean


def check_name(name: str | None, known: Collection[str], *, option: str, what: str) -> None:
    """Nothing if the option was not given. `what`: of what it is a name, as in `"gorq" is not a provider`.

    Raises:
        typer.BadParameter: if it is none of the names; it says which was meant.
    """
    if name is not None and name not in known:
        msg = f'"{name}" is not {what}; {did_you_mean(name, known)}'
        raise typer.BadParameter(msg, param_hint=option)
