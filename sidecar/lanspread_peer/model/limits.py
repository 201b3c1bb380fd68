"""Every number that a peer or a client can drive, with the reason for its value.

Zero never means unlimited. Reaching a limit raises a typed error where the limit is applied.
"""

KIB = 1024
MIB = 1024 * KIB

# Messages between peers. A request names a path at most; the rest is head room.
MAX_REQUEST_BYTES = 64 * KIB
# An answer lists a library of MAX_LIBRARY_GAMES games at about 300 bytes each.
MAX_ANSWER_BYTES = 4 * MIB
# Any other answer: a game's description is the longest, and fills a quarter of this.
MAX_SHORT_ANSWER_BYTES = 256 * KIB
# Our deepest message nests four levels; sixteen leaves room for what later versions add.
MAX_JSON_DEPTH = 16
# The fullest answer of ours holds 33 000; an empty value in memory costs thirty times its bytes.
MAX_JSON_VALUES = 100_000

# Manifests. 150 GB in chunks of 4 MiB needs 2.5 MB; 200 000 small files need about 30 MB.
MAX_MANIFEST_BYTES = 64 * MIB
# Manifests that come at once hold so much each; for more they take turns, one at a time.
MANIFEST_TURN_BYTES = 4 * MIB
MAX_MANIFESTS_AT_ONCE = 8
MAX_MANIFEST_ENTRIES = 200_000
# The hash of each chunk takes a little more than 64 of those bytes.
MAX_MANIFEST_CHUNKS = MAX_MANIFEST_BYTES // 64
# 16 TiB: more than any game, and far from where 64-bit sums overflow.
MAX_GAME_BYTES = 16 * 1024 * 1024 * MIB

# Paths: what ext4, NTFS and APFS all hold, and shallow enough to walk by handle.
MAX_PATH_PART_BYTES = 255
MAX_PATH_BYTES = 512
MAX_PATH_DEPTH = 32

# Chunks: a file gets at most MAX_CHUNKS_PER_FILE of them until the largest size is reached.
MIN_CHUNK_BYTES = 256 * KIB
MAX_CHUNK_BYTES = 4 * MIB
MAX_CHUNKS_PER_FILE = 4096

# Libraries.
MAX_LIBRARY_GAMES = 4096
# Lines of all peers' libraries together, at half a KiB or so: 48 peers with 1300 games each.
MAX_KNOWN_GAME_LINES = 65_536
# What peers say of a game in a list is shown in one line.
MAX_LINE_NAME_CHARS = 200
MAX_GAME_ID_BYTES = 255
MAX_VERSION_BYTES = 64
MAX_VERSION_INI_BYTES = 4 * KIB
MAX_GAME_JSON_BYTES = 64 * KIB
MAX_DESCRIPTION_TEXT_BYTES = 4 * KIB
MAX_NAME_BYTES = 64

# Peers.
MAX_KNOWN_PEERS = 1024
MAX_ADDRESSES_PER_PEER = 16
# Of these, what other peers told: enough for an honest peer, and little to waste dials on.
MAX_HINTED_ADDRESSES_PER_PEER = 4
MAX_FEATURES = 32
MAX_PEER_HINTS = 256
# As many as are known at once; an id costs a stranger nothing, so that more would not help either.
MAX_BLOCKED_PEERS = 1024
# A certificate of ours has 400 bytes; a party's adds names, and its authority one or two more.
MAX_CERTIFICATES = 4
MAX_CERTIFICATE_BYTES = 4 * KIB
# A party's trust: its authority, the one before as long as both are trusted, and room for mistakes.
MAX_PARTY_AUTHORITIES = 4
# Twice those certificates in PEM, with whatever a person notes beside them.
MAX_PARTY_FILE_BYTES = 64 * KIB
# Between two PCs whose clocks nobody set; Kerberos grants as much (RFC 4120 section 8.2).
CLOCK_SKEW_S = 300.0
# An ECDSA signature over P-256 in DER: two numbers of 33 bytes at most, and their headers.
MAX_SIGNATURE_BYTES = 72

