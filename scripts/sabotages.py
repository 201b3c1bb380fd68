"""The sabotages that `make sabotage` tries: each takes one guard out of the code, in one place.

`old` must stand exactly once in `file`; a test of the quick suite checks that, so that whoever
moves a guard takes its sabotage along. `tests` are those that promise to notice; fast ones.
"""

from sabotage_entry import PACKAGE, UNIT, Sabotage
from sabotages_of_front_ends import SABOTAGES_OF_FRONT_ENDS
from sabotages_of_games import SABOTAGES_OF_GAMES
from sabotages_of_operation import SABOTAGES_OF_OPERATION
from sabotages_of_parties import SABOTAGES_OF_PARTIES
from sabotages_of_rates import SABOTAGES_OF_RATES
from sabotages_of_swarms import SABOTAGES_OF_SWARMS
from sabotages_of_tls import SABOTAGES_OF_TLS

SABOTAGES = (
    Sabotage(
        "bytes are written without a look at their hash",
        f"{PACKAGE}/storage/staging.py",
        "return data.nbytes == chunk.length and chunk_hash(data) == chunk.hash",
        "return data.nbytes == chunk.length",
        (f"{UNIT}/storage/test_staging.py",),
    ),
    Sabotage(
        "folders are opened through links",
        f"{PACKAGE}/storage/beneath_posix.py",
        "os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC",
        "os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC",
        ("tests/integration/test_link_swapping.py::test_no_open_file_is_written_outside",),
    ),
    Sabotage(
        "files are opened through links",
        f"{PACKAGE}/storage/beneath_posix.py",
        "_FILE_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC",
        "_FILE_FLAGS = os.O_CLOEXEC",
        (f"{UNIT}/storage/test_beneath.py::test_no_access_follows_a_link",),
    ),
    Sabotage(
        "any path from a peer is taken",
        f"{PACKAGE}/model/paths.py",
        "    fault = path_fault(text)\n",
        '    fault = ""\n',
        (f"{UNIT}/model/test_path_corpus.py",),
    ),
    Sabotage(
        "letters that nobody sees are taken in names",
        f"{PACKAGE}/model/paths.py",
        "    if _IGNORABLE.search(text):\n        return True\n",
        "",
        (f"{UNIT}/model/test_path_corpus.py",),
    ),
    Sabotage(
        "a file that changed since it was hashed is served",
        f"{PACKAGE}/storage/served_file.py",
        "return is_same(self._file, stamp_of(self._opened.stat()))",
        "return self._opened.stat() is not None",
        (f"{UNIT}/storage/test_served_file.py",),
    ),
    Sabotage(
        "a changed file keeps the hash that the index has",
        f"{PACKAGE}/storage/hasher.py",
        "if row is not None and is_same(row, file) and _is_credible(row, file, found.look.seal):",
        "if row is not None and _is_credible(row, file, found.look.seal):",
        (f"{UNIT}/storage/test_hasher.py",),
    ),
    Sabotage(
        "version.ini appears before the other files",
        f"{PACKAGE}/storage/publish_plan.py",
        "        self._sync_touched()\n        self._move_version_in(kept_version)\n",
        "        self._move_version_in(kept_version)\n"
        "        first_sync = self.steps.index(SyncFolder(self.job.folder))\n"
        "        self.steps.insert(first_sync + 1, self.steps.pop(-2))\n"
        "        self._sync_touched()\n",
        (f"{UNIT}/storage/test_publish.py", f"{UNIT}/storage/test_publish_failures.py"),
    ),
    Sabotage(
        "a request may be as large as its sender likes",
        f"{PACKAGE}/runtime/peer_server.py",
        "if len(received) > MAX_REQUEST_BYTES:",
        "if len(received) > 1000 * MAX_REQUEST_BYTES:",
        (f"{UNIT}/runtime/test_request_size.py",),
    ),
    Sabotage(
        "JSON may nest as deeply as its sender likes",
        f"{PACKAGE}/wire/codec.py",
        "if depth > MAX_JSON_DEPTH:",
        "if depth > 1000 * MAX_JSON_DEPTH:",
        (f"{UNIT}/wire/test_codec.py",),
    ),
    Sabotage(
        "a key may stand twice",
        f"{PACKAGE}/wire/codec.py",
        "if len(unique) != len(pairs):",
        "if len(unique) > len(pairs):",
        (f"{UNIT}/wire/test_codec.py",),
    ),
    Sabotage(
        "a manifest need not be the one that its content id names",
        f"{PACKAGE}/wire/manifest_codec.py",
        "if content_id_of(data) != content_id:",
        "if not content_id:",
        (f"{UNIT}/wire/test_manifest_codec.py",),
    ),
    Sabotage(
        "receive windows grow with what arrived, read or not",
        f"{PACKAGE}/transport/quic_internals.py",
        "    def _write_stream_limits(\n",
        "    def _write_no_stream_limits(\n",
        (f"{UNIT}/transport/test_quic_internals.py",),
    ),
    Sabotage(
        "anyone may answer for the peer that was dialled",
        f"{PACKAGE}/transport/quic_endpoint.py",
        "if expected is not None and actual != expected:",
        "if expected is not None and not actual:",
        (
            "tests/integration/test_quic_transport.py"
            "::test_another_peer_id_than_expected_is_refused",
        ),
    ),
    Sabotage(
        "one address may hold any number of unproven connections",
        f"{PACKAGE}/transport/quic_admission.py",
        "and unproven < MAX_UNAUTHENTICATED_PER_ADDRESS",
        "and unproven < 1000 * MAX_UNAUTHENTICATED_PER_ADDRESS",
        (f"{UNIT}/transport/test_quic_admission.py",),
    ),
    Sabotage(
        "forged datagrams fill the places of the address they name",
        f"{PACKAGE}/transport/quic_admission.py",
        "len(hosts) >= MAX_UNPROVEN_HANDSHAKES or here >= MAX_UNPROVEN_HANDSHAKES_PER_ADDRESS",
        "len(hosts) >= MAX_UNPROVEN_HANDSHAKES or here >= MAX_CONNECTIONS",
        (f"{UNIT}/transport/test_quic_admission.py",),
    ),
    Sabotage(
        "a connection that ended is held by the wait for its Hello",
        f"{PACKAGE}/runtime/callers.py",
        "REQUEST_TIMEOUT_S, _require_hello, ref(connection)",
        "REQUEST_TIMEOUT_S, _require_hello, lambda: connection",
        ("tests/integration/test_callers_memory.py",),
    ),
    Sabotage(
        "hints displace peers that were seen",
        f"{PACKAGE}/core/peer_db.py",
        "if oldest is None and not is_hint:",
        "if oldest is None:",
        (f"{UNIT}/core/test_peer_sightings.py",),
    ),
    Sabotage(
        "all addresses of a peer are dialled at once",
        f"{PACKAGE}/runtime/dialler.py",
        "return len(running) < most",
        "return len(running) < 100 * most",
        (f"{UNIT}/runtime/test_dialler.py",),
    ),
    Sabotage(
        "a connection is taken although its link has ended",
        f"{PACKAGE}/runtime/peer_links.py",
        "if self._links.get(link.peer_id) is not link:",
        "if self._links is None:",
        (f"{UNIT}/runtime/test_peer_links.py",),
    ),
    Sabotage(
        "one peer takes the whole queue of uploads",
        f"{PACKAGE}/core/upload_queue.py",
        "and waiting_of_peer < MAX_QUEUED_UPLOADS_PER_PEER",
        "and waiting_of_peer < 1000 * MAX_QUEUED_UPLOADS_PER_PEER",
        (f"{UNIT}/core/test_upload_queue.py",),
    ),
    Sabotage(
        "one peer keeps every upload slot while others wait",
        f"{PACKAGE}/core/upload_queue.py",
        "        if peers[victim.peer_id] - peers[neediest.peer_id] >= _PEER_LEAD:\n",
        "        if not victim:\n",
        (f"{UNIT}/core/test_upload_queue.py",),
    ),
    Sabotage(
        "peers at many addresses keep the upload slots that they hardly use",
        f"{PACKAGE}/core/upload_queue.py",
        "self._waited_s(now) >= self.left_s",
        "self._waited_s(now) >= 1000 * _SLOW_SLICE_S",
        (f"{UNIT}/core/test_upload_queue.py",),
    ),
    Sabotage(
        "whoever waits for an upload slot waits for ever",
        f"{PACKAGE}/runtime/uploads.py",
        "timeout=UPLOAD_QUEUE_TIMEOUT_S, ",
        "",
        (f"{UNIT}/runtime/test_uploads.py",),
    ),
    Sabotage(
        "a caller's signature is not looked at",
        f"{PACKAGE}/transport/hello_proof.py",
        "        key.verify(_bytes_of(signature), statement, _SIGNED_WITH)\n",
        "        _bytes_of(signature)\n",
        (f"{UNIT}/transport/test_hello_proof.py",),
    ),
    Sabotage(
        "a Hello for one server is good for another",
        f"{PACKAGE}/wire/hello_statement.py",
        "texts = (transport, server, client, instance)",
        "texts = (transport, client, instance)",
        (f"{UNIT}/wire/test_hello_statement.py",),
    ),
    Sabotage(
        "each end keeps the connection that it dialled",
        f"{PACKAGE}/core/connection_choice.py",
        "self._prefers_dialled = own < peer",
        "self._prefers_dialled = own != peer",
        (f"{UNIT}/core/test_connection_choice.py",),
    ),
    Sabotage(
        "a source that lied is asked again",
        f"{PACKAGE}/core/planner.py",
        "        source.fault = Fault.LIED\n",
        "        source.rest_after_failure(now=now)\n",
        (f"{UNIT}/core/test_planner.py",),
    ),
    Sabotage(
        "two downloads of one game run at once",
        f"{PACKAGE}/runtime/downloads.py",
        "            if job.key == key:\n                raise",
        "            if job.key != job.key:\n                raise",
        (
            "tests/integration/test_download_commands.py"
            "::test_a_second_download_of_a_game_is_told_of_the_first",
        ),
    ),
    Sabotage(
        "a front end needs no token",
        f"{PACKAGE}/control/access.py",
        "return hmac.compare_digest(as_bytes, self._expected)",
        "return hmac.compare_digest(self._expected, self._expected) and bool(as_bytes)",
        (
            "tests/integration/test_control_server.py"
            "::test_a_call_without_the_token_reaches_no_handler",
        ),
    ),
    Sabotage(
        "the token's file is open to other users",
        f"{PACKAGE}/storage/beneath.py",
        "PRIVATE_MODE = 0o600",
        "PRIVATE_MODE = 0o644",
        (f"{UNIT}/storage/test_runtime_file.py",),
    ),
    Sabotage(
        "a folder that another machine uses is taken",
        f"{PACKAGE}/storage/lock_owner.py",
        "return abs(now.st_mtime - written.st_mtime) < LOCK_STALE_S",
        "return False",
        (f"{UNIT}/storage/test_locks.py",),
    ),
    Sabotage(
        "a lock that another took over is refreshed all the same",
        f"{PACKAGE}/storage/lock_owner.py",
        "if file.read(0, _MAX_OWNER_BYTES) != self._content:",
        "if not self._content:",
        (f"{UNIT}/storage/test_locks.py",),
    ),
    Sabotage(
        "a folder that is gone passes for an empty one",
        f"{PACKAGE}/storage/disk_errors.py",
        "_ROOT_GONE = frozenset([errno.ENOENT])",
        "_ROOT_GONE = frozenset([errno.ENODEV])",
        (f"{UNIT}/storage/test_disk_errors.py",),
    ),
    Sabotage(
        "chunks are recorded before their bytes are synced",
        f"{PACKAGE}/storage/staging.py",
        "failures = sync_each(sorted({chunk.file.path for chunk in chunks}), self._sync_file)",
        "failures: dict[SafeRelPath, StorageError] = {}",
        (f"{UNIT}/storage/test_staging_sync.py",),
    ),
    Sabotage(
        "names are not synced between the steps of a publish",
        f"{PACKAGE}/storage/moves.py",
        "beneath.sync_folder(root, self.path)",
        "pass",
        (f"{UNIT}/storage/test_publish_failures.py",),
    ),
    Sabotage(
        "a journal may move anything anywhere",
        f"{PACKAGE}/storage/journal.py",
        'if not is_known and not _has_business(path, name, folder, is_move=raw.does == "move"):',
        "if False:",
        (f"{UNIT}/storage/test_journal.py",),
    ),
    Sabotage(
        "a publish is rolled forward without one of its files",
        f"{PACKAGE}/storage/roll.py",
        "    return all(\n",
        "    return True or all(\n",
        (
            "tests/integration/test_recovery.py"
            "::test_a_new_file_that_is_lost_rolls_back_to_exactly_the_old_game",
        ),
    ),
    Sabotage(
        "bytes that are copied on the disk are not looked at",
        f"{PACKAGE}/storage/staging.py",
        "            if not _is_right(chunk, data):\n                return False\n",
        "",
        (f"{UNIT}/storage/test_adopt.py",),
    ),
    Sabotage(
        "a changed file of a sealed game passes for the one that was downloaded",
        f"{PACKAGE}/storage/hasher.py",
        "return entry is not None and entry.size == file.size and entry.hashes == hashes",
        "return True",
        (f"{UNIT}/storage/test_sealed_content.py",),
    ),
    Sabotage(
        "a game that a person put there during a download is deleted",
        f"{PACKAGE}/storage/records.py",
        "return rows if may_replace else {}",
        "return rows",
        (
            "tests/integration/test_download_update.py"
            "::test_a_game_that_a_person_puts_there_meanwhile_is_set_aside_and_not_deleted",
        ),
    ),
    Sabotage(
        "a run goes on over a publish that is not ended",
        f"{PACKAGE}/runtime/download_run.py",
        "if not await run_in_thread(has_journal, self._game_dir, self._name):",
        "if True:",
        (
            "tests/integration/test_download_pause.py"
            "::test_a_publish_that_the_disk_cut_is_ended_when_it_is_resumed",
        ),
    ),
    Sabotage(
        "a liar is asked again in the next download",
        f"{PACKAGE}/runtime/fetch_sources.py",
        "if not self._liars.is_dropped(peer)",
        "if True",
        ("tests/integration/test_liars_stay_dropped.py",),
    ),
    Sabotage(
        "whoever sends nonsense may go on for ever",
        f"{PACKAGE}/transport/quic_endpoint.py",
        "if self._offences.note(connection.address.host, now=self._loop.time()):",
        "if False:",
        (
            "tests/integration/test_nonsense.py::test_whoever_floods_with_nonsense_is_sent_away_and_soon_again",
        ),
    ),
    Sabotage(
        "an address that sent nonsense need not wait",
        f"{PACKAGE}/transport/quic_admission.py",
        "if self._offences.waits(host, now=now):",
        "if False:",
        (f"{UNIT}/transport/test_quic_admission.py",),
    ),
    Sabotage(
        "a run may have any number of bytes",
        f"{PACKAGE}/runtime/data_requests.py",
        "if not run or sum(chunk.length for chunk in run) > MAX_RUN_BYTES:",
        "if not run:",
        (
            "tests/integration/test_chunk_runs.py::test_runs_beyond_the_content_or_the_limit_are_refused",
        ),
    ),
    Sabotage(
        "a run is sent to its end though a file of it changed",
        f"{PACKAGE}/storage/served_file.py",
        "if not file.is_unchanged():",
        "if False:",
        (f"{UNIT}/storage/test_served_file.py",),
    ),
    Sabotage(
        "a chunk of a download is given before it is verified",
        f"{PACKAGE}/storage/partial_content.py",
        "if not all(map(self._content.is_staged, chunks)):",
        "if False:",
        (f"{UNIT}/storage/test_partial_content.py",),
    ),
    Sabotage(
        "files of the game folder are given for a download without a look at their hash",
        f"{PACKAGE}/storage/partial_content.py",
        "if chunk_hash(data) != chunk.hash:",
        "if False:",
        (f"{UNIT}/storage/test_partial_content.py",),
    ),
    Sabotage(
        "a download that ended is given on",
        f"{PACKAGE}/runtime/partial_offers.py",
        "            if self._is_withdrawn:\n                raise",
        "            if False:\n                raise",
        (f"{UNIT}/runtime/test_partial_offers.py",),
    ),
    *SABOTAGES_OF_FRONT_ENDS,
    *SABOTAGES_OF_GAMES,
    *SABOTAGES_OF_OPERATION,
    *SABOTAGES_OF_PARTIES,
    *SABOTAGES_OF_RATES,
    *SABOTAGES_OF_SWARMS,
    *SABOTAGES_OF_TLS,
)
