"""Names and paths that a hostile peer may send, by what is wrong with each, and harmless odd ones.

`hostile_paths` are refused wherever a path is parsed. `never_shared_paths` are safe names that no
manifest may have; `colliding_pairs` and `file_as_folder_pairs` are safe each, but not together.
`harmless_paths` look strange and are nobody's danger: refusing them would cost people their games.
"""

_DIGITS = "0123456789\u00b9\u00b2\u00b3"
_DEVICES = (
    "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$",
    *(f"{device}{digit}" for device in ("COM", "LPT") for digit in _DIGITS),
)  # fmt: skip
_EXTENSIONS = (
    "txt", "ini", "exe", "dll", "eti", "rar", "zip", "7z", "bat", "lnk", "json", "pak", "sys",
)  # fmt: skip

# Windows ignores all of these at the end of a name, macOS' older disks some within.
_ZERO_WIDTH = "\u200b\u200c\u200d\u200e\u200f\u2060\u2061\u2062\u2063\u2064\ufeff\u00ad\u180e"
_BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u061c"
_IGNORABLE = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2065\u3164\ufe00\ufe0e\ufe0f\uffa0"
    "\ufff0\U000e0100\U000e01ef\U000e0fff"
)
_CONTROL = "".join(map(chr, [*range(1, 32), 127, 128, 129, 0x8D, 0x90, 0x9B, 0x9D, 0x9F]))

