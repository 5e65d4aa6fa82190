"""A server that is there and refuses writes: full, or a replica; and that accepts them again."""

from __future__ import annotations

import redis


def fill(server: redis.Redis) -> None:
    server.config_set("maxmemory", "1")


def relieve(server: redis.Redis) -> None:
    server.config_set("maxmemory", "0")


def demote(server: redis.Redis) -> None:
    server.replicaof("127.0.0.1", "1")


def promote(server: redis.Redis) -> None:
    server.replicaof("NO", "ONE")
