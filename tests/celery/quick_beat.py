"""The project's beat, but for a lock that ends soon after its holder, and without Celery's slower command line."""

from __future__ import annotations

from pool_worker.app import app

if __name__ == "__main__":
    app.conf.update(redbeat_lock_timeout=2, beat_max_loop_interval=0.5)
    app.Beat(quiet=True, loglevel="ERROR").run()
