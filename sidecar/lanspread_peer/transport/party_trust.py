"""Who belongs to a party: one certificate, signed by an authority that is trusted, for its own key.

The rules of RFC 5280 are the library's; here stands what a party asks beyond them. There are no
authorities in between. Whether dates count comes last, so that only a certificate of this very
party is ever called expired; everything else is a stranger's.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from lanspread_peer.model.errors import (
    CertificateExpired,
    CertificateNotYetValid,
    InvalidCertificate,
    NotAMember,
)
from lanspread_peer.model.limits import CLOCK_SKEW_S
from lanspread_peer.transport.party_certificates import PEER_URN, peer_id_in, require_bounded

_SKEW = timedelta(seconds=CLOCK_SKEW_S)
# RFC 5280, 4.1.2.5: a certificate without an end has almost this one.
_LAST_MOMENT = datetime.max.replace(tzinfo=UTC)


class PartyTrust:
    """The authorities that one party trusts now."""

    def __init__(self, authorities: Sequence[x509.Certificate]) -> None:
        self._policy = (
            PolicyBuilder()
            .store(Store(list(authorities)))
            .max_chain_depth(0)
            .extension_policies(ca_policy=_AUTHORITY, ee_policy=_MEMBER)
        )

    def check(self, certificate: x509.Certificate, now: datetime) -> x509.Certificate:
        """The authority that signed it; raises NotAMember, or its kin for wrong dates alone."""
        try:
            require_bounded(certificate)
            _require_own_id(certificate)
            begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
            # Some moment of its time: as long as that has one, its dates are judged below.
            moment = min(max(now, begin), end)
            verifier = self._policy.time(moment.replace(tzinfo=None)).build_client_verifier()
            _, authority = verifier.verify(certificate, []).chain
        except (
            VerificationError,
            InvalidCertificate,
            ValueError,
            TypeError,
            UnsupportedAlgorithm,
            x509.ExtensionNotFound,
            x509.DuplicateExtension,
        ) as error:
            raise NotAMember(f"no certificate of this party: {str(error)[:200]!a}") from error
        check_dates(certificate, now)
        return authority


def check_dates(certificate: x509.Certificate, now: datetime) -> None:
    """Raises CertificateExpired or CertificateNotYetValid."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now - end > _SKEW:
        raise CertificateExpired(f"the certificate was valid until {end:%Y-%m-%d %H:%M:%S} UTC")
    if begin - now > _SKEW:
        raise CertificateNotYetValid(f"it is valid from {begin:%Y-%m-%d %H:%M:%S} UTC on")


def ends_at(certificate: x509.Certificate) -> datetime:
    """From when on it counts as expired."""
    end = certificate.not_valid_after_utc
    return end + min(_SKEW, _LAST_MOMENT - end)


def _require_own_id(certificate: x509.Certificate) -> None:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    expected = x509.UniformResourceIdentifier(PEER_URN + peer_id_in(certificate))
    if list(names) != [expected]:
        raise InvalidCertificate("it names another peer than the one whose key it has")


# What they raise is for the library, which makes it a VerificationError.


def _is_member(_policy: Policy, _of: x509.Certificate, basic: x509.BasicConstraints) -> None:
    if basic.ca:
        raise ValueError("an authority is no member")


def _signs(_policy: Policy, _of: x509.Certificate, usage: x509.KeyUsage) -> None:
    if not usage.digital_signature or usage.key_cert_sign:
        raise ValueError("its key is for something else")


def _proves_both_ends(
    _policy: Policy, _of: x509.Certificate, purposes: x509.ExtendedKeyUsage
) -> None:
    if not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}.issubset(purposes):
        raise ValueError("it is not for both ends of a connection")


def _names(_policy: Policy, _of: x509.Certificate, _names: x509.SubjectAlternativeName) -> None:
    """Judged by `_require_own_id`; here so that a critical one is no unknown extension."""


def _is_authority(_policy: Policy, _of: x509.Certificate, basic: x509.BasicConstraints) -> None:
    if not basic.ca or basic.path_length != 0:
        raise ValueError("no authority that signs members only")


def _signs_members(_policy: Policy, _of: x509.Certificate, usage: x509.KeyUsage) -> None:
    if not usage.key_cert_sign:
        raise ValueError("its key signs no certificates")


_MEMBER = (
    ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, Criticality.CRITICAL, _is_member)
    .require_present(x509.KeyUsage, Criticality.CRITICAL, _signs)
    .require_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _proves_both_ends)
    .require_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, _names)
)
_AUTHORITY = (
    ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, Criticality.CRITICAL, _is_authority)
    .require_present(x509.KeyUsage, Criticality.CRITICAL, _signs_members)
)
