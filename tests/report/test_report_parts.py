"""The report's parts: comparisons, advice, the front, plots, words, the budget of pictures, and colours one can
read.
"""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from io import StringIO
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from studies import build_study

from brandsmith.report.advice import KEEP, advise
from brandsmith.report.certainty import compare_winner, headline, verdict_line
from brandsmith.report.design import TOKENS
from brandsmith.report.figures import not_beaten, pareto_figures, steps_figures
from brandsmith.report.pictures import Album, Picture, seen_in
from brandsmith.report.plots import Point, Series, draw_bar, draw_plot, linear_axis, log_axis, unit_axis
from brandsmith.report.tables import report_csv
from brandsmith.report.words import duration_text, epoch_of, listed, size_text
from brandsmith.results.choosing import Checkpoint, group_settings
from brandsmith.results.leaderboard import Standing, best_of_each_method, standings_of
from brandsmith.results.parameters import scientific, setting_label
from brandsmith.results.study_files import read_study
from brandsmith.results.time_to_quality import seconds_to_kpi


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return read_study(build_study(tmp_path_factory.mktemp("parts") / "study", pictures=False, side_px=48))


@pytest.fixture(scope="module")
def standings(files) -> list[Standing]:
    return standings_of(files)


def with_values(standing: Standing, values: dict) -> Standing:
    best = Checkpoint(standing.step, standing.best.selection_kpi, standing.best.num_judged, [values])
    return replace(standing, best=best, checkpoints=[best])


def made_up(files, standings, num_prompts: int, gap: float, noise: float) -> list[Standing]:
    """The first two methods, the first ahead by `gap` on every picture, give or take."""
    rng = np.random.default_rng(0)
    first, second = best_of_each_method(standings)[:2]
    keys = [(case, seed) for case in range(num_prompts) for seed in files.report_seeds]
    base = {key: float(rng.uniform(0.4, 0.6)) for key in keys}
    return [
        with_values(first, {k: v + gap + float(rng.normal(0, noise)) for k, v in base.items()}),
        with_values(second, base),
    ]


def test_a_clear_gap_is_better_and_none_is_not_distinguishable(files, standings):
    clear = made_up(files, standings, 8, 0.3, 0.02)
    assert [c.verdict for c in compare_winner(files, clear)] == ["better"]
    assert headline(files, clear, compare_winner(files, clear)) == "LoRA learned red_qoga_logo best."
    same = made_up(files, standings, 8, 0.0, 0.05)
    (found,) = compare_winner(files, same)
    assert found.verdict == "not distinguishable"
    assert "DreamBooth cannot be ruled out" in headline(
        files, same, [found]
    ) and "not distinguishable with" not in headline(files, same, [found])
    assert "Not distinguishable from DreamBooth" in verdict_line([found])


def test_a_small_gap_comes_with_the_number_of_pictures_that_would_show_it(files, standings):
    (found,) = compare_winner(files, made_up(files, standings, 5, 0.04, 0.12))
    assert found.verdict == "not distinguishable" and found.needed_pictures > 10
    assert f"about {found.needed_pictures} would be needed" in found.sentence()


def test_one_prompt_has_no_interval(files, standings):
    (found,) = compare_winner(files, made_up(files, standings, 1, 0.5, 0.0))
    assert found.verdict == "not distinguishable" and "one prompt only" in found.sentence()


def test_a_winner_worse_on_the_held_back_pictures_is_not_called_better(files, standings):
    (found,) = compare_winner(files, made_up(files, standings, 8, -0.3, 0.02))
    assert found.verdict == "worse" and "cannot be ruled out" in headline(files, standings, [found])


def test_a_study_where_nothing_was_learnt_names_no_best(files, standings):
    zero = [replace(s, value=0.0) for s in standings]
    assert (
        headline(files, zero, compare_winner(files, standings))
        == "No method learned red_qoga_logo: every picture scores 0."
    )
    running = [replace(standings[0], state="running"), *standings[1:]]
    assert headline(files, running, []).startswith("Not finished yet: LoRA leads")


# ------------------------------------------------------------------ advice


def costing(standing: Standing, value: float, **costs: float | None) -> Standing:
    return replace(standing, value=value, trials=[replace(t, **costs) for t in standing.trials])


@pytest.fixture
def four(standings) -> dict[str, Standing]:
    return {s.method: s for s in best_of_each_method(standings)}


