"""`sample` and `export` as functions: a run (or the bare base) and prompts in, PNG files out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from PIL import Image
from rich.console import Console

from brandsmith.base.base import Base, load_base, resolve_base
from brandsmith.concept.brand_suite import brand_suite, leakage_prompts
from brandsmith.concept.concept import Concept, load_concept
from brandsmith.core.errors import InvalidConfig, unknown_name
from brandsmith.core.files import write_json, write_with
from brandsmith.core.run import RunDirectory
from brandsmith.guidance.combiners import build_combiner
from brandsmith.guidance.loop import sample
from brandsmith.guidance.scales import guidance_of
from brandsmith.guidance.schedulers import check_scheduler
from brandsmith.methods.adapter import export_diffusers_folder, load_adapter, read_adapter_info


def find_checkpoint(run: Path, step: int | None) -> Path:
    """The checkpoint of a run at `step` (None: the last). Raises MissingResource or InvalidConfig."""
    return RunDirectory(run).checkpoint_at(step)


def chosen_refiner(name: str, screen: int = 1) -> Any:
    """By name; `screen`: how many starting noises each picture's is chosen from, with any refiner or none. Raises
    InvalidConfig.
    """
    from brandsmith.guidance.refiners import build_refiner

    if name != "none":
        return build_refiner(name, screen=screen)
    return build_refiner("attend_excite", screen=screen, window=0.0) if screen != 1 else None


def wants_every_part(combiner: str, refiner: str) -> bool:
    """Whether somebody cares that every part of the prompt is there. (`composable` and `attend_excite_paper` are as
    published.)
    """
    return combiner == "regional" or refiner == "attend_excite"


def build_finish(redraw: bool | None, combiner: str, refiner: str) -> Any:
    """What has the last word: by default, where every part is wanted, small things are drawn once more."""
    if not (redraw if redraw is not None else wants_every_part(combiner, refiner)):
        return None
    from brandsmith.guidance.redraw import Redraw

    return Redraw()


def build_start(layout: bool | None, combiner: str, refiner: str) -> Any:
    """What latents begin from: noise, or the things of a list side by side. By default, where every part is wanted, the
    things that would become one; all lists when asked for.
    """
    if not (layout if layout is not None else wants_every_part(combiner, refiner)):
        return None
    from brandsmith.guidance.layout import Layout

    return Layout(merged_above=0.0) if layout else Layout()


def check_asked(prompts: list[str], combiner: str, scheduler: str, num_steps: int) -> None:
    """Raises InvalidConfig or InvalidInput for what no base can draw."""
    plan = build_combiner(combiner)
    for prompt in prompts:
        plan.branches(prompt, 1.0)
    check_scheduler(scheduler, num_steps)


def base_of(checkpoint: Path | None, base_name: str | None) -> str:
    """The base to draw with: the one asked for, else the one the adapter was trained on, else pocket."""
    return base_name or (read_adapter_info(checkpoint).base if checkpoint else "pocket")


@contextmanager
def taught(base_name: str, checkpoint: Path | None) -> Iterator[Base]:
    """The base with a checkpoint's adapter, if there is one, applied inside the `with`."""
    base = load_base(base_name)
    with load_adapter(base, checkpoint) if checkpoint else nullcontext():
        yield base


def prompts_of(concept: Concept, suite: str) -> list[str]:
    """The concept's own standard prompts, the brand suite, or the part of it that never asks for the mark."""
    suites = {
        "standard": concept.prompts(),
        "brand": [entry.prompt for entry in brand_suite(concept)],
        "unasked": leakage_prompts(concept),
    }
    if suite not in suites:
        raise unknown_name("suite", suite, suites)
    return suites[suite]


