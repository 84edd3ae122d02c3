"""The version that files and reports name."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def package_version() -> str:
    """Of the installed package; `source` when it runs from a source tree that was never installed."""
    try:
        return version("brandsmith")
    except PackageNotFoundError:
        return "source"
