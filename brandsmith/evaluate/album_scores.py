"""`brandsmith judge run`: every judge over pictures that are already drawn, and what a reader needs to see of it.

    PICTURES/judged/<token>-<digest>/rows.jsonl       one row per picture and judge
                                     summary.json     what was printed
                                     verdicts.jsonl   verdicts by picture, so that a second run only looks at what is
                                       new

The digest is the concept's: other captions, held-out pictures or spelling are another question.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from brandsmith.base.base import resolve_base
from brandsmith.concept.concept import IMAGE_SUFFIXES, Concept, load_concept
from brandsmith.core.files import sha256_of, write_json, write_text
from brandsmith.core.rows import Row, judge_name
from brandsmith.core.table import as_rich
from brandsmith.evaluate.albums import Album, find_albums
from brandsmith.evaluate.chain import every_judge
from brandsmith.evaluate.checkpoint import load_pictures
from brandsmith.evaluate.likeness_floor import floor_pictures
from brandsmith.judges.check import check_judges
from brandsmith.judges.clip import Identity
from brandsmith.judges.copying import Copying, memorising_ratio, vendi_score
from brandsmith.judges.foreign import ForeignDetector
from brandsmith.judges.judge import CachedJudge, Judge, judge_id, score_shots
from brandsmith.judges.sscd import SscdCopying
from brandsmith.judges.weights import SSCD, missing_reason
from brandsmith.results.intervals import wilson_interval
from brandsmith.results.kpi import footnote, kpi_of
from brandsmith.results.leakage import logo_leakage
from brandsmith.results.statistics import clustered_mean
from brandsmith.results.usable import checks_for, reasons, usable_by_picture

Say = Callable[[str], None]


def judge_all(
    pictures: Path,
    *,
    concept_name: str,
    base_name: str | None,
    step: int | None,
    detections: Path | None,
    weights: Path | None,
    check: bool,
    floor: bool = True,
    say: Say = lambda what: None,
) -> list[dict[str, Any]]:
    """The command: every album under `pictures`, each with the judges of the base that drew it. Raises JudgeUnfit
    before anything is scored.
    """
    concept, albums = load_concept(concept_name), find_albums(pictures, step)
    foreign = ForeignDetector(detections, "yolov8") if detections else None
    summaries, chains = [], {}
    for album in albums:
        name = base_name or album.base or "pocket"
        if name not in chains:
            say("loading the judges")
            chains[name] = every_judge(concept, resolve_base(name), weights)
            if check:
                say("known-good and known-bad pictures")
                check_judges(concept, list(chains[name].values()))
        summaries.append(judge_album(concept, album, chains[name], foreign=foreign, floor=floor, say=say))
    return summaries


def judge_album(
    concept: Concept,
    album: Album,
    judges: Mapping[str, Judge],
    *,
    foreign: ForeignDetector | None = None,
    floor: bool = False,
    say: Say = lambda what: None,
) -> dict[str, Any]:
    """Score one album with every judge; writes rows and summary beside the pictures and returns the summary. `floor`:
    likeness beside that of the untrained base, which is drawn for it.
    """
    folder = album.folder / "judged" / f"{concept.token}-{concept_digest(concept)}"
    pictures = load_pictures(album.paths)
    rows: list[Row] = []
    for judge in judges.values():
        say(f"{album.title}: {judge.name} on {len(pictures)} pictures")
        rows += score_shots(CachedJudge(judge, folder / "verdicts.jsonl"), album.shots, pictures)
    if foreign:
        rows += foreign_rows(foreign, album)
    write_text(folder / "rows.jsonl", "".join(json.dumps(row.as_json(), ensure_ascii=False) + "\n" for row in rows))
    summary = summarise(concept, album, judges, rows, pictures) | {"rows": str(folder / "rows.jsonl")}
    likeness = [judge for name, judge in judges.items() if isinstance(judge, Identity) and summary["judges"][name]["n"]]
    if floor and likeness:
        say(f"{album.title}: the untrained base, for the floor of likeness")
        bare = floor_pictures(album, folder / "floor")
        for judge in likeness if bare else ():
            summary["judges"][judge.name]["floor"] = round(
                float(np.mean([v.value for v in judge.score(bare) if v.value is not None])), 4
            )
    write_json(folder / "summary.json", summary)
    return summary


def concept_digest(concept: Concept) -> str:
    """Changes with anything of the concept that a verdict may depend on."""
    digest = hashlib.sha256(concept.config.model_dump_json().encode())
    held_out = sorted(p for p in (concept.folder / "held_out").glob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    for image in (*(example.image for example in concept.examples), *held_out):
        digest.update(sha256_of(image).encode())
    return digest.hexdigest()[:8]


def foreign_rows(detector: ForeignDetector, album: Album) -> list[Row]:
    """Rows of detections made elsewhere, found by the pictures' file names."""
    verdicts = detector.verdicts([path.name for path in album.paths])
    return [
        Row(
            s.case,
            s.prompt,
            s.seed,
            s.run,
            s.step,
            judge_id(detector),
            detector.weights_hash,
            v.value,
            v.reason,
            dict(v.details),
        )
        for s, v in zip(album.shots, verdicts, strict=True)
    ]


