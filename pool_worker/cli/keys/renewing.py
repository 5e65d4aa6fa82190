"""`model-pool keys rotate-master`: another master key for the vault, while the pool runs."""

from __future__ import annotations

import redis

from pool_worker.cli.keys.opening import open_vault
from pool_worker.cli.keys.telling import have_workers_read, tell_workers
from pool_worker.cli.running import connected_settings
from pool_worker.cli.terminal import CommandError, as_typed, out
from pool_worker.settings import Settings
from pool_worker.vault import Vault
from pool_worker.vault.master_keys import FILE_NAME, add_to_file, keep_newest_in_file


def rotate_master_command() -> None:
    """Encrypt the vault with another master key; no call is dropped.

    With the file `master.key` a new one is made, and the old one is taken out when everything is encrypted anew. With
    ENCRYPTION_KEY put a new one first there, start the workers again with it, then call this, and take the old one out.
    """
    settings = connected_settings(Settings())
    from_file = settings.encryption_key is None
    if from_file:
        _make_one(settings)
    with open_vault(settings) as vault:
        newest = vault.master_key_ids[0]
        if vault.needs() == {newest}:
            out.print(f"everything is encrypted with {newest} already. {_PUT_ONE_FIRST}")
            return
        _wait_until_all_have(newest, settings)
        count = vault.renew()
    if from_file:
        keep_newest_in_file(settings)
        old = f"the old one is no longer in {FILE_NAME}"
    else:
        old = "take all others out of ENCRYPTION_KEY now, everywhere"
    out.print(f"{count} {'key is' if count == 1 else 'keys are'} encrypted with the master key {newest}; {old}", markup=False)
    tell_workers(settings)


_PUT_ONE_FIRST = "To change it, put a new one first in ENCRYPTION_KEY (a comma after it), and start the workers again"


def _make_one(settings: Settings) -> None:
    """Unless the last time was interrupted: then what was made goes on to be used."""
    with open_vault(settings) as vault:
        is_unfinished = _is_unfinished(vault)
    if not is_unfinished:
        add_to_file(settings)


def _is_unfinished(vault: Vault) -> bool:
    return len(vault.master_key_ids) > 1 and vault.needs() != {vault.master_key_ids[0]}


def _wait_until_all_have(newest: str, settings: Settings) -> None:
    """Workers read the file again when they are told that keys have changed; one that has another ENCRYPTION_KEY does not.

    Raises:
        CommandError: if one does not have it, for it could open nothing any more.
    """
    try:
        workers = have_workers_read(settings, lambda worker: newest in worker.master_keys)
    except (redis.RedisError, OSError):
        return  # nobody runs who would have to know
    without = [worker.name for worker in workers if newest not in worker.master_keys]
    if without:
        msg = (
            f"the vault is as it was: {', '.join(without)} {'does' if len(without) == 1 else 'do'} not have the new master key "
            f"({newest}). Start again what has another ENCRYPTION_KEY or home folder, then `{as_typed('keys rotate-master')}`"
        )
        raise CommandError(msg)
