"""`--no-sign`, `--cert`, `--key`, `--watermark` and `--kit`, for every command that writes pictures that leave."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from brandsmith.cli.option_groups import Command, options_as
from brandsmith.provenance.certificate import Signing

OPTIONS: dict[str, Any] = {
    "no_sign": Annotated[
        bool | None,
        typer.Option("--no-sign", help="Leave the C2PA signature out; the law may ask for it (docs/provenance.md)."),
    ],
    "cert": Annotated[
        Path | None,
        typer.Option(
            "--cert",
            help="Your certificate, PEM, its issuers behind it; default $BRANDSMITH_SIGN_CERT, else a self-made one "
            "that nobody vouches for.",
        ),
    ],
    "key": Annotated[Path | None, typer.Option("--key", help="Its private key, PEM; default $BRANDSMITH_SIGN_KEY.")],
    "watermark": Annotated[
        bool | None, typer.Option("--watermark", help="Lay an invisible watermark into the pixels as well.")
    ],
    "kit": Annotated[
        str | None, typer.Option("--kit", help="A concept whose brand kit names creator and rights in the files.")
    ],
}


def signing_options(*, without: tuple[str, ...] = ()) -> Callable[[Command], Command]:
    """Give a command these options in place of its parameter `signing`, which gets the `Signing` they make."""
    return options_as("signing", {name: own for name, own in OPTIONS.items() if name not in without}, _signing)


def _signing(
    no_sign: bool | None = None,
    cert: Path | None = None,
    key: Path | None = None,
    watermark: bool | None = None,
    kit: str | None = None,
) -> Signing:
    return Signing(not no_sign, cert, key, bool(watermark), kit)
