"""Sending an admitted request's answer: whole or streamed, in time or broken on the way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import orjson

from pool_worker.simulator.accounts import Account
from pool_worker.simulator.answers import Answer
from pool_worker.simulator.exchange import Exchange
from pool_worker.simulator.faults import Fault, FaultKind
from pool_worker.simulator.formats.format import WRONG_USAGE, Format, Reply
from pool_worker.simulator.headers import Headers

EVENT_STREAM = "text/event-stream; charset=utf-8"
PIECES = 8
FIRST_PIECE = 0.4
"""Share of the latency before the first piece of a stream."""
GARBAGE = b'{"id": "chatcmpl-\xff\xfe", "choices": [{"message": {"content": '
HTML = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body><h1>Bad gateway</h1></body></html>"


@dataclass(frozen=True, slots=True)
class Delivery:
    """An answer, ready to be sent."""

    format: Format
    reply: Reply
    error: Any
    """The body of the error that the fault `error_event` brings."""
    headers: Headers
    latency_s: float

    def told(self, kind: FaultKind | None) -> Reply:
        """The answer with the usage that is told."""
        return replace(self.reply, usage=WRONG_USAGE) if kind is FaultKind.WRONG_USAGE else self.reply

    def whole(self, kind: FaultKind | None) -> bytes:
        """As one JSON document."""
        return orjson.dumps(self.error if kind is FaultKind.ERROR_EVENT else self.format.whole(self.told(kind)))

    def pieces(self, kind: FaultKind | None, *, pieces: int) -> list[bytes]:
        """As server-sent events, as many of them as the fault lets through."""
        events = list(self.format.events(self.told(kind), pieces=pieces))
        if kind in BROKEN_HALFWAY:
            events = events[: len(events) // 2]
        return [*events, self.format.failed_event(self.error)] if kind is FaultKind.ERROR_EVENT else events


BROKEN_HALFWAY = frozenset({FaultKind.CUT, FaultKind.ERROR_EVENT})


def output_tokens_sent(answer: Answer, kind: FaultKind | None) -> int | None:
    """How many output tokens the provider bills when a call ends this way; None: it bills nothing."""
    if kind is FaultKind.HANG:
        return None
    return answer.output_tokens // 2 if kind in BROKEN_HALFWAY else answer.output_tokens


async def deliver(exchange: Exchange, delivery: Delivery, fault: Fault | None, account: Account) -> None:
    """Send the answer, or what the fault makes of it. The account's slot is free before the last byte is sent."""
    slot = Slot(account, delivery.reply.request.model)
    kind = fault.kind if fault else None
    try:
        if kind is FaultKind.HANG:
            await exchange.pause(None)
            left = True
        elif delivery.reply.request.stream and kind not in BROKEN_WHOLE:
            left = await _stream(exchange, delivery, fault, slot)
        else:
            left = await _whole(exchange, delivery, fault, slot)
        account.tally.abandoned += left
    finally:
        slot.free()


class Slot:
    """One call in flight on an account."""

    def __init__(self, account: Account, model: str) -> None:
        account.running[model] += 1
        account.tally.peak_in_flight = max(account.tally.peak_in_flight, account.in_flight)
        self._account: Account | None = account
        self._model = model

    def free(self) -> None:
        """Give it back; once is enough."""
        if self._account is not None:
            self._account.running[self._model] -= 1
            self._account = None


BROKEN_WHOLE = frozenset({FaultKind.GARBAGE, FaultKind.HTML, FaultKind.RESET})
"""Faults that look the same whether a stream was asked for or not."""


async def _whole(exchange: Exchange, delivery: Delivery, fault: Fault | None, slot: Slot) -> bool:
    kind = fault.kind if fault else None
    slowness_s = fault.delay_s if fault and kind is FaultKind.SLOW else 0.0
    if await exchange.pause(delivery.latency_s + slowness_s):
        return True
    body = delivery.whole(kind)
    slot.free()
    if kind is FaultKind.RESET:
        await exchange.reset()
    elif kind is FaultKind.GARBAGE:
        await exchange.reply(200, GARBAGE, headers=delivery.headers)
    elif kind is FaultKind.HTML:
        await exchange.reply(200, HTML, headers=delivery.headers, content_type="text/html")
    elif kind is FaultKind.CUT:
        await exchange.start(200, headers=[*delivery.headers, ("content-length", str(len(body)))])
        await exchange.piece(body[: len(body) // 2])
    else:
        await exchange.reply(200, body, headers=delivery.headers)
    return False


async def _stream(exchange: Exchange, delivery: Delivery, fault: Fault | None, slot: Slot) -> bool:
    kind = fault.kind if fault else None
    slow_s = fault.delay_s if fault and kind is FaultKind.SLOW else None
    count = delivery.reply.answer.output_tokens if slow_s else PIECES
    pieces = delivery.pieces(kind, pieces=max(1, count))
    if await exchange.pause(delivery.latency_s * FIRST_PIECE):
        return True
    await exchange.start(200, headers=delivery.headers, content_type=EVENT_STREAM)
    between_s = slow_s or delivery.latency_s * (1 - FIRST_PIECE) / max(1, len(pieces))
    for number, piece in enumerate(pieces, start=1):
        if await exchange.pause(between_s):
            return True
        is_last = number == len(pieces) and kind is not FaultKind.CUT
        if is_last:
            slot.free()
        await exchange.piece(piece, last=is_last)
    return False