def test_each_need_gets_the_thriftiest_that_still_learned_it(four):
    found = advise(
        [
            costing(four["dreambooth"], 0.9, adapter_bytes=4e9, train_seconds=900.0),
            costing(four["lora"], 0.8, adapter_bytes=3e6, train_seconds=300.0),
            costing(four["hypernetwork"], 0.9 * KEEP + 0.001, adapter_bytes=5e6, train_seconds=200.0),
            costing(four["textual_inversion"], 0.5, adapter_bytes=9e3, train_seconds=100.0),
        ],
        [],
    )
    chosen = {a.need: a.recommendation.partition(",")[0] for a in found}
    assert chosen == {
        "Best likeness": "DreamBooth",
        "A small file": "LoRA",
        "Many concepts": "LoRA",
        "Little time": "Hypernetwork",
    }
    reasons = {a.need: a.reason for a in found}
    assert "3.0 MB at a score of 0.80, against 4.0 GB at 0.90 for DreamBooth" in reasons["A small file"]
    assert "Textual Inversion takes only 9.0 kB, but scores 0.50" in reasons["A small file"]
    assert (
        "100 concepts take about 300 MB of files and 8.3 h of training (DreamBooth: 400 GB)" in reasons["Many concepts"]
    )
    assert all(a.thesis for a in found)


def test_what_was_not_measured_is_not_advised(four):
    alone = costing(four["dreambooth"], 0.9, adapter_bytes=None, train_seconds=None)
    found = {a.need: a for a in advise([alone], [])}
    assert found["A small file"].recommendation == found["Little time"].recommendation == "No recommendation"
    assert "not measured" in found["A small file"].reason and "shares one base" not in found["Best likeness"].reason
    assert found["Many concepts"].recommendation == "No recommendation"
    assert advise([replace(alone, value=None)], []) == []


# ------------------------------------------------------------------ front and plots


def test_the_front_is_what_nobody_beats_in_all_three(standings):
    rng = np.random.default_rng(3)
    some = [
        costing(
            standings[i % len(standings)], *rng.integers(1, 5, 1) / 5, adapter_bytes=float(b), train_seconds=float(t)
        )
        for i, (b, t) in enumerate(rng.integers(1, 5, (25, 2)))
    ]
    figures = [(-s.value, s.mean_of("adapter_bytes"), s.mean_of("train_seconds")) for s in some]
    wanted = [
        i
        for i, a in enumerate(figures)
        if not any(all(x <= y for x, y in zip(b, a, strict=True)) and b != a for b in figures)
    ]
    assert [i for i, s in enumerate(some) if any(s is f for f in not_beaten(some))] == wanted and 0 < len(wanted) < 25


def test_plots_are_well_formed_and_escape_what_they_are_given(standings):
    colours = {s.method: i for i, s in enumerate(best_of_each_method(standings))}
    drawn = [f.svg for f in (*steps_figures(standings, colours), *pareto_figures(standings, colours))]
    drawn.append(
        draw_plot(
            [Series('<b>"&', [Point(1, 0.5, "<script>")], 2)],
            log_axis("<i>", [1.0], str),
            unit_axis("a & b"),
            "<title>",
        )
    )
    drawn.append(draw_bar(0.4, float("-inf"), float("inf"), 3))
    for svg in drawn:
        ElementTree.fromstring(svg)
    assert len(drawn) == 9 and "<script" not in drawn[-2] and "<b>" not in drawn[-2]


def test_a_point_lies_at_its_value():
    series = Series("one", [Point(5, 0.0), Point(10, 1.0)], 0)
    root = ElementTree.fromstring(draw_plot([series], linear_axis("x", [10]), unit_axis("y"), "t"))
    dots = [(float(c.get("cx")), float(c.get("cy"))) for c in root.iter("circle")]
    assert dots == [(204.0, 210.0), (366.0, 14.0)]  # left 42 + half of 324; bottom 252 - 42; right and top edges


@pytest.mark.parametrize("top", [0.003, 1, 7, 399, 400, 401, 1e6])
def test_axes_hold_their_values_with_few_round_ticks(top):
    axis = linear_axis("x", [top / 3, top])
    assert axis.high >= top * (1 - 1e-9) and 2 <= len(axis.ticks) <= 6 and axis.share(0) == 0
    logarithmic = log_axis("x", [top, top * 5000, top * 70, top * 8, top * 900], lambda v: f"{v:g}")
    assert 0 < logarithmic.share(top) < logarithmic.share(top * 70) < 1 and 2 <= len(logarithmic.ticks) <= 6


# ------------------------------------------------------------------ pictures, words, colours


def test_the_album_stops_at_its_budget_and_counts_what_it_left_out(tmp_path):
    for i in range(4):
        Image.effect_noise((64, 64), 80).convert("RGB").save(tmp_path / f"{i}.png")
    one = len(Album().embed(tmp_path / "0.png").uri)
    album = Album(budget_bytes=int(2.5 * one))
    found = [album.embed(tmp_path / f"{i}.png") for i in range(4)]
    assert [p is not None for p in found] == [True, True, False, False]
    assert album.num_left_out == 2 and album.spent_bytes <= 2.5 * one


