"""The providers' own clients take the simulator for the provider: answers, streams, calls of tools, JSON, refusals, lists."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from official_clients import CLIENTS, TOOL, Gemini, OfficialClient, status_of
from simulator_fixture import Simulate

from pool_worker.registry import Model, Period, Provider, Unit, Window, WindowKind
from pool_worker.simulator.answers import expected_digest
from pool_worker.simulator.profile import profile_from
from pool_worker.simulator.server import RunningSimulator

PROMPT = "Why did the backup fail?"
ECHO = f"echo {expected_digest(PROMPT)}"
ARGUMENTS = {
    "type": "object",
    "properties": {"query": {"type": "string"}, "limit": {"type": "integer"}, "note": {"type": "string"}},
    "required": ["query", "limit"],
}
SCHEMA = {
    "type": "object",
    "properties": {"cause": {"type": "string"}, "hours": {"type": "number"}, "known": {"type": "boolean"}},
    "required": ["cause", "hours", "known"],
    "additionalProperties": False,
}
ONE_A_MINUTE = Window(Unit.REQUESTS, 1, Period.MINUTE, WindowKind.SLIDING)
Serve = Callable[..., RunningSimulator]
Connect = Callable[..., OfficialClient]


@pytest.fixture
def serve(simulate: Simulate) -> Serve:
    """A simulator of one client's provider: `serve(Anthropic, ONE_A_MINUTE, models=["m"])`."""

    def start(kind: type[OfficialClient], *windows: Window, models: tuple[str, ...] = ()) -> RunningSimulator:
        row = Provider(id=kind.provider, base_url=kind.base_url, limits=windows)
        known = [Model(id=name, provider=row.id, name=name, context_window=10_000) for name in models]
        return simulate(profile_from([row], {row.id: 1}, models=known))

    return start


@pytest.fixture
def connect(serve: Serve) -> Iterator[Connect]:
    """A client of a simulator: `connect(Anthropic, simulator)`; without one, of one that has no limits."""
    with ExitStack() as stack:

        def start(
            kind: type[OfficialClient], simulator: RunningSimulator | None = None, *, key: str | None = None
        ) -> OfficialClient:
            client = kind((simulator or serve(kind)).url, key or f"sim-{kind.provider}-1")
            stack.callback(client.close)
            return client

        yield start


every_client = pytest.mark.parametrize("kind", CLIENTS, ids=lambda kind: kind.__name__)


@every_client
def test_a_text_with_what_it_took(connect: Connect, serve: Serve, kind: type[OfficialClient]) -> None:
    simulator = serve(kind)
    said = connect(kind, simulator).ask(PROMPT)
    charged = simulator.counts()["providers"][kind.provider]["keys"][f"{kind.provider}#1"]
    assert said.text.startswith(f"{ECHO} ")
    assert said.finish_reason == kind.finish_reasons[0]
    assert said.usage == (charged["input_tokens"], charged["output_tokens"])
    assert min(said.usage) > 0


@every_client
def test_a_stream_is_the_same_in_pieces(connect: Connect, kind: type[OfficialClient]) -> None:
    client = connect(kind)
    pieces, streamed = client.stream(PROMPT)
    assert streamed == client.ask(PROMPT)
    assert len(pieces) > 2
    assert "".join(pieces) == streamed.text


@every_client
def test_a_tool_that_has_to_be_called_is_called_with_what_it_requires(connect: Connect, kind: type[OfficialClient]) -> None:
    client = connect(kind)
    said = client.ask(PROMPT, tool=ARGUMENTS)
    assert (said.text, said.tool) == ("", (TOOL, {"query": ECHO, "limit": 0}))
    assert said.finish_reason == kind.finish_reasons[1]
    assert client.stream(PROMPT, tool=ARGUMENTS) == ([], said)


@every_client
def test_json_fits_its_schema(connect: Connect, kind: type[OfficialClient]) -> None:
    said = connect(kind).ask(PROMPT, schema=SCHEMA)
    assert json.loads(said.text) == {"cause": ECHO, "hours": 0, "known": True}
    assert said.finish_reason == kind.finish_reasons[0]


@every_client
def test_a_spent_window_is_the_clients_own_error(connect: Connect, serve: Serve, kind: type[OfficialClient]) -> None:
    client = connect(kind, serve(kind, ONE_A_MINUTE))
    client.ask(PROMPT)
    spent, _ = kind.errors
    for again in (client.ask, client.stream):
        with pytest.raises(spent) as refused:
            again(PROMPT)
        assert status_of(refused.value) == 429


@every_client
def test_an_unknown_key_is_the_clients_own_error(connect: Connect, kind: type[OfficialClient]) -> None:
    client = connect(kind, key="sk-of-nobody")
    _, unknown = kind.errors
    for ask in (client.models, lambda: client.ask(PROMPT)):
        with pytest.raises(unknown) as refused:
            ask()
        assert status_of(refused.value) == (400 if kind is Gemini else 401)


@every_client
def test_models_are_listed(connect: Connect, serve: Serve, kind: type[OfficialClient]) -> None:
    assert connect(kind, serve(kind, models=("m", "another"))).models() == ["m", "another"]


@every_client
def test_a_model_that_is_not_there(connect: Connect, serve: Serve, kind: type[OfficialClient]) -> None:
    with pytest.raises(Exception, match="m") as refused:
        connect(kind, serve(kind, models=("another",))).ask(PROMPT)
    assert status_of(refused.value) == 404


@every_client
def test_too_much_for_the_context(connect: Connect, serve: Serve, kind: type[OfficialClient]) -> None:
    with pytest.raises(Exception, match=r"tokens.*10000|10000 (tokens|maximum)") as refused:
        connect(kind, serve(kind, models=("m",))).ask("word " * 10_000)
    assert status_of(refused.value) == 400
