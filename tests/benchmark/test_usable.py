"""The usable benchmark: its figures from rows, and a whole run on a tiny base that goes on where it stopped."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from bases import build_tiny, save_as_diffusers_folder
from printed_marks import cloth, garbled, printed
from studies import build_study

from brandsmith.benchmark import usable, usable_exact, usable_recipes
from brandsmith.benchmark.command import exact_mark_lines, usable_plan
from brandsmith.benchmark.usable import Plan, benchmark_usable, headline
from brandsmith.benchmark.usable_exact import judge_marked, marker_for
from brandsmith.benchmark.usable_figures import Drawn, Marked, draws_for_one, usable_figures
from brandsmith.benchmark.usable_recipes import Recipe, presets_of, winners_of
from brandsmith.concept.concept import load_concept
from brandsmith.core.errors import InvalidConfig, MissingResource
from brandsmith.core.pictures import load_rgb, save_png
from brandsmith.core.rows import Row, Shot, read_score_rows
from brandsmith.create.exact_mark import ExactMark
from brandsmith.guidance.settings import DrawSettings
from brandsmith.prepare import from_mark
from brandsmith.prepare.colours import PLAIN, PROTOTYPES
from brandsmith.prepare.expand import Expansion
from brandsmith.results.leaderboard import standings_of
from brandsmith.results.study_files import read_records


def rows_of(verdicts):
    """(case, seed) -> (confidence, copying): the detector's and the copying judge's rows."""
    return [
        Row(case, f"prompt {case}", seed, "run", 9, judge, "w", value, "", {})
        for (case, seed), values in verdicts.items()
        for judge, value in zip(("detector@1", "copying@1"), values, strict=True)
    ]


def drawn(verdicts, seconds=10.0, reached=None):
    return Drawn(rows_of(verdicts), 2.0, 2.5, seconds, reached)


def test_figures_count_every_training_and_every_reason():
    one = drawn({(0, 1): (0.9, 0.1), (0, 2): (0.9, 0.9), (1, 1): (0.0, 0.9), (1, 2): (0.9, 0.1)}, 10.0, 4.0)
    two = drawn({(0, 1): (0.9, 0.1), (0, 2): (0.9, 0.1), (1, 1): (0.9, 0.1), (1, 2): (0.0, 0.1)}, 20.0, None)
    figures = usable_figures("brand", "lora", [one, two], num_seeds=2)
    assert (figures.n, figures.trainings, figures.usable_rate) == (8, 2, 0.625)
    assert 0 <= figures.low < 0.625 < figures.high <= 1
    assert figures.copied == 0.25
    assert figures.refused == {"mark missing": 0.25, "copy of a training picture": 0.25}
    assert figures.refused_by_it_alone == {"mark missing": 0.125, "copy of a training picture": 0.125}
    assert figures.train_seconds == 15.0 and figures.seconds_to_kpi == 4.0
    assert figures.vendi == 2.0 and figures.vendi_of_base == 2.5
    assert headline([figures])["vendi"] == 0.8


def test_what_was_not_measured_is_counted_apart():
    figures = usable_figures("brand", "lora", [drawn({(0, 1): (0.9, None), (0, 2): (0.9, 0.1)})], num_seeds=2)
    assert (figures.n, figures.not_measured, figures.usable_rate) == (2, 1, 1.0)


def test_pictures_with_the_true_mark_are_figures_of_their_own():
    as_drawn, marked = {(0, 1): (0.9, 0.1), (0, 2): (0.0, 0.1)}, {(0, 1): (0.9, 0.1), (0, 2): (0.9, 0.1)}
    one = Drawn(rows_of(as_drawn), 2.0, 2.5, 1.0, None, Marked(rows_of(marked), 1))
    figures = usable_figures("brand", "lora", [one], num_seeds=2)
    assert figures.usable_rate == 0.5 and headline([figures])["usable_with_exact_mark"] == 1.0
    assert figures.exact_mark and (figures.exact_mark.n, figures.exact_mark.laid) == (2, 1)
    assert exact_mark_lines([figures])[0].startswith("brand, lora: with the true mark laid into 1 of 2, 1.00 usable")
    without = usable_figures("brand", "lora", [drawn(as_drawn)], 2)
    assert headline([without])["usable_with_exact_mark"] is None and exact_mark_lines([without]) == []


@pytest.mark.slow
def test_the_true_mark_is_laid_where_it_can_be_and_once(tmp_path):
    """In the model's place: a wrong mark on a plain product, and a product without any."""
    marker = marker_for(load_concept("demo"))
    wrong = printed(marker.mark, garbled(marker.mark)).picture
    files = [tmp_path / "case-0_seed-1.png", tmp_path / "case-1_seed-1.png"]
    for file, picture in zip(files, (wrong, cloth()), strict=True):
        save_png(file, picture)
    shots, judge = [Shot(case, "", 1, "run", 9) for case in (0, 1)], marker.judges.chain[1]
    done = judge_marked(marker, files, shots, tmp_path / "exact", [judge])
    assert (done.laid, done.rows[0].value, done.rows[1].value) == (1, 1.0, judge.score([cloth()])[0].value)
    assert np.array_equal(load_rgb(tmp_path / "exact" / files[1].name), cloth()), "it counts as it stood"
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.png")}
    assert judge_marked(marker, files, shots, tmp_path / "exact", [judge]) == done
    assert {path: path.stat().st_mtime_ns for path in written} == written


