from __future__ import annotations

import subprocess
import sys

import pool_client
from pool_client import errors


def test_every_public_name_is_there_and_every_error_is_public() -> None:
    public = {name: getattr(pool_client, name) for name in pool_client.__all__}
    kinds = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert kinds <= set(public)
    assert all(value.__doc__ for value in public.values())


def test_importing_it_is_light() -> None:
    program = "import sys, pool_client, pool_client.testing; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    heavy = {
        "celery",
        "kombu",
        "sqlalchemy",
        "httpx2",
        "aiohttp",
        "pool_worker",
    }  # redis itself takes cryptography if it is there
    assert not heavy.intersection(loaded)
