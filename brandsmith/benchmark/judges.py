"""`brandsmith benchmark judges`: can the judges be trusted? Every figure from true pictures with known construction.

Nothing here looks at a generated picture. Faults are planted in the concept's validation pictures; kinds of near miss
are held out of the correctness judge's training in turn. The figures' names and bars are the project's own.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from brandsmith.base.sources import resolve_base
from brandsmith.concept.concept import Concept
from brandsmith.core.pictures import load_rgb
from brandsmith.core.progress import Log
from brandsmith.core.rows import Row, Shot
from brandsmith.evaluate.chain import every_judge, held_out_pictures, judges_for, training_pictures
from brandsmith.judges.augment import seen_by_another_camera
from brandsmith.judges.background import Background
from brandsmith.judges.correctness import View, fit_net, loosened, probabilities, training_views, view_of
from brandsmith.judges.detector import Detector
from brandsmith.judges.fit import load_judges
from brandsmith.judges.judge import Judge, score_shots
from brandsmith.judges.labelled import Labelled, load_split, with_mark
from brandsmith.judges.measure import area_under_curve, measure_detector
from brandsmith.judges.near_miss import CROP_KINDS, kinds_for, make_near_miss, oval_patch
from brandsmith.judges.rectify import build_reference
from brandsmith.results.kpi import kpi_of
from brandsmith.results.statistics import spearman
from brandsmith.results.usable import checks_for, usable_by_picture

FAULT_RATES = (0.0, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 1.0)


@dataclass(frozen=True)
class Planted:
    """A true picture and what was done to it; `fault` is empty when nothing was."""

    pixels: np.ndarray
    fault: str


def benchmark_judges(concept: Concept, *, num_epochs: int = 5, log: Log = lambda what: None) -> dict[str, Any]:
    """The figures, each with its n. About seven CPU minutes, all but one for the held-out kinds; `num_epochs` 0 leaves
    those out.
    """
    validation = load_split(concept.folder, "val")
    fitted = load_judges(concept)
    by_name = judges_for(concept, fitted=fitted)
    judges = list(by_name.values())
    log("detector on marked and concept-free pictures")
    seen = measure_detector(fitted.detector, validation)
    figures: dict[str, Any] = {
        "detector_ap50": seen.ap50,
        "detector_ap50_n": seen.n_marks + seen.n_free,
        "false_alarm_rate": seen.false_alarm_rate,
        "false_alarm_rate_n": seen.n_free,
    }
    log("verdicts on planted faults")
    pictures = plant_faults(concept, validation)
    rows = _rows(judges, pictures)
    figures |= (
        _agreement(judges, pictures, rows)
        | _ranking(judges, pictures, rows)
        | _spelling(concept, by_name, pictures, rows)
    )
    figures |= (
        _near_misses(judges, validation)
        | _ovals(judges, validation)
        | backgrounds(concept, fitted.detector, validation)
    )
    log("time per picture")
    figures |= _seconds(
        every_judge(concept, resolve_base("pocket")), concept.prompts(), [p.pixels for p in pictures[:64]]
    )
    if not num_epochs:
        return figures
    log("near misses of kinds not trained on")
    return figures | held_out_kinds(concept, validation, num_epochs=num_epochs, log=log)


def plant_faults(concept: Concept, validation: Sequence[Labelled], seed: int = 0) -> list[Planted]:
    """Right pictures, and as many of each fault: wrong mark, misspelt, wrong colour, missing, copied."""
    text = concept.config.expected_text
    shapes = [kind for kind in CROP_KINDS if kind not in ("recoloured", "inverted")]
    planted: list[Planted] = []
    for i, source in enumerate(with_mark(validation)):
        rng = np.random.default_rng([seed, i])
        wrong = {"wrong mark": shapes[i % len(shapes)], "wrong colour": "recoloured"} | (
            {"misspelt": "misspelt"} if text else {}
        )
        planted.append(Planted(source.pixels, ""))
        planted += [
            Planted(make_near_miss(source.pixels, source.box, kind, rng, text), fault) for fault, kind in wrong.items()
        ]
    planted += [Planted(p.pixels, "missing") for p in validation if p.sort == "plain"][:100]
    for i, example in enumerate(concept.examples):
        for copy in range(4):
            rng = np.random.default_rng([seed, i, copy])
            planted.append(Planted(as_given_back(load_rgb(example.image), rng), "copied"))
    return planted


def as_given_back(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A training picture as an overfitted model gives it back: other light, a little soft, moved by a pixel or two."""
    return np.roll(seen_by_another_camera(picture, rng), tuple(int(v) for v in rng.integers(-2, 3, 2)), axis=(0, 1))


