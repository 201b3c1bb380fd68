"""Texts that a terminal may show: names come from strangers, and must not command it."""


def plain(text: str) -> str:
    """The text on one line, with escapes for whatever does not print: control, bidi, invisible."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
