"""What every record of settings checks alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic.fields import FieldInfo


def refuse_truth(given: Any, fields: Mapping[str, FieldInfo]) -> Any:
    """`given`, unless it has true or false where a field has neither. Raises ValueError: `rank=true` is not rank 1."""
    for name, value in given.items() if isinstance(given, Mapping) else ():
        kind = fields[name].annotation if name in fields else bool
        if isinstance(value, bool) and kind is not bool and bool not in get_args(kind):
            raise ValueError(f"{name} is {str(value).lower()}, and only a switch can be that")
    return given