# Connections. Streams match what a downloader may have out, with as many again for talk.
MAX_STREAMS_PER_CONNECTION = 32
# One for each of 47 other peers, a second one while both dial at once, and room for comers.
MAX_CONNECTIONS = 64
# So many of them only we can open, whatever strangers do; the rest still takes 47 that called us.
CONNECTIONS_KEPT_FOR_DIALS = 16
# More sidecars than share one PC, or one router's address; one host leaves half for the others.
MAX_CONNECTIONS_PER_ADDRESS = 32
# Peers that are dialled at once; a flood of announcements makes no more dials than that.
MAX_DIALS_AT_ONCE = 16
# Handshakes of one dial at a time, each a quarter of a second after the one before, so that dead
# addresses cost little and the best one mostly wins alone. Hinted addresses go one by one.
MAX_HANDSHAKES_PER_DIAL = 3
DIAL_STAGGER_S = 0.25
# Some of them are left for addresses that a person typed, and more for peers that we saw ourselves.
MAX_DIALS_UNTYPED = 12
MAX_DIALS_OF_HINTS = 8
# One peer's made-up hints leave as many slots for the hints of the others.
MAX_DIALS_PER_HINTING_PEER = 4
# Callers at one address that did not prove who they are; an honest one is done in milliseconds.
MAX_UNAUTHENTICATED_PER_ADDRESS = 8
HANDSHAKE_TIMEOUT_S = 5.0
# A request must be complete by then; a slow loris holds a stream no longer.
REQUEST_TIMEOUT_S = 10.0
# Without a byte for this long, whoever sends or receives is given up.
STALL_TIMEOUT_S = 5.0

# QUIC receive windows: what a peer may send that nobody took yet. An answer's window is what a
# gigabit link carries in 8 ms, twice the round trip of a busy PC; a request fits its own whole; the
# connection's lets eight answers come at full speed.
QUIC_ANSWER_WINDOW_BYTES = MIB
QUIC_REQUEST_WINDOW_BYTES = MAX_REQUEST_BYTES
QUIC_CONNECTION_WINDOW_BYTES = 8 * MIB
# Gaps in what came of one stream. Losing every second packet of a whole window makes 440 of them.
MAX_STREAM_GAPS = 1024
# The same for a request, and for a handshake: every second packet of a whole one makes 28.
MAX_REQUEST_GAPS = 64
# What one stream may hold that the other end has not acknowledged, besides the slice being added.
QUIC_SEND_BACKLOG_BYTES = 256 * KIB
# From then on a caller must first prove that it receives at the address it sends from.
MAX_UNPROVEN_HANDSHAKES = 16
# The same for one address: whoever forges it as the source of datagrams takes no more than these.
MAX_UNPROVEN_HANDSHAKES_PER_ADDRESS = 2
# Handshakes that one address may begin: a room full of sidecars on one PC is through in seconds,
# and a stranger's loop costs a small part of one core.
HANDSHAKES_PER_SECOND = 20.0
HANDSHAKE_BURST = 40
MAX_REMEMBERED_ADDRESSES = 1024
# What no peer of ours sends, from one address: a newer version that tries what we do not know, or
# requests cut on a line that loses packets, stay far below; a flood is over in a moment.
OFFENCES_PER_SECOND = 1.0
OFFENCE_BURST = 32
# What a peer may ask besides game data: a front end that looks at a hundred games at once is not
# slowed down, and who asks without end costs a tenth of a core at most.
QUESTIONS_PER_SECOND = 50.0
QUESTION_BURST = 256