def summarise(
    concept: Concept, album: Album, judges: Mapping[str, Judge], rows: Sequence[Row], pictures: Sequence[np.ndarray]
) -> dict[str, Any]:
    """Everything that is printed of one album, computed from its rows (and, for diversity, its pictures). Usable rate
    and KPI are over the pictures that asked for the mark or have no prompt: a picture that was not asked for it is
    right not to show it.
    """
    first = album.shots[0]
    asked = [row for row in rows if not row.prompt or concept.token in row.prompt]
    return {
        "pictures": len(pictures),
        "prompts": len({s.prompt for s in album.shots}),
        "run": first.run,
        "step": first.step,
        "judges": {name: _line(of_one, judges.get(name)) for name, of_one in by_judge(rows).items()},
        "kpi": _kpi(asked),
        "usable": usable_summary(asked, prompted=any(s.prompt for s in album.shots)),
        "copying": _copying(judges.get("copying"), pictures),
        "diversity": diversity(album, pictures),
        "logo_leakage": leakage_line(rows, concept.token),
    }


def by_judge(rows: Sequence[Row]) -> dict[str, list[Row]]:
    names = list(dict.fromkeys(judge_name(row) for row in rows))
    return {name: [row for row in rows if judge_name(row) == name] for name in names}


def _line(rows: Sequence[Row], judge: Judge | None) -> dict[str, Any]:
    """Mean with an interval that resamples prompts (None with one prompt only), and why some were not measured."""
    measured = [(row.value, row.prompt) for row in rows if row.value is not None]
    why = Counter(row.reason for row in rows if row.value is None).most_common(1)
    line: dict[str, Any] = {
        "judge": rows[0].judge,
        "weights": rows[0].weights,
        "mean": None,
        "low": None,
        "high": None,
        "n": len(measured),
        "not_measured": len(rows) - len(measured),
        "reason": why[0][0] if why else "",
    }
    if measured:
        mean = clustered_mean(*zip(*measured, strict=True))
        sure = np.isfinite(mean.low)
        line |= {
            "mean": round(mean.value, 4),
            "low": round(mean.low, 4) if sure else None,
            "high": round(mean.high, 4) if sure else None,
        }
    if isinstance(judge, Identity):
        ceiling = judge.ceiling()
        line |= {"floor": None, "ceiling": None if ceiling is None else round(ceiling, 4)}
    return line


def _kpi(rows: Sequence[Row]) -> dict[str, Any]:
    """The thesis' KPI; where a foreign detector spoke it is the confidence half, as in the thesis."""
    foreign = any(judge_name(row) == "yolov8" for row in rows)
    kpi = kpi_of(row for row in rows if not (foreign and judge_name(row) == "detector"))
    return {
        "average(ocr, yolo)": _rounded(kpi.average),
        "mean_confidence_score": _rounded(kpi.mean_confidence_score),
        "mean_ocr_score": _rounded(kpi.mean_ocr_score),
        "exact_match_rate": _rounded(kpi.exact_rate),
        "footnote": footnote(row for row in rows if not (foreign and judge_name(row) == "detector")),
    }


def usable_summary(rows: Sequence[Row], *, prompted: bool) -> dict[str, Any]:
    """The usable rate over the pictures that could be decided, Wilson's interval, and how often each reason kept one
    from it. Pictures without any prompt are not asked whether they obey one.
    """
    checks = [check for check in checks_for(by_judge(rows)) if prompted or check != "obeyed"]
    verdicts = list(usable_by_picture(rows, checks).values())
    decided = [v.verdict for v in verdicts if v.verdict is not None]
    low, high = wilson_interval(sum(decided), len(decided))
    return {
        "rate": _rounded(sum(decided) / len(decided)) if decided else None,
        "low": _rounded(low),
        "high": _rounded(high),
        "n": len(decided),
        "not_measured": len(verdicts) - len(decided),
        "checks": checks,
        "reasons": dict(reasons(verdicts).most_common()),
    }


