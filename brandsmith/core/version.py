"""The version that files and reports name."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version


@cache
def package_version() -> str:
    """Of the installed package; `source` when it runs from a source tree that was never installed.

    Read once: it is parsed from a file, and every picture that is signed names it four times.
    """
    try:
        return version("brandsmith")
    except PackageNotFoundError:
        return "source"
