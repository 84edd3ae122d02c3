"""`brandsmith create clip`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from brandsmith.cli.draw_options import draw_options
from brandsmith.cli.hardware_options import hardware_options
from brandsmith.cli.model_options import model_options
from brandsmith.cli.option_groups import options_as
from brandsmith.cli.options import MOST_SEEDS, Json, console, print_result, refuse_unread
from brandsmith.cli.places import PLACE
from brandsmith.cli.signing_options import signing_options
from brandsmith.clips.brief import FPS, FRAMES, ClipChoice
from brandsmith.draw.choice import ModelChoice, SeedsChoice
from brandsmith.guidance.settings import DrawSettings
from brandsmith.provenance.certificate import Signing

commands = typer.Typer()

OF_ONE_PICTURE = ("guidance", "refiner", "layout", "redraw", "screen", "batch_size")
CLIP_OPTIONS: dict[str, Any] = {
    "motion": Annotated[
        Path | None, typer.Option("--motion", help="Folder of a diffusers MotionAdapter; pocket has its own.")
    ],
    "frames": Annotated[int | None, typer.Option("--frames", help=f"Frames, 2 to 256; default {FRAMES}.")],
    "fps": Annotated[float | None, typer.Option("--fps", help=f"Frames a second; default {FPS:g}.")],
    "loop": Annotated[bool | None, typer.Option("--loop", help="The last frame is followed by the first.")],
    "picture": Annotated[Path | None, typer.Option("--from", help="A picture that the clip starts from.")],
    "strength": Annotated[
        float | None, typer.Option("--strength", help="With --from: share of the run that is drawn; default 0.7.")
    ],
    "common_noise": Annotated[
        float | None,
        typer.Option("--common-noise", help="Share of noise that all frames have in common; default the layers' own."),
    ],
    "lora": Annotated[
        Path | None, typer.Option("--lora", help="A LoRA for a video model (--base), from another trainer.")
    ],
    "kind": Annotated[
        str | None, typer.Option("--format", help="mp4 (default; needs the extra 'clips'), webp or gif.")
    ],
}
OF_A_NEW_CLIP = (
    *("prompts", "step", "base", "concept", "dry_run", "no_sign", "cert", "key", "kit"),
    *("frames", "fps", "loop", "strength", "common_noise", "kind", "seeds", "first_seed"),
    *("num_steps", "guidance_scale", "scheduler", "combiner", "size", "negative_prompt", "clip_skip"),
)
SEED_OPTIONS: dict[str, Any] = {
    "seeds": Annotated[int | None, typer.Option("--seeds", min=1, max=MOST_SEEDS, help="Clips a prompt; default 1.")],
    "first_seed": Annotated[int | None, typer.Option("--first-seed", min=0, max=2**62, help="The first seed.")],
}


def _choice(loop: bool | None = None, **given: Any) -> ClipChoice:
    return ClipChoice(loop=bool(loop), **given)


@commands.command(
    "clip", epilog='Example: [cyan]brandsmith create clip "a blue red_qoga_logo cap" --run runs/demo-lora --loop[/]'
)
@hardware_options()
@model_options()
@options_as("choice", CLIP_OPTIONS, _choice)
@options_as("seeds", SEED_OPTIONS, SeedsChoice)
@draw_options(without=OF_ONE_PICTURE)
@signing_options(without=("watermark",))
def create_clip(
    context: typer.Context,
    prompts: Annotated[list[str] | None, typer.Argument(help="What to draw; several make several clips.")] = None,
    *,
    model: ModelChoice,
    choice: ClipChoice,
    seeds: SeedsChoice,
    settings: DrawSettings,
    signing: Signing,
    concept: Annotated[
        str | None, typer.Option(help="Judge every frame by this concept's judges: a folder, or 'demo'."), PLACE
    ] = None,
    place: Annotated[
        str | None, typer.Option(help="Where you are, as CH or EU: for bases whose licence leaves countries out.")
    ] = None,
    again: Annotated[Path | None, typer.Option(help="Draw the clip of this file once more, from its recipe.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for clips, frames and their manifest.")] = Path("out/clip"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, draw and write nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Short films of a taught mark, with temporal layers on the base. Stop it any time: the same command goes on."""
    from brandsmith.base.licence_places import located
    from brandsmith.clips.again import Found, draw_clip_again
    from brandsmith.clips.command import make_clips
    from brandsmith.clips.front import read_brief
    from brandsmith.core.progress import training_bar

    with located(place):
        if again:
            refuse_unread(context, OF_A_NEW_CLIP, "everything is in the file's recipe")
            found = Found(model.run, choice.motion, choice.picture, choice.lora)
            print_result(draw_clip_again(again, out, found), as_json)
            return
        brief = read_brief(prompts or [], seeds, model, settings, choice, concept, signing)
        with training_bar(console, "clip") as progress:
            made = make_clips(brief, out, dry_run=dry_run, progress=progress)
    print_result(made, as_json)
