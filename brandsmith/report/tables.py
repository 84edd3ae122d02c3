"""The leaderboard as CSV, and the findings as Markdown. The thesis' columns come first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from brandsmith.core.table import as_csv, as_markdown, markdown_text
from brandsmith.report.advice import Advice
from brandsmith.report.certainty import Rivalry
from brandsmith.results.kpi import table_row
from brandsmith.results.leaderboard import Standing, best_of_each_method
from brandsmith.results.statistics import Estimate
from brandsmith.results.study_records import StudyFiles
from brandsmith.results.time_to_quality import COLUMN


def further_judges(standings: Sequence[Standing]) -> list[str]:
    return list(dict.fromkeys(name for s in standings for name in s.further))


def _lines(standings: Sequence[Standing]) -> list[dict[str, Any]]:
    """One per setting, in the order given; None is not measured."""
    judges = further_judges(standings)
    return [_line(s, judges) for s in standings]


def _line(standing: Standing, judges: Sequence[str]) -> dict[str, Any]:
    line = table_row(standing.method, f"{standing.parameters} (step {standing.step})", standing.kpi)
    line |= {"score": standing.value} | _bounds("score", standing.interval)
    line |= {"usable_rate": standing.usable and standing.usable.value} | _bounds("usable", standing.usable)
    line |= {"exact_match_rate": standing.kpi.exact_rate} | _bounds("exact", standing.exact)
    line |= {name: standing.further.get(name) for name in judges}
    line |= {
        name: standing.mean_of(name) for name in ("train_seconds", "sample_seconds", "peak_memory_mib", "adapter_bytes")
    }
    line[COLUMN] = standing.seconds_to_kpi and round(standing.seconds_to_kpi, 1)
    line["adapter_bytes"] = None if line["adapter_bytes"] is None else round(line["adapter_bytes"])
    return line | {
        "score_that_chose_it": standing.best.selection_kpi,
        "state": standing.state,
        "training_seeds": len(standing.trials),
        "pictures": standing.kpi.num_pictures,
        "pictures_not_measured": standing.kpi.num_not_measured,
        "reported_on": "pictures that chose it" if standing.flattered else "held-back seeds",
    }


def _bounds(name: str, estimate: Estimate | None) -> dict[str, float | None]:
    low, high = (
        (float(min(1.0, max(0.0, v))) for v in (estimate.low, estimate.high))
        if estimate and math.isfinite(estimate.low)
        else (None, None)
    )
    return {f"{name}_low": low, f"{name}_high": high}


def report_csv(standings: Sequence[Standing]) -> str:
    """Every setting; the header alone when nothing was scored."""
    return as_csv(_lines(standings)) if standings else "method,parameters\n"


def report_markdown(
    study: StudyFiles,
    headline: str,
    certainty: str,
    standings: Sequence[Standing],
    rivalries: Sequence[Rivalry],
    advice: Sequence[Advice],
) -> str:
    """The findings in the page's order. What a user wrote is escaped: Markdown passes HTML through."""
    parts = [
        f"# {markdown_text(headline)}",
        markdown_text(certainty),
        f"Study {markdown_text(study.about.name)}, base {markdown_text(study.about.base)}, {len(study.trials)} trials.",
    ]
    if standings:
        lines = _lines(best_of_each_method(standings))
        parts += [
            "## Best setting of each method",
            as_markdown(lines),
        ]
    if rivalries:
        parts += ["## How sure", "\n".join(f"* {markdown_text(c.sentence())}" for c in rivalries)]
    if advice:
        lines = [
            {"need": a.need, "recommendation": a.recommendation, "reason": a.reason, "thesis": a.thesis} for a in advice
        ]
        parts += ["## Advice", as_markdown(lines)]
    failed = [
        f"* {markdown_text(t.name)}: {markdown_text(t.state)}, {markdown_text(t.reason or 'no reason recorded')}"
        for t in study.trials
        if t.failed
    ]
    failed += [f"* {markdown_text(text)}" for text in study.unreadable]
    if failed:
        parts += ["## Trials that failed", "\n".join(failed)]
    return "\n\n".join(part for part in parts if part) + "\n"
