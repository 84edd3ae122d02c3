"""Choosing and stopping early, on simulated grids whose truth is known."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from simulated_grid import PROMPTS, REPORT, SELECTION, build_grid
from typer.testing import CliRunner

from brandsmith.benchmark.early_stop import benchmark_early_stop, replay_study
from brandsmith.cli.main import app
from brandsmith.core.errors import InvalidInput
from brandsmith.core.rows import Row
from brandsmith.results.choosing import group_settings, reported_values
from brandsmith.results.comparing import (
    Gap,
    Spread,
    compare_all,
    images_needed,
    measure_gap,
    spread_between_trainings,
)
from brandsmith.results.ranking import best_step, rank, shared_steps, varying_settings, worst_state
from brandsmith.results.statistics import t_quantile, two_sided_p
from brandsmith.results.study_records import StudyRecords
from brandsmith.results.study_result import result_of
from brandsmith.study.config import Halving
from brandsmith.study.engine import settings_to_report
from brandsmith.study.halving import share_of_steps, survivors

TWELVE = {
    f"{m}_learning_rate-{i}": q
    for m, best in (("db", 0.85), ("lora", 0.7), ("ti", 0.45), ("hn", 0.3))
    for i, q in enumerate((best, best - 0.15, best - 0.25))
}


def training(mean: float, seed: int, scatter: float = 0.05, shift: float = 0.0) -> dict[tuple[int, int], float]:
    rng = np.random.default_rng(seed)
    return {(case, s): mean + shift + rng.normal(0, scatter) for case in range(8) for s in range(6)}


def test_halving_keeps_the_best_whatever_the_order():
    scores = {"a": 0.1, "b": 0.9, "c": None, "d": 0.5, "e": 0.5, "f": 0.2}
    assert survivors(scores, 3) == ["b", "d"] == survivors(dict(reversed(scores.items())), 3)
    assert survivors({"a": None, "b": None}, 3) == ["a"]
    assert survivors({"only": 0.0}, 4) == ["only"]


def test_the_rules_of_ranking():
    assert best_step({100: 0.5, 200: 0.7, 300: 0.7, 400: None}, "finished") == 200, "the earlier of equals"
    assert best_step({100: 0.9, 200: 0.1}, "stopped") == 200, "the last before it was stopped"
    assert best_step({100: None}, "finished") is None and best_step({}, "stopped") is None
    assert (
        worst_state(["finished", "stopped", "finished"]) == "stopped" and worst_state(["failed", "waiting"]) == "failed"
    )
    assert shared_steps([{1, 2, 3}, {2, 3}]) == [2, 3] and shared_steps([]) == []
    best_first = [
        rank("finished", 1.0, 0.2, "b"),
        rank("finished", 0.5, 0.1, "a"),
        rank("finished", 1.0, None, "a"),
        rank("stopped", 0.5, 0.3, "a"),
        rank("stopped", 0.25, 0.9, "a"),
        rank("running", 0.5, 0.9, "a"),
        rank("failed", 0.0, None, "a"),
    ]
    assert best_first == sorted(best_first)
    assert varying_settings(
        [("lora", {"rank": 4, "steps": 1}), ("lora", {"rank": 8, "steps": 1}), ("db", {"rank": 2})]
    ) == {"lora": {"rank"}, "db": set()}


def test_share_of_steps_counts_what_is_trained():
    assert share_of_steps(12, [1, 2], 3, 4) == pytest.approx((12 + 4 + 2 * 1) / 48)
    assert share_of_steps(5, [], 3, 4) == 1.0


def test_students_tail_matches_tables():
    for t, degrees, p in ((2.776, 4, 0.05), (12.706, 1, 0.05), (1.96, 10_000, 0.05), (4.604, 4, 0.01), (0.0, 7, 1.0)):
        assert two_sided_p(t, degrees) == pytest.approx(p, abs=3e-4)


def test_the_winner_is_chosen_on_selection_seeds_and_reported_on_the_others(tmp_path):
    records = build_grid(tmp_path / "s", {"lora_a": 0.6, "lora_b": 0.6}, between_seeds=0.0).records()
    flattered = raised(records, "lora_a", SELECTION, 0.3)
    result = result_of(flattered).as_json()
    assert result["winner"]["setting"] == "lora_a"
    line = result["leaderboard"][0]
    assert line["selection_kpi"] > line["kpi"] + 0.2, "the choice is flattered, the report is not"
    assert line["n"] == 2 * len(PROMPTS) * len(REPORT) and line["selection_n"] == 2 * len(PROMPTS) * len(SELECTION)
    honest = result_of(raised(records, "lora_b", REPORT, 0.3)).as_json()
    assert (
        honest["leaderboard"][0]["selection_kpi"] == result_of(records).as_json()["leaderboard"][0]["selection_kpi"]
    ), "report pictures choose nothing"


def test_a_rate_of_few_pictures_cannot_win(tmp_path):
    """Of lora_a two pictures could be measured, both usable; of lora_b all, and three in five are."""

    def seen(row: Row) -> Row:
        if row.run.startswith("lora_b"):
            return replace(row, value=float(row.case < 3))
        known = row.case == 0 and row.seed in (SELECTION[0], REPORT[0])
        return replace(row, value=1.0) if known else replace(row, value=None, reason="not measured")

    records = build_grid(tmp_path / "s", {"lora_a": 0.6, "lora_b": 0.6}).records()
    trials = [replace(t, rows=[seen(r) for r in t.rows if r.judge == "detector@1"]) for t in records.trials]
    by_chance = StudyRecords(replace(records.about, kpi="usable_rate"), tuple(trials))
    assert result_of(by_chance).as_json()["winner"]["setting"] == "lora_a"
    result = result_of(replace(by_chance, about=replace(by_chance.about, fewest_judged=10)))
    assert result.winner and result.winner.setting == "lora_b"
    barred = next(line for line in result.leaderboard if line.setting == "lora_a")
    assert barred.step is None and "10 measured selection pictures are needed" in barred.reason
    assert "more than 2" in barred.reason and barred.checkpoints[0] == {"step": 60, "selection_kpi": None, "judged": 2}


def raised(records: StudyRecords, setting: str, seeds: tuple[int, ...], by: float) -> StudyRecords:
    trials = [
        replace(
            t,
            rows=[replace(r, value=r.value + by) if r.seed in seeds and t.setting == setting else r for r in t.rows],
        )
        for t in records.trials
    ]
    return replace(records, trials=tuple(trials))


def test_a_checkpoint_is_chosen_for_the_setting_and_the_earlier_of_equals(tmp_path):
    records = build_grid(tmp_path / "s", {"lora_a": 0.6}, between_pictures=0.0, between_seeds=0.0).records()
    setting = group_settings(records)[0]
    assert setting.chosen_step == 240
    flat = replace(
        records, trials=tuple(replace(t, rows=[replace(r, value=0.5) for r in t.rows]) for t in records.trials)
    )
    assert group_settings(flat)[0].chosen_step == 60


def test_only_what_is_better_is_called_better(tmp_path):
    result = result_of(build_grid(tmp_path / "s", TWELVE).records()).as_json()
    assert result["winner"]["setting"] == "db_learning_rate-0"
    verdicts = {c["second"]: c for c in result["comparisons"]}
    assert len(verdicts) == len(TWELVE) - 1
    assert verdicts["hn_learning_rate-2"]["better"] and verdicts["hn_learning_rate-2"]["low"] > 0
    for c in verdicts.values():
        assert c["better"] == (c["low"] > 0) and c["worse"] == (c["high"] < 0) and c["p_holm"] >= c["p_value"]
        assert ("not distinguishable with 40 images" in c["verdict"]) == (not c["better"] and not c["worse"])
    twins = result_of(build_grid(tmp_path / "t", {"lora_a": 0.6, "lora_b": 0.59}).records()).as_json()["comparisons"][
        0
    ]["verdict"]
    assert twins.startswith("not distinguishable with 40 images")
    json.dumps(result, allow_nan=False)


def test_spread_between_trainings_counts_against_a_claim():
    sure = [training(0.6, 1), training(0.6, 2)]
    other = [training(0.5, 3), training(0.5, 4)]
    assert measure_gap(sure, other, Spread()).p_value < 0.001
    wide = spread_between_trainings([[training(0.6, 5, shift=0.2), training(0.6, 6, shift=-0.2)], sure, other])
    assert wide.degrees == 3 and wide.variance > 0.01
    assert measure_gap(sure, other, wide).p_value > 0.05


def test_spread_between_trainings_is_what_pictures_do_not_explain():
    rng = np.random.default_rng(0)
    pairs = [
        [training(0.5, 10 * i, shift=rng.normal(0, 0.1)), training(0.5, 10 * i + 1, shift=rng.normal(0, 0.1))]
        for i in range(200)
    ]
    assert spread_between_trainings(pairs).variance == pytest.approx(0.01, rel=0.3)
    alike = [[training(0.5, 10 * i), training(0.5, 10 * i + 1)] for i in range(200)]
    assert spread_between_trainings(alike).variance < 2e-5


@pytest.mark.parametrize("degrees", [2.95, 5.9, 11.99])
def test_a_setting_is_called_better_exactly_when_the_interval_shown_excludes_zero(degrees):
    """Satterthwaite's degrees of freedom are no whole number; rounded in the interval alone, the table read "better by
    0.32 (-0.01 to +0.66)".
    """
    for value in np.linspace(0.02, 0.3, 57):
        (found,) = compare_all({("a", "b"): Gap(float(value), 0.05, degrees, 40, 5, 2)})
        assert found.better == (found.low > 0) == (found.p_holm < 0.05)


def test_holm_widens_intervals_and_agrees_with_them():
    gaps = {("w", str(i)): Gap(0.05 * i, 0.03, 6.0, 40, 5, 2) for i in range(6)}
    compared = compare_all(gaps)
    alone = compare_all({("w", "3"): gaps[("w", "3")]})[0]
    together = compared[3]
    assert together.high - together.low > alone.high - alone.low
    assert [c.better for c in compared] == [c.low > 0 for c in compared]


def test_a_single_training_or_prompt_gives_a_caveat():
    once = compare_all({("a", "b"): measure_gap([training(0.6, 1)], [training(0.58, 2)], Spread())})[0]
    assert "trained once" in once.sentence()
    one_prompt = [{(0, s): 0.9 for s in range(4)}], [{(0, s): 0.1 for s in range(4)}]
    found = compare_all({("a", "b"): measure_gap(*one_prompt, Spread())})[0]
    assert not found.better and "one prompt" in found.sentence()


def test_every_method_gets_a_line_with_report_pictures(tmp_path):
    study = build_grid(tmp_path / "s", {"db_a": 0.8, "ti_a": 0.3, "ti_b": 0.2})
    for name in ("ti_a", "ti_b"):
        for seed in (0, 1):
            study.write_trial(replace(study.read_trial(f"{name}_seed-{seed}"), state="stopped", stopped_at_step=60))
    assert [s.name for s in settings_to_report(group_settings(study.records()))] == ["db_a", "ti_a"]
    failed = replace(study.read_trial("db_a_seed-1"), state="failed", reason="diverged")
    study.write_trial(failed)
    result = result_of(study.records()).as_json()
    assert (
        result["winner"] is None
        and result["leaderboard"][-1]["state"] == "failed"
        and result["leaderboard"][-1]["reason"] == "diverged"
    )


def test_early_stopping_finds_the_winner_at_under_two_fifths_of_the_steps(tmp_path):
    figures = benchmark_early_stop(build_grid(tmp_path / "s", TWELVE), num_replays=40)
    assert figures.same_winner_rate >= 0.9 and figures.step_fraction <= 0.4 and figures.replays == 40
    assert {"aa_called_different", "identical_winner_rate"} <= figures.as_json().keys()


def test_early_stopping_is_caught_when_it_stops_the_best(tmp_path):
    """A late bloomer: last at the rungs, best at the end. The benchmark must show it."""
    qualities = {f"lora_{i}": 0.5 for i in range(9)} | {"db_late": 0.95}
    records = build_grid(tmp_path / "s", qualities, between_pictures=0.03, between_seeds=0.01).records()
    dimmed = [
        replace(t, rows=[replace(r, value=0.0) if r.step < 240 and t.setting == "db_late" else r for r in t.rows])
        for t in records.trials
    ]
    figures = replay_study(replace(records, trials=tuple(dimmed)), Halving(), num_replays=20, num_aa=20)
    assert figures.same_winner_rate == 0.0


@pytest.mark.slow
def test_identical_settings_are_rarely_called_different(tmp_path):
    """40 comparisons in each of three grids, as the benchmark's bar counts them. Uncorrected, about one in twenty is
    called different.
    """
    grids = [
        replay_study(build_grid(tmp_path / str(i), TWELVE, seed=i).records(), Halving(), num_replays=20, num_aa=40)
        for i in range(3)
    ]
    assert all(figures.aa_called_different <= 0.05 for figures in grids), grids
    assert float(np.mean([figures.aa_uncorrected for figures in grids])) <= 0.1


def test_the_aa_check_notices_a_comparison_that_forgets_training_shift(tmp_path):
    """With the spread between trainings left out, trainings that differ a lot are called different all the time."""
    settings = group_settings(build_grid(tmp_path / "s", TWELVE, between_seeds=0.15, between_pictures=0.03).records())
    pairs = [reported_values(s) for s in settings]
    careless = [measure_gap([a], [b], Spread()).p_value < 0.05 for a, b in pairs]
    careful = [measure_gap([a], [b], spread_between_trainings(pairs)).p_value < 0.05 for a, b in pairs]
    assert np.mean(careless) > 0.5 and np.mean(careful) <= 0.1


@pytest.mark.parametrize(
    ("qualities", "change", "expected"),
    [
        ({"lora_a": 0.5, "lora_b": 0.4}, None, "nothing to stop"),
        (TWELVE, "stopped", "not a finished full grid"),
    ],
)
def test_a_study_that_is_no_full_grid_is_refused(tmp_path, qualities, change, expected):
    study = build_grid(tmp_path / "s", qualities)
    if change:
        name = next(iter(qualities))
        study.write_trial(replace(study.read_trial(f"{name}_seed-0"), state=change))
    with pytest.raises(InvalidInput, match=expected):
        benchmark_early_stop(study)


def test_the_command_prints_one_json_object_last(tmp_path):
    study = build_grid(tmp_path / "s", TWELVE)
    shown = CliRunner().invoke(app, ["benchmark", "earlystop", str(study.folder), "--replays", "20", "--json"])
    assert shown.exit_code == 0, shown.output
    figures = json.loads(shown.output.strip().splitlines()[-1])
    assert {"same_winner_rate", "step_fraction", "aa_called_different", "replays"} <= figures.keys() and figures[
        "replays"
    ] == 20


def test_images_needed_are_more_prompts_not_one_more_picture():
    """Five prompts, t = 4.5: shown alone (t needs 2.8), not among eleven comparisons (5.7): more prompts are wanted, as
    few as do.
    """
    gap = Gap(0.75, 0.75 / 4.5, 4.0, 40, 5, 2)
    assert images_needed(gap) == 48, "one prompt more at least"
    for level in (0.05 / 11, 0.001):
        needed = images_needed(gap, level)
        assert needed > 48 and needed % 8 == 0
        for images, does in ((needed, True), (needed - 8, False)):
            wanted = sum(t_quantile(q, int(4 * images / 40)) for q in (1 - level / 2, 0.8))
            assert (4.5 * (images / 40) ** 0.5 >= wanted) is does
    assert images_needed(Gap(0.1, 0.2, 4.0, 40, 5, 2)) > 40 * (2 * 2.8) ** 2
