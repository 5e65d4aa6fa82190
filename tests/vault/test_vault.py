"""The vault: what is put in comes out for the right master key only, once, and on record."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import Engine, select, text, update

from pool_client.errors import ConfigurationError
from pool_worker.ledger.database import open_database, writing
from pool_worker.ledger.schema import migrate
from pool_worker.ledger.tables import api_keys, key_audit, vault_seal
from pool_worker.registry import Key
from pool_worker.vault import Vault, master_key_id

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
PLANTED = "gsk_planted_SECRET_0123456789"
OpenVault = Callable[..., Vault]


def actions(vault: Vault, key_id: str | None = None) -> list[str]:
    return [entry.action for entry in reversed(vault.audit(key_id=key_id))]


def test_a_secret_comes_out_as_it_went_in(vault: Vault) -> None:
    key = vault.add("groq", f"  {PLANTED}\n", priority=2, quota_group="ann", daily_limit=14_400)
    assert key == Key("groq#1", "groq", priority=2, quota_group="ann", daily_limit=14_400, last4="6789")
    assert vault.list() == (key,)
    assert vault.secrets() == {"groq#1": PLANTED}


def test_keys_are_numbered_by_provider_and_listed_in_that_order(vault: Vault) -> None:
    for number in range(11):
        vault.add("groq", f"{PLANTED}{number}")
    vault.add("cerebras", PLANTED)
    assert [key.id for key in vault.list()] == ["cerebras#1", *(f"groq#{number}" for number in range(1, 12))]


def test_the_next_free_number_is_taken_and_a_revoked_one_is_not_free(vault: Vault) -> None:
    vault.add("groq", "first-secret", index=2)
    vault.revoke("groq#2")
    assert [vault.add("groq", secret).id for secret in ("second-secret", "third-secret")] == ["groq#1", "groq#3"]


def test_secrets_are_of_the_providers_asked_for_and_of_active_keys(vault: Vault) -> None:
    vault.add("groq", "groq-secret")
    vault.add("groq", "groq-revoked")
    vault.add("gemini", "gemini-secret")
    vault.revoke("groq#2")
    assert vault.secrets(["groq"]) == {"groq#1": "groq-secret"}
    assert vault.secrets(frozenset()) == {}
    assert set(vault.secrets()) == {"groq#1", "gemini#1"}


def test_the_same_secret_again_is_the_same_key_with_the_facts_now_given(vault: Vault) -> None:
    first = vault.add("groq", PLANTED, priority=2, quota_group="ann")
    again = vault.add("groq", PLANTED, daily_limit=5)
    assert (again.id, again.priority, again.quota_group, again.daily_limit) == (first.id, 2, "ann", 5)
    assert vault.add("mistral", PLANTED).id == "mistral#1", "another provider's key is another key"
    assert len(vault.list()) == 2
    assert actions(vault, "groq#1") == ["added", "updated"]


def test_a_taken_number_is_told(vault: Vault) -> None:
    vault.add("groq", "first-secret", index=1)
    with pytest.raises(ConfigurationError, match="groq#1 exists already, with another secret: rotate it"):
        vault.add("groq", "second-secret", index=1)
    assert vault.secrets() == {"groq#1": "first-secret"}


def test_a_revoked_key_keeps_its_row_without_its_secret_and_returns_when_added_again(vault: Vault, engine: Engine) -> None:
    vault.add("groq", PLANTED)
    assert not vault.revoke("groq#1").is_active
    assert not vault.revoke("groq#1").is_active
    with engine.connect() as connection:
        assert connection.execute(select(api_keys.c.encrypted_key)).scalars().all() == [None]
    assert vault.secrets() == {}
    assert vault.add("groq", PLANTED).is_active
    assert vault.secrets() == {"groq#1": PLANTED}
    assert actions(vault) == ["added", "revoked", "restored", "read"]


def test_a_rotated_key_keeps_its_id(vault: Vault, engine: Engine) -> None:
    vault.add("groq", PLANTED, priority=3)
    vault.add("groq", "other-secret-x")
    rotated = vault.rotate("groq#1", "new-secret-0000")
    assert (rotated.id, rotated.priority, rotated.last4) == ("groq#1", 3, "0000")
    assert vault.secrets()["groq#1"] == "new-secret-0000"
    with engine.connect() as connection:
        assert connection.execute(select(api_keys.c.last_rotated).order_by(api_keys.c.id)).scalars().all() == [NOON, None]
    with pytest.raises(ConfigurationError, match="this secret is groq#2 already"):
        vault.rotate("groq#1", "other-secret-x")
    vault.revoke("groq#1")
    with pytest.raises(ConfigurationError, match="groq#1 is revoked"):
        vault.rotate("groq#1", "newest-secret")


def test_an_unknown_key_is_told_with_those_that_there_are(vault: Vault) -> None:
    vault.add("groq", PLANTED)
    with pytest.raises(ConfigurationError, match="there is no key groq#7: groq has groq#1"):
        vault.revoke("groq#7")
    with pytest.raises(ConfigurationError, match="there is no key nobody: nobody has no key"):
        vault.rotate("nobody", "new-secret")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"provider": "Groq!"}, "provider: 'Groq!'"),
        ({"secret": "  "}, "the key for groq is empty"),
        ({"secret": "word12"}, "the key for groq has fewer than 7 characters"),
        (
            {"secret": f"GROQ_API_KEY_1={PLANTED}"},
            "the key for groq is a whole line of a .env file: give only what is after the =",
        ),
        ({"secret": f"export GROQ_API_KEY='{PLANTED}'"}, "the key for groq is a whole line of a .env file"),
        ({"secret": "two words"}, "the key for groq holds blanks"),
        ({"secret": "schlüssel"}, "the key for groq holds blanks"),
        ({"secret": "a\r\nHost: evil"}, "the key for groq holds blanks"),
        ({"index": 0}, "index: 0 is not a whole number"),
        ({"priority": -1}, "priority: -1 is not a whole number from 1 to 1000"),
        ({"daily_limit": 0}, "daily_limit: 0 is not a whole number"),
        ({"quota_group": "my group"}, "quota_group: 'my group'"),
    ],
)
def test_a_wrong_value_is_told_without_the_secret(vault: Vault, wrong: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        vault.add(**{"provider": "groq", "secret": PLANTED} | wrong)  # type: ignore[arg-type]
    assert str(caught.value).startswith(says)
    assert "words" not in str(caught.value)
    assert PLANTED not in str(caught.value)
    assert vault.list() == ()


def test_no_secret_stands_anywhere_in_the_clear(vault: Vault, engine: Engine) -> None:
    vault.add("groq", PLANTED)
    opened = vault.secrets()
    assert PLANTED not in f"{opened!r} {vault.list()!r} {vault!r} {vault.audit()!r}"
    with engine.connect() as connection:
        rows = [str(row) for table in (api_keys, key_audit, vault_seal) for row in connection.execute(select(table))]
    assert len(rows) == 4
    assert all(PLANTED not in row for row in rows)


def test_a_short_secret_is_not_given_away_by_its_end(vault: Vault) -> None:
    assert vault.add("gemini", "AIzaXXXX").last4 == ""
    assert vault.add("gemini", "x" * 8 + "1234").last4 == "1234"


def test_a_wrong_master_key_is_told_when_the_vault_is_opened(open_vault: OpenVault, master_key: str) -> None:
    open_vault(master_key)
    needed = master_key_id(master_key)
    with pytest.raises(ConfigurationError, match=rf"none of the master keys .* opens this vault: .* another one \({needed}\)"):
        open_vault(Fernet.generate_key().decode())


def test_a_new_master_key_opens_with_the_old_one_beside_it_and_alone_after_renewing(
    open_vault: OpenVault, master_key: str
) -> None:
    open_vault(master_key).add("groq", PLANTED)
    new = Fernet.generate_key().decode()
    both = open_vault(new, master_key)
    assert both.secrets() == {"groq#1": PLANTED}
    assert both.needs() == {master_key_id(master_key)}
    assert both.renew() == 1
    assert both.needs() == {master_key_id(new)}
    assert both.renew() == 0, "it is so already"
    alone = open_vault(new)
    assert alone.secrets() == {"groq#1": PLANTED}
    assert alone.add("groq", PLANTED).id == "groq#1", "the fingerprints are still the same"
    with pytest.raises(ConfigurationError):
        open_vault(master_key)


def test_what_was_encrypted_before_tokens_named_their_master_key_opens_and_is_renewed(
    vault: Vault, engine: Engine, master_key: str
) -> None:
    vault.add("groq", PLANTED)
    with writing(engine) as connection:
        token = connection.execute(select(api_keys.c.encrypted_key)).scalar_one()
        connection.execute(update(api_keys).values(encrypted_key=token.partition(":")[2]))
    assert vault.secrets() == {"groq#1": PLANTED}
    assert vault.needs() == {"", master_key_id(master_key)}
    assert vault.renew() == 1
    assert vault.needs() == {master_key_id(master_key)}


def test_nothing_that_an_old_master_key_opens_stays_in_the_files(tmp_path: Path, master_key: str) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'ledger.db'}")
    migrate(engine)
    vault = Vault(engine, [master_key])
    for number in range(40):
        vault.add("groq", f"{PLANTED}{number}")
    vault.revoke("groq#7")
    new = Fernet.generate_key().decode()
    assert opened_in(tmp_path, master_key) >= 40
    Vault(engine, [new, master_key]).renew()
    assert opened_in(tmp_path, master_key) == 0
    assert opened_in(tmp_path, new) == 40, "39 keys and the seal"
    engine.dispose()


def opened_in(folder: Path, master_key: str) -> int:
    """How many tokens in the files of a folder a master key opens."""
    fernet = Fernet(master_key)
    sizes = [4 * math.ceil((57 + 16 * blocks) / 3) for blocks in (1, 2, 3, 4)]  # whatever stands behind them

    def opens(token: bytes) -> bool:
        try:
            return bool(fernet.decrypt(token))
        except InvalidToken:
            return False

    texts = [path.read_bytes() for path in folder.iterdir()]
    starts = [text[found.start() :] for text in texts for found in re.finditer(b"gAAAA", text)]
    return len({start[: sizes[0]] for start in starts if any(opens(start[:size]) for size in sizes)})


def test_facts_of_a_key_are_changed_without_its_secret(vault: Vault) -> None:
    vault.add("groq", PLANTED, priority=2, quota_group="ann")
    assert vault.update("groq#1", priority=5, daily_limit=100).priority == 5
    assert vault.update("groq#1") == Key("groq#1", "groq", priority=5, quota_group="ann", daily_limit=100, last4="6789")
    assert actions(vault) == ["added", "updated"]
    with pytest.raises(ConfigurationError, match="priority: 0 is not a whole number from 1 to 1000"):
        vault.update("groq#1", priority=0)
    with pytest.raises(ConfigurationError, match="groq#9"):
        vault.update("groq#9", priority=1)


def test_a_secret_that_ends_in_padding_is_no_line(vault: Vault) -> None:
    vault.add("groq", "c2VjcmV0LXNlY3JldA==")
    assert vault.secrets() == {"groq#1": "c2VjcmV0LXNlY3JldA=="}


def test_who_has_a_secret(vault: Vault, engine: Engine) -> None:
    for provider in ("groq", "mistral", "gemini"):
        vault.add(provider, PLANTED)
    vault.add("groq", "another-secret")
    vault.revoke("gemini#1")
    assert [key.id for key in vault.with_secret(f"{PLANTED}\n")] == ["groq#1", "mistral#1"]
    with writing(engine) as connection:
        connection.execute(update(api_keys).where(api_keys.c.key_id == "groq#1").values(encrypted_key="gAAAAAbroken"))
    assert [key.id for key in vault.with_secret(PLANTED)] == ["mistral#1"], "rotating to the same one mends it"


def test_a_damaged_secret_is_told_by_its_key(vault: Vault, engine: Engine) -> None:
    vault.add("groq", PLANTED)
    with writing(engine) as connection:
        connection.execute(update(api_keys).values(encrypted_key="gAAAAAbroken"))
    with pytest.raises(ConfigurationError, match="groq#1: its stored secret cannot be opened"):
        vault.secrets()


def test_every_opening_and_change_is_on_record(vault: Vault) -> None:
    vault.add("groq", PLANTED)
    vault.secrets(["groq"], actor="worker@host:7")
    vault.add("groq", PLANTED, priority=2)
    vault.revoke("groq#1", actor="bob")
    record = [(entry.actor, entry.action, entry.key_id, entry.detail, entry.at) for entry in reversed(vault.audit())]
    assert record == [
        ("ann", "added", "groq#1", "", NOON),
        ("worker@host:7", "read", "groq#1", "", NOON),
        ("ann", "updated", "groq#1", "priority 2", NOON),
        ("bob", "revoked", "groq#1", "", NOON),
    ]
    assert len(vault.audit(limit=2)) == 2


def test_what_is_read_at_once_is_put_together_and_the_record_stays_complete(vault: Vault) -> None:
    for number in range(4):
        vault.add("groq", f"{PLANTED}{number}")
    for reader in ("w1", "w2", "w2"):
        vault.secrets(actor=reader)
    vault.revoke("groq#4")
    vault.secrets(actor="w1")
    lines = [(line[0].action, line[0].actor, len(line)) for line in vault.audit_together(limit=6)]
    assert lines == [("read", "w1", 3), ("revoked", "ann", 1), ("read", "w2", 8), ("read", "w1", 4), *[("added", "ann", 1)] * 2]
    assert [len(line) for line in vault.audit_together(key_id="groq#4")] == [1, 2, 1, 1]
    assert len(vault.audit()) == 4 + 3 * 4 + 1 + 3


def test_a_process_that_names_nobody_is_recorded_as_itself(engine: Engine, master_key: str) -> None:
    vault = Vault(engine, [master_key])
    vault.add("groq", PLANTED)
    assert "@" in vault.audit()[0].actor


def test_processes_that_add_at_once_make_each_key_once(open_vault: OpenVault, engine: Engine, master_key: str) -> None:
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM vault_seal")).scalar() == 0

    def add_all() -> None:
        vault = open_vault(master_key)
        for number in range(5):
            vault.add("groq", f"{PLANTED}{number}")

    threads = [threading.Thread(target=add_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    vault = open_vault(master_key)
    assert [key.id for key in vault.list()] == [f"groq#{number}" for number in range(1, 6)]
    assert sorted(vault.secrets().values()) == [f"{PLANTED}{number}" for number in range(5)]
