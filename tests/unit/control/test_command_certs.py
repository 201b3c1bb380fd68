"""`lanspread-peer certs`, from the founding of a party to its second authority."""

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from lanspread_peer.control.command_certs import certs_group
from lanspread_peer.model.limits import MAX_PARTY_AUTHORITIES
from lanspread_peer.storage import beneath
from lanspread_peer.storage.party_folder import read_party_files
from lanspread_peer.transport.credentials import Credentials, read_party
from lanspread_peer.transport.party_certificates import (
    in_pem,
    make_request,
    read_authority_key,
    read_certificates,
)
from support.papers import DAY, node_key_of, utc_now
from support.quic_pair import make_key


def certs(*words: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(certs_group, [*map(str, words)])
    assert result.exit_code == code, result.output
    return result


@dataclass
class Organiser:
    """An organiser's folder, and a guest who asked."""

    folder: Path
    guest_state: Path
    request: Path

    def issue(self, *words: str) -> Credentials:
        """Issue for the guest; what the guest's sidecar makes of what it gets."""
        certs("issue", self.folder, self.request, *words)
        return self.guest()

    def guest(self) -> Credentials:
        key = node_key_of(self.guest_state)
        [given] = (self.folder / "members").iterdir()
        files = read_party_files(given)
        return Credentials(key, read_party(files.authorities, files.member, key))

    def trusted(self) -> tuple[x509.Certificate, ...]:
        data = (self.folder / "party.crt").read_bytes()
        return read_certificates(data, MAX_PARTY_AUTHORITIES)


@pytest.fixture
def organiser(tmp_path: Path) -> Organiser:
    made = Organiser(tmp_path / "party", tmp_path / "guest", tmp_path / "guest.csr")
    certs("init", made.folder, "--name", "Sommer-LAN \u2600")
    certs("request", made.request, "--state-dir", made.guest_state)
    return made


def test_a_guest_asks_and_gets_what_its_sidecar_takes(organiser: Organiser) -> None:
    guest = organiser.issue("--days", "5")
    assert guest.member is not None
    left = guest.member.not_valid_after_utc - utc_now()
    assert 4 * DAY < left <= 5 * DAY
    guest.admit(guest.member)


def test_the_private_key_stays_with_its_owner(organiser: Organiser) -> None:
    organiser.issue()
    private = [path for path in organiser.folder.rglob("*") if path.is_file()]
    with_keys = [path.name for path in private if b"PRIVATE" in path.read_bytes()]
    assert with_keys == ["ca.pem"]
    assert b"PRIVATE" not in organiser.request.read_bytes()
    if sys.platform != "win32":
        assert (organiser.folder / "ca.pem").stat().st_mode & 0o777 == 0o600


def test_a_party_is_founded_once(organiser: Organiser) -> None:
    before = (organiser.folder / "ca.pem").read_bytes()
    again = certs("init", organiser.folder, "--name", "other", code=1)
    assert "has a party in it already" in again.output
    assert (organiser.folder / "ca.pem").read_bytes() == before
    (organiser.folder / "ca.pem").unlink()
    certs("init", organiser.folder, "--name", "other", code=1)


@pytest.mark.parametrize("name", ["", "x" * 65])
def test_a_party_has_a_name_of_64_bytes_at_most(tmp_path: Path, name: str) -> None:
    assert "INVALID_CERTIFICATE" in certs("init", tmp_path / "p", "--name", name, code=2).output
    assert not (tmp_path / "p").exists()


def test_a_request_overwrites_nothing(organiser: Organiser) -> None:
    certs("request", organiser.request, "--state-dir", organiser.guest_state, code=1)


@pytest.mark.parametrize("spoil", ["garbage", "a certificate", "another's key", "too long"])
def test_only_a_request_of_the_keys_owner_gets_a_certificate(
    organiser: Organiser, spoil: str
) -> None:
    request = organiser.request
    if spoil == "garbage":
        request.write_bytes(b"please")
    elif spoil == "a certificate":
        request.write_bytes((organiser.folder / "party.crt").read_bytes())
    elif spoil == "too long":
        request.write_bytes(b"#" * 70_000 + b"\n" + request.read_bytes())
    else:
        request.write_bytes(_with_key_of(make_request(make_key()), request.read_bytes()))
    assert "INVALID_CERTIFICATE" in certs("issue", organiser.folder, request, code=2).output
    assert not (organiser.folder / "members").exists()


def _with_key_of(victim: bytes, request: bytes) -> bytes:
    """The request of somebody who wants a certificate for a key that he does not have."""
    old, new = (x509.load_pem_x509_csr(pem) for pem in (request, victim))
    der = old.public_bytes(serialization.Encoding.DER).replace(_point_of(old), _point_of(new))
    forged = x509.load_der_x509_csr(der)
    assert forged.public_key() == new.public_key()
    return forged.public_bytes(serialization.Encoding.PEM)


def _point_of(request: x509.CertificateSigningRequest) -> bytes:
    return request.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )


def test_a_member_gets_a_new_certificate_without_asking_again(organiser: Organiser) -> None:
    first = organiser.issue("--days", "2").member
    organiser.request.unlink()
    certs("rotate", organiser.folder, "--days", "9")
    second = organiser.guest()
    assert first is not None
    assert second.member is not None
    assert second.member.public_key() == first.public_key()
    assert second.member.not_valid_after_utc - first.not_valid_after_utc > 6 * DAY
    assert len(organiser.trusted()) == 1


