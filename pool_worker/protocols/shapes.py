"""The shapes of the chat completions API, in which a job is written, taken apart for the formats that say the same otherwise.

What none of these formats could say is refused here. `field` is where in the job a shape stands. All raise
`UnsupportedRequestError`, which names the field.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from pool_client.job import Job, Message
from pool_worker.protocols.asked import object_of, refuse, refuse_value, text_of, word_of

_CHOICES = ("auto", "none", "required")
_TYPED_FUNCTION = frozenset({"type", "function"})
_FUNCTION = frozenset({"name", "description", "parameters", "strict"})
_SCHEMA = frozenset({"name", "schema", "strict"})
_PICTURE = frozenset({"url", "detail"})


def check_speaker(message: Message, *, field: str) -> None:
    """Refuses what a message of its role cannot have. Only a tool has a name: that of its function."""
    if message.name is not None and message.role != "tool":
        refuse(f"{field}.name", "speakers have no names")
    if message.tool_calls and message.role != "assistant":
        refuse(f"{field}.tool_calls", f"only the assistant calls tools, not the {message.role}")
    if message.tool_call_id is not None and message.role != "tool":
        refuse(f"{field}.tool_call_id", f"only a tool answers a call, not the {message.role}")


def parts_of(message: Message, *, kinds: Sequence[str], field: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The parts of a message and where each stands, as `{"type": "text", "text": "Hi"}`; a plain text is one such part.

    Args:
        message: One of the job's.
        kinds: The types that it may be made of. But for `image_url`, what they hold is a text, and may be empty.
        field: Where the message stands.
    """
    content = message.content or []
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    for number, part in enumerate(parts):
        place = f"{field}.content[{number}]"
        kind: Any = part.get("type")
        if kind not in kinds:
            refuse_value(f"{place}.type", kind, f"{' or '.join(kinds)} in a message of the {message.role}")
        if kind != "image_url" and part.get(kind) != "":
            text_of(part.get(kind), field=f"{place}.{kind}")
        yield place, object_of(part, field=place, known=frozenset({"type", kind}))


def picture_of(picture: object, *, field: str) -> dict[str, Any]:
    """An `image_url`: its `url`, and perhaps the `detail` in which to see it."""
    known = object_of(picture, field=field, known=_PICTURE)
    text_of(known.get("url"), field=f"{field}.url")
    return known


def url_of(picture: object, *, field: str) -> str:
    """The address in an `image_url`, for formats that have no word for the detail."""
    known = picture_of(picture, field=field)
    if known.get("detail") is not None:
        word_of(known["detail"], field=f"{field}.detail", words=("auto",))
    return str(known["url"])


def inline_picture(url: str, *, field: str) -> tuple[str, str] | None:
    """The media type and the base64 of `data:image/png;base64,AA==` (RFC 2397); None for any other address."""
    scheme, _, rest = url.partition(":")
    if scheme.lower() != "data":
        return None
    head, _, data = rest.partition(",")
    media_type, *parameters = head.split(";")
    if not media_type or parameters[-1:] != ["base64"]:
        refuse(field, "it must begin like data:image/png;base64,")
    try:
        base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):  # ValueError: letters beyond ASCII
        refuse(field, "what follows the comma must be base64")
    return media_type, data


def tool_of(tool: Mapping[str, Any], *, field: str) -> dict[str, Any]:
    """The function that a tool is: `name`, and perhaps `description`, `parameters` and `strict`."""
    function = _function_in(tool, field=field, known=_FUNCTION)
    if function.get("description"):
        text_of(function["description"], field=f"{field}.function.description")
    return function


def check_choice(job: Job) -> None:
    """Refuses a `tool_choice` of which nobody knows the word, or which demands a call where there are no tools."""
    choice = job.tool_choice
    if isinstance(choice, str) and choice not in _CHOICES:
        refuse_value("tool_choice", choice, f"{' or '.join(_CHOICES)} or a function")
    if choice not in (None, "auto", "none") and not job.tools:
        refuse("tool_choice", "there are no tools to choose from")


def chosen_function(choice: Mapping[str, Any]) -> str:
    """The name of the function that a `tool_choice` demands."""
    return str(_function_in(choice, field="tool_choice", known=frozenset({"name"}))["name"])


def _function_in(value: Mapping[str, Any], *, field: str, known: frozenset[str]) -> dict[str, Any]:
    word_of(value.get("type"), field=f"{field}.type", words=("function",))
    function = object_of(
        object_of(value, field=field, known=_TYPED_FUNCTION).get("function"), field=f"{field}.function", known=known
    )
    text_of(function.get("name"), field=f"{field}.function.name")
    return function


def called_function(call: Mapping[str, Any], *, field: str) -> Mapping[str, Any]:
    """The function of a call that a model made: its `name`, and `arguments` that are yet to be checked.

    What else providers write into their calls (a place, a signature) and the pool has passed on is for them alone.
    """
    word_of(call.get("type", "function"), field=f"{field}.type", words=("function",))
    function = call.get("function")
    if not isinstance(function, Mapping):
        refuse_value(f"{field}.function", function, "an object")
    text_of(function.get("name"), field=f"{field}.function.name")
    return function


def arguments_of(text: object, *, field: str) -> dict[str, Any]:
    """The arguments of a call; none at all, or a blank text, are an empty object."""
    if text is None or (isinstance(text, str) and not text.strip()):
        return {}
    arguments = json_object(text)
    if arguments is None:
        refuse(field, "it must be the text of a JSON object")
    return arguments


def json_object(text: object) -> dict[str, Any] | None:
    """The object that a JSON text says; None if it says anything else."""
    try:
        said = orjson.loads(text) if isinstance(text, str) else None
    except orjson.JSONDecodeError:
        return None
    return said if isinstance(said, dict) else None


def format_of(wanted: Mapping[str, Any], *, kinds: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """The type of a `response_format`, and the schema of a `json_schema` (for the other types an empty one).

    The schema's name is a label that tells the model nothing, and these formats keep to every schema as if it were `strict`.
    """
    kind = word_of(wanted.get("type"), field="response_format.type", words=kinds)
    if kind != "json_schema":
        object_of(wanted, field="response_format", known=frozenset({"type"}))
        return kind, {}
    described = object_of(wanted, field="response_format", known=frozenset({"type", "json_schema"})).get("json_schema")
    schema = object_of(described, field="response_format.json_schema", known=_SCHEMA).get("schema")
    if not isinstance(schema, dict):
        refuse_value("response_format.json_schema.schema", schema, "an object")
    return kind, schema
