"""Whose job it is: an agent that has a secret in `agents.yaml` signs its jobs, so that nobody else can submit in its name."""

from __future__ import annotations

from pool_client.errors import InvalidRequestError
from pool_client.job import Job
from pool_client.signing import is_signed
from pool_worker.alerts.forged import tell_forged
from pool_worker.broker.jobs import OpenedJob
from pool_worker.resources import Resources

NOBODY = "an unknown agent"


async def check_signature(job: Job, opened: OpenedJob, pool: Resources) -> None:
    """Nothing, if the job is its agent's, or its agent has no secret and none is required.

    Others are told of in an alert for each agent, until none has come for an hour: critical where every job has to be signed.

    Raises:
        InvalidRequestError: if it is not.
        redis.RedisError: if Redis refuses to take down the alert.
    """
    agent = pool.registry.agents.get(job.agent)
    secret = None if agent is None else agent.secret
    if secret is None and not pool.registry.rules.require_signatures:
        return
    if secret is not None and is_signed(opened.spec, signature=opened.signature, secret=secret):
        return
    await tell_forged(
        pool.redis,
        NOBODY if agent is None else agent.id,
        severity="critical" if pool.registry.rules.require_signatures else "warning",
        because=f"job {job.id} {_what_is_wrong(opened, secret)}",
        now=pool.now(),
    )
    msg = f"agent: {job.agent!r} is refused, for the job {_what_is_wrong(opened, secret)}"
    raise InvalidRequestError(msg)


def _what_is_wrong(opened: OpenedJob, secret: str | None) -> str:
    if secret is None:
        return "is that of an agent without a secret in agents.yaml, and pool.yaml says require_signatures"
    if not opened.signature:
        return "is not signed: give Pool the agent's secret, or set MODEL_POOL_AGENT_SECRET"
    return "is not signed with the secret that the workers know for its agent, or was changed"
