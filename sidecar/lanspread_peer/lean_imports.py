"""Keeps out of memory what a library loads for a part of it that a sidecar never uses.

Such a module is stood for by an empty one while the library is loaded. It comes in after all as
soon as something of it is used, so the library loses nothing by it.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any


class _UntilUsed(ModuleType):
    """Stands for a module, and loads it when something of it is used."""

    def __getattr__(self, name: str) -> Any:
        # What asks for these is the import system, which may do without them.
        if name.startswith("__"):
            raise AttributeError(name)
        _forget_stand_ins()
        return getattr(import_module(self.__name__), name)


@contextmanager
def loaded_when_used(*names: str) -> Iterator[None]:
    """Have what is imported inside load these modules, named with their parents, only when used."""
    for name in names:
        if name not in sys.modules:
            _stand_in(name)
    try:
        yield
    finally:
        _forget_stand_ins()


def _stand_in(name: str) -> None:
    module = sys.modules[name] = _UntilUsed(name)
    parent, _, child = name.rpartition(".")
    if isinstance(whole := sys.modules.get(parent), _UntilUsed):
        setattr(whole, child, module)


def _forget_stand_ins() -> None:
    """Let whoever imports them from now on have the modules themselves."""
    for name, module in list(sys.modules.items()):
        if isinstance(module, _UntilUsed):
            del sys.modules[name]
