"""What docs/errors.md says beyond the code: for each reason, what a front end should do.

What an error of the tree means stands in its docstring; what has no class has its meaning here.
"""

_ASK = "Tell the user; asking again as it was fails again."
_FIX = "A mistake of the front end: fix the call."
_LATER = "Ask again later."
_PEERS = "Tell the user; look for other peers with the game, or ask again later."
_DISK = "Show the sentence; once the user has mended that, ask again."
_BUG = "Show the sentence, and report it with the sidecar's log."
_PEER_BROKEN = "Show the sentence; that peer, or this sidecar, needs an update. Others may serve."

# By the reason of an error of the tree, or of one that has no class.
ADVICE = {
    "INTERNAL": _BUG,
    "INVALID_REQUEST": _FIX,
    "INVALID_FIELD": f"{_FIX} `field` names it; where the user typed it, show the sentence there.",
    "INVALID_SETTING": "Show the sentence; the configuration must be mended before a start.",
    "GAME_NOT_FOUND": "Take the game from the list; GamesUpdated tells when somebody has it.",
    "NO_PEERS_HAVE_GAME": "Offer it again when GamesUpdated tells of a peer that has it.",
    "CONTENT_NOT_FOUND": "Call GetGame again, and let the user choose from its variants.",
    "NO_VERSION_CHOSEN": "Let the user choose a variant; show the `doubt` of each.",
    "EMPTY_SELECTION": f"{_FIX} Leave the selection unset for all files.",
    "PATH_NOT_IN_MANIFEST": "Call ListGameFiles again for this content, and select from that.",
    "DOWNLOAD_NOT_FOUND": "Forget that id; ListDownloads tells which ones there are.",
    "DOWNLOAD_ACTIVE": "Show that download; wait for its end, or cancel it, and ask again.",
    "DOWNLOAD_ENDED": "Forget the command: its final event tells how it ended.",
    "TOO_MANY_DOWNLOADS": "Ask again once one of them has ended.",
    "STAGING_NOT_FOUND": "Forget it; ListStagings tells what there is.",
    "VERIFICATION_NOT_FOUND": "Forget that id; ListVerifications tells which ones there are.",
    "TOO_MANY_VERIFICATIONS": "Ask again once one of them has ended.",
    "ALREADY_DOWNLOADED": "Nothing is to be done: the game is there.",
    "GAME_INDEXING": "Wait for ScanFinished, and ask again.",
    "GAME_DIR_UNUSABLE": "Show the sentence, and let the user choose another folder.",
    "SHUTTING_DOWN": "Wait for the end of the process, and start it again if it is needed.",
    "ALREADY_RUNNING": "Use the sidecar that runs, by its runtime file, or end it first.",
    "CANNOT_BIND": "Choose another address or port; another program may have it.",
    "HANDSHAKE_REFUSED": f"{_FIX} See the handshake of `serve --managed`.",
    "PEER_UNREACHABLE": "Show the sentence; it may be mistyped, or a firewall is in the way.",
    "PEER_NOT_FOUND": "Take the peer from the list: it is forgotten already.",
    "TOO_MANY_BLOCKED": "Let the user unblock others first.",
    "INVALID_CERTIFICATE": "Show the sentence; the organiser of the party issues another file.",
    "RESUME_TOKEN_EXPIRED": "Forget all that is known, and watch without a token, from a snapshot.",
    "PEER_PROTOCOL": _PEER_BROKEN,
    "MALFORMED_MESSAGE": _PEER_BROKEN,
    "UNKNOWN_MESSAGE": _PEER_BROKEN,
    "UNSAFE_PATH": "Show the sentence; that content is not to be had from anybody.",
    "INVALID_MANIFEST": _PEER_BROKEN,
    "IDENTITY_MISMATCH": "Show the sentence; another sidecar than the one expected answers there.",
    "SOURCE_UNAVAILABLE": _PEERS,
    "CONNECTION_LOST": _PEERS,
    "STREAM_RESET": _PEERS,
    "STALLED": _PEERS,
    "BUSY": _LATER,
    "STALE": "Ask again: what was asked about has changed meanwhile.",
    "NOT_FOUND": _PEERS,
    "NOT_INDEXED": _LATER,
    "UNSUPPORTED": "Show the sentence; that peer needs an update.",
    "REFUSED": _PEERS,
    "NOT_A_MEMBER": "Show the sentence; the organiser of the party issues a certificate.",
    "CERTIFICATE_EXPIRED": "Show the sentence; the organiser of the party issues a new one.",
    "CERTIFICATE_NOT_YET_VALID": "Show the sentence; let the user look at the clocks of both PCs.",
    "INTEGRITY": "Show the sentence, and ask again; other peers may have right bytes.",
    "STORAGE": _DISK,
    "DISK_FULL": f"{_DISK} `needed` and `free` are in bytes.",
    "ACCESS_DENIED": _DISK,
    "READ_ONLY": _DISK,
    "FILE_LOCKED": "Name the file, let the user close the game that uses it, and ask again.",
    "DISK_FAILED": "Show the sentence; the disk may be about to fail.",
    "GAME_DIR_GONE": "Let the user plug the disk in again, or choose another game folder.",
    "UNSAFE_GAME": "Show the sentence, which names what is wrong in the game's folder.",
    "DOWNLOAD_FAILED": "Show the sentence, and offer another try: it adopts what was fetched.",
    "UNAUTHENTICATED": "Read the token anew: this launch has another one. Never try others.",
    "NO_REQUEST": "A bug of the client: send the request with the call.",
    "TOO_MANY_CALLS": "End calls that are no longer needed, and ask again.",
    "ENDING": "Wait for the end of the process, and start it again if it is needed.",
}

