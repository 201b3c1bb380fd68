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
        "if taken >= MAX_BULK_CONNECTIONS_PER_PEER:",
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
)