# TLS connections, for bulk only. Four let one peer's bytes be decrypted on as many cores.
MAX_BULK_CONNECTIONS_PER_PEER = 4
# Connections that others opened; whoever finds no room asks by QUIC.
MAX_BULK_CONNECTIONS = 64
# One address leaves half for the others; of those that have proved nothing, all addresses together.
MAX_BULK_CONNECTIONS_PER_ADDRESS = 32
MAX_UNAUTHENTICATED_BULK_CONNECTIONS = 32
# Peers to which the way by TLS is kept, those that were asked last: many more than one asks within
# BULK_IDLE_TIMEOUT_S, at some KiB each.
MAX_BULK_ROUTES = 256
# A new one costs two signatures and some round trips, and a download pauses shorter than that.
BULK_IDLE_TIMEOUT_S = 30.0
# What one peer may have us dial it: a download opens four connections, and another one for each
# answer that it cuts, which is rare; whoever asks more costs a hundredth of a core at most.
DIAL_BACKS_PER_SECOND = 2.0
DIAL_BACK_BURST = 16
# From the request to the greeted connection; a port that is guarded does not answer at all.
DIAL_BACK_TIMEOUT_S = 5.0

# Transfers.
# Uploads at once, unless the settings say otherwise: as many as one downloader has requests out.
MAX_UPLOADS = 12
# When so many share a limited rate, each has a part of it every 0.8 s: with the next part known
# before one is sent, and after UPLOAD_QUEUE_TIMEOUT_S, still before STALL_TIMEOUT_S of silence.
MAX_UPLOAD_SLOTS = 32
# Two per peer keep its pipe full over a round trip; eight waiting peers are as many as get their
# turn before their answer would be late. A room of 8 that shares slots fairly is done sooner so, by
# simulation, than with a queue of 2 in all (1.028 and 1.035 of the bound), one of 100 later.
MAX_QUEUED_UPLOADS = 16
MAX_QUEUED_UPLOADS_PER_PEER = 2
# Several honest peers may share an address, and strangers with many ids share one, too.
MAX_QUEUED_UPLOADS_PER_ADDRESS = 8
# Who waits so long takes a slot from a peer that has more; an honest chunk is through by then.
UPLOAD_FAIR_WAIT_S = 2.0
# Who waits so long hears Busy, well before it takes the wait for STALL_TIMEOUT_S of silence.
UPLOAD_QUEUE_TIMEOUT_S = 3.0
MAX_REQUESTS_PER_DOWNLOAD = 12
# One request for several chunks: as many bytes as the largest chunk, so that it takes no more
# memory; and as many chunks as files of 4 KiB, the least that a disk keeps, make these bytes.
MAX_RUN_BYTES = MAX_CHUNK_BYTES
MAX_CHUNKS_PER_REQUEST = 1024
# A request that leaves the choice names so many chunks at most: as a bitmap in base64, which takes
# 43 KiB, they fit a request; the rest is named once these are here.
MAX_ANY_CHUNKS = 262_144
MAX_WANTED_CHARACTERS = (MAX_ANY_CHUNKS // 8 + 2) // 3 * 4
# Downloads that a peer tells it can serve in part: as many as may be active at once.
MAX_DOWNLOADING_GAMES = 64
# A line of an availability after the first, which is a bitmap of all chunks; what does not fit goes
# on in the next.
MAX_AVAILABILITY_LINE_BYTES = 4 * KIB
# What one peer may tell in lines after the first: 16 000 chunks a second, each a range of its own,
# are more than any disk takes as small files, and reading them takes a thirtieth of a core; the
# burst is what was sent while nobody here read. Each line, even an empty one, counts as so many
# bytes more; an honest peer sends fifty of them a second.
AVAILABILITY_BYTES_PER_SECOND = 128 * KIB
AVAILABILITY_BURST_BYTES = MIB
AVAILABILITY_LINE_BYTES = 64
# Read in parts of so many bytes, each some milliseconds of the event loop.
AVAILABILITY_PART_BYTES = 8 * KIB
# Availabilities that one peer may follow here: one for each of its running downloads, and as many
# that are about to end on a connection that is given up.
MAX_AVAILABILITIES_PER_PEER = 4
# Downloaders of the same content that one download follows: what a swarm of hundreds needs to know
# of one another, by simulation; more only cost messages.
MAX_FOLLOWED_PEERS = 32
# An availability without news gives a sign of life so often, well before STALL_TIMEOUT_S.
AVAILABILITY_HEARTBEAT_S = 2.0
# Contents of which it is remembered how often each chunk was given by own choice: a byte per chunk,
# so some MiB at the very most; more games are hardly handed out in one evening's first hour.
MAX_REMEMBERED_SPREADS = 16
MAX_REQUEST_BUFFERS = 16
# Chunks that adjoin are written together up to this; twice as much brought nothing.
MAX_WRITE_BYTES = MIB
UPLOAD_SLICE_BYTES = 256 * KIB
# A slice is a record of a bulk connection. Whoever asks holds one for each connection while bytes
# come, and one more when it opens it for a smaller view; whoever answers, one with a request.
MAX_RECORD_BYTES = UPLOAD_SLICE_BYTES
MAX_REQUEST_RECORD_BYTES = MAX_REQUEST_BYTES + 4
# 13 KB/s: twelve uploads over the worst radio link still make it, and a dripping reader does not.
UPLOAD_SLICE_TIMEOUT_S = 20.0
# Two, so that one fetches while the other waits for a source or for the disk; more only share the
# line, and the first game is ready later.
MAX_RUNNING_DOWNLOADS = 2
# Running, queued and paused ones; each has a staging on disk and is listed at every start.
MAX_ACTIVE_DOWNLOADS = 64
MAX_RETRY_COUNT = 3
# Slower than any link of our days: with a chunk of 4 MiB it takes a minute. Such a source is left
# behind, unless what it holds is nowhere else.
MIN_SOURCE_BYTES_PER_SECOND = 64 * KIB
# What a rate limit may be: at least so much that a lone downloader takes us neither for gone nor
# for a crawling source, and that what a source may have sent unread is taken in half of
# STALL_TIMEOUT_S, or by MAX_RUNNING_DOWNLOADS still within it; at most more than any network has,
# and far from where numbers end.
MIN_RATE_LIMIT_BYTES_PER_SECOND = 512 * KIB
MAX_RATE_LIMIT_BYTES_PER_SECOND = 1024 * 1024 * MIB

# Liars. One lie may be a bad disk; a second is a habit. Two bad disks behind one router happen, a
# third and a fourth are one person under many ids.
MAX_LIES_PER_PEER = 2
MAX_LIARS_PER_ADDRESS = 4
MAX_REMEMBERED_LIARS = 4096

# Disk. A download leaves this much free, or this share of a small disk, for the system to live on.
FREE_SPACE_RESERVE_BYTES = 256 * MIB
FREE_SPACE_RESERVE_PERCENT = 5
# What was verified is recorded this often: what a crash costs at most, for a pause of the disk that
# even a slow one gets over before the network notices.
RECORD_BYTES = 256 * MIB
RECORD_INTERVAL_S = 5.0
# Far below the 256 descriptors that macOS gives a process, however many files a game has.
MAX_OPEN_STAGING_FILES = 64
# What a staging says of its download; it may name as many paths as a manifest has.
MAX_STAGED_JSON_BYTES = MAX_MANIFEST_BYTES
# A staging's record names each chunk once, in at most 8 bytes of the million a manifest can have,
# and each group sync adds a line of 20 bytes: a year of them.
MAX_STAGING_RECORD_BYTES = 64 * MIB
# A journal names each path of a manifest twice, those of the files that go, and small figures.
MAX_JOURNAL_BYTES = 4 * MAX_MANIFEST_BYTES
# What is noted of the removal of a game names each of its files once.
MAX_REMOVAL_BYTES = 2 * MAX_MANIFEST_BYTES
# Ids that clients and we ourselves make up; ours have 32.
MAX_ID_CHARACTERS = 128
# Our own small files in the state folder; the largest of them is well below 4 KiB.
MAX_STATE_FILE_BYTES = 64 * KIB
# What a person writes by hand, or a front end gives at the start: a few dozen short lines.
MAX_CONFIG_BYTES = 64 * KIB
# A folder that another machine uses is shown to be so this often; after three misses it is free.
LOCK_REFRESH_S = 10.0
LOCK_STALE_S = 30.0
# Hashes are written down this often, so that little is hashed again after a kill.
INDEX_BATCH_BYTES = 1024 * MIB
INDEX_BATCH_FILES = 1000

# A day: who waits longer for a source has forgotten the download.
MAX_PATIENCE_S = 86_400.0

# The event ring holds the state events of a long evening and still fits any PC.
MAX_EVENT_RING_BYTES = 16 * MIB
# gRPC's own default is 4 MiB; one is enough for a page of anything we answer.
MAX_CONTROL_MESSAGE_BYTES = MIB
MAX_PAGE_SIZE = 1000
DEFAULT_PAGE_SIZE = 200
MAX_KEPT_DOWNLOADS = 256
# One runs at a time; as many may wait as downloads may be active.
MAX_ACTIVE_VERIFICATIONS = 64
MAX_KEPT_VERIFICATIONS = 64
# Of each kind, what a verification found is listed up to here, and counted beyond: more paths tell
# a person nothing, and all that are kept take 100 MB at the very most.
MAX_FINDINGS_PER_KIND = 1000
# An event stream's frugality: figures that people watch, and a sign of life when nothing happens.
EVENT_HEARTBEAT_S = 15.0
PROGRESS_INTERVAL_S = 0.25
PEER_COUNT_INTERVAL_S = 0.5
# Streams count too; more than any front end opens, and each costs a snapshot at most.
MAX_CONTROL_CALLS = 128
# Health may be asked without the token, so such calls have places of their own. Watchers may stay
# for ever and get a half; each other call is over within CONTROL_REQUEST_TIMEOUT_S.
MAX_TOKENLESS_CALLS = 32
MAX_HEALTH_WATCHERS = 16
# Clients send the request with the call itself; this is for a PC whose cores are all busy.
CONTROL_REQUEST_TIMEOUT_S = 5.0
# A front end has one connection, each command of the command line another for a moment. Far below
# what a process may open, even where that is 256: connections need no token.
MAX_CONTROL_CONNECTIONS = 64
# TLS and the greeting of HTTP/2, on a PC whose cores are all busy.
CONTROL_HANDSHAKE_TIMEOUT_S = 5.0
# A connection without a call makes room for others; clients connect anew, and notice nothing.
CONTROL_IDLE_TIMEOUT_S = 30.0
# Prometheus opens one; a person may look besides, and a browser opens a few for one page.
MAX_METRICS_CONNECTIONS = 8
# Whole heads of browsers are below this.
MAX_METRICS_REQUEST_BYTES = 8 * KIB
# A whole scrape, on a PC whose cores are all busy.
METRICS_TIMEOUT_S = 5.0
# macOS has room for 104 bytes with the closing NUL, Linux for 108.
MAX_UNIX_SOCKET_PATH_BYTES = 103
# The line that a front end writes to the sidecar it spawned: two paths, a token and some settings.
MAX_HANDSHAKE_BYTES = 64 * KIB
# A front end writes it at once; one that never does must not leave a process behind.
MANAGED_LINE_TIMEOUT_S = 30.0
# 256 bits in base64, the densest that is usual; the longest is far below what a header may hold.
MIN_TOKEN_CHARS = 43
MAX_TOKEN_CHARS = 256
# How long the orderly end may take when the front end is gone; then the process ends anyhow.
ORPHAN_GRACE_S = 1.0
# gRPC refuses more than 8 KiB of metadata; the message travels twice, once at three times its size.
MAX_ERROR_TEXT_BYTES = 512
MAX_ERROR_METADATA = 8

# What peers can provoke is logged or told once for each of them, of so many in a minute; whoever
# makes up ids or names gets one line more.
MAX_REMEMBERED_LOG_KEYS = 1024
MAX_LOG_KEYS_PER_MINUTE = 100
MAX_WARNINGS_PER_MINUTE = 20
# Log lines that wait for whoever reads stderr: some thousands, while he is busy elsewhere.
MAX_LOG_QUEUE_BYTES = MIB
# An evening at the level of debug, and three more; a disk hardly notices.
MAX_LOG_FILE_BYTES = 8 * MIB
MAX_OLD_LOG_FILES = 3
# What is still queued at the end is worth so much time.
LOG_FLUSH_TIMEOUT_S = 1.0