def draw_to_folder(
    prompts: list[str],
    *,
    run: Path | None,
    step: int | None,
    concept_name: str,
    suite: str = "standard",
    base_name: str | None,
    out: Path,
    seeds: list[int],
    num_steps: int,
    guidance_scale: float | None,
    scheduler: str,
    combiner: str,
    refiner: str,
    redraw: bool | None,
    layout: bool | None = None,
    explained: bool = False,
    screen: int = 1,
    console: Console,
) -> list[Path]:
    """Draw prompts × seeds into `out`; returns the files. Everything is checked before weights load.

    explained: beside each picture a folder of its name that shows how it came about, one picture at a time.
    """
    checkpoint = find_checkpoint(run, step) if run else None
    if not prompts:
        prompts = prompts_of(load_concept(concept_name), suite)
    name = base_of(checkpoint, base_name)
    scale = guidance_of(name, taught=checkpoint is not None) if guidance_scale is None else guidance_scale
    built = chosen_refiner(refiner, screen)
    check_asked(prompts, combiner, scheduler, num_steps)
    resolve_base(name)
    jobs = [(i, prompt, seed) for i, prompt in enumerate(prompts) for seed in seeds]
    with console.status(f"drawing {len(jobs)} pictures"), taught(name, checkpoint) as base:
        asked = {
            "num_steps": num_steps,
            "guidance_scale": scale,
            "scheduler": scheduler,
            "combiner": combiner,
            "refiner": built,
            "start": build_start(layout, combiner, refiner),
            "finish": build_finish(redraw, combiner, refiner),
        }
        if explained:
            from brandsmith.guidance.explain import explain

            pictures = [
                explain(base, prompt, seed, out / f"prompt-{i}_seed-{seed}", **asked).shown for i, prompt, seed in jobs
            ]
        else:
            pictures = sample(base, [prompt for _, prompt, _ in jobs], [seed for *_, seed in jobs], **asked)
    files = []
    for picture, (i, _, seed) in zip(pictures, jobs, strict=True):
        file = out / f"prompt-{i}_seed-{seed}.png"
        image = Image.fromarray(picture)
        write_with(file, lambda partial, image=image: image.save(partial, format="PNG"))
        files.append(file)
    write_json(
        out / "prompts.json", {"prompts": prompts, "seeds": seeds, "run": str(run) if run else None, "base": name}
    )
    return files


def export_run(run: Path, step: int | None, out: Path) -> Path:
    """Copy an adapter (lora, ti) to `out`, or write a whole diffusers folder (dreambooth)."""
    checkpoint = find_checkpoint(run, step)
    info = read_adapter_info(checkpoint)
    if out.exists():
        raise InvalidConfig(f"'{out}' exists", hint="give a new name: nothing is overwritten")
    if info.method == "dreambooth":
        return export_diffusers_folder(load_base(info.base), checkpoint, out)
    from brandsmith.methods.registry import METHODS

    source = checkpoint / METHODS[info.method].adapter_file
    write_with(out, lambda partial: shutil.copyfile(source, partial))
    return out


def explain_to_folder(
    prompt: str,
    *,
    out: Path,
    base_name: str | None,
    run: Path | None,
    seed: int,
    num_steps: int,
    guidance_scale: float | None,
    combiner: str,
    refiner: str,
) -> list[str]:
    """Draw one picture and write its explanation into `out`; returns lines to print."""
    from brandsmith.guidance.explain import explain

    built = chosen_refiner(refiner)
    check_asked([prompt], combiner, "ddim", num_steps)
    checkpoint = find_checkpoint(run, None) if run else None
    name = base_of(checkpoint, base_name)
    resolve_base(name)
    scale = guidance_of(name, taught=checkpoint is not None) if guidance_scale is None else guidance_scale
    with taught(name, checkpoint) as base:
        explanation = explain(
            base,
            prompt,
            seed,
            out,
            num_steps=num_steps,
            guidance_scale=scale,
            combiner=combiner,
            refiner=built,
            start=build_start(None, combiner, refiner),
            finish=build_finish(None, combiner, refiner),
        )
    return [explanation.verdict, *(str(file) for file in sorted(out.glob("*.png")))]