def test_draws_for_one_is_the_place_of_the_first_usable_picture():
    answers = {0: (False, True), 1: (True, False), 2: (False, False)}
    by_picture = {(0, case, 7 + place): usable for case, own in answers.items() for place, usable in enumerate(own)}
    assert draws_for_one(by_picture, num_seeds=2) == 2.0, "of 2, 1 and more than 2"


def test_what_a_study_chose_is_trained_beside_the_presets(tmp_path):
    study = build_study(tmp_path / "study", pictures=False)
    winners = {own.method: own for own in winners_of(study)}
    best = {own.method: own for own in reversed(standings_of(read_records(study)))}
    assert set(winners) == {"dreambooth", "lora", "textual_inversion", "hypernetwork"}
    for method, own in winners.items():
        config = own.config("pocket", 12)
        assert (config.method, config.seed, own.step) == (method, 12, best[method].step)
        assert {key: getattr(config, key) for key in best[method].settings} == best[method].settings
    plan = usable_plan(["lora"], 1, from_mark=False, exact_mark=False, quick=False, study=study)
    assert [own.name for own in plan.recipes] == ["lora", "lora-of-study"] and plan.recipes[0].step is None
    assert (plan.settings.guidance_scale, replace(plan, guidance_scale=7.0).settings.guidance_scale) == (1.5, 7.0)
    assert len(usable_plan(None, 3, from_mark=False, exact_mark=False, quick=False, study=study).recipes) == 8
    run = SimpleNamespace(checkpoints=lambda: [(100, tmp_path / "a"), (200, tmp_path / "b")])
    steps = [Recipe("r", "lora", None, step).checkpoint(run)[0] for step in (100, None, 150)]
    assert steps == [100, 200, 200]
    with pytest.raises(InvalidConfig, match="guidance_scale is nan"):
        usable_plan(None, 1, from_mark=False, exact_mark=False, quick=False, guidance_scale=float("nan"))
    with pytest.raises(MissingResource):
        usable_plan(None, 1, from_mark=False, exact_mark=False, quick=False, study=tmp_path)


def fake_sample(base, prompts, seeds, settings):
    """In the base's place: the product as a square of its colour on its ground, with a red patch."""
    pictures = []
    for prompt in prompts:
        words = prompt.split()
        picture = np.empty((128, 128, 3), np.uint8)
        picture[:] = PROTOTYPES[words[words.index("background") - 1]][-1]
        picture[24:104, 24:104] = PLAIN[next(word for word in words if word in PLAIN and word != "red")]
        picture[54:78, 38:90] = PLAIN["red"]
        pictures.append(picture)
    return pictures


@pytest.mark.slow
def test_a_run_goes_on_where_it_stopped(tmp_path, monkeypatch):
    save_as_diffusers_folder(build_tiny(context=77), tmp_path / "tiny")
    monkeypatch.setattr(from_mark, "sample", fake_sample)
    monkeypatch.setattr(usable, "DEFAULT_EXPANSION", Expansion(composed=4))
    monkeypatch.setattr(usable_recipes, "preset_for", lambda method, base: {"steps": 2, "checkpoint_every": 1})
    monkeypatch.setattr(usable, "BENCHMARK_SETTINGS", DrawSettings(num_steps=2, guidance_scale=1.0))
    monkeypatch.setattr(usable_exact, "exact_mark", lambda picture, *_: ExactMark(picture, (), ("none",), {}, {}, 1.0))
    plan, said = Plan(presets_of(["lora"]), (11, 12), (7000, 7001), exact_mark=True), []
    given = (str(tmp_path / "tiny"), ["demo"], plan, tmp_path / "out", said.append)
    (first,) = benchmark_usable(*given)
    assert (first.concept, first.method, first.trainings, first.n) == ("demo", "lora", 2, 2 * 2 * 23)
    assert first.usable_rate == 0.0 and first.refused["mark missing"] == 1.0, "random weights draw no mark"
    assert first.seconds_to_kpi is None and first.draws_for_one == 3.0
    assert first.exact_mark and (first.exact_mark.n, first.exact_mark.laid, first.exact_mark.usable_rate) == (92, 0, 0)

    rows = read_score_rows(tmp_path / "out" / "demo" / "lora-11" / "scores.jsonl")
    assert "copying@1-base-2" in {row.judge for row in rows}, "copies are judged knowing what the base draws"

    def never(*_, **__):
        raise AssertionError("drawn again")

    monkeypatch.setattr(from_mark, "sample", never)
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert benchmark_usable(*given) == [first]
    assert {path: path.stat().st_mtime_ns for path in files} == files
    assert any("seed 12" in line for line in said)
