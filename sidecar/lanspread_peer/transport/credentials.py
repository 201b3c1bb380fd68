"""What this node shows of itself, and whom it lets in: one place for all transports of a sidecar.

In open mode it shows a certificate of its own and lets everybody in. At a party it shows what the
organiser signed, and lets in who shows the same. Invariants: in which of the two modes it is never
changes; what it shows and trusts is swapped at once, for new connections. Whom it let in it
remembers by key, so that a renewed certificate counts for all connections of its owner.
"""

import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from lanspread_peer.model.errors import (
    IdentityMismatch,
    InvalidCertificate,
    NotAMember,
)
from lanspread_peer.model.ids import PeerId
from lanspread_peer.model.limits import MAX_KNOWN_PEERS, MAX_PARTY_AUTHORITIES
from lanspread_peer.transport.certificate import make_certificate, peer_id_of_certificate
from lanspread_peer.transport.hello_proof import check_proof, hello_chain, proved_certificate
from lanspread_peer.transport.party_certificates import (
    is_authority,
    p256_key_of,
    read_certificates,
)
from lanspread_peer.transport.party_trust import PartyTrust, check_dates, ends_at
from lanspread_peer.transport.tls_context import server_context

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Party:
    """Whom a party trusts, and its certificate for this node, None as long as there is none."""

    trust: PartyTrust
    member: x509.Certificate | None


def read_party(authorities: bytes, member: bytes | None, key: ec.EllipticCurvePrivateKey) -> Party:
    """A party's files, in PEM, as this node may use them; raises InvalidCertificate."""
    with _naming("the party's authorities"):
        trusted = read_certificates(authorities, MAX_PARTY_AUTHORITIES)
        if not all(map(is_authority, trusted)):
            raise InvalidCertificate("one of them is none")
    trust = PartyTrust(trusted)
    with _naming("the member's certificate"):
        return Party(trust, None if member is None else _own_member(member, key, trust))


def _own_member(pem: bytes, key: ec.EllipticCurvePrivateKey, trust: PartyTrust) -> x509.Certificate:
    [certificate] = read_certificates(pem, 1)
    if p256_key_of(certificate) != key.public_key():
        raise InvalidCertificate("it is for another PC's key")
    try:
        # Whether it has begun and not ended yet is for those to judge who are shown it.
        trust.check(certificate, certificate.not_valid_before_utc)
    except NotAMember as error:
        raise InvalidCertificate(error.message) from error
    return certificate


@contextmanager
def _naming(what: str) -> Iterator[None]:
    try:
        yield
    except InvalidCertificate as error:
        raise InvalidCertificate(f"{what}: {error.message}") from error


@dataclass(frozen=True, slots=True)
class _Admitted:
    """The best certificate that a peer showed, and the trust that it was verified by."""

    certificate: x509.Certificate
    trust: PartyTrust

    @property
    def end(self) -> datetime:
        return ends_at(self.certificate)


class Credentials:
    """Those of one sidecar; `party` None is open mode."""

    def __init__(
        self,
        key: ec.EllipticCurvePrivateKey,
        party: Party | None = None,
        now: Clock = lambda: datetime.now(UTC),
    ) -> None:
        self.key = key
        self.now = now
        self._party = party
        self._self_signed = make_certificate(key)
        self.peer_id = peer_id_of_certificate(self._self_signed)
        self._context: ssl.SSLContext | None = None
        # Those that were looked at last come last.
        self._admitted: dict[PeerId, _Admitted] = {}

    @property
    def is_members_only(self) -> bool:
        """Whether this is a party, and nobody else is let in."""
        return self._party is not None

    @property
    def member(self) -> x509.Certificate | None:
        """The party's certificate for this node, if it has one."""
        return self._party.member if self._party is not None else None

    @property
    def certificate(self) -> x509.Certificate:
        """What is shown to whoever dials."""
        return self.member or self._self_signed

    @property
    def chain(self) -> tuple[str, ...]:
        """What is shown to whoever is dialled, as a Hello carries it."""
        return hello_chain(self.certificate)

    def server_context(self) -> ssl.SSLContext:
        """For the listening end of TLS; raises OSError where no file can be written."""
        if self._context is None:
            self._context = server_context(self.key, self.certificate)
        return self._context

    def adopt(self, party: Party) -> None:
        """Show and trust this from now on; raises OSError, and then nothing has changed.

        It may write a file, so it is for a thread.
        """
        assert self._party is not None, "the mode does not change"
        context = server_context(self.key, party.member or self._self_signed)
        self._party, self._context = party, context

    def check_caller(
        self, claimed: PeerId, chain: Sequence[str], signature: str, statement: bytes
    ) -> None:
        """Let in a caller that signed the statement; raises IdentityMismatch or NotAMember."""
        if self._party is None:
            check_proof(claimed, chain, signature, statement)
            return
        if len(chain) != 1:
            raise NotAMember("expected one certificate, as there is nobody in between")
        try:
            certificate = proved_certificate(claimed, chain, signature, statement)
        except IdentityMismatch as error:
            raise NotAMember(error.message) from error
        self.admit(certificate)

    def admit(self, certificate: x509.Certificate) -> None:
        """Let in a peer that proved to have the certificate's key.

        Raises NotAMember, which may be one of its kin, with the peer id.
        """
        if self._party is None:
            return
        trust, peer_id = self._party.trust, peer_id_of_certificate(certificate)
        try:
            trust.check(certificate, self.now())
        except NotAMember as error:
            error.metadata["peer_id"] = peer_id
            raise
        best = _Admitted(certificate, trust)
        shown = self._admitted.pop(peer_id, None)
        if shown is not None and shown.end > best.end and self._fault_of(shown, trust) is None:
            best = shown
        self._admitted[peer_id] = best
        while len(self._admitted) > MAX_KNOWN_PEERS:
            del self._admitted[next(iter(self._admitted))]

    def why_not(self, peer_id: PeerId) -> NotAMember | None:
        """Why a peer that was let in must go now, or None when it may stay.

        Also when more than MAX_KNOWN_PEERS were let in after it was last asked for.
        """
        if self._party is None:
            return None
        # Taken once, as a thread may swap it meanwhile.
        trust, admitted = self._party.trust, self._admitted.pop(peer_id, None)
        if admitted is None:
            return NotAMember("it showed no certificate")
        if (fault := self._fault_of(admitted, trust)) is None:
            self._admitted[peer_id] = _Admitted(admitted.certificate, trust)
        return fault

    def next_end(self) -> datetime | None:
        """When the first certificate of those that were let in expires from now on."""
        now = self.now()
        ends = (admitted.end for admitted in self._admitted.values())
        return min((end for end in ends if end >= now), default=None)

    def _fault_of(self, admitted: _Admitted, trust: PartyTrust) -> NotAMember | None:
        try:
            # What a signature is worth changes only with whom the party trusts.
            if admitted.trust is trust:
                check_dates(admitted.certificate, self.now())
            else:
                trust.check(admitted.certificate, self.now())
        except NotAMember as error:
            return error
        return None
