"""The sabotages of what downloaders tell each other."""

from sabotage_entry import PACKAGE, UNIT, Sabotage

_SOURCES = f"{PACKAGE}/runtime/partial_sources.py"
_TESTS = (f"{UNIT}/runtime/test_partial_sources.py",)

SABOTAGES_OF_SWARMS = (
    Sabotage(
        "any number of downloaders is followed",
        f"{PACKAGE}/runtime/partial_sources.py",
        "in waiting[: MAX_FOLLOWED_PEERS - len(self._followed)]:",
        "in waiting:",
        (f"{UNIT}/runtime/test_partial_sources.py",),
    ),
    Sabotage(
        "a flood of lines of an availability is read",
        _SOURCES,
        "if not self._told.take(peer, now=monotonic_s(), count=cost):",
        "if False:",
        (f"{UNIT}/runtime/test_availability_lines.py",),
    ),
    Sabotage(
        "who refuses what it tells of is asked on",
        _SOURCES,
        "if followed.refusals >= MAX_RETRY_COUNT:",
        "if False:",
        _TESTS,
    ),
    Sabotage(
        "what was refused before a pause counts for ever",
        _SOURCES,
        "for peer, rest in self._rests.items() if peer in there}",
        "for peer, rest in self._rests.items()}",
        _TESTS,
    ),
    Sabotage(
        "who gives nothing keeps its place",
        _SOURCES,
        "for followed in useless[: max(0, too_many)]:",
        "for followed in ():",
        _TESTS,
    ),
    Sabotage(
        "whom to follow is no chance",
        _SOURCES,
        "        self._rng.shuffle(waiting)\n",
        "",
        _TESTS,
    ),
    Sabotage(
        "lines that tell nothing new are endless",
        f"{PACKAGE}/wire/availability.py",
        "if new.bit_count() < len(lines):",
        "if False:",
        (f"{UNIT}/wire/test_availability.py",),
    ),
    Sabotage(
        "a replaced offer has no end",
        f"{PACKAGE}/runtime/partial_offers.py",
        "            old.finish()\n",
        "",
        (f"{UNIT}/runtime/test_partial_offers.py",),
    ),
)
