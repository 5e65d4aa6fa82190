"""The log as JSON (`MODEL_POOL_LOG_FORMAT=json`): one object a line, so that nobody has to guess where an entry ends.

Its fields: `ts` (ISO 8601, UTC), `level`, `logger`, `process` (which part of the pool wrote it) and `message`; `job_id` where the
line is about one job, `exception` (the traceback) where there was one.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime

current_job: ContextVar[str] = ContextVar("current_job", default="")
"""Id of the job that is being worked on here; "" = none."""


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON. A record may name its job itself: `extra={"job_id": …}`.

    Args:
        process: tells who writes; asked for every line, as it is not known when the log is set up.
    """

    def __init__(self, process: Callable[[], str]) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        return json_line(
            record.getMessage(),
            at=datetime.fromtimestamp(record.created, UTC),
            level=record.levelname.lower(),
            logger=record.name,
            process=self._process(),
            job_id=getattr(record, "job_id", "") or current_job.get(),
            exception=self.formatException(record.exc_info) if record.exc_info else "",
        )


def json_line(message: str, *, at: datetime, level: str, logger: str, process: str, job_id: str = "", exception: str = "") -> str:
    """One line of the log. What is empty is left out."""
    line = {"ts": at.isoformat(timespec="milliseconds"), "level": level, "logger": logger, "process": process, "message": message}
    about = {"job_id": job_id, "exception": exception}
    return json.dumps(line | {name: value for name, value in about.items() if value})
