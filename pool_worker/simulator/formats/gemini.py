"""Gemini's own format.

Sources: https://ai.google.dev/api/generate-content, …/api/models, https://ai.google.dev/gemini-api/docs/troubleshooting.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs

import orjson

from pool_worker.simulator import problems
from pool_worker.simulator.answers import Tool, text_pieces
from pool_worker.simulator.exchange import Exchange
from pool_worker.simulator.formats.format import Format, Reply, event
from pool_worker.simulator.model_request import (
    ANY_OBJECT,
    ModelRequest,
    object_in,
    objects_in,
    parse_max_tokens,
    parse_object,
    pick_tool,
    reject,
)
from pool_worker.simulator.problems import Problem, bad_request
from pool_worker.simulator.profile import SimulatedModel
from pool_worker.simulator.refusals import Refusal, Refused, google

KEY_HEADER = "x-goog-api-key"
FIELDS = frozenset(
    "cachedContent contents generationConfig labels model safetySettings "  # noqa: SIM905 - a list would take a line for each
    "serviceTier store systemInstruction toolConfig tools".split()
)
CONFIG_FIELDS = frozenset(
    "audioTimestamp audioTranscriptionConfig candidateCount "  # noqa: SIM905 - a list would take a line for each
    "enableEnhancedCivicAnswers frequencyPenalty imageConfig logprobs maxOutputTokens mediaResolution "
    "presencePenalty responseJsonSchema responseLogprobs responseMimeType responseModalities responseSchema seed "
    "speechConfig stopSequences temperature thinkingConfig topK topP".split()
)
"""Every other one is refused."""
ROLES = frozenset({"user", "model"})
FINISH_REASONS = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP"}
JSON = "application/json"
INVALID_KEY = Problem(400, "API key not valid. Please pass a valid API key.")
INVALID_KEY_DETAILS = [
    {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
]


class GeminiFormat(Format):
    """See `Format`."""

    path = re.compile(r"/models/(?P<model>.+):(?P<method>generateContent|streamGenerateContent)$")
    address = "/models/{model}:generateContent"

    def lists(self, exchange: Exchange, provider: str) -> bool:  # noqa: ARG002 - at the compatible endpoint the key is a bearer's
        """Whoever sends the key as Gemini's own clients do."""
        return exchange.header(KEY_HEADER) is not None

    def read(self, exchange: Exchange, raw: bytes) -> ModelRequest:
        """Contents are required; fields that it does not know are refused. Streams are for `alt=sse` only."""
        found = self.path.search(exchange.path)
        model, method = (found["model"], found["method"]) if found else ("", "")
        stream = method == "streamGenerateContent"
        if stream and parse_qs(exchange.query).get("alt") != ["sse"]:
            reject("alt: this simulator streams server-sent events only: add ?alt=sse", param="alt")
        body = parse_object(raw)
        fields = _fields(body, FIELDS, at="")
        config = _fields(object_in(fields.get("generationConfig")), CONFIG_FIELDS, at=" at 'generation_config'")
        return ModelRequest(
            body=body,
            model=model,
            max_tokens=parse_max_tokens(config, "maxOutputTokens"),
            stream=stream,
            messages=[*_system(fields), *_messages(fields)],
            tools=fields.get("tools"),
            tool=_forced_tool(fields),
            schema=_schema(config),
        )

    def whole(self, reply: Reply) -> Any:
        """A `GenerateContentResponse`."""
        finish_reason = FINISH_REASONS[reply.answer.finish_reason]
        return _response(reply, parts=[_part(reply)], finish_reason=finish_reason, usage=_usage(reply))

    def events(self, reply: Reply, *, pieces: int) -> Iterator[bytes]:
        """One response after the other; the last has the finish reason and all of the usage. A call is not cut into pieces."""
        parts: list[dict[str, Any]] = [_part(reply)]
        if reply.answer.tool_call is None:
            parts = [{"text": piece} for piece in text_pieces(reply.answer.content, pieces)]
        early = {"promptTokenCount": reply.usage.input_tokens, "totalTokenCount": reply.usage.input_tokens}
        for part in parts[:-1]:
            yield event(_response(reply, parts=[part], finish_reason=None, usage=early))
        finish_reason = FINISH_REASONS[reply.answer.finish_reason]
        yield event(_response(reply, parts=parts[-1:], finish_reason=finish_reason, usage=_usage(reply)))

    def models(self, models: Mapping[str, SimulatedModel], *, provider: str, created: int) -> Any:  # noqa: ARG002 - it tells neither
        """One page."""
        rows = [
            {
                "name": f"models/{name}",
                "version": "001",
                "displayName": name,
                "supportedGenerationMethods": ["generateContent"],
                **({"inputTokenLimit": model.context_window} if model.context_window else {}),
            }
            for name, model in models.items()
        ]
        return {"models": rows}

    def explain(self, provider: str, problem: Problem) -> Any:  # noqa: ARG002 - whoever speaks it errs like this
        """A Google error; not in a list, as at the compatible endpoint."""
        body = problems.google(problem)
        if problem is INVALID_KEY:
            body["error"]["details"] = INVALID_KEY_DETAILS
        return body

    def unknown_key(self, provider: str) -> Problem:  # noqa: ARG002
        """A 400 with a reason."""
        return INVALID_KEY

    def model_gone(self, model: str) -> Problem:
        """It sends people to the list."""
        message = f"models/{model} is not found for API version v1beta, or is not supported for generateContent."
        return Problem(404, f"{message} Call ListModels to see the list of available models and their supported methods.")

    def context_exceeded(self, *, limit: int, requested: int) -> Problem:
        """A 400."""
        return bad_request(f"The input token count ({requested}) exceeds the maximum number of tokens allowed ({limit}).")

    def refuse(self, refused: Refused) -> Refusal:
        """With details."""
        return google(refused)


