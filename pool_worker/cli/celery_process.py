"""Becomes one worker or one beat: `python -m pool_worker.cli.celery_process worker|beat OPTIONS`, with OPTIONS in JSON.

It does what `celery worker` and `celery beat` do, but for loading every plugin of Celery's command line first, Flower among them,
which costs half a second. The options are the keyword arguments of Celery's `Worker` and `Beat`.
"""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

from celery.exceptions import CPendingDeprecationWarning
from celery.utils.nodenames import default_nodename, host_format

from pool_worker.app import app


def _work(hostname: str, **options: Any) -> int:
    worker = app.Worker(hostname=host_format(default_nodename(hostname)), quiet=True, **options)
    worker.start()
    return int(worker.exitcode or 0)


def _beat(**options: Any) -> int:
    app.Beat(quiet=True, **options).run()
    return 0


def main() -> None:
    """Run until a signal ends it."""
    warnings.simplefilter("ignore", CPendingDeprecationWarning)  # at each lost connection, of a setting that is made on purpose
    part, options = sys.argv[1], json.loads(sys.argv[2])
    sys.exit(_work(**options) if part == "worker" else _beat(**options))


if __name__ == "__main__":
    main()
