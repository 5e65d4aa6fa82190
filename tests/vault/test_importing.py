"""Importing a file's keys again and again: the file leads, but it undoes nothing that a person did."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pool_client.errors import ConfigurationError
from pool_worker.config import EnvKey
from pool_worker.vault import Vault

ONE = EnvKey("groq", 1, "gsk-secret-one")
TWO = EnvKey("groq", 2, "gsk-secret-two", priority=2, daily_limit=14_400, quota_group="ann")
NEW = "gsk-secret-new"


def imported(vault: Vault, *entries: EnvKey) -> list[tuple[str, str]]:
    return [(done.key.id, str(done.change)) for done in vault.import_keys(entries)]


def test_numbers_priorities_limits_and_groups_come_from_the_file(vault: Vault) -> None:
    assert imported(vault, TWO, ONE) == [("groq#1", "added"), ("groq#2", "added")]
    two = vault.list()[1]
    assert (two.priority, two.daily_limit, two.quota_group) == (2, 14_400, "ann")
    assert vault.secrets() == {"groq#1": "gsk-secret-one", "groq#2": "gsk-secret-two"}


def test_a_key_without_a_number_takes_what_the_others_leave(vault: Vault) -> None:
    bare = EnvKey("groq", 0, "gsk-secret-bare")
    assert imported(vault, bare, ONE) == [("groq#1", "added"), ("groq#2", "added")]
    assert vault.secrets()["groq#2"] == "gsk-secret-bare"
    assert imported(vault, bare, ONE) == [("groq#1", "unchanged"), ("groq#2", "unchanged")]
    assert imported(vault, replace(bare, secret=NEW)) == [("groq#2", "rotated")]


def test_importing_again_changes_and_records_nothing(vault: Vault) -> None:
    imported(vault, ONE, TWO)
    before = vault.audit()
    assert imported(vault, ONE, TWO) == [("groq#1", "unchanged"), ("groq#2", "unchanged")]
    assert vault.audit() == before


def test_facts_that_changed_in_the_file_are_taken_over(vault: Vault) -> None:
    imported(vault, TWO)
    assert imported(vault, replace(TWO, priority=3, quota_group="")) == [("groq#2", "updated")]
    assert (vault.list()[0].priority, vault.list()[0].quota_group) == (3, "")


def test_a_secret_that_changed_in_the_file_replaces_the_old_one(vault: Vault) -> None:
    imported(vault, ONE)
    assert imported(vault, replace(ONE, secret=NEW)) == [("groq#1", "rotated")]
    assert vault.secrets() == {"groq#1": "gsk-secret-new"}


def test_a_key_rotated_by_a_person_stays_rotated_until_the_file_changes(vault: Vault) -> None:
    imported(vault, ONE)
    vault.rotate("groq#1", "gsk-secret-by-hand")
    assert imported(vault, ONE) == [("groq#1", "unchanged")]
    assert vault.secrets() == {"groq#1": "gsk-secret-by-hand"}
    assert imported(vault, replace(ONE, secret=NEW)) == [("groq#1", "rotated")]
    assert vault.secrets() == {"groq#1": "gsk-secret-new"}


def test_a_revoked_key_stays_revoked_while_the_file_still_has_it(vault: Vault) -> None:
    imported(vault, ONE)
    vault.revoke("groq#1")
    assert imported(vault, ONE) == [("groq#1", "revoked")]
    assert vault.secrets() == {}
    assert imported(vault, replace(ONE, secret=NEW)) == [("groq#1", "rotated")]
    assert vault.secrets() == {"groq#1": "gsk-secret-new"}


def test_a_key_that_a_person_had_added_is_recognised(vault: Vault) -> None:
    vault.add("groq", TWO.secret)
    assert imported(vault, TWO) == [("groq#1", "updated")]
    assert imported(vault, ONE, TWO) == [("groq#2", "added"), ("groq#1", "unchanged")]


def test_a_secret_that_moved_to_another_number_is_followed(vault: Vault) -> None:
    imported(vault, ONE)
    moved = replace(ONE, index=2)
    new = replace(ONE, secret=NEW)
    assert imported(vault, new, moved) == [("groq#1", "rotated"), ("groq#2", "added")]
    assert vault.secrets() == {"groq#1": "gsk-secret-new", "groq#2": "gsk-secret-one"}


def test_two_secrets_may_change_places(vault: Vault) -> None:
    imported(vault, ONE, TWO)
    imported(vault, replace(ONE, secret=TWO.secret), replace(TWO, secret=ONE.secret))
    assert vault.secrets() == {"groq#1": "gsk-secret-one", "groq#2": "gsk-secret-two"}
    assert imported(vault, replace(ONE, secret=TWO.secret), replace(TWO, secret=ONE.secret)) == [
        ("groq#2", "unchanged"),
        ("groq#1", "unchanged"),
    ]


def test_one_wrong_key_leaves_the_vault_as_it_was(vault: Vault) -> None:
    with pytest.raises(ConfigurationError, match="priority: 0"):
        vault.import_keys([ONE, replace(TWO, priority=0)])
    assert vault.list() == ()
