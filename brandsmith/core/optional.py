"""Packages that Brandsmith can use and does not need: checked by name before any work starts."""

from __future__ import annotations

import logging
import sys
import warnings
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from brandsmith.core.errors import MissingResource

LATE = ("torchao", "bitsandbytes")
"""Which diffusers and peft import with themselves where they are installed: a second of every command's start."""


def leave_for_later() -> None:
    """Until `import_quietly` is asked for them, packages of LATE count as not installed. To be called before diffusers
    is imported, and only in a process that is Brandsmith's own.
    """
    for package in LATE:
        sys.modules.setdefault(package, None)  # type: ignore[arg-type]  # how Python marks what may not be imported


def need_package(package: str, extra: str, what: str) -> None:
    """Raise MissingResource, naming the extra that brings `package`, when it is not installed; imports nothing."""
    if not is_installed(package):
        raise MissingResource(
            f"{what} needs the package '{package}', which is not installed",
            hint=f"install it: pip install 'brandsmith[{extra}]'",
        )


def is_installed(package: str) -> bool:
    """Imports nothing, and leaves one that waits where it is."""
    waits = sys.modules.get(package, sys) is None
    _ask_for(package)
    found = find_spec(package) is not None
    if waits:
        sys.modules[package] = None  # type: ignore[assignment]
    return found


def _ask_for(package: str) -> None:
    if sys.modules.get(package, sys) is None:
        del sys.modules[package]


def import_quietly(module: str) -> ModuleType:
    """A package's module, without what it says of kernels that this machine has no use for."""
    _ask_for(module.partition(".")[0])
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return import_module(module)
    finally:
        logging.disable(before)
