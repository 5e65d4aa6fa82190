"""What a job needs of a model, worked out once per job."""

from __future__ import annotations

from dataclasses import dataclass

from pool_client.job import Job
from pool_worker.registry import Registry

SYNONYMS: tuple[frozenset[str], ...] = (
    frozenset({"vision", "image", "images", "multimodal"}),
    frozenset({"tools", "tool_use", "tool_calling", "function_calling", "functions"}),
    frozenset({"json", "json_mode", "json_schema", "structured_output", "structured_outputs"}),
)
"""Words for the same capability, for people write their own models.yaml."""

_PICTURES = frozenset({"image_url", "input_image", "image"})


@dataclass(frozen=True, slots=True)
class Capability:
    """Something a model must be able to do: the word that asked for it, and all words that mean it."""

    word: str
    words: frozenset[str]

    def is_among(self, capabilities: frozenset[str]) -> bool:
        """Whether these capabilities include it."""
        return not self.words.isdisjoint(capabilities)


@dataclass(frozen=True, slots=True)
class Needs:
    """The capabilities that a job cannot do without, and those that its task type would rather have."""

    required: tuple[Capability, ...]
    preferred: tuple[Capability, ...]
    notes: tuple[str, ...]
    """What of it was not insisted on or has no effect, and why."""


def capability(word: str) -> Capability:
    """The capability that a word stands for."""
    plain = word.lower()
    return Capability(word, next((words for words in SYNONYMS if plain in words), frozenset({plain})) | {word})


def needs_of(job: Job, registry: Registry) -> Needs:
    """What the job says, what its request itself takes, and what its task type prefers.

    Tools and JSON schemas are insisted on only where some model says of itself that it can do them: in a registry that does
    not use these words, nothing is known about it. Pictures always are: other models refuse them.
    """
    required = [capability(word) for word in sorted(job.required_capabilities)]
    if _has_pictures(job):
        required.append(capability("vision"))
    notes: list[str] = []
    for needed, asked in (("tools", bool(job.tools)), ("json", _wants_schema(job))):
        if not asked:
            continue
        wanted = capability(needed)
        if any(wanted.is_among(model.capabilities) for model in registry.models.values()):
            required.append(wanted)
        else:
            notes.append(f"no model says whether it can do {needed}: any may be tried")
    if job.excluded_providers:
        notes += _exclusions_in_vain(job, registry)
    preferred = sorted(registry.task_capabilities.get(job.task_type or "", ()))
    return Needs(tuple(required), tuple(capability(word) for word in preferred), tuple(notes))


def _exclusions_in_vain(job: Job, registry: Registry) -> list[str]:
    known = {name for provider in registry.providers.values() for name in (provider.id, *provider.aliases)}
    return [
        f"no provider is called {name}, so that excluding it changes nothing" for name in sorted(job.excluded_providers - known)
    ]


def _has_pictures(job: Job) -> bool:
    return any(
        part.get("type") in _PICTURES for message in job.messages if isinstance(message.content, list) for part in message.content
    )


def _wants_schema(job: Job) -> bool:
    return job.response_format is not None and job.response_format.get("type") == "json_schema"
