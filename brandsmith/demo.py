"""`brandsmith demo`: the whole experiment on the embedded base in minutes.

The demo concept is expanded (`prepare/expand.py`) and three methods learn it; each draws the five standard prompts from
the same starting noises; the judges score every picture; the thesis' table, a CSV, a Markdown file and one contact
sheet come out. Everything is in files: run it again and it goes on where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType

from brandsmith.base.base import Base
from brandsmith.base.sources import load_base, resolve_base
from brandsmith.concept.concept import Concept, load_concept
from brandsmith.core.files import write_text
from brandsmith.core.output import check_output_folder, foreign_folder, is_unused
from brandsmith.core.progress import training_bar
from brandsmith.core.rows import Row
from brandsmith.core.run import RunDirectory
from brandsmith.core.table import as_csv, as_markdown, as_rich, shown
from brandsmith.draw.writer import picture_name
from brandsmith.evaluate.chain import judges_for
from brandsmith.evaluate.checkpoint import Cases, evaluate_run, judge_checkpoint, sample_checkpoint
from brandsmith.guidance.settings import FINE_TUNED_POCKET_SCALE, DrawSettings
from brandsmith.judges.judge import CachedJudge, Judge
from brandsmith.methods.job import check_job
from brandsmith.methods.loop import train
from brandsmith.methods.presets import preset_for
from brandsmith.methods.registry import build_config
from brandsmith.methods.settings import TrainSettings
from brandsmith.prepare.expand import DEFAULT_EXPANSION, expand_concept
from brandsmith.report.contact_sheet import SheetRow, write_contact_sheet
from brandsmith.results.kpi import COLUMNS, footnote, kpi_of
from brandsmith.results.measures import THESIS_KPI, picture_values
from brandsmith.results.statistics import Estimate, clustered_mean, rate
from brandsmith.results.usable import usable_rate

METHODS = ("dreambooth", "lora", "textual_inversion")
SEEDS = tuple(range(1000, 1012))
"""Sixty pictures of each method."""
MAIN_COLUMN = COLUMNS[2]
DEMO_SETTINGS = DrawSettings(num_steps=20, guidance_scale=FINE_TUNED_POCKET_SCALE, batch_size=10)
"""20 steps and batches of ten: what the table in README was drawn with; fewer steps than the default save a minute."""


@dataclass(frozen=True)
class Candidate:
    """One checkpoint with what it scored; `folder` holds its pictures."""

    method: str
    parameters: str
    rows: Sequence[Row]
    folder: Path

    def line(self) -> dict[str, Any]:
        kpi = kpi_of(self.rows)
        thesis = (self.method, self.parameters, kpi.average, kpi.mean_confidence_score, kpi.mean_ocr_score)
        judged = dict(zip(COLUMNS, thesis, strict=True)) | {"exact_match_rate": kpi.exact_rate}
        return judged | {"usable_rate": usable_rate(self.rows), "n": kpi.num_pictures} | intervals(self.rows)


def intervals(rows: Sequence[Row]) -> dict[str, str | None]:
    """95 % of the KPI and of the usable rate, as text: over prompts, because pictures of one prompt resemble each
    other.
    """
    kpis, usable = picture_values(rows, THESIS_KPI), picture_values(rows, "usable_rate")
    return {
        "kpi_interval": _shown(clustered_mean(list(kpis.values()), [case for case, _ in kpis])) if kpis else None,
        "usable_interval": (
            _shown(rate([value > 0 for value in usable.values()], [case for case, _ in usable])) if usable else None
        ),
    }


def _shown(estimate: Estimate) -> str:
    return f"{max(0.0, estimate.low):.2f} to {min(1.0, estimate.high):.2f}"


def run_demo(
    out: Path, *, base_name: str, quick: bool, console: Console, show: Callable[[RenderableType], None]
) -> dict[str, Any]:
    """Train, sample, judge, choose; returns the table and the seconds of each part. `console` has the progress, `show`
    gets the table and what was written.
    """
    clock = _Clock(console)
    if not (out / "untrained" / "samples").is_dir() and not is_unused(out):
        raise foreign_folder(out, "a demo", "--out")
    check_output_folder(out)
    folder = resolve_base(base_name)
    concept = load_concept("demo")
    expanded = load_concept(out / "concept") if (out / "concept").is_dir() else None
    configs = {method: _config_of(method, base_name, quick) for method in METHODS}
    for method, config in configs.items():
        check_job(config, expanded or concept, base_name, out / method)
    judges = [CachedJudge(judge, out / "verdicts.jsonl") for judge in judges_for(concept, folder).values()]
    base = load_base(base_name)
    cases = Cases(tuple(concept.prompts()), SEEDS[:2] if quick else SEEDS, DEMO_SETTINGS)
    clock.lap("load")
    candidates = [_untrained(base, out, cases, judges)]
    clock.lap("untrained base")
    taught = _expanded(concept, base, out / "concept", quick, console)
    clock.lap("make training pictures")
    for method, config in configs.items():
        run = _train(config, taught, base, out, console)
        clock.lap(f"train {method}")
        candidates.append(_last_checkpoint(method, run, base, cases, judges, console))
        clock.lap(f"sample and judge {method}")
    return _report(out, concept, cases, candidates, clock, show)


def _expanded(concept: Concept, base: Base, folder: Path, quick: bool, console: Console) -> Concept:
    """The concept that is trained on: the demo's pictures, and its mark on what the base draws."""
    if not folder.is_dir():
        expansion = replace(DEFAULT_EXPANSION, composed=8) if quick else DEFAULT_EXPANSION
        with training_bar(console, "expand") as progress:
            expand_concept(concept, base, folder, expansion, progress)
    return load_concept(folder)


