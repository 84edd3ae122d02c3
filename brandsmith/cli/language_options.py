"""`--language` and `--translator`, for every command that draws by prompts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from brandsmith.cli.option_groups import Command, options_as
from brandsmith.language.choice import LanguageChoice

OPTIONS: dict[str, Any] = {
    "code": Annotated[
        str | None,
        typer.Option(
            "--language",
            help="Language of the prompts (nl, de, fr, …; en: as written); default found by their words.",
        ),
    ],
    "translator": Annotated[
        Path | None,
        typer.Option("--translator", help="Sealed folder of an OPUS-MT model that translates prompts to English."),
    ],
}


def language_options() -> Callable[[Command], Command]:
    """Give a command these options in place of its parameter `language`, which gets the `LanguageChoice` they make."""
    return options_as("language", OPTIONS, LanguageChoice)
