import os
from pathlib import Path

import pytest
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


def test_a_file_whose_end_is_cut_off_is_loaded_up_to_there_and_that_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = EmbeddedRedis.start(tmp_path, port=free_port())
    with redis.Redis.from_url(first.url) as client:
        client.set("whole", "yes")
        client.pipeline(transaction=True).set("half", "1").set("other half", "2").execute()
    first.stop()
    (file,) = (tmp_path / "appendonlydir").glob("*.incr.aof")
    os.truncate(file, file.stat().st_size - 20)
    for is_told in (True, False):
        caplog.clear()
        again = EmbeddedRedis.start(tmp_path, port=free_port())
        with redis.Redis.from_url(again.url, decode_responses=True) as client:
            assert client.keys() == ["whole"], "what was written in one step is lost together or not at all"
        again.stop()
        assert ("was cut off" in caplog.text) is is_told
