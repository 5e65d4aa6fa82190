"""Sending an admitted request's answer: whole or streamed, in time or broken on the way."""

from __future__ import annotations

from dataclasses import dataclass

from pool_worker.simulator.accounts import Account
from pool_worker.simulator.answers import Answer
from pool_worker.simulator.completions import WRONG_USAGE, chat_completion, chunks, usage_of
from pool_worker.simulator.exchange import Exchange
from pool_worker.simulator.faults import Fault, FaultKind
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

    answer: Answer
    answer_id: str
    model: str
    created: int
    stream: bool
    headers: Headers
    latency_s: float

    def whole(self, *, wrong_usage: bool) -> bytes:
        """As one JSON document."""
        usage = WRONG_USAGE if wrong_usage else usage_of(self.answer)
        return chat_completion(self.answer, answer_id=self.answer_id, model=self.model, created=self.created, usage=usage)

    def pieces(self, *, wrong_usage: bool, pieces: int) -> list[bytes]:
        """As server-sent events."""
        usage = WRONG_USAGE if wrong_usage else usage_of(self.answer)
        parts = chunks(self.answer, answer_id=self.answer_id, model=self.model, created=self.created, usage=usage, pieces=pieces)
        return list(parts)


def output_tokens_sent(answer: Answer, kind: FaultKind | None) -> int | None:
    """How many output tokens the provider bills when a call ends this way; None: it bills nothing."""
    if kind is FaultKind.HANG:
        return None
    return answer.output_tokens // 2 if kind is FaultKind.CUT else answer.output_tokens


async def deliver(exchange: Exchange, delivery: Delivery, fault: Fault | None, account: Account) -> None:
    """Send the answer, or what the fault makes of it. The account's slot is free before the last byte is sent."""
    slot = Slot(account, delivery.model)
    kind = fault.kind if fault else None
    try:
        if kind is FaultKind.HANG:
            await exchange.pause(None)
            left = True
        elif delivery.stream and kind not in BROKEN_WHOLE:
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
    body = delivery.whole(wrong_usage=kind is FaultKind.WRONG_USAGE)
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
    count = delivery.answer.output_tokens if slow_s else PIECES
    pieces = delivery.pieces(wrong_usage=kind is FaultKind.WRONG_USAGE, pieces=max(1, count))
    if kind is FaultKind.CUT:
        pieces = pieces[: len(pieces) // 2]
    if await exchange.pause(delivery.latency_s * FIRST_PIECE):
        return True
    await exchange.start(200, headers=delivery.headers, content_type=EVENT_STREAM)
    between_s = slow_s or delivery.latency_s * (1 - FIRST_PIECE) / len(pieces)
    for number, piece in enumerate(pieces, start=1):
        if await exchange.pause(between_s):
            return True
        is_last = number == len(pieces) and kind is not FaultKind.CUT
        if is_last:
            slot.free()
        await exchange.piece(piece, last=is_last)
    return False
