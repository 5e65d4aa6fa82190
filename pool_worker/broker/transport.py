"""Celery's Redis transport with two steps replaced: how messages are taken, and how they are given back.

kombu's own pops a message in one round trip and records it in a second; a worker killed in between loses it (kombu#305). Here one
Lua call claims: taken, recorded with a lease, counted. Idle workers wait at bells (`redis_keys.bell`), which carry no message.
What is claimed is kept in `claims` and looked after by the `Keeper`, and does not depend on this connection.

Everything else (publishing, fan-out, remote control, reconnecting) stays kombu's.
"""

from __future__ import annotations

from queue import Empty
from secrets import token_hex
from time import monotonic, time_ns
from typing import Any

import redis
from kombu.log import get_logger
from kombu.transport import redis as kombu_redis
from kombu.transport import virtual
from kombu.utils.json import loads

from pool_client import redis_keys as shared_keys
from pool_client.queues import queue_of_list
from pool_worker import redis_keys
from pool_worker.broker.burying import bury
from pool_worker.broker.claims import claims
from pool_worker.broker.messages import acknowledge, give_back
from pool_worker.broker.reading import MAX_DELIVERIES, UndeliverableError, read_message, readable_names
from pool_worker.broker.taking_back import cancel
from pool_worker.failpoints import reach
from pool_worker.lua import script

logger = get_logger(__name__)

_OF_HOSTS = {"host", "port", "socket_keepalive", "socket_keepalive_options"}
"""What a Unix socket has not."""
REFUSED_FOR_S = 1.0
"""How long to claim nothing after Redis has refused a claim."""


class QoS(virtual.QoS):
    """What this process has claimed, as kombu asks for it; kept in `claims`, which outlives the channel."""

    def can_consume(self) -> bool:
        """Whether there is room for another message, and no reason to wait."""
        return not self.channel.rests and claims.room(self.prefetch_count) > 0

    def can_consume_max_estimate(self) -> int:
        """Room for how many messages."""
        return claims.room(self.prefetch_count)

    def append(self, message: virtual.Message, delivery_tag: str) -> None:
        """A message has been claimed."""
        is_suspect = message.properties["deliveries"] >= MAX_DELIVERIES
        claims.take(delivery_tag, task_id=str((message.headers or {}).get("id", "")), is_suspect=is_suspect)

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge, unless a script has taken the message out already."""
        self._answer(delivery_tag, back=False)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002 - kombu's signature
        """Give the message back to the head of its list, or forget it."""
        self._answer(delivery_tag, back=requeue)

    def restore_unacked_once(self, stderr: Any = None) -> None:
        """Nothing, though the channel closes: the keeper gives back when the worker leaves; else the work goes on."""

    def restore_visible(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: the keeper sweeps."""

    def _answer(self, tag: str, *, back: bool) -> None:
        if tag not in claims:
            return
        try:
            self.channel.settle(tag, back=back)
        except (redis.RedisError, *self.channel.connection_errors) as error:
            logger.warning("Redis will be told later what became of a message: %s", error)
            claims.owe(tag, give_back=back)
        else:
            claims.forget(tag)