def test_one_member_can_be_rotated_alone(organiser: Organiser) -> None:
    first = organiser.issue()
    certs("rotate", organiser.folder, "--member", first.peer_id)
    assert organiser.guest().member != first.member
    certs("rotate", organiser.folder, "--member", "a" * 52, code=1)


def test_a_certificate_of_another_party_is_not_rotated_into_this_one(
    organiser: Organiser, tmp_path: Path
) -> None:
    guest = organiser.issue()
    other = tmp_path / "other"
    certs("init", other, "--name", "other")
    folder = other / "members" / guest.peer_id
    folder.mkdir(parents=True)
    assert guest.member is not None
    (folder / "member.crt").write_bytes(in_pem([guest.member]))
    assert "not of this party" in certs("rotate", other, code=2).output


def test_an_authority_is_replaced_in_three_steps(organiser: Organiser) -> None:
    old = organiser.issue().member
    [first] = organiser.trusted()
    certs("rotate", organiser.folder, "--new-ca", "--days", "30")
    second = organiser.trusted()[0]
    assert organiser.trusted() == (second, first)
    overlapping = organiser.guest()
    assert overlapping.member == old, "the second step gives new ones"
    certs("rotate", organiser.folder)
    new = organiser.guest().member
    assert new is not None
    assert old is not None
    for member in (old, new):
        overlapping.admit(member)
    new.verify_directly_issued_by(second)
    certs("rotate", organiser.folder, "--end-overlap")
    assert organiser.trusted() == (second,)
    organiser.guest().admit(new)
    kept = read_authority_key((organiser.folder / "ca.old-1.pem").read_bytes())
    assert kept.public_key() == first.public_key()


class Killed(BaseException):
    """What a kill looks like to the code that it ends."""


@pytest.mark.parametrize("done", range(4))
def test_an_authority_that_is_half_replaced_issues_what_counts(
    organiser: Organiser, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    """Killed after so many of the four files: party.crt twice, the old authority, the new one."""
    organiser.issue()
    left = done

    def rename(
        root_a: Path, path_a: str, root_b: Path, path_b: str, *, replace: bool = False
    ) -> None:
        nonlocal left
        if left == 0:
            raise Killed
        left -= 1
        real_rename(root_a, path_a, root_b, path_b, replace=replace)

    real_rename = beneath.rename
    with monkeypatch.context() as patch:
        patch.setattr(beneath, "rename", rename)
        with pytest.raises(Killed):
            certs("rotate", organiser.folder, "--new-ca")
    assert left == 0
    guest = organiser.issue()
    assert guest.member is not None
    guest.admit(guest.member)
    certs("rotate", organiser.folder, "--new-ca")
    certs("rotate", organiser.folder)
    certs("rotate", organiser.folder, "--end-overlap")
    renewed = organiser.guest()
    assert renewed.member is not None
    renewed.admit(renewed.member)


def test_an_authority_that_is_not_trusted_issues_nothing(organiser: Organiser) -> None:
    organiser.issue()
    trusted = (organiser.folder / "party.crt").read_bytes()
    certs("rotate", organiser.folder, "--new-ca")
    (organiser.folder / "party.crt").write_bytes(trusted)
    for words in (("rotate", organiser.folder), ("issue", organiser.folder, organiser.request)):
        assert "--new-ca" in certs(*words, code=2).output
    certs("rotate", organiser.folder, "--new-ca")
    guest = organiser.issue()
    assert guest.member is not None
    guest.admit(guest.member)


def test_authorities_do_not_pile_up(organiser: Organiser) -> None:
    for _ in range(MAX_PARTY_AUTHORITIES - 1):
        certs("rotate", organiser.folder, "--new-ca")
    refused = certs("rotate", organiser.folder, "--new-ca", code=2)
    assert "--end-overlap comes first" in refused.output
    assert len(organiser.trusted()) == MAX_PARTY_AUTHORITIES


def test_two_things_at_once_are_refused(organiser: Organiser) -> None:
    certs("rotate", organiser.folder, "--new-ca", "--end-overlap", code=2)


def test_show_tells_what_each_file_is(organiser: Organiser) -> None:
    guest = organiser.issue("--days", "3")
    [folder] = (organiser.folder / "members").iterdir()
    shown = certs(
        "show",
        organiser.request,
        folder / "party.crt",
        folder / "member.crt",
        organiser.folder / "ca.pem",
    ).output.splitlines()
    assert f"request of peer {guest.peer_id}" in shown[0]
    assert "authority of party 'Sommer-LAN \u2600'" in shown[1]
    assert f"member {guest.peer_id}" in shown[2]
    assert f"until {utc_now() + 3 * DAY:%Y-%m-%d}" in shown[2]
    assert "PRIVATE KEY" in shown[3]
    assert "authority of party" in shown[4]
    assert "fingerprint" in shown[4]


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff" * 10])
def test_show_says_when_it_is_none_of_these(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    assert "INVALID_CERTIFICATE" in certs("show", tmp_path / "file", code=2).output
    certs("show", tmp_path / "missing", code=1)
