"""Albums' summaries for a terminal and for `--json`: a line per judge, then what is computed from several of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.table import Table

from brandsmith.core.table import as_rich
from brandsmith.evaluate.album_summary import AlbumSummary, JudgeMean


def albums_json(summaries: Sequence[AlbumSummary]) -> dict[str, Any]:
    """What `--json` prints."""
    return {"albums": [summary.as_json() for summary in summaries]}


def table_of(summary: AlbumSummary) -> Table:
    """A line per judge."""
    title = f"{summary.title}: {summary.pictures} pictures of {summary.prompts} prompts"
    return as_rich([_cells(mean) for mean in summary.judges.values()], title)


def _cells(mean: JudgeMean) -> dict[str, object]:
    scale = mean.scale
    return {
        "judge": mean.judge,
        "mean": mean.mean,
        "95 %": "" if mean.low is None or mean.high is None else f"{mean.low:.3f} to {mean.high:.3f}",
        "floor to ceiling": (
            f"{_short(scale.floor)} to {_short(scale.ceiling)}" if scale and scale.ceiling is not None else ""
        ),
        "n": mean.n,
        "not measured": f"{mean.not_measured}: {mean.reason.partition(';')[0]}" if mean.not_measured else "",
    }


def lines_of(summary: AlbumSummary) -> list[str]:
    """A line each; what could not be measured is named."""
    return [
        *_usable_lines(summary),
        f"average(ocr, yolo) {_shown(summary.kpi.average)}; {summary.kpi.footnote}",
        *_copying_lines(summary),
        *_diversity_lines(summary),
        *_leakage_lines(summary),
        f"rows in {summary.rows}",
    ]


def _usable_lines(summary: AlbumSummary) -> Iterator[str]:
    usable = summary.usable
    yield (
        f"usable rate {_shown(usable.rate)} (95 %: {usable.low} to {usable.high}, n {usable.n}, not"
        f" measured {usable.not_measured}) of the pictures that should show the mark; checked:"
        f" {', '.join(usable.checks)}"
    )
    for reason, count in usable.reasons.items():
        yield f"  {count:4} {reason}"


def _copying_lines(summary: AlbumSummary) -> Iterator[str]:
    copying = summary.copying
    yield (
        f"memorising ratio {_shown(copying.memorising_ratio)} (under 1: nearer to training pictures"
        " than held-out ones are)"
    )
    if copying.sscd:
        yield f"copying by {copying.by}; by SSCD {copying.sscd}"


def _diversity_lines(summary: AlbumSummary) -> Iterator[str]:
    counts = sorted({one.n for one in summary.diversity.by_prompt.values()})
    if counts:
        yield (
            f"diversity (Vendi) {_shown(summary.diversity.mean_vendi)} of {', '.join(map(str, counts))} pictures"
            " per prompt"
        )


def _leakage_lines(summary: AlbumSummary) -> Iterator[str]:
    leaked = summary.logo_leakage
    if leaked.n:
        low, high = (round(v, 4) for v in leaked.interval)
        rate = None if leaked.rate is None else round(leaked.rate, 4)
        yield (
            f"logo leakage {_shown(rate)} of {leaked.n} pictures whose prompt does not name the mark"
            f" (95 %: {low} to {high})"
        )


def _short(value: float | None) -> str:
    return "?" if value is None else f"{value:.3f}"


def _shown(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4f}"
