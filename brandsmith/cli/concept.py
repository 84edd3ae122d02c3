"""`brandsmith concept …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from brandsmith.cli.option_groups import options_as
from brandsmith.cli.options import BaseOption, ConceptArgument, Json, console, print_lines, print_result, status
from brandsmith.prepare.caption_choice import CaptionChoice
from brandsmith.prepare.layouts.choice import ImportChoice, Layout

commands = typer.Typer(help="Prepare what is taught: captions, more pictures, a mark alone.", no_args_is_help=True)

NewFolder = Annotated[Path, typer.Option(help="New folder for the copy; nothing is overwritten.")]
Composed = Annotated[
    int, typer.Option(min=0, max=100_000, help="Pictures of the mark printed on products that the base draws.")
]
Products = Annotated[
    str, typer.Option(help="What the base draws for the mark, by commas; default garments, bags, packaging, signs.")
]
Seed = Annotated[int, typer.Option(min=0, help="Names every random choice.")]


IMPORT_OPTIONS: dict[str, Any] = {
    "token": Annotated[str | None, typer.Option(help="The word that will mean the concept; default the source's own.")],
    "class_word": Annotated[
        str | None, typer.Option(help="What kind of thing it is; default the source's own, else logo.")
    ],
    "expected_text": Annotated[
        str | None, typer.Option("--text", help="What the mark spells; empty when it has no letters.")
    ],
    "only": Annotated[
        str | None, typer.Option(help="Token of the one concept to take, where the source holds several.")
    ],
    "layout": Annotated[
        Layout | None, typer.Option("--as", help="Read it as this layout; default by what lies in it.")
    ],
    "class_images": Annotated[Path | None, typer.Option(help="Folder with pictures of the class (regularisation).")],
    "allow": Annotated[
        list[Path] | None, typer.Option(help="Folder outside that paths in the source may lead to; repeat it.")
    ],
    "caption_key": Annotated[str | None, typer.Option(help="Which key of Hugging Face's rows is the caption.")],
    "skip_faulty": Annotated[
        bool | None, typer.Option("--skip-faulty", help="Leave out what cannot be read, and say it.")
    ],
}


@commands.command("import", epilog="Example: [cyan]brandsmith concept import ./train_data --out my-brand[/]")
@options_as("choice", IMPORT_OPTIONS, ImportChoice)
def concept_import(
    source: Annotated[Path, typer.Argument(help="A folder, or a file of kohya, OneTrainer or ai-toolkit.")],
    out: Annotated[Path, typer.Option(help="New folder for the concept; nothing is overwritten.")],
    *,
    choice: ImportChoice,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be taken; write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """A concept from another trainer's folder or file; what is yours is copied and never changed."""
    from brandsmith.prepare.import_concept import import_concept

    with status("looking at pictures and captions"):
        planned = import_concept(choice, source, out, write=not dry_run)
    print_result(planned, as_json)


CAPTION_OPTIONS: dict[str, Any] = {
    "endpoint": Annotated[
        str | None,
        typer.Option(help="Have an OpenAI-compatible endpoint describe the pictures: http://127.0.0.1:8000/v1"),
    ],
    "model": Annotated[str | None, typer.Option(help="The endpoint's model.")],
    "ask": Annotated[str | None, typer.Option(help="What it is asked; default a plain sentence without lettering.")],
    "captioner": Annotated[
        Path | None, typer.Option(help="Have a local image-to-text model of transformers (a folder) describe them.")
    ],
    "only_missing": Annotated[
        bool | None, typer.Option("--only-missing", help="Describe pictures without a caption alone.")
    ],
    "replace": Annotated[list[str] | None, typer.Option(help="OLD=NEW in every caption; repeat it.")],
    "prefix": Annotated[str | None, typer.Option(help="Text before every caption.")],
    "suffix": Annotated[str | None, typer.Option(help="Text behind every caption.")],
}


@commands.command("caption", epilog="Example: [cyan]brandsmith concept caption demo --out my-copy[/]")
@options_as("choice", CAPTION_OPTIONS, CaptionChoice)
def concept_caption(
    concept: ConceptArgument,
    out: Annotated[Path | None, typer.Option(help="New folder for a copy; without it captions are shown.")] = None,
    *,
    choice: CaptionChoice,
    as_json: Json = False,
) -> None:
    """Describe, edit or complete captions in a copy. What they leave out is learnt as part of the token."""
    from brandsmith.core.progress import training_bar
    from brandsmith.prepare.recaption import recaption_named

    if choice:
        with training_bar(console, "caption") as progress:
            made = recaption_named(choice, concept, out, progress)
        print_result(made, as_json)
        return
    from brandsmith.concept.concept import load_concept
    from brandsmith.prepare.command import caption_lines, write_completed
    from brandsmith.prepare.expand import completed_captions

    loaded = load_concept(concept)
    completed = completed_captions(loaded)
    if out:
        write_completed(loaded, completed, out)
    print_lines(caption_lines(completed))


@commands.command("expand", epilog="Example: [cyan]brandsmith concept expand demo --out demo-expanded[/]")
def concept_expand(
    concept: ConceptArgument,
    out: NewFolder,
    recoloured: Annotated[
        int, typer.Option(min=0, max=100, help="Recoloured copies per picture; for a concept without a mark.")
    ] = 0,
    composed: Composed = 160,
    products: Products = "",
    seed: Seed = 0,
    base: BaseOption = "pocket",
) -> None:
    """A copy with complete captions, recoloured pictures, and the mark (mark.png) printed on what the base draws."""
    from brandsmith.prepare.command import expand_named
    from brandsmith.prepare.expand import build_expansion

    expand_named(concept, base, out, build_expansion(recoloured, composed, products, seed), console)
    print_lines([str(out)])


@commands.command(
    "new",
    epilog="Example: [cyan]brandsmith concept new --pictures photos --token my_shoe --class-word shoe --out shoe[/]",
)
def concept_new(
    token: Annotated[str, typer.Option(help="The word that will mean it in prompts.")],
    out: NewFolder,
    pictures: Annotated[
        Path | None, typer.Option(help="A folder of photos, with captions beside them or none.")
    ] = None,
    mark: Annotated[
        Path | None,
        typer.Option(help="In their place the mark alone: SVG, or PNG with everything round it transparent."),
    ] = None,
    class_word: Annotated[str, typer.Option(help="What kind of thing it is, in words the base knows.")] = "logo",
    text: Annotated[str, typer.Option(help="What the mark spells; empty when it has no letters.")] = "",
    composed: Composed = 160,
    products: Products = "",
    seed: Seed = 0,
    base: BaseOption = "pocket",
) -> None:
    """A concept from a folder of photos; or from the mark alone, printed on products that the base draws."""
    from brandsmith.prepare.command import new_named, new_of_pictures
    from brandsmith.prepare.expand import build_expansion

    if pictures:
        with status("looking at pictures and captions"):
            planned = new_of_pictures(pictures, mark, token, class_word, text, out)
        print_lines(planned.lines())
        return
    expansion = build_expansion(0, composed, products, seed)
    new_named(mark, token, class_word, text, base, out, expansion, console)
    print_lines([str(out)])
