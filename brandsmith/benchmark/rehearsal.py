"""`brandsmith rehearse BASE`: a few minutes on a stranger's card with real weights, and a card of what happened.

Draw, train a few steps of each method, draw with the adapter, export it in each format, load the export in stock
diffusers and compare the pictures; speed and memory of each. A cell that fails holds the sentence it failed with, and
the rest goes on.
"""

from __future__ import annotations

import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import diffusers
import numpy as np
import psutil
import torch

from brandsmith.base.base import Base
from brandsmith.base.hardware import choose_device, choose_format
from brandsmith.base.number_formats import cpu_name
from brandsmith.base.sources import check_base, family_of
from brandsmith.base.stock import stock_pipeline
from brandsmith.concept.concept import Concept, load_concept
from brandsmith.core.errors import BrandsmithError, printable
from brandsmith.core.files import write_json, write_text
from brandsmith.core.memory import peak_memory
from brandsmith.core.output import check_output_folder, foreign_folder, is_unused
from brandsmith.core.progress import Log
from brandsmith.core.run import RunDirectory
from brandsmith.core.table import as_markdown
from brandsmith.core.version import package_version
from brandsmith.export.export_run import export_run
from brandsmith.export.formats import LAYOUTS
from brandsmith.guidance.sampling import sample
from brandsmith.guidance.schedulers import build_scheduler
from brandsmith.guidance.settings import DrawSettings
from brandsmith.methods.adapter import load_adapter
from brandsmith.methods.job import check_job
from brandsmith.methods.loop import load_trainable, train
from brandsmith.methods.registry import METHODS, build_config

NUM_STEPS = 20
"""Of each training."""
SETTINGS = DrawSettings(num_steps=10, guidance_scale=5.0)
SEED = 1000
CARD_JSON, CARD_TEXT = "rehearsal.json", "rehearsal.md"


@dataclass(frozen=True)
class Cell:
    """One thing that was tried. `outcome`: "works", or the sentence that it was refused or failed with."""

    what: str
    outcome: str
    seconds: float | None = None
    """Of a training: of one step. Else of the whole."""
    peak_gib: float | None = None
    largest_difference: int | None = None
    """Of 255, between our picture and stock diffusers' of the exported file; None where stock reads no such file."""

    def line(self) -> dict[str, Any]:
        return {"tried": self.what, **{key: value for key, value in asdict(self).items() if key != "what"}}


@dataclass(frozen=True)
class Rehearsal:
    """The card: where, with what, and every cell."""

    base: str
    family: str
    machine: dict[str, str]
    cells: tuple[Cell, ...]

    @property
    def works(self) -> bool:
        return all(cell.outcome == "works" for cell in self.cells)

    def lines(self) -> list[dict[str, Any]]:
        return [cell.line() for cell in self.cells]

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"works": self.works}

    def as_text(self) -> str:
        facts = "\n".join(f"* {name}: {value}" for name, value in self.machine.items())
        return f"# Rehearsal of {self.base} ({self.family})\n\n{facts}\n\n{as_markdown(self.lines())}\n"


def rehearse(
    base_name: str, out: Path, *, concept_name: str = "demo", num_steps: int = NUM_STEPS, log: Log = lambda what: None
) -> Rehearsal:
    """Try everything on a base and write the card into `out`. Raises InvalidInput and MissingResource for a base that
    cannot be loaded at all, before anything is written.
    """
    if not is_unused(out, (CARD_JSON, CARD_TEXT)):
        raise foreign_folder(out, "a rehearsal", "--out")
    check_output_folder(out)
    check_base(base_name)
    concept = load_concept(concept_name)
    work = _Rehearsing(base_name, concept, num_steps, log)
    with tempfile.TemporaryDirectory(prefix="brandsmith-rehearsal-") as folder:
        for name in METHODS:
            work.method(name, Path(folder))
    card = Rehearsal(_public(base_name), family_of(base_name).name, machine(), tuple(work.cells))
    write_json(out / CARD_JSON, card.as_json())
    write_text(out / CARD_TEXT, card.as_text())
    return card


def machine() -> dict[str, str]:
    """What a reader of the card must know; no names of users or folders."""
    device = choose_device()
    on_card = device.type == "cuda"
    memory = torch.cuda.mem_get_info(device)[1] if on_card else psutil.virtual_memory().total
    return {
        "device": torch.cuda.get_device_name(device) if on_card else f"{device.type} ({cpu_name()})",
        "memory": f"{memory / 2**30:.1f} GiB",
        "trains in": str(choose_format(device, "train")).removeprefix("torch."),
        "draws in": str(choose_format(device, "draw")).removeprefix("torch."),
        "system": platform.platform(terse=True),
        "versions": f"brandsmith {package_version()}, torch {torch.__version__}, diffusers {diffusers.__version__}",
    }


def _public(base: str) -> str:
    """A base's name without the folders of this machine."""
    return Path(base).name if Path(base).exists() else base


