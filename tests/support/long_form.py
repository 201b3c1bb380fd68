"""Tests that promise something of chance run few tries in each suite, and many in the long one.

Such a test is marked `scales`; `make test-long` runs those with LANSPREAD_LONG=1.
"""

import os

IS_LONG = os.environ.get("LANSPREAD_LONG") == "1"


def long_form(*, short: int, long: int) -> int:
    """How many tries this run makes."""
    return long if IS_LONG else short
