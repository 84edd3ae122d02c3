"""`brandsmith benchmark …` and `base check` as functions: names of a concept and a base in, figures and lines out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table

from brandsmith.base.hardware import choose_device
from brandsmith.base.random_sd15 import build_random_sd15
from brandsmith.base.sources import load_base, resolve_base
from brandsmith.benchmark.base import check_base
from brandsmith.benchmark.base_card import write_card
from brandsmith.benchmark.base_figures import BaseFigures
from brandsmith.benchmark.clip import CaptionPreference, clip_error
from brandsmith.benchmark.copying import Looked, may_count
from brandsmith.benchmark.crash import CrashBenchmark, CrashFigures, fault_line
from brandsmith.benchmark.crash_commands import commands_named
from brandsmith.benchmark.early_stop import EarlyStopFigures, benchmark_early_stop
from brandsmith.benchmark.guidance import Result, benchmark_guidance, narrow
from brandsmith.benchmark.guidance_rows import read_saved
from brandsmith.benchmark.judges import benchmark_judges
from brandsmith.benchmark.packing import PackFigures, benchmark_pack
from brandsmith.benchmark.prompt_judge import CaptionShares, captioned_pictures, obeyed_error
from brandsmith.benchmark.training import TrainingFigures, benchmark_training
from brandsmith.benchmark.usable import FIRST_TRAINING_SEED, METHODS, Plan
from brandsmith.benchmark.usable_figures import UsableFigures
from brandsmith.benchmark.usable_recipes import presets_of, winners_of
from brandsmith.concept.concept import load_concept
from brandsmith.core.errors import unknown_name
from brandsmith.core.output import check_output_file, check_output_folder
from brandsmith.core.table import as_rich
from brandsmith.evaluate.chain import obeyed_judge
from brandsmith.guidance.settings import build_draw_settings
from brandsmith.judges.copying_of_base import FALSE_ALARMS
from brandsmith.judges.pocket_classes import PocketClasses
from brandsmith.judges.pocket_clip import PocketClipText
from brandsmith.methods.registry import method_named
from brandsmith.study.folder import StudyFolder

PRECISIONS = ("fp32", "bf16")


def guidance_figures(base: str, *, quick: bool, binding_only: bool, rows: Path | None) -> Result:
    """Every arm on held-out prompts, judged by the base's own classifier. `rows`: a file to resume from."""
    if rows:
        check_output_file(rows)
        read_saved(rows)
    classifier = PocketClasses(resolve_base(base))
    sets = ("binding",) if binding_only else ("binding", "two", "three")
    return benchmark_guidance(load_base(base), classifier.look, quick=quick, sets=sets, file=rows)


def guidance_tables(result: Result) -> Iterator[Table]:
    """One table per set of prompts."""
    return (as_rich(lines, title) for title, lines in narrow(result.table).items())


def pack_figures(
    concept: str,
    base: str,
    *,
    random_sd15: bool,
    num_trials: int,
    num_steps: int,
    precision: str,
    image_px: int | None,
    log: Callable[[str], None],
) -> PackFigures:
    """Packed training against one run after another. `random_sd15` replaces the base by Stable Diffusion 1.5's sizes.

    Raises InvalidConfig before anything is loaded.
    """
    if precision not in PRECISIONS:
        raise unknown_name("precision", precision, PRECISIONS)
    loaded = load_concept(concept)
    model = build_random_sd15().to(choose_device()) if random_sd15 else load_base(base, precision="fp32")
    with TemporaryDirectory() as folder:
        return benchmark_pack(
            model,
            loaded,
            Path(folder),
            num_trials=num_trials,
            num_steps=num_steps,
            precision=precision,
            image_px=image_px,
            log=log,
        )


def training_figures(
    concept: str, only: Sequence[str], *, sd15: bool, num_steps: int, log: Callable[[str], None]
) -> TrainingFigures:
    """Speed, losses and memory of training, each beside what it is measured by."""
    return benchmark_training(load_concept(concept), only, sd15=sd15, num_steps=num_steps, log=log)


def judges_figures(concept: str, num_epochs: int, log: Callable[[str], None]) -> dict[str, Any]:
    """The judges' accuracy on planted faults; `num_epochs` 0 leaves out the trainings without a kind of near miss."""
    return benchmark_judges(load_concept(concept), num_epochs=num_epochs, log=log)


def obeyed_figures(concept: str, base: str) -> dict[str, CaptionShares]:
    """The error of the judge of prompts on the concept's captioned pictures, by kind of caption."""
    loaded = load_concept(concept)
    return obeyed_error(obeyed_judge(loaded, resolve_base(base)), *captioned_pictures(loaded))


def figures_as_json(figures: Mapping[str, CaptionShares | CaptionPreference]) -> dict[str, Any]:
    """By kind of caption."""
    return {name: own.as_json() for name, own in figures.items()}


def obeyed_lines(figures: Mapping[str, CaptionShares]) -> list[str]:
    """A line per kind of caption."""
    return [
        f"{name:15} correct {shares.correct} {list(shares.interval)} of {shares.n}, "
        f"not measured {shares.not_measured} of {shares.not_measured_n}"
        for name, shares in figures.items()
    ]