# Reasons that have no class: what they mean.
OTHERS = {
    "UNAUTHENTICATED": "The call did not carry the token of this launch.",
    "NO_REQUEST": "The call's request did not come within 5 s.",
    "TOO_MANY_CALLS": "As many calls run as may; calls without the token are counted apart.",
    "INTERNAL": "An error that nobody foresaw; the sidecar's log says more.",
    "ENDING": "The sidecar ended while the call waited.",
}

# What `error` of a download may say beyond the reasons of this machine's disk.
DOWNLOAD_FAILURES = {
    "NO_SOURCE": ("No peer that has the content could be reached for so long.", _PEERS),
    "WRONG_BYTES": ("Every source sent wrong bytes.", _PEERS),
    "LOCAL_CORRUPTION_SUSPECTED": (
        "Every source sent wrong bytes, so that the fault may be here.",
        "Let the user test memory and disk of this PC before another try.",
    ),
    "CHUNK_UNAVAILABLE": (
        "No source gives one of the chunks.",
        "Another variant may be whole; offer it.",
    ),
    "INTERNAL": ("An error that nobody foresaw.", _BUG),
}

# Codes of the event `warning`: what they mean, and what to do.
WARNINGS = {
    "BULK_UNREACHABLE": (
        "A peer's bulk port cannot be reached, so bytes come by the slower transport.",
        "Show it: a firewall is likely in the way.",
    ),
    "FILE_SET_ASIDE": (
        "A file of the user's lay where a game's file goes; it was moved.",
        "Show it: the message says where the file is now.",
    ),
    "GAME_DIR_TAKEN": (
        "Another sidecar took over the game folder.",
        "Show it: two sidecars must not work in one folder.",
    ),
    "STATE_DIR_TAKEN": (
        "Another sidecar took over the state folder.",
        "Show it: two sidecars must not work in one folder.",
    ),
    "LIBRARY_TROUBLE": ("Looking at the game folder failed; it is tried again.", _BUG),
    "MDNS_TROUBLE": (
        "Discovery does not work on some interface.",
        "Show it: peers may have to be added by their address.",
    ),
    "NO_MEMBER_CERTIFICATE": (
        "A party is configured, and this sidecar has no certificate of it yet.",
        "Show it: the organiser issues one for this sidecar.",
    ),
    "OWN_CERTIFICATE_ENDS_SOON": (
        "The certificate of the party ends soon.",
        "Show it: the organiser issues a new one; no restart is needed.",
    ),
    "OWN_CERTIFICATE_EXPIRED": (
        "The certificate of the party has ended; no member lets this sidecar in.",
        "Show it: the organiser issues a new one; no restart is needed.",
    ),
    "OWN_ID_CLONED": (
        "Another PC has this sidecar's id, as of a cloned disk.",
        "Show it: on one of the two, the node key must be removed.",
    ),
    "PARTY_FILES_UNUSABLE": (
        "The files of the party cannot be read or do not fit.",
        "Show it: the message says which one and why.",
    ),
    "PEER_CLONED": ("Two PCs have the same peer id.", "Show it to the organiser of the party."),
    "PEER_ID_CHANGED": (
        "At an address that a person typed, another peer answers now.",
        "Show it: a new installation, or somebody else.",
    ),
    "PEER_ID_REPLACED": (
        "The node key could not be used on this PC, so this sidecar has a new id.",
        "Nothing, unless a party's certificate was for the old id.",
    ),
    "PROTOCOL_MISMATCH": ("A peer speaks no version that this sidecar speaks.", _PEER_BROKEN),
    "PUBLISH_RECOVERED": ("A start has ended what a crash had cut.", "Nothing."),
    "PUBLISH_STUCK": (
        "What a crash had cut cannot be ended now; nothing is lost, the next start tries again.",
        _DISK,
    ),
    "REMOVAL_FINISHED": ("A start has finished removing a game.", "Nothing."),
    "REMOVAL_STUCK": (
        "Files of a removed game cannot be deleted; the next start tries again.",
        "Show it: another program may use them.",
    ),
    "SETTINGS_DAMAGED": (
        "Kept settings could not be read; defaults are in effect.",
        "Show the settings to the user.",
    ),
    "STAGING_UNUSABLE": (
        "What an earlier download left cannot be read.",
        "Offer DeleteStaging.",
    ),
    "UNSAFE_GAME": (
        "A game in the folder cannot be shared.",
        "Show it with the game: `fault` of the local game says why.",
    ),
    "WATCH_FAILED": (
        "The system does not tell of changes; the folder is looked at every two minutes.",
        "Nothing.",
    ),
}

