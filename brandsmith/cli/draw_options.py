"""The options of `DrawSettings`, each once: names and defaults are the record's own (`guidance/settings.py`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from brandsmith.base.draw_defaults import DIFFUSION_DEFAULTS
from brandsmith.cli.option_groups import Command, options_as
from brandsmith.guidance.settings import (
    FINE_TUNED_POCKET_SCALE,
    POCKET_SCALE,
    DrawSettings,
    build_draw_settings,
)

DEFAULTS = DrawSettings()
MOST_PX = 8192

GuidanceOption = Annotated[
    str | None,
    typer.Option(
        "--guidance",
        help="Preset: plain; faithful (attend_excite, layout, redraw); faithful-and (the same for AND / NOT).",
    ),
]
StepsOption = Annotated[int | None, typer.Option("--num-steps", help=f"Denoising steps; default {DEFAULTS.num_steps}.")]
ScaleOption = Annotated[
    float | None,
    typer.Option(
        "--guidance-scale",
        help=f"Scale of classifier-free guidance; default pocket {POCKET_SCALE} (with an adapter "
        f"{FINE_TUNED_POCKET_SCALE}), Stable Diffusion {DIFFUSION_DEFAULTS.guidance_scale}, flow models their own.",
    ),
]
SchedulerOption = Annotated[
    str | None,
    typer.Option("--scheduler", help=f"{DEFAULTS.scheduler} (default; flow models: euler), euler, dpm++, pndm, …"),
]
CombinerOption = Annotated[
    str | None,
    typer.Option(
        "--combiner",
        help="How AND / NOT parts become one: cfg (default, as plain words), composable, composable-paper, "
        "composable-a1111, or regional (parts in their own places).",
    ),
]
RefinerOption = Annotated[
    str | None,
    typer.Option("--refiner", help="What moves latents: none (default), attend_excite or attend_excite_paper."),
]
LayoutOption = Annotated[
    str | None,
    typer.Option(
        "--layout",
        help="Draw the objects of a list alone first, side by side: never (default), merging (where two would merge), "
        "always.",
    ),
]
RedrawOption = Annotated[
    bool | None, typer.Option("--redraw/--no-redraw", help="Draw small objects of a list once more, larger.")
]
ScreenOption = Annotated[
    int | None,
    typer.Option("--screen", help="Candidate seeds per picture; the best first-step attention wins. Default 1."),
]
SizeOption = Annotated[
    str | None, typer.Option("--size", help="HEIGHTxWIDTH in pixels, or one number; default the base's own.")
]
NegativePromptOption = Annotated[
    str | None, typer.Option("--negative-prompt", help="What the pictures should not show.")
]
ClipSkipOption = Annotated[
    int | None,
    typer.Option(
        "--clip-skip",
        help="Last layers of the text encoder to leave out (one less than AUTOMATIC1111 says); default 0.",
    ),
]
BatchSizeOption = Annotated[
    int | None, typer.Option("--batch-size", help=f"Pictures drawn together; default {DEFAULTS.batch_size}.")
]

OPTIONS: dict[str, Any] = {
    "guidance": GuidanceOption,
    "num_steps": StepsOption,
    "guidance_scale": ScaleOption,
    "scheduler": SchedulerOption,
    "combiner": CombinerOption,
    "refiner": RefinerOption,
    "layout": LayoutOption,
    "redraw": RedrawOption,
    "screen": ScreenOption,
    "size": SizeOption,
    "negative_prompt": NegativePromptOption,
    "clip_skip": ClipSkipOption,
    "batch_size": BatchSizeOption,
}


def draw_options(*, without: tuple[str, ...] = ()) -> Callable[[Command], Command]:
    """Give a command these options in place of its parameter `settings`, which gets the `DrawSettings` they make."""
    return options_as("settings", {n: option for n, option in OPTIONS.items() if n not in without}, _settings)


def _settings(guidance: str | None = None, size: str | None = None, **fields: Any) -> DrawSettings:
    return build_draw_settings(guidance, **fields, size_px=parse_size(size))


def parse_size(given: str | None) -> tuple[int, int] | None:
    """`96x128` or `128` as (height, width). Raises InvalidConfig."""
    from brandsmith.core.errors import InvalidConfig

    if given is None:
        return None
    sides = given.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() for side in sides):
        raise InvalidConfig(f"--size is '{given}'", hint="give HEIGHTxWIDTH in pixels, such as 512x768, or one number")
    if not all(len(side) < 6 and 8 <= int(side) <= MOST_PX for side in sides):
        raise InvalidConfig(f"--size is '{given}'", hint=f"give sides from 8 to {MOST_PX} pixels, multiples of 8")
    return int(sides[0]), int(sides[-1])
