"""The providers' own clients behind one face, pointed at a simulator: whoever satisfies them speaks their format."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import anthropic
import cohere
import openai
from cohere.core.api_error import ApiError as CohereApiError
from google import genai
from google.genai import errors as google_errors

MODEL = "m"
MAX_TOKENS = 500
TOOL = "look_up"
DESCRIPTION = "Looks it up."
ONCE = {"max_retries": 0}
"""Cohere's client is told with each request."""


@dataclass(frozen=True)
class Said:
    """What a client understood."""

    text: str = ""
    finish_reason: str | None = None
    usage: tuple[int, int] | None = None
    """Input, output."""
    tool: tuple[str, dict[str, Any]] | None = None


class OfficialClient(ABC):
    """One provider's client; retries are off. `tool` and `schema` are JSON schemas: of the arguments, and of the answer."""

    provider: str
    base_url: str
    """The real one."""
    finish_reasons: tuple[str, str]
    """For the end of a text, and for a call."""
    errors: tuple[type[Exception], type[Exception]]
    """For a spent window, and for an unknown key."""

    def __init__(self, url: str, key: str) -> None:
        self.key = key
        self.url = f"{url}/{self.provider}"

    @abstractmethod
    def ask(self, prompt: str, *, tool: dict[str, Any] | None = None, schema: dict[str, Any] | None = None) -> Said:
        """The whole answer."""

    @abstractmethod
    def stream(self, prompt: str, *, tool: dict[str, Any] | None = None) -> tuple[list[str], Said]:
        """The pieces of text, and what they make up."""

    @abstractmethod
    def models(self) -> list[str]:
        """The models there are."""

    @abstractmethod
    def close(self) -> None:
        """End the connections."""


def openai_like(tool: dict[str, Any]) -> dict[str, Any]:
    return {"type": "function", "function": {"name": TOOL, "description": DESCRIPTION, "parameters": tool}}


class OpenAi(OfficialClient):
    provider, base_url = "openai", "https://api.openai.com/v1"
    finish_reasons = ("stop", "tool_calls")
    errors = (openai.RateLimitError, openai.AuthenticationError)

    def __init__(self, url: str, key: str) -> None:
        super().__init__(url, key)
        self.client = openai.OpenAI(api_key=key, base_url=f"{self.url}/v1", max_retries=0)

    def _asked(self, prompt: str, tool: dict[str, Any] | None) -> dict[str, Any]:
        forced = {"tools": [openai_like(tool)], "tool_choice": "required"} if tool else {}
        return {"model": MODEL, "messages": [{"role": "user", "content": prompt}], **forced}

    def ask(self, prompt: str, *, tool: dict[str, Any] | None = None, schema: dict[str, Any] | None = None) -> Said:
        form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
        answer = self.client.chat.completions.create(**self._asked(prompt, tool), **({"response_format": form} if schema else {}))
        (choice,) = answer.choices
        called = None
        for call in choice.message.tool_calls or ():
            called = (call.function.name, json.loads(call.function.arguments))
        usage = (answer.usage.prompt_tokens, answer.usage.completion_tokens)
        return Said(choice.message.content or "", choice.finish_reason, usage, called)

    def stream(self, prompt: str, *, tool: dict[str, Any] | None = None) -> tuple[list[str], Said]:
        with self.client.chat.completions.stream(**self._asked(prompt, tool), stream_options={"include_usage": True}) as events:
            pieces = [event.delta for event in events if event.type == "content.delta"]
            answer = events.get_final_completion()
        (choice,) = answer.choices
        called = None
        for call in choice.message.tool_calls or ():
            called = (call.function.name, json.loads(call.function.arguments))
        usage = (answer.usage.prompt_tokens, answer.usage.completion_tokens)
        return pieces, Said(choice.message.content or "", choice.finish_reason, usage, called)

    def models(self) -> list[str]:
        return [model.id for model in self.client.models.list()]

    def close(self) -> None:
        self.client.close()


class Anthropic(OfficialClient):
    provider, base_url = "anthropic", "https://api.anthropic.com/v1"
    finish_reasons = ("end_turn", "tool_use")
    errors = (anthropic.RateLimitError, anthropic.AuthenticationError)

    def __init__(self, url: str, key: str) -> None:
        super().__init__(url, key)
        self.client = anthropic.Anthropic(api_key=key, base_url=self.url, max_retries=0)

    def _asked(self, prompt: str, tool: dict[str, Any] | None) -> dict[str, Any]:
        offered = [{"name": TOOL, "description": DESCRIPTION, "input_schema": tool}]
        forced = {"tools": offered, "tool_choice": {"type": "any"}} if tool else {}
        return {"model": MODEL, "max_tokens": MAX_TOKENS, "messages": [{"role": "user", "content": prompt}], **forced}

    def _said(self, message: anthropic.types.Message) -> Said:
        text = "".join(block.text for block in message.content if block.type == "text")
        calls = [(block.name, block.input) for block in message.content if block.type == "tool_use"]
        usage = (message.usage.input_tokens, message.usage.output_tokens)
        return Said(text, message.stop_reason, usage, calls[0] if calls else None)

    def ask(self, prompt: str, *, tool: dict[str, Any] | None = None, schema: dict[str, Any] | None = None) -> Said:
        form = {"output_config": {"format": {"type": "json_schema", "schema": schema}}} if schema else {}
        return self._said(self.client.messages.create(**self._asked(prompt, tool), **form))

    def stream(self, prompt: str, *, tool: dict[str, Any] | None = None) -> tuple[list[str], Said]:
        with self.client.messages.stream(**self._asked(prompt, tool)) as events:
            pieces = list(events.text_stream)
            return pieces, self._said(events.get_final_message())

    def models(self) -> list[str]:
        return [model.id for model in self.client.models.list()]

    def close(self) -> None:
        self.client.close()