class _Clock:
    def __init__(self, console: Console) -> None:
        self.console, self.last = console, time.monotonic()
        self.seconds: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.seconds[name] = round(now - self.last, 1)
        self.last = now
        self.console.print(f"{name}: {self.seconds[name]} s", style="dim")


def _untrained(base: Base, out: Path, cases: Cases, judges: Sequence[Judge]) -> Candidate:
    """The floor: the same prompts before anything was learnt."""
    folder = out / "untrained" / "samples"
    shots = cases.shots("untrained", 0)
    paths = sample_checkpoint(base, folder, cases, shots, None)
    return Candidate(
        "untrained base", "none", judge_checkpoint(out / "untrained" / "scores.jsonl", shots, paths, judges), folder
    )


def _config_of(method: str, base_name: str, quick: bool) -> TrainSettings:
    options = preset_for(method, base_name)
    if quick:
        options["steps"] = max(2, options.get("steps", 400) // 10)
    return build_config(method, **options)


def _train(config: TrainSettings, concept: Concept, base: Base, out: Path, console: Console) -> RunDirectory:
    with training_bar(console, config.method) as progress:
        return train(config, concept, base, out / config.method, progress=progress, cache_dir=out / "cache")


def _last_checkpoint(
    method: str, run: RunDirectory, base: Base, cases: Cases, judges: Sequence[Judge], console: Console
) -> Candidate:
    step, checkpoint = run.checkpoints()[-1]
    with training_bar(console, "sample and judge") as progress:
        rows = evaluate_run(base, run, cases, judges, steps=[step], progress=progress)
    return Candidate(method, _parameters(run, step), rows, run.folder / "samples" / checkpoint.name)


def _parameters(run: RunDirectory, step: int) -> str:
    settings = run.config()["settings"]
    extra = {"rank": "rank", "num_vectors": "vectors"}
    named = "".join(f", {label} {settings[key]}" for key, label in extra.items() if key in settings)
    return f"lr {settings['learning_rate']:g}{named} (step {step})"


def _report(
    out: Path,
    concept: Concept,
    cases: Cases,
    candidates: list[Candidate],
    clock: _Clock,
    show: Callable[[RenderableType], None],
) -> dict[str, Any]:
    lines = sorted((c.line() for c in candidates), key=lambda line: line[MAIN_COLUMN] or 0.0, reverse=True)
    note = (
        footnote([row for c in candidates for row in c.rows])
        + "; the column names are the thesis', where the detector was YOLOv8. Each method's last checkpoint: nothing is"
        " chosen on these pictures. Intervals are 95 %, over prompts."
    )
    write_text(out / "table.csv", as_csv(lines))
    write_text(out / "table.md", as_markdown(lines, note))
    _write_sheet(out / "contact_sheet.png", concept, cases, candidates)
    clock.lap("table and contact sheet")
    narrow = [_for_a_terminal(line) for line in lines]
    title = (
        f"Brandsmith demo: {concept.config.expected_text} on {len(cases.prompts)} prompts × {len(cases.seeds)} seeds"
    )
    show(as_rich(narrow, title, f"KPI: {MAIN_COLUMN}; {note}"))
    for name in ("table.csv", "table.md", "contact_sheet.png"):
        show(f"wrote {out / name}")
    return {"table": lines, "seconds": clock.seconds, "out": str(out)}


def _for_a_terminal(line: dict[str, Any]) -> dict[str, Any]:
    """The line in 80 columns: short names, and each interval under its number."""
    kpi, usable = (
        f"{shown(line[column])}\n{(line[interval] or '').replace(' to ', '-')}"
        for column, interval in ((MAIN_COLUMN, "kpi_interval"), ("usable_rate", "usable_interval"))
    )
    method, parameters = line["method"].replace("_", " "), line["parameters"].replace(", ", ",\n").replace(" (", "\n(")
    scores = {
        "detector": line["mean_confidence_score"],
        "OCR": line["mean_ocr_score"],
        "exact": line["exact_match_rate"],
    }
    return {"method": method, "parameters": parameters, "KPI": kpi, **scores, "usable": usable, "n": line["n"]}


def _write_sheet(path: Path, concept: Concept, cases: Cases, candidates: list[Candidate]) -> None:
    columns = list(cases.prompts)
    real = [example.image for example in concept.examples]
    shown = [real[i * len(real) // len(columns)] for i in range(len(columns))]
    sheet = [SheetRow("true pictures", "five of the training set", shown)]
    for candidate in candidates:
        line = candidate.line()
        shots = [shot for shot in cases.shots("", 0) if shot.seed == cases.seeds[0]]
        parts = (
            ("KPI", line[MAIN_COLUMN], line["kpi_interval"]),
            ("usable", line["usable_rate"], line["usable_interval"]),
        )
        score = "\n".join(
            f"{name} not measured" if value is None else f"{name} {value:.2f}\n95 %: {interval}"
            for name, value, interval in parts
        )
        pictures = [candidate.folder / picture_name(shot.case, shot.seed) for shot in shots]
        sheet.append(SheetRow(candidate.method.replace("_", " "), f"{score}\n{candidate.parameters}", pictures))
    write_contact_sheet(path, sheet, columns, f"What each method learnt of {concept.token}")
