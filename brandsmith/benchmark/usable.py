"""`brandsmith benchmark usable`: how many of a method's pictures could be published, as drawn.

For each concept and method: the preset, or what a study chose, is trained on the expanded concept (`prepare/expand.py`)
with several training seeds; each training draws the brand suite's prompts that ask for the mark; the shipped chain of
judges decides, copying measured against the concept's true pictures by the judge that also knows what the untrained
base draws. Nothing is chosen on these pictures. Everything is in files: run it again and it goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from brandsmith.base.base import Base
from brandsmith.base.sources import load_base, resolve_base
from brandsmith.benchmark.usable_exact import Marker, judge_marked, marker_for
from brandsmith.benchmark.usable_figures import Drawn, Marked, UsableFigures, usable_figures
from brandsmith.benchmark.usable_recipes import Recipe, presets_of
from brandsmith.concept.brand_suite import brand_suite
from brandsmith.concept.concept import Concept, load_concept
from brandsmith.core.pictures import load_rgb_all
from brandsmith.core.run import RunDirectory
from brandsmith.draw.writer import picture_name
from brandsmith.evaluate.base_pictures import draw_of_base
from brandsmith.evaluate.chain import held_out_pictures, judges_for, training_pictures
from brandsmith.evaluate.checkpoint import Cases, evaluate_run, judge_checkpoint, sample_checkpoint
from brandsmith.guidance.settings import FINE_TUNED_POCKET_SCALE, DrawSettings
from brandsmith.judges.copying import Copying, vendi_score
from brandsmith.judges.copying_of_base import CopyingOfBase
from brandsmith.judges.cutouts import MARK_FILE
from brandsmith.judges.judge import CachedJudge, Judge
from brandsmith.methods.loop import train
from brandsmith.prepare.expand import DEFAULT_EXPANSION, expand_concept, new_concept
from brandsmith.results.kpi import kpi_of
from brandsmith.results.time_to_quality import KPI_REACHED

METHODS = ("dreambooth", "lora", "textual_inversion", "hypernetwork")
DRAWING_SEEDS = (7000, 7001, 7002, 7003, 7004)
"""Of every prompt. None is drawn by the demo or a shipped study, so nothing was ever chosen on them."""
FIRST_TRAINING_SEED = 11

BENCHMARK_SETTINGS = DrawSettings(num_steps=20, guidance_scale=FINE_TUNED_POCKET_SCALE, batch_size=8)
Log = Callable[[str], None]
Pictures = Sequence[np.ndarray]


@dataclass(frozen=True)
class Plan:
    """What is trained and drawn."""

    recipes: Sequence[Recipe] = presets_of(METHODS)
    training_seeds: Sequence[int] = range(FIRST_TRAINING_SEED, FIRST_TRAINING_SEED + 3)
    drawing_seeds: Sequence[int] = DRAWING_SEEDS
    from_mark: bool = False
    """Train on a concept made from `mark.png` alone, without any of its pictures."""
    exact_mark: bool = False
    """Also lay the true mark into every picture and judge it again."""
    guidance_scale: float | None = None
    """Of every picture; None: that of BENCHMARK_SETTINGS."""

    @property
    def settings(self) -> DrawSettings:
        """How every picture is drawn."""
        if self.guidance_scale is None:
            return BENCHMARK_SETTINGS
        return BENCHMARK_SETTINGS.model_copy(update={"guidance_scale": self.guidance_scale})


@dataclass(frozen=True)
class Bench:
    """A loaded base and where the benchmark's files are."""

    base: Base
    folder: Path
    log: Log


@dataclass(frozen=True)
class Judging:
    """How a concept's pictures are judged."""

    chain: dict[str, Judge]
    marker: Marker | None
    """Lays in the true mark, where that is asked for."""


@dataclass(frozen=True)
class Ground:
    """What all trainings on a concept share."""

    taught: Concept
    home: Path
    cases: Cases
    judges: Sequence[Judge]
    marker: Marker | None
    vendi_of_base: float


def benchmark_usable(
    base_name: str, concepts: Sequence[str], plan: Plan, folder: Path, log: Log
) -> list[UsableFigures]:
    """Figures of every concept and method, in order; `folder` keeps everything that was made."""
    base_folder = resolve_base(base_name)
    loaded = [load_concept(name) for name in concepts]
    markers = [marker_for(concept) if plan.exact_mark else None for concept in loaded]
    chains = [judges_for(concept, base_folder) for concept in loaded]
    bench = Bench(load_base(base_name), folder, log)
    return [
        _figures(bench, concept, Judging(chain, marker), recipe, plan)
        for concept, chain, marker in zip(loaded, chains, markers, strict=True)
        for recipe in plan.recipes
    ]


def _figures(bench: Bench, concept: Concept, judging: Judging, recipe: Recipe, plan: Plan) -> UsableFigures:
    home = bench.folder / (concept.folder.name + ("-from-mark" if plan.from_mark else ""))
    taught = _taught(bench, concept, home / "concept", plan)
    prompts = tuple(entry.prompt for entry in brand_suite(concept) if entry.mark)
    cases = Cases(prompts, tuple(plan.drawing_seeds), plan.settings)
    of_base = draw_of_base(bench.base, concept, home / "base", cases)
    judges = [CachedJudge(judge, home / "verdicts.jsonl") for judge in knowing_base(judging.chain, concept, of_base)]
    ground = Ground(taught, home, cases, judges, judging.marker, vendi_of_base(of_base))
    trainings = [_trained(bench, ground, recipe, seed) for seed in plan.training_seeds]
    figures = usable_figures(home.name, recipe.name, trainings, len(plan.drawing_seeds))
    bench.log(
        f"{home.name} {recipe.name}: usable {figures.usable_rate} ({figures.low} to {figures.high}), n {figures.n}"
    )
    return figures


