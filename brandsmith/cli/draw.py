"""`brandsmith sample` and `brandsmith explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brandsmith.cli.options import ConceptOption, RunOption, StepOption, TaughtBaseOption, console

commands = typer.Typer()


@commands.command(epilog='Example: [cyan]brandsmith sample "a red_qoga_logo cap" --run runs/demo-lora --seeds 4[/]')
def sample(
    prompts: Annotated[list[str] | None, typer.Argument(help="Prompts; none: those of --suite.")] = None,
    run: RunOption = None,
    step: StepOption = None,
    concept: ConceptOption = "demo",
    suite: Annotated[
        str, typer.Option(help="Without prompts: standard (the concept's), brand, or unasked (without the mark).")
    ] = "standard",
    base: TaughtBaseOption = None,
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("out/samples"),
    seeds: Annotated[int, typer.Option(help="Pictures per prompt; seeds count from --first-seed.")] = 4,
    first_seed: Annotated[int, typer.Option(help="The first seed.")] = 1000,
    num_steps: Annotated[int, typer.Option(help="Denoising steps.")] = 25,
    guidance_scale: Annotated[
        float | None, typer.Option(help="Classifier-free guidance scale; default: pocket 2.5, taught 1.5, others 7.5.")
    ] = None,
    scheduler: Annotated[str, typer.Option(help="ddim, euler, dpm++, pndm, …")] = "ddim",
    combiner: Annotated[
        str, typer.Option(help="cfg; for AND / NOT composable, -paper, -a1111, or regional: parts in their own places.")
    ] = "cfg",
    refiner: Annotated[str, typer.Option(help="none, attend_excite or attend_excite_paper.")] = "none",
    redraw: Annotated[
        bool | None,
        typer.Option(help="Draw small things of a list once more, larger; default: with a combiner or refiner."),
    ] = None,
    layout: Annotated[
        bool | None,
        typer.Option(help="Draw the things of a list alone first, side by side; default: those that would merge."),
    ] = None,
    screen: Annotated[
        int, typer.Option(help="Starting noises that each picture's is chosen from, by their first attention maps.")
    ] = 1,
    explain: Annotated[
        bool, typer.Option("--explain", help="Beside each picture a folder that shows how it came about.")
    ] = False,
) -> None:
    """Draw pictures: prompts × seeds, one generator per picture."""
    from brandsmith.draw.to_folder import draw_to_folder

    for path in draw_to_folder(
        prompts or [],
        run=run,
        step=step,
        concept_name=concept,
        suite=suite,
        base_name=base,
        out=out,
        seeds=list(range(first_seed, first_seed + seeds)),
        num_steps=num_steps,
        guidance_scale=guidance_scale,
        scheduler=scheduler,
        combiner=combiner,
        refiner=refiner,
        redraw=redraw,
        layout=layout,
        explained=explain,
        screen=screen,
        console=console,
    ):
        console.print(str(path))


@commands.command(
    epilog=(
        'Example: [cyan]brandsmith explain "a blue cat and a yellow bowl" --refiner attend_excite --out out/explain[/]'
    )
)
def explain(
    prompt: Annotated[str, typer.Argument(help="What to draw.")],
    out: Annotated[Path, typer.Option(help="Folder for the pictures and explain.json.")] = Path("out/explain"),
    base: TaughtBaseOption = None,
    run: RunOption = None,
    seed: Annotated[int, typer.Option(help="Names the starting noise.")] = 1000,
    num_steps: Annotated[int, typer.Option(help="Denoising steps.")] = 25,
    guidance_scale: Annotated[
        float | None, typer.Option(help="Classifier-free guidance scale; default: pocket 2.5, taught 1.5, others 7.5.")
    ] = None,
    combiner: Annotated[
        str, typer.Option(help="cfg; for AND / NOT composable, -paper, -a1111, or regional: parts in their own places.")
    ] = "cfg",
    refiner: Annotated[str, typer.Option(help="none, attend_excite or attend_excite_paper.")] = "none",
) -> None:
    """Draw one picture and show how it came about: noising, denoising, attention per word, peaks, a verdict per
    subject.
    """
    from brandsmith.draw.to_folder import explain_to_folder

    for line in explain_to_folder(
        prompt,
        out=out,
        base_name=base,
        run=run,
        seed=seed,
        num_steps=num_steps,
        guidance_scale=guidance_scale,
        combiner=combiner,
        refiner=refiner,
    ):
        console.print(line, highlight=False)