_BY_FAULT: dict[str, tuple[str, ...]] = {
    "traversal": (
        "..", "../x", "a/../b", "a/..", "a/../../etc/passwd", "./a", "a/./b", ".", "../" * 20 + "x",
        "../.ssh/authorized_keys", "a/b/../../../x", "../.lanspread/journal", "../STATE/node.key",
        "....//....//x", "..//x", "a/.../..", "version.ini/..", "local/../../x", ".././x", "../..",
    ),
    "absolute": (
        "/", "/etc/passwd", "//server/share", "///", "/root/.ssh/authorized_keys", "/dev/null",
        "/proc/self/environ", "/proc/self/fd/0", "//./x", "/.", "/..", "/tmp/../etc/shadow",
    ),
    "empty part": ("", "a//b", "a/", "/a", "a/b//", "//", "a///b"),
    "drive": (
        "C:", "C:/x", "c:x", "a/D:/b", "C:/Windows/System32/drivers/etc/hosts", "z:..", "C:\\",
        "c:/autoexec.bat", "1:x", "\u00c4:/x", "a:",
    ),
    "unc": (
        "\\\\server\\share", "\\\\?\\C:\\x", "\\\\.\\PhysicalDrive0", "//?/C:/x", "//./pipe/x",
        "\\\\?\\UNC\\server\\share\\x", "\\\\.\\COM1", "\\??\\C:\\x", "\\\\localhost\\C$\\x",
        "\\\\?\\GLOBALROOT\\Device\\HarddiskVolume1\\x", "\\\\server@SSL@443\\x", "//server/C$/x",
    ),
    "backslash": (
        "a\\b", "..\\..\\x", "\\a", "a\\", "..\\", "a/..\\..\\x", "\\", "..\\/..\\/x", "a\\..\\b",
        ".\\a", "..\\version.ini", "local\\..\\..\\x",
    ),
    "stream": (
        "a:b", "file.txt:evil", "file.txt::$DATA", ":", "a::$INDEX_ALLOCATION/b", "a:b:$DATA",
        "local::$INDEX_ALLOCATION/x", "version.ini:Zone.Identifier", "a/b:c", ":a", "a/::$DATA",
        ".lanspread::$INDEX_ALLOCATION/x", "..::$INDEX_ALLOCATION/x", "file:", "x:$I30:$INDEX",
    ),
    "wildcard": (
        "a*", "a?", 'a"b', "a<b", "a>b", "a|b", "*", "?", "*.*", "a/*", "a??", "<", ">", "|x", '"',
        "a<.txt", "x>x", "a/?/b",
    ),
    "nul": ("a\0b", "\0", "a/b\0.txt", "\0/a", "a\0", "a.txt\0.exe", "a\0/../../x"),
    "control": ("a\x1b[2J", "a\x1b]0;t\x07", *(f"a{c}b" for c in _CONTROL), "\ta", "a\r\nb", "a\n"),
    "bidi": (*(f"a{c}exe.txt" for c in _BIDI), "\u2066a", "a\u2069", "a/\u202eb/c"),
    "zero width": (*(f"a{c}b" for c in _ZERO_WIDTH), "\ufeffa", "a\u200b", ".\u200c./x", "\u200b"),
    "ignorable": (
        *(f"a{c}b" for c in _IGNORABLE), "loc\u034fal/x", "local\ufe0f/x", "\ufe0f.lanspread/x",
        "version\ufe00.ini", "\u3164", ".\ufe0f./x",
    ),
    "line break": ("a\u2028b", "a\u2029b", "a\u0085b", "\u2028", "a/\u2029/b"),
    "tag": ("a\U000e0041b", "a\U000e0001", "a\U000e007f"),
    "surrogate": (
        "a\ud800", "\udfff", "a/\udc80b", "\ud83d\ude00", "\udcff", "\udc2e\udc2e/x", "\udc2fetc",
        "a\udbff\udfff", "\udc00/..",
    ),
    "trailing dot or space": (
        "a.", "a ", "a./b", "a /b", "a/b...", ". .", "... ", "...", "....", ".. ", ".. /x", ". ",
        "../ x", "a. .", "a .", "version.ini.", "version.ini ", "local./x", "local /x",
        ".lanspread./x", ".lanspread /x",
    ),
    "leading space": (" a", "a/ b", " ", " ../x", " local/x", " .lanspread", "a/ /b"),
    "looks like dots": (
        "\uff0e", "\uff0e\uff0e/x", "\u2024\u2024/x", "\u2025/x", "a/\u2025/b", "\u2026", ".\u2024",
        ".\uff0e/x", "\ufe52\ufe52/x", "\u2025\u2024",
    ),
    "looks like a device": (
        "\uff23\uff2f\uff2e", "\uff4e\uff55\uff4c.txt", "CO\uff2d1", "COM\u2460", "LPT\uff13",
        "A\uff35X", "com\u2075", "CON\uff0etxt",
    ),
    "own short name": (
        "LANSPR~1", "lanspr~1", "LANSPR~2", "LANSPR~9", "LANSP~10", "LANS~100", "LA1A2B~1",
        "la00ff~4", "LANSPR~1/journal", "a/LANSPR~1/b", "Lanspr~1/records/x/manifest", "LA~100000",
        "LANSPR\uff5e1",
    ),
    "decomposed": (
        "e\u0301", "a/o\u0308b", "\u1100\u1161", "\u212b", "\u2126", "\u212a", "A\u030a", "\u0958",
        "\U0002f868", "\ufb1d", "a\u0323\u0307/b", "\u1e0b\u0323", "\uf900", "\u0344", "\u0374",
    ),
    "part too long": (
        "a" * 256, "d/" + "\u00e9" * 128, "\U0001f3ae" * 64, "a" * 300 + ".txt", "x/" + "b" * 256,
        "\u65e5" * 86,
    ),
    "path too long": (
        "/".join(["a" * 128] * 4), "/".join(["a" * 102] * 5), "/".join(["\u65e5" * 60] * 3),
    ),
    "too deep": ("/".join(["a"] * 33), "/".join(["a"] * 256), "/".join(["ab"] * 100)),
}  # fmt: skip

_NEVER_SHARED = (
    "local", "local/save.dat", "Local/save.dat", "LOCAL/a/b", "lOcAl/x", ".hidden", ".a/b/c",
    ".lanspread/journal/x", ".lanspread/staging/x/record", ".LANSPREAD/lock", "a/.git/config",
    "a/.b", ".git/hooks/post-checkout", ".ssh/authorized_keys", ".bashrc", ".config/autostart/x",
    ".DS_Store", "a/.DS_Store", "..a", "..a/b", "a/..b/c", "...a", "desktop.ini", "a/Desktop.INI",
    "Thumbs.db", "a/b/thumbs.db", "THUMBS.DB", "\uff4c\uff4f\uff43\uff41\uff4c/x",
    "\u2024lanspread/x", "\uff0ehidden", "loca\u217c/x",
)  # fmt: skip

