"""Path texts that a hostile peer may send, by what is wrong with each; none is ever accepted."""

_DEVICES = (
    "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$",
    *(f"COM{digit}" for digit in "0123456789\u00b9\u00b2\u00b3"),
    *(f"LPT{digit}" for digit in "0123456789\u00b9\u00b2\u00b3"),
)  # fmt: skip

_BY_FAULT: dict[str, tuple[str, ...]] = {
    "traversal": ("..", "../x", "a/../b", "a/..", "a/../../etc/passwd", "./a", "a/./b", "."),
    "absolute": ("/", "/etc/passwd", "//server/share", "///"),
    "empty part": ("", "a//b", "a/", "/a", "a/b//"),
    "drive": ("C:", "C:/x", "c:x", "a/D:/b"),
    "unc": ("\\\\server\\share", "\\\\?\\C:\\x", "\\\\.\\PhysicalDrive0", "//?/C:/x"),
    "backslash": ("a\\b", "..\\..\\x", "\\a", "a\\"),
    "stream": ("a:b", "file.txt:evil", "file.txt::$DATA", ":"),
    "wildcard": ("a*", "a?", 'a"b', "a<b", "a>b", "a|b"),
    "nul": ("a\0b", "\0", "a/b\0.txt"),
    "control": ("a\nb", "a\rb", "\ta", "a\x1b[2J", "a\x7f", "a\x80b", "a\x9fb"),
    "bidi": ("a\u202eexe.txt", "a\u200eb", "a\u200fb", "\u2066a", "a\u2069", "a\u061cb", "a\u202a"),
    "zero width": ("a\u200bb", "a\u200cb", "a\u200db", "\ufeffa", "a\u2060b", "a\u00adb"),
    "line break": ("a\u2028b", "a\u2029b", "a\u0085b"),
    "tag": ("a\U000e0041b", "a\U000e0001"),
    "surrogate": ("a\ud800", "\udfff", "a/\udc80b", "\ud83d\ude00"),
    "trailing dot or space": ("a.", "a ", "a./b", "a /b", "a/b...", ". .", "... ", "a\u0020"),
    "leading space": (" a", "a/ b", " "),
    "decomposed": ("e\u0301", "a/o\u0308b", "\u1100\u1161", "\u212b", "\u2126", "\u212a"),
    "part too long": ("a" * 256, "d/" + "\u00e9" * 128, "\U0001f3ae" * 64),
    "path too long": ("/".join(["a" * 128] * 4), "/".join(["a" * 102] * 5)),
    "too deep": ("/".join(["a"] * 33), "/".join(["a"] * 256)),
}  # fmt: skip


def hostile_paths() -> list[tuple[str, str]]:
    """Pairs of a fault and a path that has it."""
    listed = [(fault, path) for fault, paths in _BY_FAULT.items() for path in paths]
    return listed + [("device", path) for device in _DEVICES for path in _forms_of(device)]


def _forms_of(device: str) -> tuple[str, ...]:
    mixed = device.title()
    return (
        device,
        device.lower(),
        f"{device}.txt",
        f"{device} .txt",
        f"{device}.",
        f"a/{mixed}.tar.gz/b",
    )
