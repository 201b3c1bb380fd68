from lanspread_peer.model.verification import VerificationState


def test_what_waits_or_reads_is_not_final_and_all_else_is() -> None:
    final = {state for state in VerificationState if state.is_final}
    assert set(VerificationState) - final == {VerificationState.QUEUED, VerificationState.RUNNING}
