"""`brandsmith import`, and `brandsmith lora …`: adapters of other programs, and LoRAs made of what is there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brandsmith.cli.options import BaseOption, print_lines, status
from brandsmith.cli.places import PLACE

commands = typer.Typer()
lora = typer.Typer(help="Extract, merge, resize and fuse LoRAs.", no_args_is_help=True)

OutRun = Annotated[Path, typer.Option("--run", help="New run directory to write.")]
TokenOption = Annotated[str, typer.Option(help="The word for it in prompts.")]
ClassWordOption = Annotated[str, typer.Option(help="What kind of thing it is.")]
RankOption = Annotated[int, typer.Option(min=1, max=4096, help="Largest rank of each layer.")]


@commands.command(
    "import",
    epilog="Example: [cyan]brandsmith import mark.safetensors --base models/sd15.safetensors --run runs/mark[/]",
)
def import_(
    file: Annotated[Path, typer.Argument(help="LoRA, embedding or hypernetwork of another program.")],
    run: OutRun,
    base: BaseOption = "pocket",
    token: Annotated[str | None, typer.Option(help="Default what the file calls itself, else its name.")] = None,
    class_word: ClassWordOption = "object",
    allow_pickle: Annotated[
        bool, typer.Option(help="Also .pt and .bin: tensors and plain values of it alone.")
    ] = False,
) -> None:
    """Read an adapter of ComfyUI, AUTOMATIC1111, kohya's scripts or diffusers into a run, to draw with and to judge."""
    from brandsmith.export.import_run import import_adapter

    made = import_adapter(file, base, run, token=token, class_word=class_word, allow_pickle=allow_pickle)
    print_lines([str(made.folder)])


@lora.command(
    "extract", epilog="Example: [cyan]brandsmith lora extract tuned.safetensors --base sd15.safetensors --run runs/x[/]"
)
def extract(
    tuned: Annotated[str, typer.Argument(help="Fine-tuned model: a folder, a file, or a DreamBooth run."), PLACE],
    run: OutRun,
    base: BaseOption = "pocket",
    rank: RankOption = 32,
    token: TokenOption = "extracted",
    class_word: ClassWordOption = "object",
) -> None:
    """The LoRA nearest to what a fine-tuned model differs from its base by."""
    from brandsmith.export.lora_tools import extract_lora
    from brandsmith.methods.method import Words

    with status("comparing weights"):
        made = extract_lora(tuned, base, run, rank=rank, words=Words(token, class_word))
    print_lines([str(made.folder)])


@lora.command(
    "merge",
    epilog="Example: [cyan]brandsmith lora merge runs/mark style.safetensors --weight 1 --weight 0.5 --run runs/x[/]",
)
def merge(
    sources: Annotated[list[str], typer.Argument(help="LoRA runs or LoRA files."), PLACE],
    run: OutRun,
    base: BaseOption = "pocket",
    weight: Annotated[list[float] | None, typer.Option(min=-100, max=100, help="Of each, in order; default 1.")] = None,
    rank: Annotated[
        int | None, typer.Option(min=1, max=4096, help="Cut the sum to this rank; default exact, ranks add up.")
    ] = None,
    token: Annotated[
        str | None, typer.Option(help="A word of its own for the layers alone; default the runs' own tokens.")
    ] = None,
    class_word: Annotated[str | None, typer.Option(help="What kind of thing --token is; default object.")] = None,
) -> None:
    """The weighted sum of several LoRAs as one, with the token and new word of each."""
    from brandsmith.export.lora_tools import merge_loras, own_words

    words = own_words(token, class_word)
    made = merge_loras(sources, weight or [], base, run, words=words, rank=rank)
    print_lines([str(made.folder)])


@lora.command("fuse", epilog="Example: [cyan]brandsmith lora fuse runs/mark --out bases/with-mark[/]")
def fuse(
    source: Annotated[Path, typer.Argument(metavar="RUN", help="LoRA run.")],
    out: Annotated[Path, typer.Option(help="New folder for the base that holds it.")],
    step: Annotated[int | None, typer.Option(min=1, help="Its checkpoint; default the last.")] = None,
    weight: Annotated[float, typer.Option(min=-100, max=100, help="What it adds counts so much.")] = 1.0,
    base: Annotated[str | None, typer.Option(help="Default the base that it was trained on."), PLACE] = None,
) -> None:
    """A new base with the LoRA in its weights, to draw with or to train the next LoRA on."""
    from brandsmith.export.fuse import fuse_lora

    with status("writing the base"):
        made = fuse_lora(source, out, step, base=base, weight=weight)
    print_lines([str(made)])


@lora.command("resize", epilog="Example: [cyan]brandsmith lora resize big.safetensors --rank 8 --run runs/small[/]")
def resize(
    source: Annotated[str, typer.Argument(help="LoRA run or LoRA file."), PLACE],
    run: OutRun,
    base: BaseOption = "pocket",
    rank: RankOption = 8,
    token: TokenOption = "resized",
    class_word: ClassWordOption = "object",
) -> None:
    """The nearest LoRA of a lower rank."""
    from brandsmith.export.lora_tools import merge_loras
    from brandsmith.methods.method import Words

    made = merge_loras([source], [], base, run, words=Words(token, class_word), rank=rank)
    print_lines([str(made.folder)])
