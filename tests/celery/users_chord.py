"""What a program of a user does: a chord over jobs that have ended. Arguments: Redis, the id of a job, the queue of the body."""

from __future__ import annotations

import sys

from celery import Celery, chord

from pool_client.queues import TASK_NAME

url, job_id, elsewhere = sys.argv[1:]
app = Celery("users", broker=url, backend=url)
app.conf.update(task_default_queue="free", task_default_exchange="", task_default_routing_key="free")
parts = [app.signature(TASK_NAME, args=(job_id,), queue="free") for _ in range(3)]
result = chord(parts)(app.signature("collect", exchange=elsewhere, routing_key=elsewhere))
