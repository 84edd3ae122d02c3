"""Packages that Brandsmith can use and does not need: checked by name before any work starts."""

from __future__ import annotations

from importlib.util import find_spec

from brandsmith.core.errors import MissingResource


def need_package(package: str, extra: str, what: str) -> None:
    """Raise MissingResource, naming the extra that brings `package`, when it is not installed; imports nothing."""
    if find_spec(package) is None:
        raise MissingResource(
            f"{what} needs the package '{package}', which is not installed",
            hint=f"install it: pip install 'brandsmith[{extra}]'",
        )
