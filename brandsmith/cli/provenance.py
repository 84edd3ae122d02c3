"""`brandsmith provenance …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brandsmith.cli.options import Json, print_json, print_lines
from brandsmith.cli.signing_options import signing_options
from brandsmith.provenance.certificate import Signing

commands = typer.Typer(
    help="What pictures and films say of themselves: signature, XMP, watermark.", no_args_is_help=True
)

TrustOption = Annotated[
    Path | None,
    typer.Option(help="PEM file of certificates you trust, such as C2PA's trust list; who is not there is refused."),
]


@commands.command("show", epilog="Example: [cyan]brandsmith provenance show out/samples/case-0_seed-1000.png[/]")
def provenance_show(
    picture: Annotated[Path, typer.Argument(help="A PNG, JPEG, WebP, GIF, MP4, SVG, PDF or PSD.")],
    trust: TrustOption = None,
    as_json: Json = False,
) -> None:
    """Read and verify what a picture says: exit code 0 signed and whole, 1 changed or refused, 3 not signed.

    Trusted: whole, and its certificate leads to one of --trust. Untrusted: whole, but nobody vouches for who signed.
    """
    from brandsmith.provenance.command import exit_code, found_lines
    from brandsmith.provenance.found import read_found

    found = read_found(picture, trust)
    print_lines(found_lines(picture, found))
    if as_json:
        print_json(found.as_json())
    raise typer.Exit(exit_code(found, trust))


@commands.command(
    "sign", epilog="Example: [cyan]brandsmith provenance sign runs/a/samples/*/case-0*.png --out signed[/]"
)
@signing_options(without=("no_sign", "watermark"))
def provenance_sign(
    pictures: Annotated[list[Path], typer.Argument(help="Pictures that Brandsmith drew: of a run or a study.")],
    *,
    signing: Signing,
    out: Annotated[Path, typer.Option(help="Folder for the signed copies; nothing is overwritten.")],
) -> None:
    """Sign pictures of a run or a study before they leave: copies with XMP and signature."""
    from brandsmith.draw.leaving import load_leaving, sign_drawn

    print_lines(str(path) for path in sign_drawn(pictures, out, load_leaving(signing)))