class Gemini(OfficialClient):
    provider, base_url = "gemini", "https://generativelanguage.googleapis.com/v1beta"
    finish_reasons = ("STOP", "STOP")
    errors = (google_errors.ClientError, google_errors.ClientError)

    def __init__(self, url: str, key: str) -> None:
        super().__init__(url, key)
        self.client = genai.Client(api_key=key, http_options={"base_url": self.url})

    def _asked(self, prompt: str, tool: dict[str, Any] | None, schema: dict[str, Any] | None = None) -> dict[str, Any]:
        config: dict[str, Any] = {"max_output_tokens": MAX_TOKENS}
        if tool:
            config["tools"] = [
                {"function_declarations": [{"name": TOOL, "description": DESCRIPTION, "parameters_json_schema": tool}]}
            ]
            config["tool_config"] = {"function_calling_config": {"mode": "ANY"}}
        if schema:
            config |= {"response_mime_type": "application/json", "response_json_schema": schema}
        return {"model": MODEL, "contents": prompt, "config": config}

    def _said(self, answers: list[genai.types.GenerateContentResponse]) -> Said:
        parts = [part for answer in answers for part in answer.candidates[0].content.parts]
        text = "".join(part.text or "" for part in parts)
        calls = [(part.function_call.name, part.function_call.args) for part in parts if part.function_call]
        told = answers[-1].usage_metadata
        usage = (told.prompt_token_count, told.candidates_token_count)
        return Said(text, answers[-1].candidates[0].finish_reason.value, usage, calls[0] if calls else None)

    def ask(self, prompt: str, *, tool: dict[str, Any] | None = None, schema: dict[str, Any] | None = None) -> Said:
        return self._said([self.client.models.generate_content(**self._asked(prompt, tool, schema))])

    def stream(self, prompt: str, *, tool: dict[str, Any] | None = None) -> tuple[list[str], Said]:
        answers = list(self.client.models.generate_content_stream(**self._asked(prompt, tool)))
        said = self._said(answers)
        return [answer.text for answer in answers] if said.text else [], said

    def models(self) -> list[str]:
        return [model.name.removeprefix("models/") for model in self.client.models.list()]

    def close(self) -> None:
        self.client.close()


class Cohere(OfficialClient):
    provider, base_url = "cohere", "https://api.cohere.com/v2"
    finish_reasons = ("COMPLETE", "TOOL_CALL")
    errors = (cohere.TooManyRequestsError, cohere.UnauthorizedError)

    def __init__(self, url: str, key: str) -> None:
        super().__init__(url, key)
        self.client = cohere.ClientV2(api_key=key, base_url=self.url, log_warning_experimental_features=False)

    def _asked(self, prompt: str, tool: dict[str, Any] | None) -> dict[str, Any]:
        forced = {"tools": [openai_like(tool)], "tool_choice": "REQUIRED"} if tool else {}
        messages = [{"role": "user", "content": prompt}]
        return {"model": MODEL, "messages": messages, "request_options": ONCE, **forced}

    def ask(self, prompt: str, *, tool: dict[str, Any] | None = None, schema: dict[str, Any] | None = None) -> Said:
        form = {"response_format": {"type": "json_object", "json_schema": schema}} if schema else {}
        answer = self.client.chat(**self._asked(prompt, tool), **form)
        text = "".join(item.text for item in answer.message.content or ())
        called = None
        for call in answer.message.tool_calls or ():
            called = (call.function.name, json.loads(call.function.arguments))
        usage = (answer.usage.tokens.input_tokens, answer.usage.tokens.output_tokens)
        return Said(text, answer.finish_reason, usage, called)

    def stream(self, prompt: str, *, tool: dict[str, Any] | None = None) -> tuple[list[str], Said]:
        pieces, name, arguments, end = [], None, "", None
        for event in self.client.chat_stream(**self._asked(prompt, tool)):
            if event.type == "content-delta":
                pieces.append(event.delta.message.content.text)
            elif event.type == "tool-call-start":
                name = event.delta.message.tool_calls.function.name
            elif event.type == "tool-call-delta":
                arguments += event.delta.message.tool_calls.function.arguments
            elif event.type == "message-end":
                end = event.delta
        usage = (end.usage.tokens.input_tokens, end.usage.tokens.output_tokens)
        return pieces, Said("".join(pieces), end.finish_reason, usage, (name, json.loads(arguments)) if name else None)

    def models(self) -> list[str]:
        return [model.name for model in self.client.models.list(request_options=ONCE).models]

    def close(self) -> None:
        self.client._client_wrapper.httpx_client.httpx_client.close()


CLIENTS: tuple[type[OfficialClient], ...] = (OpenAi, Anthropic, Gemini, Cohere)


def status_of(error: Exception) -> int:
    """The status that an error of any of the clients came with."""
    if isinstance(error, google_errors.APIError):
        return error.code
    assert isinstance(error, openai.APIStatusError | anthropic.APIStatusError | CohereApiError)
    return error.status_code or 0
