"""Texts for a terminal. Names come from strangers: nothing in them may command the terminal."""

from rich.text import Text

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def plain(text: str) -> str:
    """The text on one line, with escapes for whatever does not print: control, bidi, invisible."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def cell(text: str) -> Text:
    """A part of what rich draws; never read as markup."""
    return Text(plain(text))


def size(count: float) -> str:
    """Bytes in the unit that leaves one to three digits before the point."""
    for unit in _UNITS:
        if count < 1000 or unit == _UNITS[-1]:
            break
        count /= 1024
    return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"


def duration(seconds: float) -> str:
    """Hours, minutes and seconds; hours only where there are some."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def state_name(enum_name: str, prefix: str) -> str:
    """`DOWNLOAD_STATE_RUNNING` as `running`."""
    return enum_name.removeprefix(prefix).lower()
