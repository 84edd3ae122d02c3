"""The bars of clips, from rows; and the runs that take no base of pictures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from brandsmith.benchmark.clips import PROMPTS, ClipBench, ClipCase, bars_of, benchmark_clips
from brandsmith.benchmark.clips_runs import measure_stock
from brandsmith.concept.concept import load_concept
from brandsmith.core.errors import InvalidConfig
from brandsmith.draw.source import Source
from brandsmith.judges.movement import TRUE_MOVEMENT_PX

CASE = ClipCase("a cap", 1, 20.0, 0.9, 0.8, 1, True, True, "", TRUE_MOVEMENT_PX, 2.0, 1.0, 5.0, 1.0)


def test_bars_compare_with_stills_true_clips_and_frames_apart():
    worse = replace(CASE, mark_frames=0.7, seconds=70.0, longest_gap=4, movement=0.0, usable=False)
    bars = {bar.name: bar for bar in bars_of([CASE, worse])}
    assert bars["mark_frames"].value == 0.8 and bars["mark_frames"].passed
    assert bars["motion"].value == 0.5 and bars["motion"].passed
    assert bars["flicker"].value == 0.4 and bars["flicker"].passed
    assert bars["seconds"].value == 70.0 and bars["seconds"].passed is False
    assert bars["longest_gap"].value == 4 and bars["clips_usable"].value == 0.5
    assert all(bar.n == 2 for bar in bars.values())


def test_what_was_not_measured_passes_nothing():
    unknown = replace(CASE, mark_frames=None, still_marks=None)
    bars = {bar.name: bar for bar in bars_of([unknown])}
    assert bars["mark_frames"].value is None and bars["mark_frames"].passed is None


def test_prompts_name_every_product_before_a_second_colour(tmp_path):
    bench = ClipBench(Source("pocket"), load_concept("demo"), tmp_path, num_prompts=9, num_seeds=2)
    cases = bench.cases()
    assert len(PROMPTS) == 24 and len(cases) == len(set(cases)) == 18
    assert len({prompt.split()[2] for prompt, _ in cases[:8]}) == 8
    assert all("red_qoga_logo" in prompt for prompt, _ in cases)
    with pytest.raises(InvalidConfig, match="group of bars"):
        benchmark_clips(bench, ["speed"])


@pytest.mark.slow
def test_stock_diffusers_is_reproduced():
    bars = measure_stock()
    assert [bar.name for bar in bars] == ["stock_max_diff", "stock_sdxl_max_diff"] and all(bar.passed for bar in bars)
