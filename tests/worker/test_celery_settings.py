from __future__ import annotations

import pytest

from pool_client.errors import ConfigurationError
from pool_worker.celery_settings import celery_settings
from pool_worker.settings import Settings


@pytest.mark.parametrize(
    "url", ["rediss://:sesame@redis.example:6380/0", "unix:///run/redis.sock", "redis://h:1/0?password=sesame"]
)
def test_a_url_that_the_transport_would_misread_is_refused_and_its_password_not_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match="workers cannot use") as refusal:
        celery_settings(Settings(redis_url=url, _env_file=None), queues=["free"])
    assert "sesame" not in str(refusal.value)


def test_a_plain_one_is_taken_as_it_is() -> None:
    settings = celery_settings(Settings(redis_url="redis://redis.example:6380/2", _env_file=None), queues=["free"])
    assert settings["broker_url"] == "redis://redis.example:6380/2"
