"""A party's papers, made for a test: authorities, members, and certificates of every wrong kind."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lanspread_peer.model.limits import CLOCK_SKEW_S
from lanspread_peer.storage.node_key import load_or_create_key
from lanspread_peer.storage.party_folder import AUTHORITIES_FILE, MEMBER_FILE
from lanspread_peer.storage.state_dir import open_state_dir
from lanspread_peer.transport.credentials import Credentials, Party, read_party
from lanspread_peer.transport.party_certificates import (
    PEER_URN,
    in_pem,
    make_authority,
    make_member,
    peer_id_in,
)
from support.quic_pair import make_key

DAY = timedelta(days=1)
SKEW = timedelta(seconds=CLOCK_SKEW_S)


def utc_now() -> datetime:
    """Now, as certificates tell it."""
    return datetime.now(UTC).replace(microsecond=0)


@dataclass(frozen=True, slots=True)
class Authority:
    """One that signs members."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def make(cls, name: str = "Summer LAN") -> "Authority":
        """A new one that is valid for a while."""
        key, now = make_key(), utc_now()
        return cls(key, make_authority(key, name, now - 10 * DAY, now + 400 * DAY))

    def member(
        self,
        key: ec.EllipticCurvePrivateKey,
        *,
        begin: timedelta = -DAY,
        end: timedelta = 30 * DAY,
    ) -> x509.Certificate:
        """A certificate for this key, valid from and until so long after now."""
        now = utc_now()
        return make_member(self.key, self.certificate, key.public_key(), now + begin, now + end)

    def credentials(
        self, key: ec.EllipticCurvePrivateKey | None = None, member: x509.Certificate | None = None
    ) -> Credentials:
        """Those of a node at the party; by default with a good certificate."""
        key = key or make_key()
        return Credentials(key, party_of([self], key, member or self.member(key)))

    def pretender(
        self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
    ) -> Credentials:
        """A node that shows this certificate, whatever it is, and lets in members of the party."""
        credentials = Credentials(key, party_of([self], key, None))
        party = credentials._party
        assert party is not None
        credentials._party = Party(party.trust, certificate)
        return credentials


def party_of(
    trusted: list[Authority], key: ec.EllipticCurvePrivateKey, member: x509.Certificate | None
) -> Party:
    """A party as a node of it reads its files."""
    bundle = in_pem([one.certificate for one in trusted])
    return read_party(bundle, None if member is None else in_pem([member]), key)


def ending_in(seconds: float) -> timedelta:
    """An end so that the certificate is refused so many seconds from now, full ones at best."""
    return timedelta(seconds=seconds) - SKEW


def write_papers(
    folder: Path, trusted: list[Authority], member: x509.Certificate | None = None
) -> Path:
    """Write a party's folder, file by file, as a person copies them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / AUTHORITIES_FILE).write_bytes(in_pem([one.certificate for one in trusted]))
    if member is not None:
        (folder / MEMBER_FILE).write_bytes(in_pem([member]))
    return folder


def node_key_of(state_dir: Path) -> ec.EllipticCurvePrivateKey:
    """The key of the sidecar with this state folder, made if need be."""
    return load_or_create_key(open_state_dir(str(state_dir))).private_key


def handmade(
    issuer: Authority,
    key: ec.EllipticCurvePrivateKey,
    *,
    is_authority: bool = False,
    signs: bool = True,
    purposes: tuple[x509.ObjectIdentifier, ...] = (
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.CLIENT_AUTH,
    ),
    name: str | None = None,
    without: tuple[type[x509.ExtensionType], ...] = (),
    extra: tuple[tuple[x509.ExtensionType, bool], ...] = (),
    signed_by: ec.EllipticCurvePrivateKey | None = None,
) -> x509.Certificate:
    """A member's certificate as an organiser's other tool may make it, right or wrong."""
    now = utc_now()
    plain = issuer.member(key)
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(is_authority, 0 if is_authority else None), True),
        (
            x509.KeyUsage(signs, False, False, False, False, is_authority, False, False, False),
            True,
        ),
        (x509.ExtendedKeyUsage(purposes), False),
        (
            x509.SubjectAlternativeName(
                [x509.UniformResourceIdentifier(name or PEER_URN + peer_id_in(plain))]
            ),
            False,
        ),
    ]
    builder = (
        x509.CertificateBuilder()
        .subject_name(plain.subject)
        .issuer_name(issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
    )
    kept = [each for each in extensions if not isinstance(each[0], without)]
    for extension, is_critical in (*kept, *extra):
        builder = builder.add_extension(extension, is_critical)
    return builder.sign(signed_by or issuer.key, hashes.SHA256())


def self_signed_authority(
    key: ec.EllipticCurvePrivateKey, path_length: int | None
) -> x509.Certificate:
    """An authority of another shape than ours."""
    now = utc_now()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "another CA")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .add_extension(x509.BasicConstraints(True, path_length), True)
        .add_extension(
            x509.KeyUsage(False, False, False, False, False, True, False, False, False), True
        )
        .sign(key, hashes.SHA256())
    )


def der_of(certificate: x509.Certificate) -> bytes:
    """Its bytes."""
    return certificate.public_bytes(serialization.Encoding.DER)


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key as an organiser keeps it."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
