"""The master keys that open the vault: from `ENCRYPTION_KEY`, else from a file in the home folder that only its owner reads.

The file is read whenever the vault is opened, so a process that runs has a new one at once; what the environment says stays for
as long as the process lives.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet

from pool_client.errors import ConfigurationError
from pool_worker.settings import Settings
from pool_worker.vault.sealing import Secret

FILE_NAME = "master.key"
_MAKE_ONE = 'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'


def master_keys(settings: Settings) -> tuple[Secret, ...]:
    """The vault's master keys, the newest first. Without `ENCRYPTION_KEY`, a file with a new one is made where there is none.

    Raises:
        ConfigurationError: if one is no Fernet key, or if others than its owner can read the file.
    """
    if settings.encryption_key is not None:
        return _parse(settings.encryption_key.get_secret_value().split(","), source="ENCRYPTION_KEY")
    path = settings.home / FILE_NAME
    if not path.exists():
        _create(path)
    return _parse(_read_private(path).split(), source=str(path))


def add_to_file(settings: Settings) -> tuple[Secret, ...]:
    """Put a new master key before those of the file; returns all, the newest first.

    Raises:
        ConfigurationError: as `master_keys` does.
    """
    keys = (Secret(Fernet.generate_key().decode()), *master_keys(settings))
    _replace(settings.home / FILE_NAME, keys)
    return keys


def keep_newest_in_file(settings: Settings) -> None:
    """Take all but the newest out of the file. Raises as `master_keys` does."""
    _replace(settings.home / FILE_NAME, master_keys(settings)[:1])


def _parse(words: list[str], *, source: str) -> tuple[Secret, ...]:
    keys = tuple(Secret(word.strip()) for word in words)
    for number, key in enumerate(keys, 1):
        try:
            Fernet(key)
        except ValueError:
            msg = f"{source}: entry {number} is no Fernet key (44 characters of URL-safe base64); make one with {_MAKE_ONE}"
            raise ConfigurationError(msg) from None
    if not keys:
        msg = f"{source} is empty: it should hold the vault's master key; restore it, or remove it if the vault has no keys yet"
        raise ConfigurationError(msg)
    return keys


def _read_private(path: Path) -> str:
    try:
        with path.open(encoding="ascii") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                msg = f"{path} can be read by others than its owner (mode {mode:04o}): chmod 600 {path}"
                raise ConfigurationError(msg)
            return file.read()
    except PermissionError:
        msg = f"{path} cannot be read by this user: run as its owner, or set ENCRYPTION_KEY"
        raise ConfigurationError(msg) from None
    except UnicodeDecodeError:
        msg = f"{path} holds no Fernet key: restore it, or remove it if the vault has no keys yet"
        raise ConfigurationError(msg) from None


def _create(path: Path) -> None:
    """Complete and private from its first moment; if two processes do it, the first file stays."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = _written_beside(path, (Fernet.generate_key().decode(),))
    try:
        os.link(new, path)
    except FileExistsError:
        pass
    finally:
        new.unlink()


def _replace(path: Path, keys: tuple[str, ...]) -> None:
    """In one step: who reads it meanwhile has all of the old content or all of the new."""
    _written_beside(path, keys).replace(path)


def _written_beside(path: Path, keys: tuple[str, ...]) -> Path:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # of mode 0600
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write("".join(f"{key}\n" for key in keys))
        file.flush()
        os.fsync(file.fileno())
    return Path(name)