class Channel(kombu_redis.Channel):
    """Claims instead of popping, and waits at bells instead of taking."""

    QoS = QoS
    from_transport_options = (*kombu_redis.Channel.from_transport_options, "unix_socket")
    unix_socket: str | None = None
    """Where Redis listens, if not at a host."""
    rests = False
    """Whether nothing is claimed for a moment, because Redis has refused a claim."""
    _loaded_claim_sha: str | None = None
    _in_claim = False
    """Whether the command under way is a claim; else it is a wait at the bells."""
    _may_find_messages = True
    """Whether to claim next rather than wait for a bell: at first, after a bell or a look-round, and while messages are left."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._unanswered: set[str] = set()
        """Queues whose consumers never acknowledge, such as replies to remote control."""
        super().__init__(*args, **kwargs)

    @property
    def lease_ms(self) -> int:
        """How long a claim lasts without being renewed."""
        return int(self.visibility_timeout * 1000)

    def settle(self, tag: str, *, back: bool = False) -> None:
        """Tell Redis what became of a claimed message: it is done with, or goes back to the head of its list."""
        if self.closed:
            msg = "the connection over which it was claimed is gone"
            raise redis.ConnectionError(msg)
        with self.conn_or_acquire() as client:
            (give_back if back else acknowledge)(client, tag, task_id=claims.task_id(tag))

    def basic_consume(self, queue: str, no_ack: bool, *args: Any, **kwargs: Any) -> Any:  # noqa: FBT001 - kombu's signature
        """Consume from a queue; without acknowledgements (`no_ack`) what is claimed is done with."""
        (self._unanswered.add if no_ack else self._unanswered.discard)(queue)
        return super().basic_consume(queue, no_ack, *args, **kwargs)

    def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> None:
        super()._put(queue, message, **kwargs)
        bell = shared_keys.bell(self._q_for_pri(queue, self._get_message_priority(message, reverse=False)))
        with self.conn_or_acquire() as client, client.pipeline() as pipe:
            pipe.lpush(bell, 1).ltrim(bell, 0, 0).pexpire(bell, shared_keys.BELL_TTL_MS).execute()

    def _restore(self, message: virtual.Message, leftmost: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - kombu's signature
        self.qos.reject(message.delivery_tag, requeue=True)

    def _purge(self, queue: str) -> int:
        """Cancel the jobs that wait in a queue, and forget its other messages; returns how many there were of both."""
        purged = 0
        with self.conn_or_acquire() as client:
            for name in (self._q_for_pri(queue, priority) for priority in self.priority_steps):
                messages = client.lrange(name, 0, -1)
                jobs = set(cancel(client, (readable_names(text).job_id for text in messages)))
                for text in messages:
                    if readable_names(text).job_id not in jobs:
                        client.lrem(name, 1, text)
                purged += len(messages)
        return purged

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002 - kombu's signature
        if self.unix_socket is None:
            return dict(super()._connparams(asynchronous))
        self.connection_class = redis.UnixDomainSocketConnection
        parameters = super()._connparams(asynchronous)
        return {name: value for name, value in parameters.items() if name not in _OF_HOSTS} | {"path": self.unix_socket}

    def _lists(self) -> list[str]:
        queues = self._queue_cycle.consume(len(self.active_queues))
        return [self._q_for_pri(queue, priority) for priority in self.priority_steps for queue in queues]

    def _brpop_start(self, timeout: float | None = None) -> None:
        """Send the next command without waiting: a claim when there may be messages, else a wait at the bells."""
        lists = self._lists()
        if not lists:
            return
        self._in_poll = self.client.connection
        self._brpop_sent_at = monotonic()
        if self._may_find_messages:
            room = self.qos.can_consume_max_estimate()
            limit = max(1, room)
            keys = [*redis_keys.MESSAGE_KEYS, *lists]
            sha = self._claim_sha()
            command = [
                "EVALSHA",
                sha,
                len(keys),
                *keys,
                self.lease_ms,
                limit,
                f"{time_ns():016x}{token_hex(8)}.",  # claims sort as they were made
                "1" if claims.has_suspect else "",
                "",
            ]
        else:
            command = ["BRPOP", *map(shared_keys.bell, lists), timeout or self.brpop_timeout]
        self._in_claim = self._may_find_messages
        self.client.connection.send_command(*command)
        if self._in_claim:
            reach("claim_sent")

    def _claim_sha(self) -> str:
        if self._loaded_claim_sha is None:
            with self.conn_or_acquire() as client:
                self._loaded_claim_sha = client.script_load(script("pool_worker.broker", "claim").text)
        return self._loaded_claim_sha

    def _brpop_read(self, **options: Any) -> bool:
        """Read the answer to `_brpop_start`, and deliver what was claimed.

        Raises:
            Empty: when nothing was claimed.
        """
        try:
            answer = self.client.parse_response(self.client.connection, "EVALSHA" if self._in_claim else "BRPOP", **options)
        except redis.exceptions.NoScriptError:
            self._loaded_claim_sha = None  # Redis was restarted or its scripts flushed: load it again
            raise Empty from None
        except redis.ReadOnlyError as refusal:  # another server may be the primary at this address by now
            if self._closing:
                raise Empty from None
            raise redis.ConnectionError(str(refusal)) from refusal
        except redis.ResponseError as refusal:  # it is full: what waits stays in its list meanwhile
            self._rest(refusal)
            raise Empty from None
        except self.connection_errors:
            self.client.connection.disconnect()
            raise
        finally:
            self._in_poll = None
        if not self._in_claim:
            self._may_find_messages = True
            raise Empty
        left, *claimed = answer
        self._may_find_messages = bool(left)
        if not claimed:
            raise Empty
        reach("claimed")
        for tag, list_name, deliveries, message in zip(*[iter(claimed)] * 4, strict=True):
            self._deliver_claimed(tag.decode(), list_name.decode(), deliveries, message)
        return True

    def _read(self, queue: str, text: bytes, deliveries: int) -> Any:
        if queue in self._unanswered:
            return loads(text.decode())  # a reply, not a task
        return read_message(text, deliveries=deliveries, known_tasks=claims.known_tasks)

    def _bury(self, tag: str, why: UndeliverableError) -> None:
        try:
            with self.conn_or_acquire() as client:
                bury(client, tag=tag, why=why)
        except redis.RedisError as error:
            logger.warning("a message that cannot be worked on comes back when its lease ends: %s", error)

    def _rest(self, refusal: redis.ResponseError) -> None:
        logger.warning("Redis refuses a claim, trying again in %g s: %s", REFUSED_FOR_S, refusal)
        self._may_find_messages = True
        self.rests = True
        self.connection.hub.call_later(REFUSED_FOR_S, self._claim_again)

    def _claim_again(self) -> None:
        self.rests = False

    def _basic_cancel(self, consumer_tag: str) -> Any:
        """Stop consuming a queue; with the last one, a claim that is under way is undone."""
        answer = super()._basic_cancel(consumer_tag)
        if self._in_poll and self._in_claim and not self._active_queues:
            self._undo_claim()
        return answer

    def _undo_claim(self) -> None:
        try:
            _, *claimed = self.client.parse_response(self.client.connection, "EVALSHA")
        except redis.ResponseError:
            return
        finally:
            self._in_poll = None
        for tag, message in reversed(list(zip(claimed[::4], claimed[3::4], strict=True))):
            claims.take(tag.decode(), task_id=readable_names(message).task_id)
            self.qos.reject(tag.decode(), requeue=True)

    def _deliver_claimed(self, tag: str, list_name: str, deliveries: int, text: bytes) -> None:
        queue = queue_of_list(list_name)
        try:
            message = self._read(queue, text, deliveries)
        except UndeliverableError as why:
            self._bury(tag, why)
            return
        properties = message["properties"]
        properties["delivery_tag"] = tag
        properties["deliveries"] = deliveries
        properties["delivery_info"] = {"exchange": "", "routing_key": queue, "redelivered": deliveries > 1}
        if queue in self._unanswered:
            self.settle(tag)
        self._queue_cycle.rotate(queue)
        self.connection._deliver(message, queue)  # noqa: SLF001 - as kombu's own channel does

    def close(self) -> None:
        """Leave at once: a wait at the bells can be broken off, for it takes nothing."""
        if self._in_poll and not self._in_claim:
            self._in_poll.disconnect()
            self._in_poll = None
        super().close()


class Transport(kombu_redis.Transport):
    """The transport of Model Pool's workers: `broker_transport = "pool_worker.broker.transport:Transport"`."""

    Channel = Channel
    hub: Any

    def establish_connection(self) -> Any:
        """Connect to a server that accepts writes: Celery exits when the first thing that it writes is refused.

        Raises:
            redis.ConnectionError: if it refuses them; Celery tries again, as when there is no server.
        """
        connected = super().establish_connection()
        channel = self._avail_channels[-1]
        try:
            with channel.conn_or_acquire() as client:
                client.set(redis_keys.IS_WRITABLE, "1", px=redis_keys.IS_WRITABLE_TTL_MS)
        except redis.ResponseError as refusal:
            self.close_connection(self)
            msg = f"it refuses writes: {refusal}"
            raise redis.ConnectionError(msg) from refusal
        return connected

    def register_with_event_loop(self, connection: virtual.Transport, loop: Any) -> None:
        """As kombu's; also keeps the loop (the hub), for what is to be done later."""
        self.hub = loop
        super().register_with_event_loop(connection, loop)
