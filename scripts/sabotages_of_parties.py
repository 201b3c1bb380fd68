"""The sabotages of parties with members only."""

from sabotage_entry import PACKAGE, UNIT, Sabotage

_STRANGERS = "tests/integration/test_party_strangers.py"
_MEMBERS = "tests/integration/test_party_members.py"
_ROTATION = "tests/integration/test_party_rotation.py"
_TRUST = f"{UNIT}/transport/test_party_trust.py"

SABOTAGES_OF_PARTIES = (
    Sabotage(
        "a party lets in whoever signs its own Hello",
        f"{PACKAGE}/transport/credentials.py",
        "        if self._party is None:\n            check_proof(",
        "        if True:\n            check_proof(",
        (f"{_STRANGERS}::test_a_stranger_that_calls_by_quic_is_told_that_it_is_one_and_no_more",),
    ),
    Sabotage(
        "a member says who it is to any listener by QUIC",
        f"{PACKAGE}/transport/quic_endpoint.py",
        "            self._credentials.admit(certificate)\n",
        "",
        (f"{_STRANGERS}::test_nothing_is_said_to_a_listener_that_is_no_member",),
    ),
    Sabotage(
        "a member says who it is to any bulk port",
        f"{PACKAGE}/transport/tls_dialling.py",
        "            self.credentials.admit(certificate)\n",
        "",
        (f"{_STRANGERS}::test_nothing_is_said_to_a_bulk_port_that_is_no_members",),
    ),
    Sabotage(
        "strangers are told what is wrong with them",
        f"{PACKAGE}/wire/refusals.py",
        "return messages.Refused(reason=error.reason)",
        "return messages.Refused(detail=error.message, reason=error.reason)",
        (f"{UNIT}/wire/test_refusals.py",),
    ),
    Sabotage(
        "a certificate of a party may be for another key",
        f"{PACKAGE}/transport/party_trust.py",
        "            _require_own_id(certificate)\n",
        "",
        (_TRUST,),
    ),
    Sabotage(
        "an authority passes for a member",
        f"{PACKAGE}/transport/party_trust.py",
        "    if basic.ca:\n",
        "    if False:\n",
        (_TRUST,),
    ),
    Sabotage(
        "an authority may make others",
        f"{PACKAGE}/transport/party_trust.py",
        "if not basic.ca or basic.path_length != 0:",
        "if not basic.ca:",
        (_TRUST,),
    ),
    Sabotage(
        "certificates never end",
        f"{PACKAGE}/transport/party_trust.py",
        "if now - end > _SKEW:",
        "if False:",
        (_TRUST,),
    ),
    Sabotage(
        "of two authorities only the certificate that ends last is remembered",
        f"{PACKAGE}/transport/credentials.py",
        "tuple({one.authority: one for one in in_order}.values())",
        "(in_order[-1],)",
        (
            f"{_ROTATION}::test_an_authority_is_replaced_with_an_overlap_and_nobody_is_dropped",
            f"{UNIT}/transport/test_credentials.py",
        ),
    ),
    Sabotage(
        "who has expired stays",
        f"{PACKAGE}/runtime/party_watch.py",
        "if (fault := self._credentials.why_not(peer_id)) is not None:",
        "if (fault := self._credentials.why_not(peer_id)) is not None and False:",
        (f"{UNIT}/runtime/test_party_watch.py",),
    ),
    Sabotage(
        "who is left out while it is greeted is linked",
        f"{PACKAGE}/runtime/peer_links.py",
        "if (fault := self._why_not(peer_id)) is not None:",
        "if (fault := self._why_not(peer_id)) is not None and False:",
        (f"{UNIT}/runtime/test_peer_links.py",),
    ),
    Sabotage(
        "who has expired keeps a connection that is being greeted",
        f"{PACKAGE}/runtime/link.py",
        "for connection in (*self.greeting, *(",
        "for connection in (*(), *(",
        (f"{_MEMBERS}::test_who_expires_loses_also_the_connection_that_it_never_lets_us_greet",),
    ),
    Sabotage(
        "who has expired keeps its bulk connections",
        f"{PACKAGE}/runtime/sidecar.py",
        "            self._bulk.send_away(member)\n",
        "",
        (f"{_MEMBERS}::test_bulk_connections_end_with_their_owners_certificate",),
    ),
    Sabotage(
        "a new certificate is not shown on open connections",
        f"{PACKAGE}/runtime/renewals.py",
        "            await greeter.greet(connection)\n",
        "            pass\n",
        (f"{_ROTATION}::test_a_rotated_member_stays_connected_when_its_old_certificate_ends",),
    ),
    Sabotage(
        "half-copied files of a party count",
        f"{PACKAGE}/runtime/party_watch.py",
        "if is_settled and found != self._used:",
        "if found != self._used:",
        (f"{_ROTATION}::test_files_count_only_once_they_hold_still",),
    ),
    Sabotage(
        "the organiser signs keys that nobody proved to have",
        f"{PACKAGE}/transport/party_certificates.py",
        "if not request.is_signature_valid:",
        "if False:",
        (f"{UNIT}/control/test_command_certs.py",),
    ),
)
