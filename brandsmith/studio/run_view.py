"""A training as its page shows it: how far it is, its loss as a curve, its previews with verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from brandsmith.core.errors import BrandsmithError
from brandsmith.core.rows import Row, read_score_rows
from brandsmith.core.run import RunDirectory
from brandsmith.report.plots import Axis, Point, Series, draw_plot, linear_axis
from brandsmith.results.usable import Usable, checks_for, usable_by_picture
from brandsmith.studio.inventory import Card, card_of, picture_address, pictures_in
from brandsmith.studio.jobs import queue
from brandsmith.studio.jobs.record import Job
from brandsmith.studio.workspace import Workspace

MOST_POINTS = 160
SHOWN_PX = 384
SMOOTHED_OVER = 25
"""Parts of a run over each of which the loss is averaged: single steps jump with their timesteps."""


@dataclass(frozen=True)
class Preview:
    address: str
    full: str
    prompt: str
    seed: int
    usable: Usable | None
    """None: nobody judged it."""

    @property
    def checks(self) -> list[tuple[str, bool | None, str]]:
        if self.usable is None:
            return []
        return [(name.replace(" ", "_"), verdict, self.usable.reason) for name, verdict in self.usable.checks.items()]


@dataclass(frozen=True)
class RunView:
    card: Card
    job: Job | None
    """The last one that works on it."""
    config: dict[str, Any]
    plot: Markup | None
    loss: float | None
    """Averaged over the last steps."""
    seconds_per_step: float | None
    previews: Sequence[tuple[int, Sequence[Preview]]]
    """By step, the newest first."""
    checkpoints: Sequence[tuple[int, str, int]]
    """(step, path of the file from the run's folder, bytes)"""
    kept_state: bool
    problem: str = ""

    @property
    def at_work(self) -> bool:
        return self.job is not None and not self.job.over

    @property
    def step(self) -> int:
        return self.card.step

    @property
    def may_resume(self) -> bool:
        return not self.at_work and self.job is not None and self.card.state != "finished"

    def num_usable(self, previews: Sequence[Preview]) -> int:
        return sum(bool(one.usable and one.usable.verdict) for one in previews)


def view_run(workspace: Workspace, identity: str, loss_words: tuple[str, str, str]) -> RunView:
    """loss_words: of the plot's title, its x and its y axis. Raises MissingResource when there is no such run."""
    folder = workspace.there("runs", identity)
    run, card = RunDirectory(folder), card_of(workspace, "runs", identity)
    job = next((own for own in reversed(queue.jobs(workspace)) if own.request.folder == f"runs/{identity}"), None)
    try:
        rows = run.metrics() if run.metrics_file.is_file() else []
        config = run.config() if run.config_file.is_file() else {}
        previews = _previews(run, identity)
    except BrandsmithError as error:
        return RunView(card, job, {}, None, None, None, (), (), False, problem=f"{error}. {error.hint}")
    late = rows[-max(1, len(rows) // 5) :]
    return RunView(
        card,
        job,
        config,
        loss_plot(rows, card.steps, loss_words) if len(rows) > 1 else None,
        sum(row["loss"] for row in late) / len(late) if late else None,
        sorted(row.get("seconds", 0.0) for row in late)[len(late) // 2] if late else None,
        previews,
        _checkpoints(run),
        bool(config.get("settings", {}).get("keep_state")) and run.state_file.is_file(),
    )


def loss_plot(rows: Sequence[dict[str, Any]], steps: int, words: tuple[str, str, str]) -> Markup:
    """Single steps faint, their moving average strong."""
    title, x_label, y_label = words
    known = [row for row in rows if isinstance(row.get("loss"), (int, float))]
    every = max(1, len(known) // MOST_POINTS)
    plain = [Point(row["step"], row["loss"], area=0.0) for row in known[::every]]
    width = max(1, len(known) // SMOOTHED_OVER)
    smooth = [
        Point(
            known[at]["step"],
            sum(row["loss"] for row in known[max(0, at + 1 - width) : at + 1]) / min(width, at + 1),
            area=0.0,
        )
        for at in range(0, len(known), every)
    ]
    smooth[-1:] = [Point(smooth[-1].x, smooth[-1].y, f"{y_label} {smooth[-1].y:.3f}", strong=True)]
    x = linear_axis(x_label, [*[point.x for point in plain], steps or 1])
    return draw_plot([Series("", plain, 0, faint=True), Series(title, smooth, 0)], x, _y_axis(y_label, plain), title)


def _y_axis(label: str, points: Sequence[Point]) -> Axis:
    """To where all but the largest tenth of the values are: one bad step shall not flatten the curve."""
    ordered = sorted(point.y for point in points)
    return linear_axis(label, ordered[: max(1, int(len(ordered) * 0.97))])


def _previews(run: RunDirectory, identity: str) -> list[tuple[int, list[Preview]]]:
    rows = read_score_rows(run.folder / "previews.jsonl")
    verdicts = usable_by_picture(rows, checks_for({row.judge.partition("@")[0] for row in rows}))
    judged = {(step, case, seed): usable for (_, step, case, seed), usable in verdicts.items()}
    prompts = {(row.case, row.seed): row for row in rows}
    found = []
    for place in sorted((run.folder / "previews").glob("step-*"), reverse=True):
        step = int(place.name.removeprefix("step-"))
        names = pictures_in(run.folder, "previews", place.name)
        found.append((step, [_preview(identity, name, step, judged, prompts) for name in names]))
    return [(step, previews) for step, previews in found if previews]


def _preview(
    identity: str,
    path: str,
    step: int,
    judged: dict[tuple[int, int, int], Usable],
    prompts: dict[tuple[int, int], Row],
) -> Preview:
    case, _, seed = Path(path).stem.removeprefix("case-").partition("_seed-")
    shot = (int(case), int(seed)) if case.isdigit() and seed.lstrip("-").isdigit() else (0, 0)
    row = prompts.get(shot)
    return Preview(
        picture_address("runs", identity, path, SHOWN_PX),
        picture_address("runs", identity, path),
        row.prompt if row else "",
        shot[1],
        judged.get((step, *shot)),
    )


def _checkpoints(run: RunDirectory) -> list[tuple[int, str, int]]:
    found = []
    for step, folder in reversed(run.checkpoints()):
        for file in sorted(folder.glob("*.safetensors")):
            found.append((step, file.relative_to(run.folder).as_posix(), file.stat().st_size))
    return found