def clip_figures(concept: str, base: str) -> dict[str, CaptionPreference]:
    """How often the CLIP pair for judging prefers a picture's own caption, by kind of change."""
    loaded, folder = load_concept(concept), resolve_base(base)
    judge = PocketClipText(loaded.token, loaded.config.class_word, folder)
    return clip_error(judge, obeyed_judge(loaded, folder), *captioned_pictures(loaded))


def clip_lines(figures: Mapping[str, CaptionPreference]) -> list[str]:
    """A line per kind of change."""
    return [
        f"{name:15} own caption above it {preferred.own_above} {list(preferred.interval)} of {preferred.n}; "
        f"mean {preferred.mean_own} against {preferred.mean_changed}"
        for name, preferred in figures.items()
    ]


def copying_as_json(looked: Sequence[Looked]) -> dict[str, Any]:
    """Every kind of picture, and whether the judge that knows the base may count."""
    return {"may_count": may_count(looked), "kinds": [own.as_json() for own in looked]}


def copying_lines(looked: Sequence[Looked]) -> Iterator[Table | str]:
    """A line per kind of picture, and whether the judge that knows the base may count."""
    lines = [
        {"kind": own.kind, "copies": "yes" if own.copies else "no"}
        | {"called copies": own.without_base, "knowing the base": own.with_base, "n": own.n}
        for own in looked
    ]
    yield as_rich(lines, "Share called copies of training pictures")
    yield (
        "the judge that knows the base finds as many planted copies of every kind, and calls few others so"
        if may_count(looked)
        else f"the judge that knows the base finds fewer planted copies of a kind, or calls more than {FALSE_ALARMS:g} "
        "of what is none a copy: it does not count"
    )


def early_stop_figures(study: Path, num_replays: int) -> EarlyStopFigures:
    """Early stopping replayed on a study's rows. Raises InvalidInput when the study is no finished full grid."""
    return benchmark_early_stop(StudyFolder(study), num_replays=num_replays)


def crash_figures(kills: int, names: Sequence[str], rows: Path | None, log: Callable[[str], None]) -> CrashFigures:
    """Kill commands (those named; none: all) and compare what they leave. `rows`: a file to resume from.

    Raises InvalidConfig for an unknown command.
    """
    commands = commands_named(names)
    with TemporaryDirectory() as folder:
        return CrashBenchmark(Path(folder).resolve(), kills, rows, log).run(commands)


def crash_lines(figures: CrashFigures) -> Iterator[Table | str]:
    """The table, and a line for each kill that was not survived whole."""
    yield as_rich(figures.table(), "killed, run again, compared")
    yield from map(fault_line, figures.faults)


def check_named(name: str, *, seeds: int, sheet: Path | None, card: bool, console: Console) -> BaseFigures:
    """Measure a base; `sheet`: also one PNG of its pictures, `card`: also its model card."""
    if card:
        check_output_folder(resolve_base(name))
    figures = check_base(name, seeds=seeds, sheet=sheet, console=console)
    if card:
        write_card(resolve_base(name), figures)
    return figures


def usable_plan(
    methods: Sequence[str] | None,
    trainings: int,
    *,
    from_mark: bool,
    exact_mark: bool,
    quick: bool,
    study: Path | None = None,
    guidance_scale: float | None = None,
) -> Plan:
    """What `benchmark usable` trains and draws; methods None: all; study: what it chose for them, too. Raises
    InvalidConfig for an unknown method or a scale that is none, and as `winners_of`.
    """
    build_draw_settings(guidance_scale=guidance_scale)  # refuses what is no scale
    seeds = range(FIRST_TRAINING_SEED, FIRST_TRAINING_SEED + trainings)
    plan = Plan(training_seeds=seeds, from_mark=from_mark, exact_mark=exact_mark, guidance_scale=guidance_scale)
    chosen = [method_named(method).name for method in methods] if methods else None
    if quick:
        plan = replace(plan, training_seeds=plan.training_seeds[:1], drawing_seeds=plan.drawing_seeds[:2])
        chosen = chosen or ["lora"]
    winners = [own for own in winners_of(study) if chosen is None or own.method in chosen] if study else []
    return replace(plan, recipes=(*presets_of(chosen or METHODS), *winners))


def usable_table(figures: Sequence[UsableFigures]) -> Table:
    """A line per concept and method."""
    lines = [
        {
            "concept": own.concept,
            "method": own.method.replace("_", " "),
            "usable": f"{own.usable_rate:.2f}\n{own.low:.2f}-{own.high:.2f}",
            "copied": own.copied,
            "obeyed": own.obeyed,
            "exact": own.exact,
            "KPI": own.kpi,
            "vendi": round(own.vendi / own.vendi_of_base, 2),
            "n": own.n,
        }
        for own in figures
    ]
    return as_rich(lines, "Pictures that could be published, as drawn; 95 % over prompts")


def exact_mark_lines(figures: Sequence[UsableFigures]) -> list[str]:
    """A sentence for each concept and method whose pictures were given the true mark."""
    return [
        f"{each.concept}, {each.method.replace('_', ' ')}: with the true mark laid into {own.laid} of {own.n},"
        f" {own.usable_rate:.2f} usable ({own.low:.2f} to {own.high:.2f})"
        for each in figures
        if (own := each.exact_mark)
    ]


def figure_lines(figures: Mapping[str, Any]) -> list[str]:
    """A line per figure: its name and its value."""
    return [f"{name:24} {value}" for name, value in figures.items()]