def _rows(judges: Sequence[Judge], pictures: Sequence[Planted]) -> list[list[Row]]:
    """The rows of each picture."""
    shots = [Shot(0, "", i, "planted", 0) for i in range(len(pictures))]
    scored = [score_shots(judge, shots, [p.pixels for p in pictures]) for judge in judges]
    return [list(of_one) for of_one in zip(*scored, strict=True)]


def _agreement(judges: Sequence[Judge], pictures: Sequence[Planted], rows: Sequence[list[Row]]) -> dict[str, Any]:
    verdicts = _verdicts(judges, rows)
    agrees = [verdict is (not p.fault) for verdict, p in zip(verdicts, pictures, strict=True)]
    faults = sorted({p.fault for p in pictures})
    by_fault = {
        f or "none": round(float(np.mean([a for a, p in zip(agrees, pictures, strict=True) if p.fault == f])), 4)
        for f in faults
    }
    return {
        "usable_agreement": round(float(np.mean(agrees)), 4),
        "usable_agreement_n": len(agrees),
        "usable_agreement_by_fault": by_fault,
    }


def _near_misses(judges: Sequence[Judge], validation: Sequence[Labelled]) -> dict[str, Any]:
    """Share of the concept's own labelled near misses (`near-*`) that the chain finds unusable, by sort: drawn as
    scenes of their own.
    """
    near = [p for p in validation if p.sort.startswith("near-")]
    refused = (
        [verdict is False for verdict in _verdicts(judges, _rows(judges, [Planted(p.pixels, p.sort) for p in near]))]
        if near
        else []
    )
    by_sort = {
        sort: [r for r, p in zip(refused, near, strict=True) if p.sort == sort]
        for sort in sorted({p.sort for p in near})
    }
    return {
        "near_miss_refused": round(float(np.mean(refused)), 4) if near else None,
        "near_miss_refused_n": len(near),
        "near_miss_refused_by_sort": {sort: round(float(np.mean(of_one)), 4) for sort, of_one in by_sort.items()},
    }


def _ovals(judges: Sequence[Judge], validation: Sequence[Labelled]) -> dict[str, Any]:
    """Share of right marks cut to an oval that the chain finds unusable; no judge was trained on those."""
    ovals = [Planted(oval_patch(p.pixels, p.box), "oval") for p in with_mark(validation)]
    refused = [verdict is False for verdict in _verdicts(judges, _rows(judges, ovals))]
    return {"oval_refused": round(float(np.mean(refused)), 4) if ovals else None, "oval_refused_n": len(ovals)}


def backgrounds(concept: Concept, detector: Detector, validation: Sequence[Labelled], seed: int = 0) -> dict[str, Any]:
    """The judge `background`: training pictures given back with another mark must be found, true pictures of other
    scenes must not.
    """
    training = training_pictures(concept)
    judge = Background(training, held_out_pictures(concept), detector)
    given_back = []
    for i, (picture, found) in enumerate(zip(training, detector.detect(training), strict=True)):
        rng = np.random.default_rng([seed, 2, i])
        if found:
            picture = make_near_miss(picture, found[0].box, "reworded", rng, concept.config.expected_text)
        given_back.append(as_given_back(picture, rng))
    others = [p.pixels for p in with_mark(validation)]
    caught, false = (
        [v.value is not None and v.value >= 0.5 for v in judge.score(shown)] for shown in (given_back, others)
    )
    return {
        "background_found": round(float(np.mean(caught)), 4),
        "background_found_n": len(caught),
        "background_false_alarm": round(float(np.mean(false)), 4),
        "background_false_alarm_n": len(false),
    }


def _verdicts(judges: Sequence[Judge], rows: Sequence[list[Row]]) -> list[bool | None]:
    required = checks_for(judge.name for judge in judges)
    return [
        verdict.verdict for verdict in usable_by_picture((row for of_one in rows for row in of_one), required).values()
    ]


