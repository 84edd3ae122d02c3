"""The bars of provenance say what they measured, and fail where something fails."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bases import build_tiny, save_as_diffusers_folder

from brandsmith.benchmark import create_provenance
from brandsmith.benchmark.create import Bench, benchmark_create
from brandsmith.benchmark.create_provenance import SignedRow, bars_of, measure_provenance, read_by_others
from brandsmith.core.pictures import save_png
from brandsmith.draw.source import Source

ROW = SignedRow("a.png", True, True, True, 3.0, 2.0, 40.0, True, True, True, False)


def test_one_that_fails_fails_its_bar():
    bad = replace(ROW, redrawn=False, xmp=False, halved=False, false_alarm=True, psnr_db=30.0)
    bars = {bar.name: bar for bar in bars_of([ROW, bad])}
    assert {name for name, bar in bars.items() if not bar.passed} == {
        "reproduced",
        "signed_verified",
        "watermark_halved",
        "watermark_psnr_db",
        "watermark_false_alarms",
    }
    assert bars["reproduced"].value == 1 and bars["watermark_halved"].value == 0.5
    assert all(bar.passed for bar in bars_of([ROW]))
    (unread,) = [bar for bar in bars_of([replace(ROW, xmp=None)]) if bar.name == "signed_verified"]
    assert unread.passed is None and "exiftool" in unread.note


def test_a_picture_that_says_nothing_is_not_read_back(tmp_path):
    save_png(tmp_path / "a.png", create_provenance.np.zeros((8, 8, 3), "uint8"))
    assert read_by_others(tmp_path / "a.png") is False


@pytest.mark.slow
def test_three_pictures_of_a_tiny_base(tmp_path, monkeypatch):
    monkeypatch.setattr(create_provenance, "PICTURES", 3)
    monkeypatch.setattr(create_provenance, "DrawSettings", lambda **more: create_settings(**more))
    save_as_diffusers_folder(build_tiny("sd1"), tmp_path / "tiny")
    bench = Bench(Source(str(tmp_path / "tiny")), "demo", tmp_path / "bars", lambda line: None)
    bars = {bar.name: bar for bar in measure_provenance(bench)}
    assert bars["reproduced"].passed and bars["signed_verified"].passed and bars["reproduced"].n == 3
    (bench.folder / "rows.jsonl").write_text((bench.folder / "rows.jsonl").read_text().splitlines()[0] + "\n")
    assert measure_provenance(bench)[0] == bars["reproduced"]
    assert len(benchmark_create(bench.source, "demo", tmp_path / "bars", ["provenance"])) == len(bars)


def create_settings(**more):
    from brandsmith.guidance.settings import DrawSettings

    return DrawSettings(num_steps=1, size_px=(64, 64), **more)
