"""The key that goes through a file leaves none behind, and only TLS 1.3 is spoken."""

import ssl
import tempfile
from pathlib import Path

import pytest

from lanspread_peer.model.errors import ConnectionLost, IdentityMismatch, MalformedMessage
from lanspread_peer.transport.certificate import make_certificate
from lanspread_peer.transport.tls_context import client_context, server_context
from lanspread_peer.transport.tls_session import TlsSession
from support.quic_pair import make_key
from support.tls_ends import feed, shaken

KEY = make_key()
CERTIFICATE = make_certificate(KEY)


def test_the_client_sees_whose_key_it_is() -> None:
    key = make_key()
    client, _ = shaken(server_context(key, make_certificate(key)), client_context())
    assert client.certificate().public_key() == key.public_key()


def test_no_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    server_context(KEY, CERTIFICATE)
    assert list(tmp_path.iterdir()) == []


def test_what_is_in_the_file_is_encrypted_and_for_the_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, bytes]] = []

    def look(path: Path) -> None:
        seen.append((path.stat().st_mode & 0o777, path.read_bytes()))

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(Path, "unlink", look)
    server_context(KEY, CERTIFICATE)
    [(mode, content)] = seen
    assert mode == 0o600
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in content
    assert b"BEGIN PRIVATE KEY" not in content


def test_an_older_version_of_tls_is_refused() -> None:
    old = client_context()
    old.minimum_version = ssl.TLSVersion.TLSv1_2
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(MalformedMessage):
        shaken(server_context(KEY, CERTIFICATE), old)


def test_an_end_that_shows_no_certificate_has_no_peer_id() -> None:
    _, server = shaken(server_context(KEY, CERTIFICATE), client_context())
    with pytest.raises(IdentityMismatch):
        server.certificate()


def test_what_is_not_tls_is_malformed() -> None:
    session = TlsSession(server_context(KEY, CERTIFICATE), is_server=True)
    feed(session, b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(MalformedMessage):
        session.shake_hands()


def test_a_goodbye_is_the_end_of_the_connection() -> None:
    client, server = shaken(server_context(KEY, CERTIFICATE), client_context())
    with pytest.raises(ssl.SSLWantReadError):
        server._tls.unwrap()
    feed(client, server.take_outgoing())
    with pytest.raises(ConnectionLost):
        client.read_into(memoryview(bytearray(10)))
