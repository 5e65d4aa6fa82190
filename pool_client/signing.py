"""A job's signature: who knows an agent's secret can show that a job is that agent's, and nobody can change it unseen.

HMAC-SHA256 over the job's JSON as its record holds it, with its id, its agent and its time in it.
"""

from __future__ import annotations

import hashlib
import hmac


def sign(spec: str, *, secret: str) -> str:
    """The signature, 64 hexadecimal digits; some microseconds for a usual job."""
    return hmac.new(secret.encode(), spec.encode(), hashlib.sha256).hexdigest()


def is_signed(spec: str, *, signature: str, secret: str) -> bool:
    """Whether it was signed with this secret; takes as long for one that was not."""
    return hmac.compare_digest(sign(spec, secret=secret).encode(), signature.encode())