_COLLIDING = (
    ("Readme.TXT", "readme.txt"), ("A/b", "a/B"), ("stra\u00dfe", "STRASSE"), ("\u03c3", "\u03c2"),
    ("\u00c9t\u00e9", "\u00e9t\u00e9"), ("\u1e9e", "ss"), ("\ufb01le", "file"), ("\u017fet", "set"),
    ("\u0149", "\u02bcn"), ("\u01c4", "\u01c6"), ("VERSION.INI", "version.ini"),
    ("\u00b5", "\u03bc"),
    ("\u1e9a", "a\u02be"), ("\u0130", "i\u0307"), ("\u1fb3", "\u03b1\u03b9"), ("a/B/c", "a/b/C"),
    ("Game.json", "game.json"), ("\u03aa", "\u03ca"), ("\u10d0", "\u1c90"), ("\u13a0", "\uab70"),
    ("\U00010400", "\U00010428"), ("\ufb00", "FF"), ("A\u00c9", "a\u00e9"),
)  # fmt: skip

_FILE_AS_FOLDER = (
    ("a", "a/b"), ("a/b", "a/b/c"), ("version.ini", "version.ini/x"), ("A", "a/b"),
    ("stra\u00dfe", "STRASSE/x"), ("DATA", "data/y"),
)  # fmt: skip

_HARMLESS = (
    "a", "version.ini", "data/maps/level 1.bsp", "a..b/c", "con1", "console.txt", "nulls", "com10",
    "aux-file.txt", "my.con", "caf\u00e9/\u00fcber.txt", "\u65e5\u672c\u8a9e.pak", "\U0001f3ae.sav",
    "a'b`c~!@#$%^&()_+-={}[];,", "stra\u00dfe", "\u0130stanbul", "\u0131", "%2e%2e", "%2e%2e%2fx",
    "%c0%ae%c0%ae", "a..%5c", "~", "~root/x", "~/x", "-rf", "--help", "$HOME", "$(reboot)",
    "`id`", "%SystemRoot%", "${jndi}", "a;b", "a&&b", "{}", "README~1.TXT", "PROGRA~1/x", "GIT~1",
    "a~1", "comx", "lpt", "lpt10.txt", "prn_", "nul-", "a.b.c.d.e", "no extension", "x" * 255,
    "\u30d5\u30a1\u30a4\u30eb\uff1a\uff11", "Fate\uff0fstay night", "\uff5c", "\uff0a",
    "\u201cquoted\u201d",
    "\u0915\u094d\u0937", "\u05d0\u05d1", "\u0645\u0631\u062d\u0628\u0627", "\ud55c\uae00",
    "\U00020000",
    "\u2019", "\u20ac", "\u00a0", "a\u3000b", "\u2215", "\u2044x", "a/local/b", "locale/x",
    "local.txt", "thumbs.db.bak", "desktop.ini.txt", "a/" * 31 + "b", "lanspread", "a.lanspread",
    "null", "CONFIG.SYS", "AUTOEXEC.BAT", "0", "00", "'", "#x", "@eaDir", "=1+1", "+", "^",
)  # fmt: skip


def hostile_paths() -> list[tuple[str, str]]:
    """Pairs of a fault and a path that has it."""
    listed = [(fault, path) for fault, paths in _BY_FAULT.items() for path in paths]
    return listed + [("device", path) for device in _DEVICES for path in _forms_of(device)]


def never_shared_paths() -> tuple[str, ...]:
    """Names that a disk may well hold, but that are no part of any game."""
    return _NEVER_SHARED


def colliding_pairs() -> tuple[tuple[str, str], ...]:
    """Two paths that some system holds as one."""
    return _COLLIDING


def file_as_folder_pairs() -> tuple[tuple[str, str], ...]:
    """A file, and a path that needs a folder of its name."""
    return _FILE_AS_FOLDER


def harmless_paths() -> tuple[str, ...]:
    """Unusual paths that are taken as they are and mean nothing but their own characters."""
    return _HARMLESS


def _forms_of(device: str) -> tuple[str, ...]:
    mixed = device.title()
    extension = _EXTENSIONS[len(device) % len(_EXTENSIONS)]
    return (
        device,
        device.lower(),
        f"{device}.txt",
        f"{device} .txt",
        f"{device}.",
        f"{mixed}.{extension}",
        f"{device}.a.b.{extension}",
        f"a/{mixed}.tar.gz/b",
    )
