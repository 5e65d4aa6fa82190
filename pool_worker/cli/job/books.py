"""A job that Redis does not have, as a ledger has it."""

from __future__ import annotations

from decimal import Decimal

from pool_client.job import Attempt, Step, Usage
from pool_worker.cli.job.facts import JobFacts, Source
from pool_worker.cli.ledger_reading import ledger_if_there, ledger_place
from pool_worker.ledger import reports
from pool_worker.ledger.rows import AttemptRow
from pool_worker.settings import Settings


def job_in_ledger(job_id: str, settings: Settings, *, because: str) -> JobFacts | None:
    """The job with its attempts, as the ledger has it, or that of a simulation on the same home; None if none of them knows it.

    `because`: why Redis is not asked.
    """
    simulated = [settings.model_copy(update={"home": file.parent}) for file in settings.home.glob("simulate-*/ledger.db")]
    for each in (settings, *(() if settings.database_url else simulated)):
        with ledger_if_there(each) as engine:
            report = None if engine is None else reports.job(engine, job_id)
        if report is not None:
            return _facts(job_id, report, note=f"the ledger {ledger_place(each)}; {because}")
    return None


def _facts(job_id: str, report: reports.JobReport, *, note: str) -> JobFacts:
    job, rows = report.job, report.attempts
    calls = [row.created_at for row in rows]
    return JobFacts(
        job_id=job_id,
        source=Source.LEDGER,
        source_note=note,
        state=None if job is None else job.state,
        agent=job.agent if job is not None else rows[0].agent,
        priority=None if job is None else job.priority,
        queue=rows[-1].queue if rows else None,
        submitted_at=None if job is None else job.submitted_at,
        started_at=calls[0] if calls else None,
        finished_at=None if job is None else job.finished_at,
        model_id=None if job is None else job.model_id,
        degraded=job is not None and job.degraded,
        error_type=None if job is None else job.error_type,
        error_message=None if job is None else job.error_message,
        cost_usd=sum((row.cost for row in rows), Decimal(0)) if job is None else job.cost,
        hops=sum(row.outcome == Step.MOVED for row in rows),
        attempts=tuple(_attempt(row) for row in rows),
    )


def _attempt(row: AttemptRow) -> Attempt:
    return Attempt(
        id=row.attempt_id,
        number=row.attempt,
        outcome=row.outcome,
        provider=row.provider,
        model_id=row.model_id,
        key_id=row.key_id,
        queue=row.queue,
        reason=row.error_message or "",
        status_code=row.status_code,
        started_at=row.created_at,
        latency_ms=row.response_time_ms,
        added_ms=row.added_ms,
        usage=Usage(input_tokens=row.input_tokens, output_tokens=row.output_tokens),
        cost_usd=row.cost,
    )
