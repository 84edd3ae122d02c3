"""`--exact-mark` and `--colour`, for every command that makes finished pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from brandsmith.cli.option_groups import Command, options_as
from brandsmith.create.finish import build_finish

OPTIONS: dict[str, Any] = {
    "exact_mark": Annotated[
        bool | None,
        typer.Option("--exact-mark", help="Lay the true mark over the drawn one where that can be done well."),
    ],
    "colour": Annotated[
        bool | None,
        typer.Option("--colour", help="Usable only in the brand kit's colours, within its tolerances."),
    ],
}


def finish_options() -> Callable[[Command], Command]:
    """Give a command these options in place of its parameter `finish`, which gets the `Finish` they make."""
    return options_as("finish", OPTIONS, build_finish)