class _Rehearsing:
    def __init__(self, base_name: str, concept: Concept, num_steps: int, log: Log) -> None:
        self.base_name, self.concept, self.num_steps, self.log = base_name, concept, num_steps, log
        self.cells: list[Cell] = []

    def attempt(self, what: str, work: Callable[[], dict[str, Any]]) -> bool:
        """A cell of what `work` measured, or of the sentence it failed with."""
        self.log(what)
        started = time.perf_counter()
        with peak_memory(on_gpu=choose_device().type == "cuda") as peak:
            try:
                measured = work()
            except Exception as error:
                said = str(error) if isinstance(error, BrandsmithError) else f"{type(error).__name__}: {error}"
                self.cells.append(Cell(what, printable((said.splitlines() or ["failed"])[0][:200])))
                return False
            held = peak()
        gib = None if held is None else round(held / 2**30, 3)
        seconds = round(time.perf_counter() - started, 3)
        self.cells.append(Cell(what, "works", **({"seconds": seconds, "peak_gib": gib} | measured)))
        return True

    def method(self, name: str, folder: Path) -> None:
        """Everything of one method; what depends on a step that failed is left out."""
        options: dict[str, Any] = {"steps": self.num_steps, "checkpoint_every": self.num_steps, "prior_weight": 0.0}
        config = build_config(name, **options)
        run = RunDirectory(folder / name)
        held: list[Base] = []

        def load() -> dict[str, Any]:
            check_job(config, self.concept, self.base_name, run.folder)
            held.append(load_trainable(self.base_name, config))
            return {}

        def learn() -> dict[str, Any]:
            train(config, self.concept, held[0], run.folder, cache_dir=folder / "cache")
            return {"seconds": round(median(row["seconds"] for row in run.metrics()[1:] or run.metrics()), 4)}

        if not self.attempt(f"{name}: load the base", load):
            return
        if not any(cell.what == "draw with the base" for cell in self.cells):
            self.attempt("draw with the base", lambda: _nothing(self.draw(held[0])))
        if self.attempt(f"{name}: {self.num_steps} training steps, each", learn):
            self.drawn_and_exported(name, held[0], run, folder)

    def drawn_and_exported(self, name: str, base: Base, run: RunDirectory, folder: Path) -> None:
        pictures: list[np.ndarray] = []

        def preview() -> dict[str, Any]:
            with load_adapter(base, run.checkpoint_at()):
                pictures.append(self.draw(base))
            return {}

        if not self.attempt(f"{name}: draw with the adapter", preview):
            return
        by_layout = {layout: target for target, layout in reversed(LAYOUTS[name].items())}
        for target in reversed(by_layout.values()):
            out = folder / f"{name}-{target}{'' if name == 'dreambooth' and target == 'diffusers' else '.safetensors'}"

            def export(target: str = target, out: Path = out) -> dict[str, Any]:
                export_run(run.folder, out, to=target)
                return {}

            if self.attempt(f"{name}: export --to {target}", export) and (name, target) in _READERS:
                read = _READERS[name, target]

                def compare(out: Path = out, read: Callable[..., np.ndarray] = read) -> dict[str, Any]:
                    difference = np.abs(read(self, base, out).astype(int) - pictures[0].astype(int)).max()
                    return {"largest_difference": int(difference)}

                self.attempt(f"{name}: {target} in stock diffusers", compare)

    @property
    def prompt(self) -> str:
        return self.concept.examples[0].caption

    def draw(self, base: Base) -> np.ndarray:
        return sample(base, [self.prompt], [SEED], SETTINGS)[0]

    def stock_picture(self, pipeline: Any, base: Base) -> np.ndarray:
        generator = torch.Generator("cpu").manual_seed(SEED)
        height, width = base.image_px
        with base.arithmetic(), torch.no_grad():
            latents = pipeline(
                self.prompt,
                num_inference_steps=SETTINGS.num_steps,
                guidance_scale=SETTINGS.guidance_scale,
                generator=generator,
                height=height,
                width=width,
                output_type="latent",
            ).images
        pixels = base.family.decode_latents(base, latents.to(base.dtype))
        return (pixels[0].detach().float() * 255).round().byte().permute(1, 2, 0).cpu().numpy()

    def stock_lora(self, base: Base, file: Path) -> np.ndarray:
        """The same modules, with diffusers' own reading of the file on them."""
        pipeline = stock_pipeline(base, build_scheduler(base, SETTINGS.scheduler, SETTINGS.num_steps))
        pipeline.load_lora_weights(file)
        try:
            return self.stock_picture(pipeline, base)
        finally:
            pipeline.unload_lora_weights()

    def stock_folder(self, base: Base, folder: Path) -> np.ndarray:
        pipeline = getattr(diffusers, base.family.pipeline).from_pretrained(folder)
        pipeline.set_progress_bar_config(disable=True)
        pipeline.scheduler = build_scheduler(base, SETTINGS.scheduler, SETTINGS.num_steps)
        return self.stock_picture(pipeline.to(base.device), base)


def _nothing(_: object) -> dict[str, Any]:
    return {}


_READERS: dict[tuple[str, str], Callable[..., np.ndarray]] = {
    ("lora", "diffusers"): _Rehearsing.stock_lora,
    ("lora", "kohya"): _Rehearsing.stock_lora,
    ("dreambooth", "diffusers"): _Rehearsing.stock_folder,
}
"""By method and target: stock diffusers' way to the same picture."""


def table_lines(card: Rehearsal) -> Iterator[str]:
    """For a terminal: a line per cell."""
    for cell in card.cells:
        measured = [
            "" if cell.seconds is None else f"{cell.seconds:.3g} s",
            "" if cell.peak_gib is None else f"{cell.peak_gib:.2f} GiB",
            "" if cell.largest_difference is None else f"{cell.largest_difference}/255 apart",
        ]
        yield f"{cell.what:44} {cell.outcome}  {'  '.join(part for part in measured if part)}".rstrip()
