"""The sabotages of the TLS transport."""

from sabotage_entry import PACKAGE, UNIT, Sabotage

SABOTAGES_OF_TLS = (
    Sabotage(
        "the TLS transport takes any key for the peer it dialled",
        f"{PACKAGE}/transport/tls_dialling.py",
        "if actual != expected:",
        "if False:",
        (
            "tests/integration/test_tls_transport.py"
            "::test_another_key_is_refused_before_it_hears_anything",
        ),
    ),
    Sabotage(
        "bytes go out by TLS without a proof",
        f"{PACKAGE}/transport/tls_caller.py",
        "if self.peer_id is None and not",
        "if False and not",
        ("tests/integration/test_tls_hostile.py::test_without_a_proof_there_is_no_data",),
    ),
    Sabotage(
        "a cancelled request leaves its consumer running",
        f"{PACKAGE}/transport/tls_client.py",
        "while not job.done.done():",
        "while False:",
        (
            "tests/integration/test_tls_transport.py"
            "::test_a_cancel_waits_for_the_consumer_and_costs_the_others_nothing",
        ),
    ),
    Sabotage(
        "the last slice goes out before the last look at its file",
        f"{PACKAGE}/transport/tls_caller.py",
        "                if waiting is not None:\n"
        "                    self._write(length, waiting)\n"
        "                waiting = data\n",
        "                self._write(length, data)\n",
        (
            "tests/integration/test_tls_transport.py"
            "::test_a_file_that_changed_meanwhile_never_gives_a_whole_answer",
        ),
    ),
    Sabotage(
        "one peer may take all places of the TLS transport",
        f"{PACKAGE}/transport/tls_admission.py",
        "if taken >= MAX_BULK_CONNECTIONS_PER_PEER and not place.is_asked_for:",
        "if False:",
        (f"{UNIT}/transport/test_tls_admission.py",),
    ),
    Sabotage(
        "a reader that stalls keeps its upload",
        f"{PACKAGE}/transport/tls_caller.py",
        "with self._line.in_thread(UPLOAD_SLICE_TIMEOUT_S):",
        "with self._line.in_thread(60.0):",
        ("tests/integration/test_tls_hostile.py::test_a_reader_that_stalls_is_cut_off",),
    ),
    Sabotage(
        "a line is taken that nobody asked to be dialled",
        f"{PACKAGE}/runtime/dial_back.py",
        "if coming is None or coming.done():",
        "if coming is not None and coming.done():",
        (
            "tests/integration/test_dial_back_hostile.py"
            "::test_a_line_that_nobody_asked_for_is_refused",
        ),
    ),
    Sabotage(
        "a peer has itself dialled back without end",
        f"{PACKAGE}/runtime/dial_back_server.py",
        "or not self._rate.take(peer_id, now=monotonic_s())",
        "or False",
        (
            "tests/integration/test_dial_back_hostile.py"
            "::test_a_peer_has_itself_dialled_only_so_often",
        ),
    ),
    Sabotage(
        "a peer has itself dialled back many times at once",
        f"{PACKAGE}/runtime/dial_back_server.py",
        "if peer_id in self._being_dialled or",
        "if",
        (
            "tests/integration/test_dial_back_hostile.py"
            "::test_a_peer_is_dialled_once_at_a_time_and_an_end_meanwhile_is_clean",
        ),
    ),
    Sabotage(
        "any port is dialled back",
        f"{PACKAGE}/runtime/neighbourhood.py",
        "allowed = self._dialable([announced] if announced else [], allow_public=True)",
        "allowed = [announced] if announced else []",
        (
            "tests/integration/test_dial_back_hostile.py"
            "::test_ports_that_no_peer_has_are_not_dialled",
        ),
    ),
    Sabotage(
        "lines that were asked for take the places of others",
        f"{PACKAGE}/transport/tls_caller.py",
        "self._place.is_asked_for = True",
        "pass",
        (
            "tests/integration/test_dial_back.py"
            "::test_a_peer_with_all_its_lines_here_may_still_be_asked_for_others",
        ),
    ),
    Sabotage(
        "the line of a request to be dialled that failed stays open",
        f"{PACKAGE}/runtime/dial_back.py",
        "coming.result().close()",
        "pass",
        (
            "tests/integration/test_dial_back_hostile.py"
            "::test_a_line_whose_peer_never_says_that_it_dialled_is_closed",
        ),
    ),
    Sabotage(
        "who is blocked goes on being served on open lines",
        f"{PACKAGE}/runtime/sidecar.py",
        "self._bulk.send_away(peer_id)\n        return status",
        "return status",
        (
            "tests/integration/test_bulk_transport.py"
            "::test_who_is_blocked_is_served_no_longer_on_a_line_that_is_open",
        ),
    ),
    Sabotage(
        "both directions of a bulk connection have one key",
        f"{PACKAGE}/transport/record_session.py",
        "lanspread-records-1 {sender} {",
        "lanspread-records-1 {",
        (f"{UNIT}/transport/test_record_session.py",),
    ),
    Sabotage(
        "a record may be sent again",
        f"{PACKAGE}/transport/record_session.py",
        "return number.to_bytes(_NONCE_BYTES",
        "return (0 * number).to_bytes(_NONCE_BYTES",
        (f"{UNIT}/transport/test_record_session.py",),
    ),
    Sabotage(
        "both ends stay with TLS after the greeting",
        f"{PACKAGE}/transport/tls_dialling.py",
        "record_secret=token_hex(messages.RECORD_SECRET_BYTES)",
        'record_secret=""',
        (
            "tests/integration/test_bulk_records.py"
            "::test_bytes_go_by_records_once_both_have_proved_themselves",
        ),
    ),
    Sabotage(
        "a caller may go on before its Hello is answered",
        f"{PACKAGE}/transport/tls_caller.py",
        "    def _go_on_with(self, records: RecordSession) -> None:\n"
        "        if not self._frames.is_empty:",
        "    def _go_on_with(self, records: RecordSession) -> None:\n        if False:",
        (
            "tests/integration/test_bulk_records.py"
            "::test_a_caller_that_does_not_wait_for_the_answer_to_its_hello_is_cut_off",
        ),
    ),
)
