"""What Celery, kombu, redbeat and Flower are told of a Redis shows no secret, and what they could not use is refused."""

from __future__ import annotations

import json

import pytest
from celery import Celery
from celery.app.utils import filter_hidden_settings

from pool_client.errors import ConfigurationError
from pool_worker.celery_settings import REDIS_URL, celery_settings
from pool_worker.settings import Settings

QUOTED = "sesame%3B%2F%404711"  # sesame;/@4711: what stands for something else in a URL


def app_of(url: str) -> Celery:
    app = Celery("test", set_as_current=False)
    app.conf.update(celery_settings(Settings(redis_url=url, _env_file=None), queues=["free"]))
    return app


@pytest.mark.parametrize(
    ("url", "wrong", "known"),
    [
        (f"redis://h:1/0?password={QUOTED}", "password", "db"),
        (f"rediss://:{QUOTED}@h:1/0?socket_timeout=1&ssl_password=x", "socket_timeout, ssl_password", "db, ssl_ca_certs"),
        (f"redis://:{QUOTED}@h:1/0?ssl_ca_certs=x", "ssl_ca_certs", "db"),
    ],
)
def test_an_option_that_is_not_the_urls_to_set_is_refused_and_no_password_shown(url: str, wrong: str, known: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"cannot use options in the URL \({wrong}\); .* there are {known}") as refusal:
        app_of(url)
    assert "sesame" not in str(refusal.value)


@pytest.mark.parametrize("url", [f"redis://:{QUOTED}@h:port/0", f"unix://:{QUOTED}@/x?db=one"])
def test_so_is_a_url_that_cannot_be_read(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"MODEL_POOL_REDIS_URL: .* is wrong; write e\.g\. redis://") as refusal:
        app_of(url)
    assert "sesame" not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis://redis.example:6380/2", "redis://redis.example:6380/2"),
        ("redis://[::1]:6380", "redis://[::1]:6380/0"),
        (f"rediss://bob:{QUOTED}@h:6380/2?ssl_ca_certs=/ca.pem", f"redis://bob:{QUOTED}@h:6380/2"),
        (f"unix://:{QUOTED}@/run/redis.sock?db=3", f"redis://:{QUOTED}@%2Frun%2Fredis.sock/3"),
    ],
)
def test_kombu_is_told_of_the_server_in_the_only_form_that_it_knows(url: str, told: str) -> None:
    assert app_of(url).conf.broker_url == told


@pytest.mark.parametrize("url", ["redis://bob:{}@h/0", "rediss://bob:{}@h/0?ssl_keyfile=/me.key", "unix://bob:{}@/x.sock"])
def test_no_password_is_in_what_celery_shows_of_its_settings(url: str) -> None:
    app = app_of(url.format(QUOTED))
    with app.connection() as connection:
        told = connection.info()
        assert told.pop("password") == "sesame;/@4711", "Celery takes it out as well, before it tells"
        shown = [json.dumps(filter_hidden_settings(app.conf.changes), default=str), str(told), connection.as_uri()]
    assert [text for text in shown if "sesame" in text] == []
    assert set(app.conf.table()[REDIS_URL]) == {"*"}