def _taught(bench: Bench, concept: Concept, folder: Path, plan: Plan) -> Concept:
    """The concept that is trained on, made once."""
    if not folder.is_dir():
        bench.log(f"make training pictures for {concept.token}")
        if plan.from_mark:
            new_concept(concept.folder / MARK_FILE, concept.config, bench.base, folder, DEFAULT_EXPANSION)
        else:
            expand_concept(concept, bench.base, folder, DEFAULT_EXPANSION)
    return load_concept(folder)


def _trained(bench: Bench, ground: Ground, recipe: Recipe, seed: int) -> Drawn:
    """Train, draw and judge one training; what is there already is kept."""
    home, cases, judges = ground.home, ground.cases, ground.judges
    config = recipe.config(bench.base.name, seed)
    folder = home / f"{recipe.name}-{seed}"
    bench.log(f"train {home.name} {recipe.name}, seed {seed}")
    run = train(config, ground.taught, bench.base, folder, cache_dir=home / "cache")
    step, checkpoint = recipe.checkpoint(run)
    rows = evaluate_run(bench.base, run, cases, judges, steps=[step])
    pictures, seconds = run.folder / "samples" / checkpoint.name, _seconds(run)
    marked = _marked(ground.marker, run, (step, checkpoint), cases, judges) if ground.marker else None
    return Drawn(
        rows,
        mean_vendi(pictures, cases),
        ground.vendi_of_base,
        seconds[step],
        _seconds_to_kpi(bench, run, ground, seconds),
        marked,
    )


def _marked(
    marker: Marker, run: RunDirectory, drawn: tuple[int, Path], cases: Cases, judges: Sequence[Judge]
) -> Marked:
    """A checkpoint's pictures with the true mark in them."""
    step, checkpoint = drawn
    shots = cases.shots(run.folder.name, step)
    pictures = [run.folder / "samples" / checkpoint.name / picture_name(shot.case, shot.seed) for shot in shots]
    return judge_marked(marker, pictures, shots, run.folder / "exact_mark" / checkpoint.name, judges)


def _seconds_to_kpi(bench: Bench, run: RunDirectory, ground: Ground, seconds: dict[int, float]) -> float | None:
    """Seconds of training until the first checkpoint whose KPI on the standard prompts is KPI_REACHED."""
    cases = Cases(tuple(ground.taught.prompts()), DRAWING_SEEDS[:4], ground.cases.settings)
    for step, checkpoint in run.checkpoints():
        shots = cases.shots(run.folder.name, step)
        folder = run.folder / "standard" / checkpoint.name
        paths = sample_checkpoint(bench.base, folder, cases, shots, checkpoint)
        rows = judge_checkpoint(run.folder / "standard.jsonl", shots, paths, ground.judges)
        if (kpi_of(rows).average or 0.0) >= KPI_REACHED:
            return round(seconds[step], 1)
    return None


def _seconds(run: RunDirectory) -> dict[int, float]:
    """Seconds of training until each checkpoint, from the run's own rows."""
    steps = [json.loads(line) for line in run.metrics_file.read_text(encoding="utf-8").splitlines()]
    total, until = 0.0, {}
    for row in steps:
        total += row["seconds"]
        until[row["step"]] = total
    return {step: round(until[step], 1) for step, _ in run.checkpoints()}


def mean_vendi(folder: Path, cases: Cases) -> float:
    """Effective number of different pictures among those of one prompt, mean over prompts."""
    scores = [
        vendi_score(load_rgb_all([folder / picture_name(case, seed) for seed in cases.seeds]))
        for case in range(len(cases.prompts))
    ]
    return float(np.mean(scores))


def vendi_of_base(of_base: Mapping[str, Pictures]) -> float:
    """`mean_vendi` of what the untrained base draws, the class word in the token's place, from the same noises."""
    return float(np.mean([vendi_score(own) for own in of_base.values()]))


def knowing_base(chain: Mapping[str, Judge], concept: Concept, of_base: Mapping[str, Pictures]) -> list[Judge]:
    """The chain with the judge of copies that knows what the untrained base draws."""
    copying = chain["copying"]
    assert isinstance(copying, Copying)
    drawn = [picture for own in of_base.values() for picture in own]
    knowing = CopyingOfBase(copying, training_pictures(concept), held_out_pictures(concept), drawn)
    return list({**chain, "copying": knowing}.values())


def headline(figures: Sequence[UsableFigures]) -> dict[str, Any]:
    """The best method on the demo concept, and every figure of every concept and method."""
    best = max(figures, key=lambda own: own.usable_rate)
    return {
        "method": best.method,
        "usable_rate": best.usable_rate,
        "usable_low": best.low,
        "usable_high": best.high,
        "n": best.n,
        "copied": best.copied,
        "vendi": round(best.vendi / best.vendi_of_base, 3),
        "kpi": best.kpi,
        "exact": best.exact,
        "usable_with_best_of": best.draws_for_one,
        "usable_with_exact_mark": best.exact_mark.usable_rate if best.exact_mark else None,
        "table": [own.as_json() for own in figures],
    }
