"""What is done to a secret: checked, encrypted, fingerprinted, shown by its last characters. No I/O."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from pool_client.errors import ConfigurationError

_PRINTABLE = re.compile(r"[\x21-\x7e]{1,4096}")
_ENV_LINE = re.compile(r"(export\s+)?[A-Za-z_]\w*\s*=\s*[^=\s]")
_SHORTEST = 7
_HIDDEN_AT_LEAST = 8
_PEPPER_BYTES = 32
_ID_HEX = 8


class Secret(str):
    """A text whose repr does not show it, so that no dump of a container or a traceback's locals does. `str()` shows it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('**********')"


def checked(secret: str, *, of: str) -> Secret:
    """A secret that can stand in a header, without the blanks around it; `of`: whose it is, for messages.

    Raises:
        ConfigurationError: if it cannot; the message does not show it.
    """
    stripped = secret.strip()
    if not stripped:
        msg = f"the key for {of} is empty"
        raise ConfigurationError(msg)
    if _ENV_LINE.match(stripped):
        msg = f"the key for {of} is a whole line of a .env file: give only what is after the ="
        raise ConfigurationError(msg)
    if len(stripped) < _SHORTEST:
        msg = f"the key for {of} has fewer than {_SHORTEST} characters, which no key has: copy it again, all of it"
        raise ConfigurationError(msg)
    if not _PRINTABLE.fullmatch(stripped):
        msg = f"the key for {of} holds blanks, line breaks or other characters that no key has: copy it again, on one line"
        raise ConfigurationError(msg)
    return Secret(stripped)


def last4(secret: str) -> str:
    """The last four characters; nothing of a secret so short that they would give it away."""
    return secret[-4:] if len(secret) >= 4 + _HIDDEN_AT_LEAST else ""


def master_key_id(master_key: str) -> str:
    """Eight hex digits by which people and tables tell master keys apart; they say nothing of the key, which is random."""
    return hashlib.sha256(b"model-pool master key\0" + master_key.encode()).hexdigest()[:_ID_HEX]


def sealed_with(token: str) -> str:
    """The id of the master key that a token was encrypted with; "" if it was stored before tokens said so."""
    key_id, named, _ = token.partition(":")
    return key_id if named else ""


class Sealer:
    """Encrypts with the newest master key and opens with any. A token is `<id of the master key>:<Fernet token>`.

    Fingerprints are keyed with a random pepper, which lies encrypted in the database: without a master key nobody can test a
    guess against them, and they survive a change of the master key. That the pepper opens also proves the master key right.
    """

    def __init__(self, master_keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in master_keys])
        self.ids = tuple(map(master_key_id, master_keys))
        self._pepper = b""

    def new_seal(self) -> str:
        """A new pepper, encrypted, for a database that has none."""
        return self._seal(secrets.token_bytes(_PEPPER_BYTES))

    def break_seal(self, sealed: str) -> None:
        """Take up the database's pepper.

        Raises:
            ConfigurationError: if no master key opens it.
        """
        try:
            self._pepper = self._open(sealed)
        except InvalidToken:
            needed = sealed_with(sealed)
            msg = (
                f"none of the master keys ({', '.join(self.ids)}) opens this vault: its keys were encrypted with another one"
                f"{f' ({needed})' if needed else ''}. Put that one into ENCRYPTION_KEY (several are separated by commas, the "
                "newest first), or back into master.key in the home folder"
            )
            raise ConfigurationError(msg) from None

    def encrypt(self, secret: str) -> str:
        """A token that `decrypt` opens."""
        return self._seal(secret.encode())

    def decrypt(self, token: str, *, key_id: str) -> Secret:
        """The secret in a token.

        Raises:
            ConfigurationError: if it was damaged, or encrypted with a master key that is not here.
        """
        try:
            return Secret(self._open(token).decode())
        except InvalidToken:
            missing = "" if sealed_with(token) in self.ids else sealed_with(token)
            msg = (
                f"{key_id}: its stored secret cannot be opened with the master keys given ({', '.join(self.ids)}); "
                f"add the missing one{f' ({missing})' if missing else ''}, or rotate the key"
            )
            raise ConfigurationError(msg) from None

    def renew(self, token: str) -> str:
        """The same secret, encrypted with the newest master key."""
        return self._seal(self._open(token))

    def _seal(self, content: bytes) -> str:
        return f"{self.ids[0]}:{self._fernet.encrypt(content).decode()}"

    def _open(self, token: str) -> bytes:
        return self._fernet.decrypt(token.rpartition(":")[2])

    def columns(self, provider: str, secret: str) -> dict[str, str]:
        """What a row of `api_keys` keeps of a secret."""
        return {
            "encrypted_key": self.encrypt(secret),
            "fingerprint": self.fingerprint(provider, secret),
            "last4": last4(secret),
        }

    def fingerprint(self, provider: str, secret: str) -> str:
        """The same for the same secret of the same provider, and telling nothing else."""
        return hmac.new(self._pepper, f"{provider}\0{secret}".encode(), hashlib.sha256).hexdigest()

    def is_secret_of(self, row: Mapping[str, Any], secret: str) -> bool:
        """Whether this is the secret of an active key, whose row of `api_keys` has one that can be opened."""
        if not row["is_active"] or row["fingerprint"] != self.fingerprint(row["provider"], secret):
            return False
        try:
            self._open(row["encrypted_key"])
        except InvalidToken:
            return False
        return True
