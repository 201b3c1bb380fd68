"""The sabotages of rate limits and of what else can be changed live."""

from sabotage_entry import PACKAGE, UNIT, Sabotage

_LIMITED = "tests/integration/test_rate_limits.py"
_NOT_FASTER = f"{_LIMITED}::test_a_limited_transfer_is_not_faster_than_its_rate"

SABOTAGES_OF_RATES = (
    Sabotage(
        "uploads by QUIC are faster than their limit",
        f"{PACKAGE}/runtime/data_answers.py",
        "end = start + await self._limit.wait(end - start)",
        "pass",
        (_NOT_FASTER,),
    ),
    Sabotage(
        "uploads by TLS are faster than their limit",
        f"{PACKAGE}/runtime/bulk_server.py",
        "count = self._limit.wait_in_thread(len(data) - start, is_gone)",
        "count = len(data)",
        (_NOT_FASTER,),
    ),
    Sabotage(
        "downloads by QUIC are faster than their limit",
        f"{PACKAGE}/runtime/chunk_fetch.py",
        "rest = _Rest(_reported(self._limit.pieces(pieces), reports, head))",
        "rest = _Rest(_reported(pieces, reports, head))",
        (_NOT_FASTER,),
    ),
    Sabotage(
        "downloads by TLS are faster than their limit",
        f"{PACKAGE}/runtime/bulk_taking.py",
        "count = self._limit.wait_in_thread(len(data), reader.is_cut)",
        "count = len(data)",
        (_NOT_FASTER,),
    ),
    Sabotage(
        "a thread that waits for the limit does not hear that nobody wants its bytes",
        f"{PACKAGE}/runtime/rate_limits.py",
        "if is_cut():",
        "if False:",
        (f"{UNIT}/runtime/test_rate_limits.py::test_a_thread_that_is_cut_leaves_the_line",),
    ),
    Sabotage(
        "whoever waits for a high rate is let through with as much at a low one",
        f"{PACKAGE}/core/byte_rate.py",
        "place.granted = min(place.most, part)",
        "place.granted = place.most",
        (f"{UNIT}/core/test_byte_rate.py",),
    ),
    Sabotage(
        "one download takes all requests that a limit carries",
        f"{PACKAGE}/runtime/chunk_fetch.py",
        "return max(1, carried // downloads)",
        "return max(1, carried)",
        (f"{UNIT}/runtime/test_rate_limits.py",),
    ),
    Sabotage(
        "a rate limit of zero is taken",
        f"{PACKAGE}/model/live_settings.py",
        "if not MIN_RATE_LIMIT_BYTES_PER_SECOND <= rate <= MAX_RATE_LIMIT_BYTES_PER_SECOND:",
        "if rate > MAX_RATE_LIMIT_BYTES_PER_SECOND:",
        (f"{UNIT}/model/test_live_settings.py",),
    ),
    Sabotage(
        "what connects for bulk is not marked as background traffic",
        f"{PACKAGE}/transport/tls_line.py",
        "mark_as_background(connected)",
        "pass",
        ("tests/integration/test_background_marking.py",),
    ),
)
