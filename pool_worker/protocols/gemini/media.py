"""Pictures in a request: a `data:` URL travels inside it, any other is for Google to fetch."""

from __future__ import annotations

import base64
import binascii
from pathlib import PurePosixPath
from typing import Any

from pool_worker.protocols.gemini.unsaid import cannot_say, object_of, text_of

_TYPES = {
    ".avif": "image/avif",
    ".bmp": "image/bmp",
    ".gif": "image/gif",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
}
"""As Google's client guesses them; a fixed list, because its own reads the machine's."""
_PICTURE = frozenset({"url", "detail"})


def render_picture(picture: object, *, field: str) -> dict[str, Any]:
    """The part for an `image_url`.

    Raises:
        UnsupportedRequestError: its URL or detail cannot be said; the reason names the field.
    """
    picture = object_of(picture, field=field, known=_PICTURE)
    if picture.get("detail") not in (None, "auto"):
        cannot_say(f"{field}.detail", "only some models take a resolution")
    field += ".url"
    url = text_of(picture.get("url"), field=field)
    scheme, _, rest = url.partition(":")
    if scheme.lower() == "data":
        return {"inlineData": _inline(rest, field=field)}
    if scheme.lower() not in {"http", "https", "gs"}:
        cannot_say(field, "only data:, http:, https: and gs: are fetched")
    mime_type = _TYPES.get(PurePosixPath(url).suffix.lower())
    if mime_type is None:
        cannot_say(field, "its ending does not tell what kind of picture it is")
    return {"fileData": {"fileUri": url, "mimeType": mime_type}}


def _inline(rest: str, *, field: str) -> dict[str, str]:
    """From `image/png;base64,AA==`; in the URL-safe alphabet, as Google's client writes bytes."""
    head, _, data = rest.partition(",")
    mime_type, *parameters = head.split(";")
    if not mime_type or "base64" not in parameters:
        cannot_say(field, "it does not begin with data:TYPE;base64,")
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):  # ValueError: letters beyond ASCII
        cannot_say(field, "it is no base64")
    return {"data": base64.urlsafe_b64encode(content).decode("ascii"), "mimeType": mime_type}
