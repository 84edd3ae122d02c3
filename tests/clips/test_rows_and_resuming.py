"""A folder of judged clips: one row a frame and judge, one a clip; interrupted anywhere, its files end the same."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from bases import build_tiny, save_as_diffusers_folder
from diffusers import MotionAdapter

from brandsmith.clips.brief import ClipChoice
from brandsmith.clips.command import make_clips
from brandsmith.clips.plan import ClipBrief, plan_clips
from brandsmith.concept.concept import load_concept
from brandsmith.core.files import sha256_of
from brandsmith.draw.source import Source
from brandsmith.guidance.settings import DrawSettings
from brandsmith.judges.judge import Verdict
from brandsmith.provenance.certificate import Signing

FRAMES = 4


class Every:
    """A judge that finds something in every picture but those whose turn is in `without`."""

    version, weights_hash, card = "1", "none", {}

    def __init__(self, name: str, without: tuple[int, ...] = ()) -> None:
        self.name, self.without = name, without

    def score(self, pictures):
        return [Verdict(0.0 if number in self.without else 1.0) for number in range(len(pictures))]


@pytest.fixture
def brief(tmp_path, monkeypatch) -> ClipBrief:
    save_as_diffusers_folder(build_tiny(), tmp_path / "base")
    torch.manual_seed(0)
    layers = MotionAdapter((16, 32), 1, motion_num_attention_heads=2, motion_norm_num_groups=8)
    layers.save_pretrained(tmp_path / "motion")
    judges = {"detector": Every("detector", (1, 2)), "correctness": Every("correctness")}
    monkeypatch.setattr("brandsmith.clips.plan.judges_for", lambda concept, folder: judges)
    choice = ClipChoice(motion=tmp_path / "motion", frames=FRAMES, kind="webp")
    settings = DrawSettings(num_steps=2, guidance_scale=2.0)
    prompts = ("a red_qoga_logo cap", "a red_qoga_logo bag")
    source = Source(str(tmp_path / "base"))
    return ClipBrief(prompts, (7,), source, settings, choice, load_concept("demo"), Signing(sign=False))


@pytest.mark.slow
def test_judged_clips_keep_rows_and_end_the_same_when_stopped(brief, tmp_path):
    steps: list[tuple[str, int, int]] = []
    made = make_clips(brief, tmp_path / "whole", progress=lambda *news: steps.append(news))
    assert steps.count(("steps of a clip", 2, 2)) == 2 and ("clips", 1, 2) in steps, "a bar has something to show"

    frames = [json.loads(line) for line in (tmp_path / "whole" / "frames.jsonl").read_text().splitlines()]
    assert len(frames) == 2 * FRAMES * 2, "clips, frames, judges"
    assert [row["case"] for row in frames[:4]] == [0, 0, 1, 1]
    clips = [json.loads(line) for line in (tmp_path / "whole" / "clips.jsonl").read_text().splitlines()]
    assert [clip["clip"] for clip in clips] == ["clip-0_seed-7", "clip-1_seed-7"]
    assert clips[0]["usable"] is False and clips[0]["reason"].startswith("frame 2 of 4: ")
    assert clips[0]["longest_gap"] == 2 and clips[0]["mark_frames"] == 0.5
    assert "not usable (frame 2 of 4" in next(iter(made.lines()))

    for moment in (("steps of a clip", 1), ("clips", 1)):
        with pytest.raises(KeyboardInterrupt):
            make_clips(brief, tmp_path / "stopped", progress=stopping_at(moment))
    make_clips(brief, tmp_path / "stopped")
    assert hashes(tmp_path / "stopped") == hashes(tmp_path / "whole")


def test_clips_of_one_adapter_are_never_taken_for_anothers(brief, tmp_path, monkeypatch):
    """The brief in the manifest names the adapter's hash."""
    assert plan_clips(brief).as_json()["adapter"] is None
    taught = replace(brief, source=Source(brief.source.base, tmp_path / "checkpoint"))
    monkeypatch.setattr("brandsmith.draw.source.adapter_hash", lambda place: place and "0123456789abcdef")
    assert replace(plan_clips(brief), brief=taught).as_json()["adapter"] == "0123456789abcdef"


def stopping_at(moment: tuple[str, int]):
    def stop(what: str, done: int, total: int) -> None:
        if (what, done) == moment:
            raise KeyboardInterrupt

    return stop


def hashes(folder) -> dict[str, str]:
    return {str(file.relative_to(folder)): sha256_of(file) for file in folder.rglob("*") if file.is_file()}
