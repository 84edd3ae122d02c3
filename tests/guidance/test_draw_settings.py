"""One record of how pictures are drawn: its defaults, its presets, what its names build, and what it refuses."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys

import numpy as np
import pytest
from bases import build_tiny

from brandsmith.core.errors import InvalidConfig
from brandsmith.guidance import settings as module
from brandsmith.guidance.attend_excite import AttendExcite
from brandsmith.guidance.layout import Layout
from brandsmith.guidance.merging import MERGED
from brandsmith.guidance.redraw import Redraw
from brandsmith.guidance.sampling import build_parts, check_drawable, sample
from brandsmith.guidance.settings import GUIDANCE, DrawSettings, build_draw_settings, default_guidance_scale


def test_every_field_says_where_its_default_is_from():
    (record,) = [n for n in ast.walk(ast.parse(inspect.getsource(module))) if getattr(n, "name", "") == "DrawSettings"]
    fields = [i for i, node in enumerate(record.body) if isinstance(node, ast.AnnAssign)]
    described = [i for i in fields if isinstance(record.body[i + 1], ast.Expr)]
    assert len(fields) == len(DrawSettings.model_fields) == 12 and described == fields


def test_the_record_loads_no_torch():
    code = "import sys, brandsmith.guidance.settings; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    ("options", "refiner", "starter", "finisher", "screened"),
    [
        ({}, False, None, False, False),
        ({"refiner": "attend_excite"}, True, None, False, False),
        ({"combiner": "regional"}, False, None, False, False),
        ({"layout": "merging"}, False, MERGED, False, False),
        ({"layout": "always"}, False, 0.0, False, False),
        ({"redraw": True}, False, None, True, False),
        ({"screen": 3}, False, None, False, True),
        (GUIDANCE["faithful"], True, MERGED, True, False),
        (GUIDANCE["faithful-and"], False, MERGED, True, False),
    ],
)
def test_an_option_does_what_it_is_called_and_nothing_else(options, refiner, starter, finisher, screened):
    parts = build_parts(DrawSettings(**options))
    assert isinstance(parts.refiner, AttendExcite) == refiner
    assert (parts.starter.merged_above if isinstance(parts.starter, Layout) else None) == starter
    assert isinstance(parts.finisher, Redraw) == finisher
    assert (parts.screener is not None) == screened
    assert parts.combiner.name == options.get("combiner", "cfg")


def test_presets_name_every_field_that_guides():
    fields = {frozenset(fields) for fields in GUIDANCE.values()}
    assert fields == {frozenset({"combiner", "refiner", "layout", "redraw", "screen"})}
    assert build_draw_settings("faithful", redraw=False) == DrawSettings(refiner="attend_excite", layout="merging")
    assert build_draw_settings("faithful").plain() == DrawSettings() == build_draw_settings("plain")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"num_steps": 0}, "num_steps is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"screen": 0}, "screen is 0"),
        ({"layout": "sometimes"}, "layout is 'sometimes'"),
        ({"guidance_scale": float("nan")}, "guidance_scale is nan"),
        ({"size_px": (0, "x")}, "size_px"),
        ({"stepz": 3}, "unknown draw setting 'stepz'"),
    ],
)
def test_wrong_options_are_named(options, named):
    with pytest.raises(InvalidConfig, match=named):
        build_draw_settings(**options)


def test_a_wrong_preset_is_named():
    with pytest.raises(InvalidConfig, match="unknown guidance 'faithfull'"):
        build_draw_settings("faithfull")


@pytest.mark.parametrize("options", [{"combiner": "and"}, {"refiner": "excite"}, {"scheduler": "eulr"}])
def test_names_are_checked_before_anything_loads(options):
    with pytest.raises(InvalidConfig, match="unknown"):
        check_drawable(["a cat"], DrawSettings(**options))


def test_the_scale_of_a_base():
    assert default_guidance_scale("pocket", fine_tuned=True) < default_guidance_scale("pocket", fine_tuned=False) < 7.5
    assert DrawSettings().resolved("some/model", fine_tuned=True).guidance_scale == 7.5
    assert DrawSettings(guidance_scale=3.0).resolved("pocket", fine_tuned=True).guidance_scale == 3.0


def test_a_square_is_one_number():
    assert DrawSettings(size_px=64).size_px == (64, 64)
    base, settings = build_tiny(), DrawSettings(num_steps=2, size_px=64)
    assert np.array_equal(
        sample(base, ["a cat"], [1], settings)[0], sample(base, ["a cat"], [1], DrawSettings(num_steps=2))[0]
    )
