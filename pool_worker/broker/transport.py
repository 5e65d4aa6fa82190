"""Celery's Redis transport with two steps replaced: how messages are taken, and how they are given back.

kombu's own pops a message in one round trip and records it in a second; a worker killed in between loses it (kombu#305). Here one
Lua call claims: taken, recorded with a lease, counted. Idle workers wait at bells (`redis_keys.bell`), which carry no message.
The lease is renewed while the worker lives and swept when it ended: a dead worker's messages are back within that time.

Everything else (publishing, fan-out, remote control, reconnecting) stays kombu's, and clients and Flower use plain `redis://`.
"""

from __future__ import annotations

import uuid
from queue import Empty
from time import monotonic
from typing import Any, ClassVar

import redis
from kombu.transport import redis as kombu_redis
from kombu.transport import virtual
from kombu.utils.json import loads

from pool_client import redis_keys as shared_keys
from pool_client.queues import queue_of_list
from pool_worker import redis_keys
from pool_worker.broker.delivery import released_tags
from pool_worker.broker.taking_back import cancel
from pool_worker.failpoints import reach
from pool_worker.lua import read_script

CLAIM_AT_MOST = 100
"""Messages per claim: bounds how long one call keeps Redis busy."""
SWEEP_AT_MOST = 500


class QoS(virtual.QoS):
    """What this process has claimed and not yet answered for."""

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge, unless a script has taken the message out already."""
        if delivery_tag in released_tags:
            released_tags.discard(delivery_tag)
        else:
            self.channel.run_script("ack", redis_keys.MESSAGE_KEYS, [delivery_tag, self._task_id(delivery_tag)])
        super().ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002 - kombu's signature
        """Give the message back to the head of its list, or forget it."""
        if requeue:
            self.channel.run_script("requeue", redis_keys.MESSAGE_KEYS, [delivery_tag, self._task_id(delivery_tag)])
            super().ack(delivery_tag)
        else:
            self.ack(delivery_tag)

    def restore_visible(self, start: int = 0, num: int | None = None, interval: int = 10) -> None:  # noqa: ARG002 - kombu's signature
        """Give back what dead workers had claimed."""
        self.channel.run_script("sweep", redis_keys.MESSAGE_KEYS[:2], [SWEEP_AT_MOST, ""])

    def renew(self) -> None:
        """Prolong the leases of everything claimed here."""
        tags = [tag for tag in tuple(self._delivered) if tag not in self._dirty and tag not in released_tags]
        if tags:
            self.channel.run_script("renew", redis_keys.MESSAGE_KEYS[1:2], [self.channel.lease_ms, "", *tags])

    def _task_id(self, delivery_tag: str) -> str:
        message = self._delivered.get(delivery_tag)
        return str(message.headers.get("id", "")) if message is not None and message.headers else ""


class Channel(kombu_redis.Channel):
    """Claims instead of popping, and waits at bells instead of taking."""

    QoS = QoS
    _scripts: dict[str, Any]
    _loaded_claim_sha: str | None = None
    _in_claim = False
    """Whether the command under way is a claim; else it is a wait at the bells."""
    _may_find_messages = True
    """Whether to claim next rather than wait for a bell: at first, after a bell or a look-round, and while messages are left."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._scripts = {}
        self._unanswered: set[str] = set()
        """Queues whose consumers never acknowledge, such as replies to remote control."""
        super().__init__(*args, **kwargs)

    @property
    def lease_ms(self) -> int:
        """How long a claim lasts without being renewed."""
        return int(self.visibility_timeout * 1000)

    def run_script(self, name: str, keys: tuple[str, ...], arguments: list[Any]) -> Any:
        """Run one of the broker's scripts and wait for its answer."""
        script = self._scripts.get(name)
        if script is None:
            script = self._scripts[name] = self.client.register_script(read_script("pool_worker.broker", name))
        with self.conn_or_acquire() as client:
            return script(keys=list(keys), args=arguments, client=client)

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
        task_id = str((message.headers or {}).get("id", ""))
        self.run_script("requeue", redis_keys.MESSAGE_KEYS, [message.delivery_tag, task_id])

    def _purge(self, queue: str) -> int:
        """Cancel the jobs that wait in a queue, and forget its other messages; returns how many there were of both."""
        purged = 0
        with self.conn_or_acquire() as client:
            for name in (self._q_for_pri(queue, priority) for priority in self.priority_steps):
                messages = client.lrange(name, 0, -1)
                jobs = set(cancel(client, (loads(text)["headers"]["id"] for text in messages)))
                for text in messages:
                    if loads(text)["headers"]["id"] not in jobs:
                        client.lrem(name, 1, text)
                purged += len(messages)
        return purged

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
            limit = CLAIM_AT_MOST if room is None else max(1, min(room, CLAIM_AT_MOST))
            keys = [*redis_keys.MESSAGE_KEYS, *lists]
            sha = self._claim_sha()
            command = ["EVALSHA", sha, len(keys), *keys, self.lease_ms, limit, uuid.uuid4().hex + ".", ""]
        else:
            command = ["BRPOP", *map(shared_keys.bell, lists), timeout or self.brpop_timeout]
        self._in_claim = self._may_find_messages
        self.client.connection.send_command(*command)
        if self._in_claim:
            reach("claim_sent")

    def _claim_sha(self) -> str:
        if self._loaded_claim_sha is None:
            with self.conn_or_acquire() as client:
                self._loaded_claim_sha = client.script_load(read_script("pool_worker.broker", "claim"))
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

    def _deliver_claimed(self, tag: str, list_name: str, deliveries: int, text: bytes) -> None:
        message = loads(text.decode())
        queue = queue_of_list(list_name)
        properties = message["properties"]
        properties["delivery_tag"] = tag
        properties["deliveries"] = deliveries
        properties["delivery_info"] = {"exchange": "", "routing_key": queue, "redelivered": deliveries > 1}
        if queue in self._unanswered:
            self.run_script("ack", redis_keys.MESSAGE_KEYS, [tag, message["headers"].get("id", "")])
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
    RENEWALS_PER_LEASE: ClassVar[int] = 3

    def register_with_event_loop(self, connection: virtual.Transport, loop: Any) -> None:
        """Also renew the leases of what was claimed, three times as often as they end."""
        super().register_with_event_loop(connection, loop)
        lease_s = connection.client.transport_options.get("visibility_timeout", Channel.visibility_timeout)
        if earlier := getattr(self.cycle, "_renew_tref", None):
            earlier.cancel()
        self.cycle._renew_tref = loop.call_repeatedly(lease_s / self.RENEWALS_PER_LEASE, self._renew)  # noqa: SLF001 - beside kombu's

    def _renew(self) -> None:
        for channel in self.channels:
            if channel and channel.active_queues:
                try:
                    channel.qos.renew()
                except channel.connection_errors:
                    return  # the loop reconnects; the leases outlast two missed renewals