def _fields(value: Mapping[str, Any], known: frozenset[str], *, at: str) -> dict[str, Any]:
    """The fields by their names in camel case.

    Raises:
        WrongRequestError: one is not known.
    """
    for name in value:
        if _camel(name) not in known:
            reject(f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.', param=name)
    return _in_camel_case(value)


def _in_camel_case(value: Any) -> dict[str, Any]:
    """The fields of an object: protocol buffers take their names in snake case too."""
    return {_camel(name): content for name, content in object_in(value).items()}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def _system(fields: Mapping[str, Any]) -> list[Any]:
    instruction = object_in(fields.get("systemInstruction"))
    return [{"role": "system", "content": instruction.get("parts")}] if instruction else []


def _messages(fields: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    contents = fields.get("contents")
    if not isinstance(contents, list) or not contents:
        reject("contents: contents is not specified", param="contents")
    for index, content in enumerate(contents):
        role = object_in(content).get("role", "user")
        if not isinstance(role, str) or role not in ROLES:
            reject(f"contents[{index}].role: Please use a valid role: user, model.", param="contents")
        parts = [_in_camel_case(part) for part in objects_in(object_in(content).get("parts"))]
        if not parts:
            reject(f"contents[{index}].parts: contents.parts must not be empty.", param="contents")
        yield from _as_chat(role, parts)


def _as_chat(role: str, parts: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """What functions said are messages of their own in chat completions, and calls of functions are no content."""
    results = [part["functionResponse"] for part in parts if "functionResponse" in part]
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    content = [part for part in parts if "functionResponse" not in part and "functionCall" not in part]
    yield from ({"role": "tool", "content": orjson.dumps(result).decode()} for result in results)
    if content or calls:
        yield {"role": "assistant" if role == "model" else role, "content": content, "tool_calls": calls}


def _forced_tool(fields: Mapping[str, Any]) -> Tool | None:
    config = _in_camel_case(_in_camel_case(fields.get("toolConfig")).get("functionCallingConfig"))
    if config.get("mode") != "ANY":
        return None
    listed = [_in_camel_case(tool).get("functionDeclarations") for tool in objects_in(fields.get("tools"))]
    declared = [_in_camel_case(one) for functions in listed for one in objects_in(functions)]
    tools = [Tool(one["name"], one.get("parametersJsonSchema", one.get("parameters"))) for one in declared if "name" in one]
    allowed = config.get("allowedFunctionNames") or [None]
    return pick_tool(tools, name=allowed[0], field="tool_config.function_calling_config")


def _schema(config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if config.get("responseMimeType") != JSON:
        return None
    return object_in(config.get("responseJsonSchema")) or object_in(config.get("responseSchema")) or ANY_OBJECT


def _response(reply: Reply, *, parts: list[Any], finish_reason: str | None, usage: dict[str, Any]) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if finish_reason is not None:
        candidate["finishReason"] = finish_reason
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": reply.request.model, "responseId": reply.id}


def _part(reply: Reply) -> dict[str, Any]:
    if (call := reply.answer.tool_call) is not None:
        return {"functionCall": {"name": call.name, "args": orjson.loads(call.arguments)}}
    return {"text": reply.answer.content}


def _usage(reply: Reply) -> dict[str, Any]:
    told = reply.usage
    return {
        "promptTokenCount": told.input_tokens,
        "candidatesTokenCount": told.output_tokens,
        "totalTokenCount": told.total_tokens,
    }