def _copying(judge: Judge | None, pictures: Sequence[np.ndarray]) -> dict[str, Any]:
    """Under 1 the pictures lie nearer to the training pictures than held-out real ones do. `by` says whether SSCD
    spoke; if not, `sscd` says why.
    """
    ratio = memorising_ratio(judge, pictures) if isinstance(judge, Copying) else None
    sscd = "" if isinstance(judge, SscdCopying) else f"not measured: {missing_reason(SSCD)}"
    return {"memorising_ratio": _rounded(ratio), "by": judge_id(judge) if judge else None, "sscd": sscd}


def diversity(album: Album, pictures: Sequence[np.ndarray]) -> dict[str, Any]:
    """Vendi score of each prompt's pictures (two or more). It grows with n: compare at equal n."""
    groups: dict[str, list[int]] = {}
    for i, shot in enumerate(album.shots):
        groups.setdefault(shot.prompt, []).append(i)
    several = {prompt: [pictures[i] for i in which] for prompt, which in groups.items() if len(which) > 1}
    scores = {prompt: {"vendi": round(vendi_score(of_one), 3), "n": len(of_one)} for prompt, of_one in several.items()}
    mean = float(np.mean([s["vendi"] for s in scores.values()])) if scores else None
    return {"mean_vendi": _rounded(mean), "by_prompt": scores}


def leakage_line(rows: Sequence[Row], token: str) -> dict[str, Any]:
    """How often the mark shows in pictures of prompts that never asked for it; pictures without a prompt do not
    count.
    """
    leaked = logo_leakage([row for row in rows if row.prompt], token)
    return asdict(leaked) | {
        "rate": _rounded(leaked.rate),
        "interval": [round(v, 4) for v in leaked.interval],
        "by_prompt": dict(leaked.by_prompt),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


# ----------------------------------------------------------------------------- for a terminal


def table_of(summary: Mapping[str, Any]) -> Table:
    """A line per judge."""
    title = f"{summary['run']} step {summary['step']}" if summary["step"] else summary["run"]
    lines = [
        {
            "judge": line["judge"],
            "mean": line["mean"],
            "95 %": "" if line["low"] is None else f"{line['low']:.3f} to {line['high']:.3f}",
            "floor to ceiling": (
                f"{_short(line['floor'])} to {_short(line['ceiling'])}" if line.get("ceiling") is not None else ""
            ),
            "n": line["n"],
            "not measured": (
                f"{line['not_measured']}: {line['reason'].partition(';')[0]}" if line["not_measured"] else ""
            ),
        }
        for line in summary["judges"].values()
    ]
    return as_rich(lines, f"{title}: {summary['pictures']} pictures of {summary['prompts']} prompts")


def _short(value: float | None) -> str:
    return "?" if value is None else f"{value:.3f}"


def lines_of(summary: Mapping[str, Any]) -> list[str]:
    """What is computed from several judges, a line each; what could not be measured says so."""
    usable, kpi, leaked = summary["usable"], summary["kpi"], summary["logo_leakage"]
    lines = [
        (
            f"usable rate {_shown(usable['rate'])} (95 %: {usable['low']} to {usable['high']}, n {usable['n']}, not"
            f" measured {usable['not_measured']}) of the pictures that asked for the mark; checked:"
            f" {', '.join(usable['checks'])}"
        ),
        *(f"  {count:4} {reason}" for reason, count in usable["reasons"].items()),
        f"average(ocr, yolo) {_shown(kpi['average(ocr, yolo)'])}; {kpi['footnote']}",
        (
            f"memorising ratio {_shown(summary['copying']['memorising_ratio'])} (under 1: nearer to training pictures"
            " than held-out ones are)"
        ),
        *(
            [f"copying by {summary['copying']['by']}; by SSCD {summary['copying']['sscd']}"]
            if summary["copying"]["sscd"]
            else []
        ),
    ]
    scores = summary["diversity"]["by_prompt"].values()
    if scores:
        counts = sorted({score["n"] for score in scores})
        lines.append(
            f"diversity (Vendi) {_shown(summary['diversity']['mean_vendi'])} of {', '.join(map(str, counts))} pictures"
            " per prompt"
        )
    if leaked["n"]:
        low, high = leaked["interval"]
        lines.append(
            f"logo leakage {_shown(leaked['rate'])} of {leaked['n']} pictures that never asked (95 %: {low} to {high})"
        )
    return [*lines, f"rows in {summary['rows']}"]


def _shown(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4f}"