# What the Python library and the command say by themselves; other libraries have the same names.
CLIENT_REASONS = {
    "NOT_RUNNING": (
        "No sidecar runs with this state folder.",
        "Start one.",
    ),
    "NO_ANSWER": (
        "The sidecar does not answer (UNAVAILABLE without details).",
        "See whether its process still runs; if so, ask again.",
    ),
    "DEADLINE_EXCEEDED": (
        "The sidecar took longer than the deadline of the call.",
        "Ask what has become of it before asking again; with one request_id that is safe.",
    ),
    "STREAM_ENDED": (
        "The sidecar ended before what was waited for.",
        "Start it again; downloads go on by themselves.",
    ),
    "TLS_REQUIRED": (
        "The sidecar's address is beyond this machine, and its certificate was not given.",
        "Give the client the `tls_certificate` of the runtime file.",
    ),
    "RUNTIME_FILE_INVALID": (
        "The runtime file makes no sense.",
        "Remove it, or choose another state folder.",
    ),
    "RUNTIME_FILE_UNSAFE": (
        "The runtime file, or the socket it names, belongs to somebody else or is open to others.",
        "Never use it: another user of this PC may listen there.",
    ),
    "API_UNSUPPORTED": (
        "The sidecar speaks another version of this API.",
        "Update the older of the two.",
    ),
    "SPAWN_FAILED": (
        "The sidecar did not start, or ended before it was ready.",
        "Show the sentence, which holds the sidecar's own.",
    ),
    "SPAWN_TIMEOUT": (
        "The sidecar did not get ready in time.",
        "Show `last_line`; the game folder may be on a very slow disk.",
    ),
    "HANDSHAKE_INVALID": (
        "What was spawned did not say what a sidecar says.",
        "Another program has the name of the sidecar, or it is of another version.",
    ),
    "INVALID_FIELD": ("A value that no message can hold.", _FIX),
    "CANCELLED": ("The command was stopped by the user.", "Nothing."),
    "FILES_LEFT": (
        "`lanspread remove`: some files are in use.",
        "Close what uses them, and remove again.",
    ),
    "GAME_DAMAGED": (
        "`lanspread verify`: files are missing or changed.",
        "Download the same content again.",
    ),
    "SHUTDOWN_TIMEOUT": (
        "`lanspread shutdown`: the sidecar has not ended in time.",
        "See what its process does.",
    ),
}