def _ranking(
    judges: Sequence[Judge], pictures: Sequence[Planted], rows: Sequence[list[Row]], size: int = 60, seed: int = 0
) -> dict[str, Any]:
    """Checkpoints with known shares of faults, ranked by KPI and by usable rate."""
    usable = _verdicts(judges, rows)
    right = [i for i, p in enumerate(pictures) if not p.fault]
    wrong = [i for i, p in enumerate(pictures) if p.fault]
    kpis, rates = [], []
    for number, fault_rate in enumerate(FAULT_RATES):
        rng = np.random.default_rng([seed, number])
        num_wrong = round(size * fault_rate)
        chosen = [*rng.choice(right, size - num_wrong, replace=False), *rng.choice(wrong, num_wrong, replace=False)]
        kpis.append(kpi_of([row for i in chosen for row in rows[i]]).average or 0.0)
        rates.append(float(np.mean([usable[i] is True for i in chosen])))
    truth = [-rate for rate in FAULT_RATES]
    return {
        "kpi_spearman": round(spearman(kpis, truth), 4),
        "usable_spearman": round(spearman(rates, truth), 4),
        "kpi_spearman_n": len(FAULT_RATES),
    }


def _spelling(
    concept: Concept, judges: dict[str, Judge], pictures: Sequence[Planted], rows: Sequence[list[Row]]
) -> dict[str, Any]:
    if "ocr" not in judges:
        return {"ocr_true_score": None, "ocr_true_score_n": 0}
    values = [
        row.value
        for of_one, p in zip(rows, pictures, strict=True)
        if not p.fault
        for row in of_one
        if row.judge.startswith("ocr@")
    ]
    values += [v.value for v in judges["ocr"].score(held_out_pictures(concept))]
    return {
        "ocr_true_score": round(float(np.mean([v for v in values if v is not None])), 4),
        "ocr_true_score_n": len(values),
    }


def _seconds(judges: Mapping[str, Judge], prompts: Sequence[str], pictures: Sequence[np.ndarray]) -> dict[str, Any]:
    """Of every judge that could measure something: those whose weights are missing answer at once and are left out."""
    shots = [Shot(0, prompts[i % len(prompts)], i, "timed", 0) for i in range(len(pictures))]
    per_judge = {}
    for name, judge in judges.items():
        start = time.perf_counter()
        rows = score_shots(judge, shots, pictures)
        if any(row.value is not None for row in rows):
            per_judge[name] = (time.perf_counter() - start) / len(pictures)
    return {
        "seconds_per_image": round(sum(per_judge.values()), 4),
        "seconds_per_image_n": len(pictures),
        "seconds_per_image_by_judge": {name: round(value, 4) for name, value in per_judge.items()},
    }


def held_out_kinds(
    concept: Concept,
    validation: Sequence[Labelled],
    *,
    num_epochs: int = 5,
    seed: int = 0,
    log: Log = lambda what: None,
) -> dict[str, Any]:
    """Right-vs-wrong AUC on each kind of near miss, by a correctness judge that was trained without that kind.

    Boxes are the constructed ones, moved about as a detector's are: the shipped detector has seen every kind.
    """
    text = concept.config.expected_text
    marked = with_mark(load_split(concept.folder, "train"))
    reference = build_reference([p.pixels for p in marked], [p.box for p in marked])
    views = training_views(marked, reference, text, num_right=500, num_per_kind=50, seed=seed)
    tested = with_mark(validation)

    def views_of(kind: str) -> list[View]:
        made = []
        for i, p in enumerate(tested):
            rng = np.random.default_rng([seed, 1, i])
            pixels = make_near_miss(p.pixels, p.box, kind, rng, text) if kind else p.pixels
            made.append(view_of(pixels, loosened(p.box, rng), reference, not kind, kind))
        return made

    right, curves = views_of(""), {}
    for kind in kinds_for(text, tested):
        net = fit_net(views, num_epochs=num_epochs, seed=seed, leave_out=kind)
        curves[kind] = area_under_curve(probabilities(net, right), probabilities(net, views_of(kind)))
        log(f"  {kind}: {curves[kind]:.3f}")
    values = list(curves.values())
    return {
        "right_wrong_auc": round(float(np.mean(values)), 4),
        "right_wrong_auc_worst": min(values),
        "right_wrong_auc_n": len(tested) * 2,
        "right_wrong_auc_by_kind": curves,
    }
