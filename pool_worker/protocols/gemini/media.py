"""Pictures in a request: a `data:` URL travels inside it, any other is for Google to fetch."""

from __future__ import annotations

import base64
from pathlib import PurePosixPath
from typing import Any

from pool_worker.protocols.asked import refuse
from pool_worker.protocols.shapes import inline_picture, url_of

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


def render_picture(picture: object, *, field: str) -> dict[str, Any]:
    """The part for an `image_url`. Bytes are in the URL-safe alphabet, as Google's client writes them.

    Raises:
        UnsupportedRequestError: its URL or detail cannot be said; the reason names the field.
    """
    url = url_of(picture, field=field)
    field += ".url"
    inline = inline_picture(url, field=field)
    if inline is not None:
        media_type, data = inline
        return {"inlineData": {"data": base64.urlsafe_b64encode(base64.b64decode(data)).decode("ascii"), "mimeType": media_type}}
    if url.partition(":")[0].lower() not in {"http", "https", "gs"}:
        refuse(field, "it must begin with data:, http:, https: or gs:")
    mime_type = _TYPES.get(PurePosixPath(url).suffix.lower())
    if mime_type is None:
        refuse(field, f"it must tell what kind of picture it is by its ending, as {', '.join(_TYPES)}")
    return {"fileData": {"fileUri": url, "mimeType": mime_type}}