@pytest.mark.parametrize(
    "box", [None, [1, 2, 3], "abcd", [5, 5, 5, 9], [9, 1, 2, 3], [None, 0, 1, 1], [300, 300, 400, 400]]
)
def test_a_box_that_is_none_is_not_drawn(files, box):
    row = replace(files.trials[0].rows[0], details={"box": box})
    assert seen_in({"detector": row}, None, Picture("", 100, 100)).object_box is None
    row = replace(row, details={"box": [-10, 50, 50, 250]})
    assert seen_in({"detector": row}, None, Picture("", 100, 100)).object_box == (0.0, 50.0, 50.0, 50.0)


def test_words_for_people():
    assert [scientific(v) for v in (2e-5, 1e-4, 2.5e-4, 0.01, 0.5, 1, 0)] == [
        "2e-5",
        "1e-4",
        "2.5e-4",
        "1e-2",
        "0.5",
        "1",
        "0",
    ]
    assert [size_text(v) for v in (None, 400, 9_400, 3_300_000, 41e6, 4.1e9)] == [
        "not measured",
        "400 bytes",
        "9.4 kB",
        "3.3 MB",
        "41 MB",
        "4.1 GB",
    ]
    assert [duration_text(v) for v in (None, 31.4, 220, 1500, 7200)] == [
        "not measured",
        "31 s",
        "3.7 min",
        "25 min",
        "2.0 h",
    ]
    assert listed(["a"]) == "a" and listed(["a", "b", "c"]) == "a, b and c"
    thesis = {"learning_rate": 5e-6, "text_encoder_learning_rate": 1e-4, "rank": 16}
    assert setting_label(thesis, {}, ()) == "U-Net 5e-6, text encoder 1e-4, rank 16"
    assert (
        setting_label({"prior_weight": 1.0}, {"settings": {"learning_rate": 2e-5}}, {"prior_weight"})
        == "lr 2e-5, prior weight 1"
    )
    assert (
        epoch_of(300, {"concept": {"num_images": 20}, "settings": {"batch_size": 8}}) == 120
        and epoch_of(300, {}) is None
    )


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
    channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """WCAG 2: (lighter + 0.05) / (darker + 0.05)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def palettes_of(tokens: str) -> list[dict[str, str]]:
    """Light, dark and print, each {name: #rrggbb}."""
    pairs = re.findall(r"--(\w+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", tokens)
    light, dark = {name: own for name, own, _ in pairs}, {name: own for name, _, own in pairs}
    print_block = tokens[tokens.index("@media print") :]
    return [light, dark, light | dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", print_block))]


def test_every_colour_can_be_read_in_light_dark_and_print():
    palettes = palettes_of(TOKENS.read_text(encoding="utf-8"))
    assert [len(palette) for palette in palettes] == [14, 14, 14] and palettes[2]["ink"] == "#000000"
    for colours in palettes:
        for name in ("ink", "quiet", "good", "bad", "wait"):
            assert (
                contrast(colours[name], colours["paper"]) >= 4.5 and contrast(colours[name], colours["wash"]) >= 4.5
            ), name
        for name in (f"m{i}" for i in range(6)):
            assert contrast(colours[name], colours["paper"]) >= 3, name  # WCAG 1.4.11: graphics


def test_time_until_the_pictures_are_good(tmp_path):
    """The first checkpoint whose selection pictures reach 0.7, at the setting's own mean pace; never: nothing."""
    study = read_study(build_study(tmp_path / "study", pictures=False, training_seeds=(0, 1)))
    found = {}
    for setting in group_settings(study):
        kpis = {c.step: c.selection_kpi for c in setting.checkpoints}
        reached = [step for step, kpi in kpis.items() if kpi >= 0.7]
        paces = [t.train_seconds / 400 for t in setting.trials]
        expected = min(reached) * sum(paces) / len(paces) if reached else None
        assert seconds_to_kpi(setting) == (pytest.approx(expected) if reached else None)
        found[setting.method] = found.get(setting.method, False) or bool(reached)
    assert found["lora"] and not found["hypernetwork"], "both outcomes were looked at"
    lines = list(csv.DictReader(StringIO(report_csv(standings_of(study)))))
    given = {line["method"]: line["seconds_to_kpi_0.7"] for line in reversed(lines)}
    assert float(given["lora"]) > 0 and given["hypernetwork"] == ""


def test_a_pace_that_nobody_recorded_is_none(tmp_path):
    study = read_study(build_study(tmp_path / "study", pictures=False))
    setting = next(s for s in group_settings(study) if s.method == "lora")
    trials = tuple(replace(trial, train_seconds=None) for trial in setting.trials)
    assert seconds_to_kpi(replace(setting, trials=trials)) is None
    halted = tuple(replace(trial, stopped_at_step=200) for trial in setting.trials)
    assert seconds_to_kpi(replace(setting, trials=halted)) == pytest.approx(2 * seconds_to_kpi(setting))
