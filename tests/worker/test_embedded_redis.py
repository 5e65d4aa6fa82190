from pathlib import Path

import redis

from pool_worker.embedded_redis import EmbeddedRedis, free_port


def test_what_was_written_survives_a_restart(tmp_path: Path) -> None:
    first = EmbeddedRedis.start(tmp_path, port=free_port())
    with redis.Redis.from_url(first.url, decode_responses=True) as client:
        client.set("kept", "yes")
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    first.stop()
    second = EmbeddedRedis.start(tmp_path, port=free_port())
    with redis.Redis.from_url(second.url, decode_responses=True) as client:
        assert client.get("kept") == "yes"
    second.stop()
