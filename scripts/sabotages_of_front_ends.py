"""The sabotages of what a front end relies on: the handshake, its token, its end, and its log."""

from sabotage_entry import PACKAGE, UNIT, Sabotage

_MANAGED = "tests/e2e/test_managed.py"
_ORPHANS = "tests/e2e/test_orphans.py"
_TOKEN = "tests/integration/test_token_on_every_call.py"
_WATCH = f"{PACKAGE}/control/parent_watch.py"

SABOTAGES_OF_FRONT_ENDS = (
    Sabotage(
        "reflection is open to all",
        f"{PACKAGE}/control/access.py",
        "elif handler_call_details.method in _OPEN",
        'elif "reflection" in (method := handler_call_details.method) or method in _OPEN',
        (_TOKEN,),
    ),
    Sabotage(
        "tokens are compared in a time that tells of them",
        f"{PACKAGE}/control/access.py",
        "hmac.compare_digest(as_bytes, self._expected)",
        "as_bytes == self._expected",
        (_TOKEN,),
    ),
    Sabotage(
        "other machines are listened to without TLS",
        f"{PACKAGE}/control/listen.py",
        "needs_tls=not address.is_loopback",
        "needs_tls=False",
        (f"{UNIT}/control/test_listen.py",),
    ),
    Sabotage(
        "a handshake with a key that nobody knows is taken",
        f"{PACKAGE}/control/handshake.py",
        "if unknown := sorted(content.keys() - _KEYS):",
        "if unknown := []:",
        (f"{UNIT}/control/test_handshake.py",),
    ),
    Sabotage(
        "a short token is taken",
        f"{PACKAGE}/control/handshake.py",
        "if not MIN_TOKEN_CHARS <= len(token) <= MAX_TOKEN_CHARS:",
        "if not len(token) <= MAX_TOKEN_CHARS:",
        (f"{UNIT}/control/test_handshake.py",),
    ),
    Sabotage(
        "an orphan whose loop stands still lives on",
        _WATCH,
        "        os._exit(0)",
        "        return",
        (f"{_ORPHANS}::test_a_loop_that_stands_still_does_not_keep_an_orphan_alive",),
    ),
    Sabotage(
        "only stdin tells of the end of a front end",
        _WATCH,
        "while not self._is_gone() and not self._stdin_closed",
        "while not self._stdin_closed",
        (f"{_ORPHANS}::test_a_stdin_that_somebody_else_holds_open_does_not_keep_it",),
    ),
    Sabotage(
        "a process that got the id of a dead parent is taken for it",
        _WATCH,
        "if process.create_time() > psutil.Process().create_time():",
        "if False:",
        (f"{_ORPHANS}::test_a_process_that_is_younger_is_no_parent",),
    ),
    Sabotage(
        "a front end that closed stdin gets no time for an orderly end",
        _WATCH,
        "        while self._parent is not None and self._parent.is_alive():",
        "        while False:",
        (f"{_ORPHANS}::test_a_front_end_that_only_closes_stdin_may_wait_for_an_orderly_end",),
    ),
    Sabotage(
        "whoever does not read the log lets it grow",
        f"{PACKAGE}/runtime/log_writer.py",
        "is_full = self._queued_bytes + len(data) > MAX_LOG_QUEUE_BYTES",
        "is_full = False",
        (f"{UNIT}/runtime/test_log_writer.py",),
    ),
    Sabotage(
        "the end waits for whoever does not read the log",
        f"{PACKAGE}/runtime/log_writer.py",
        "self._thread.join(LOG_FLUSH_TIMEOUT_S)",
        "self._thread.join()",
        (f"{UNIT}/runtime/test_log_writer.py",),
    ),
    Sabotage(
        "what a library prints waits for whoever does not read the log",
        f"{PACKAGE}/runtime/standard_streams.py",
        "    os.dup2(end, _STDOUT)\n",
        "    os.dup2(_STDERR, _STDOUT)\n",
        (f"{_MANAGED}::test_a_front_end_that_never_reads_the_log_gets_answers_all_the_same",),
    ),
    Sabotage(
        "what a library prints goes to the front end",
        f"{PACKAGE}/runtime/standard_streams.py",
        "    os.dup2(end, _STDOUT)\n",
        "",
        (f"{_MANAGED}::test_what_is_printed_goes_to_stderr",),
    ),
)
