"""The log as JSON, of real processes."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

from command_line import CommandLine, Up

from pool_client import Pool
from pool_worker.logs import JsonLines, current_job

FIELDS = {"ts", "level", "logger", "process", "message"}


def test_every_line_of_a_worker_and_of_up_is_an_object_and_names_its_job(cli: CommandLine, start_up: Callable[..., Up]) -> None:
    cli.environment |= {"MODEL_POOL_LOG_FORMAT": "json", "MODEL_POOL_LOG_LEVEL": "info"}
    up = start_up()
    worker = subprocess.Popen(
        cli.command("worker", "--name", "second"),
        cwd=cli.folder,
        env={**cli.environment, "MODEL_POOL_HOME": str(cli.home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert worker.stdout is not None
        lines = [json.loads(next(worker.stdout))]
        os.kill(up.pids["worker"], signal.SIGSTOP)  # so that the second one does the job
        with Pool(redis_url=up.record["redis_url"]) as pool:
            job = pool.submit("Tell nobody of the purple elephant")
            while f"job {job.id} succeeded" not in lines[-1]["message"]:
                lines.append(json.loads(next(worker.stdout)))
        os.kill(up.pids["worker"], signal.SIGCONT)
    finally:
        worker.terminate()
        rest, _ = worker.communicate(timeout=30)
    lines += [json.loads(line) for line in rest.splitlines() if line and "shutdown" not in line]  # Celery's own farewell
    assert all(line.keys() >= FIELDS for line in lines)
    assert all(datetime.fromisoformat(line["ts"]).tzinfo is not None for line in lines)
    assert {line["process"].partition("@")[0] for line in lines} == {"second"}
    assert [line["job_id"] for line in lines if "job_id" in line] == [job.id]
    assert "purple elephant" not in str(lines)

    banner = len(up.output)
    assert up.end(signal.SIGINT) == 0
    told = [json.loads(line) for line in up.output[banner:]]
    assert any(line["process"] == "up" and line["message"] == "stopped" for line in told)
    assert all(line.keys() >= FIELDS for line in told)


def formatted(message: str, *arguments: object, **more: Any) -> dict[str, Any]:
    record = logging.LogRecord("pool", logging.WARNING, "f.py", 1, message, arguments, more.pop("exc_info", None))
    vars(record).update(more)
    line = JsonLines(lambda: "worker@host").format(record)
    assert "\n" not in line
    parsed: dict[str, Any] = json.loads(line)
    return parsed


def test_a_line_stays_one_whatever_is_in_it() -> None:
    line = formatted("two\nlines of %s", 'a "thing" \udcff')
    assert (line["message"], line["level"], line["process"]) == ('two\nlines of a "thing" \udcff', "warning", "worker@host")
    assert "job_id" not in line
    assert "exception" not in line


def test_a_record_names_its_job_or_its_task_does() -> None:
    assert formatted("x", job_id="other")["job_id"] == "other"
    token = current_job.set("mine")
    try:
        assert formatted("x")["job_id"] == "mine"
    finally:
        current_job.reset(token)


def test_an_exception_is_in_its_line() -> None:
    try:
        json.loads("{")
    except ValueError:
        line = formatted("x", exc_info=sys.exc_info())
    assert line["exception"].startswith("Traceback")
    assert "JSONDecodeError: " in line["exception"].splitlines()[-1]
