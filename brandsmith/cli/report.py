"""`brandsmith report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brandsmith.cli.options import print_lines

commands = typer.Typer()


@commands.command(epilog="Example: [cyan]brandsmith report studies/my-brand --out out/report[/]")
def report(
    study: Annotated[Path, typer.Argument(help="Study folder.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for report.html, .csv and .md; default the study's own.")
    ] = None,
) -> None:
    """Write a study's report: one HTML page that opens anywhere, and its table as CSV and Markdown."""
    from brandsmith.report.html import write_report

    print_lines(str(path) for path in write_report(study, out))
