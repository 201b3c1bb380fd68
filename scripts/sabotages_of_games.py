"""The sabotages of verifying and removing games, forgetting peers, and of event streams."""

from sabotage_entry import PACKAGE, UNIT, Sabotage

_REMOVAL = f"{UNIT}/storage/test_removal.py"
_REMOVAL_REFUSED = f"{UNIT}/storage/test_removal_refused.py"
_BENEATH = f"{UNIT}/storage/test_beneath.py"
_VERIFY = f"{UNIT}/storage/test_verify.py"
_REMOVE_GAME = "tests/integration/test_remove_game.py"
_VERIFY_GAME = "tests/integration/test_verify_game.py"
_REMOVE_PEER = "tests/integration/test_remove_peer.py"
_EVENTS = "tests/integration/test_event_endurance.py"

SABOTAGES_OF_GAMES = (
    Sabotage(
        "a removal goes before it is noted",
        f"{PACKAGE}/storage/removal.py",
        "(DiskFull):\n        write_removal(index.state_dir, game_dir, removal)\n",
        "(DiskFull):\n        pass\n",
        (_REMOVAL,),
    ),
    Sabotage(
        "a removal takes files that it did not plan to",
        f"{PACKAGE}/storage/removal.py",
        "if is_at(game_dir, thing, disk_path):",
        "if True:",
        (_REMOVAL,),
    ),
    Sabotage(
        "a removal takes a person's files out of a downloaded game",
        f"{PACKAGE}/storage/removal.py",
        "return is_shared(normal) if manifest is None else manifest.file(normal) is not None",
        "return is_shared(normal)",
        (_REMOVAL,),
    ),
    Sabotage(
        "a removal takes a person's files where the version was changed",
        f"{PACKAGE}/storage/removal.py",
        "    manifest = read_record(game_dir, folder)\n",
        "    from lanspread_peer.storage.seal import look_at_seal\n\n"
        "    seal = look_at_seal(game_dir, folder).seal\n"
        "    manifest = None if seal is None else seal.manifest\n",
        (_REMOVAL,),
    ),
    Sabotage(
        "a removal leaves the record behind",
        f"{PACKAGE}/storage/removal.py",
        "beneath.remove_tree(root, parent(record_path(folder)))",
        "pass",
        (_REMOVAL,),
    ),
    Sabotage(
        "a start finishes a removal although a game came since",
        f"{PACKAGE}/storage/removal.py",
        'if removal is None or thing_at(game_dir, f"{folder}/{VERSION_INI}") is not None:',
        "if removal is None:",
        (_REMOVAL,),
    ),
    Sabotage(
        "a full disk keeps games from being removed",
        f"{PACKAGE}/storage/removal.py",
        "with suppress(DiskFull):",
        "if True:",
        (_REMOVAL_REFUSED,),
    ),
    Sabotage(
        "what a full disk kept from being noted is forgotten",
        f"{PACKAGE}/storage/removal.py",
        "    if left:\n        # On a full",
        "    if False:\n        # On a full",
        (_REMOVAL_REFUSED,),
    ),
    Sabotage(
        "what was installed after a removal goes with what that left",
        f"{PACKAGE}/storage/removal.py",
        "rest = replace(removal, installed=_still_installed(game_dir, removal))",
        "rest = removal",
        (_REMOVAL_REFUSED,),
    ),
    Sabotage(
        "a removal takes what is installed because an earlier one was to",
        f"{PACKAGE}/storage/removal.py",
        "replace(removal, installed=_installed(game_dir, folder) if remove_installed else ())",
        "removal",
        (_REMOVAL_REFUSED,),
    ),
    Sabotage(
        "a game that is there again has a removal yet to finish",
        f"{PACKAGE}/storage/publish.py",
        "        forget_removal(index.state_dir, game_dir, journal.folder)\n",
        "        pass\n",
        (_REMOVAL_REFUSED,),
    ),
    Sabotage(
        "a read-only folder stays on disk for ever",
        f"{PACKAGE}/storage/beneath_posix.py",
        "            _make_writable(inner)\n",
        "",
        (_BENEATH,),
    ),
    Sabotage(
        "a read-only file stays on disk for ever on Windows",
        f"{PACKAGE}/storage/beneath_windows.py",
        "        os.chmod(path, stat_kinds.S_IWRITE)  # noqa: PTH101 - as above\n",
        "",
        (_BENEATH,),
    ),
    Sabotage(
        "nobody is told of what was removed and stays on disk",
        f"{PACKAGE}/runtime/recovering.py",
        "if left := await asyncio.to_thread(things_in_scratch, game_dir):",
        "if left := ():",
        (_REMOVE_GAME,),
    ),
    Sabotage(
        "a note of a removal may lead to what is never shared",
        f"{PACKAGE}/storage/removal_note.py",
        "if not _is_below(path) or not is_shared(normal_path(path))]",
        "if not _is_below(path)]",
        (f"{UNIT}/storage/test_removal_note.py",),
    ),
    Sabotage(
        "a removal is forgotten while its disk is away",
        f"{PACKAGE}/storage/removal.py",
        "        if thing_at(game_dir, folder) is None:\n            return None\n",
        "",
        (_REMOVAL,),
    ),
    Sabotage(
        "a start does not look for removals",
        f"{PACKAGE}/runtime/recovering.py",
        "for removal in await asyncio.to_thread(finish_removals, game_dir, index):",
        "for removal in ():",
        (_REMOVE_GAME,),
    ),
    Sabotage(
        "a game is removed under its download",
        f"{PACKAGE}/runtime/game_removal.py",
        "async with self._downloads.none_of(key):",
        "if True:",
        (_REMOVE_GAME,),
    ),
    Sabotage(
        "a game is removed while it is verified",
        f"{PACKAGE}/runtime/game_removal.py",
        "await self._verifications.cancel_of(key)",
        "pass",
        (_REMOVE_GAME,),
    ),
    Sabotage(
        "a verification believes the index",
        f"{PACKAGE}/storage/verify.py",
        "return HashPlan(found, {}, tuple(worth), ())",
        "return HashPlan(found, {f.disk_path: e.hashes for f in worth "
        "if (e := game.manifest.file(f.path))}, (), ())",
        (_VERIFY,),
    ),
    Sabotage(
        "a game whose disk was pulled out counts as full of missing files",
        f"{PACKAGE}/storage/verify.py",
        "        # Or what went with its disk would seem to be changed or missing.\n"
        "        game_dir.require_present()\n",
        "        pass\n",
        (_VERIFY,),
    ),
    Sabotage(
        "what a verification finds has no effect",
        f"{PACKAGE}/runtime/verifications.py",
        "if job.reseal or not verified.is_intact:",
        "if job.reseal:",
        (_VERIFY_GAME,),
    ),
    Sabotage(
        "a game that is looked at afresh is gone for a moment",
        f"{PACKAGE}/runtime/library.py",
        "        self._local[key] = _not_offered(found)\n        self._doubted.add(key)\n",
        "        self._doubted.add(key)\n",
        (_VERIFY_GAME,),
    ),
    Sabotage(
        "what is doubted is not looked at afresh",
        f"{PACKAGE}/runtime/library.py",
        "if key not in doubted}",
        "}",
        (_VERIFY_GAME,),
    ),
    Sabotage(
        "a version that rotted keeps the content id of the one it was",
        f"{PACKAGE}/storage/verify.py",
        "index.replace_rows(game_dir, folder, {}, [VERSION_INI])",
        "pass",
        (_VERIFY_GAME,),
    ),
    Sabotage(
        "verifications read side by side",
        f"{PACKAGE}/runtime/verifications.py",
        "async with self._turn:",
        "if True:",
        (_VERIFY_GAME,),
    ),
    Sabotage(
        "verifications are accepted without end",
        f"{PACKAGE}/runtime/verifications.py",
        ">= MAX_ACTIVE_VERIFICATIONS:",
        "> 10 * MAX_ACTIVE_VERIFICATIONS:",
        (_VERIFY_GAME,),
    ),
    Sabotage(
        "a verification that never began is not told to have ended",
        f"{PACKAGE}/runtime/verifications.py",
        "        if job.is_active:\n            end = ",
        "        if False:\n            end = ",
        (_VERIFY_GAME,),
    ),
    Sabotage(
        "rot that a verification saw before it was cut stays offered",
        f"{PACKAGE}/runtime/verifications.py",
        "        self._library.look_again(job.key)\n        self._over(job, state, **values)",
        "        self._over(job, state, **values)",
        (_VERIFY_GAME,),
    ),
    Sabotage(
        "a file that a verification could not read stays offered",
        f"{PACKAGE}/storage/hasher.py",
        "                self._removed.append(file.disk_path)\n",
        "",
        (_VERIFY,),
    ),
    Sabotage(
        "a verification does not rest",
        f"{PACKAGE}/runtime/background_pace.py",
        "self._rest(worked_s)",
        "pass",
        (f"{UNIT}/runtime/test_background_pace.py",),
    ),
    Sabotage(
        "a removed peer is dialled again where a person typed its address",
        f"{PACKAGE}/runtime/neighbourhood.py",
        "self._pinned.unpin(peer_id)",
        "pass",
        (_REMOVE_PEER,),
    ),
    Sabotage(
        "a reader that fell off the ring is not told",
        f"{PACKAGE}/core/event_log.py",
        "if not self.compacted <= sequence <= self._latest:",
        "if sequence > self._latest:",
        (f"{_EVENTS}::test_readers_that_stall_cost_nothing_and_delay_nobody",),
    ),
    Sabotage(
        "the ring of events grows without end",
        f"{PACKAGE}/core/event_log.py",
        "while self._size_bytes > self._capacity_bytes:",
        "while False:",
        (f"{_EVENTS}::test_readers_that_stall_cost_nothing_and_delay_nobody",),
    ),
    Sabotage(
        "a stream that resumes begins one event late",
        f"{PACKAGE}/runtime/event_hub.py",
        "return int(match[2])",
        "return min(int(match[2]) + 1, self._feed.log.latest)",
        (_EVENTS,),
    ),
    Sabotage(
        "a stream that resumes repeats an event",
        f"{PACKAGE}/runtime/event_hub.py",
        "return int(match[2])",
        "return max(int(match[2]) - 1, 0)",
        (_EVENTS,),
    ),
    Sabotage(
        "nobody hears that a peer is blocked",
        f"{PACKAGE}/runtime/neighbourhood.py",
        "self._emit(PeerUpdated(status) if is_listed else PeerRemoved(peer_id))",
        "pass",
        (_REMOVE_PEER,),
    ),
    Sabotage(
        "the client forgets its place when its line is cut",
        "clients/python/lanspread_client/connection.py",
        "self.resume_token = message.resume_token or self.resume_token",
        "pass",
        (_EVENTS,),
    ),
)
