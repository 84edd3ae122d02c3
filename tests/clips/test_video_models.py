"""Wan and LTX-Video: what is drawn is what stock diffusers' pipeline draws, and everything else is as for any clip."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from video_models import VIDEO_KINDS, save_lora, save_video

from brandsmith.base.licence_places import located
from brandsmith.base.video.registry import VIDEO_KINDS as KINDS
from brandsmith.clips.again import Found, draw_clip_again
from brandsmith.clips.brief import ClipChoice
from brandsmith.clips.command import make_clips
from brandsmith.clips.plan import ClipBrief, plan_clips
from brandsmith.clips.recipe import read_clip_recipe
from brandsmith.clips.video import VideoSource
from brandsmith.core.errors import BrandsmithError, InvalidConfig
from brandsmith.core.pictures import load_rgb
from brandsmith.guidance.settings import DrawSettings
from brandsmith.provenance.found import read_found

PROMPT = "a red logo on a cap"
SETTINGS = DrawSettings(num_steps=2, guidance_scale=3.0, size_px=32, negative_prompt="a cat")
CHOICE = ClipChoice(frames=9, fps=8.0, kind="webp")


@pytest.fixture(scope="module", params=VIDEO_KINDS)
def model(request, tmp_path_factory) -> Path:
    return save_video(request.param, tmp_path_factory.mktemp(request.param) / "model")


@pytest.fixture(scope="module")
def lora(model) -> Path:
    return save_lora(model, model.parent / "mark.safetensors")


def brief(model: Path, lora: Path | None = None, **choice) -> ClipBrief:
    return ClipBrief((PROMPT,), (17,), VideoSource(str(model), lora), SETTINGS, replace(CHOICE, **choice))


def stock(model: Path, lora: Path | None = None) -> np.ndarray:
    """Frames (F, H, W, 3) uint8 of the folder as diffusers loads and draws it."""
    kind = json.loads((model / "model_index.json").read_text())["_class_name"]
    pipeline = getattr(diffusers, kind).from_pretrained(model)
    pipeline.set_progress_bar_config(disable=True)
    if lora:
        pipeline.load_lora_weights(str(lora))
    frames = pipeline(
        PROMPT,
        negative_prompt="a cat",
        height=32,
        width=32,
        num_frames=9,
        num_inference_steps=2,
        guidance_scale=3.0,
        generator=torch.Generator().manual_seed(17),
        output_type="np",
        **({"frame_rate": 8.0} if kind == "LTXPipeline" else {}),
    ).frames[0]
    return (np.asarray(frames) * 255).round().astype(np.uint8)


def drawn(folder: Path) -> np.ndarray:
    return np.stack([load_rgb(frame) for frame in sorted(folder.glob("frames/*/*.png"))])


@pytest.mark.slow
def test_a_clip_is_what_stock_diffusers_draws(model, lora, tmp_path):
    (film,) = make_clips(brief(model), tmp_path / "plain").films
    plain = drawn(tmp_path / "plain")
    assert plain.shape == (9, 32, 32, 3) and np.array_equal(plain, stock(model))
    make_clips(brief(model, lora), tmp_path / "lora")
    taught = drawn(tmp_path / "lora")
    assert np.array_equal(taught, stock(model, lora)) and not np.array_equal(taught, plain)
    found = read_found(film)
    kind = "wan" if "wan" in str(model) else "ltx"
    assert found.manifest.state == "untrusted" and found.recipe["clip"]["model"] == kind
    recipe = read_clip_recipe(film)
    assert (recipe.moving.frames, recipe.settings.size_px, recipe.origin.adapter_hash) == (9, (32, 32), None)
    again = draw_clip_again(film, tmp_path / "again", Found())
    assert again.same
    with pytest.raises(InvalidConfig, match="the LoRA of"):
        draw_clip_again(film, tmp_path / "other", Found(lora=lora))
    with pytest.raises(BrandsmithError, match="is not there"):
        draw_clip_again(film, tmp_path / "other", Found(lora=tmp_path / "none.safetensors"))
    with pytest.raises(InvalidConfig, match=r"another brief \(adapter differ\)"):
        make_clips(brief(model, lora), tmp_path / "plain")


@pytest.mark.slow
def test_wan_two_stages_are_drawn(tmp_path):
    """Wan 2.2's second transformer draws the steps of low noise."""
    folder = save_video("wan", tmp_path / "two", two_stages=True)
    make_clips(brief(folder), tmp_path / "out")
    assert np.array_equal(drawn(tmp_path / "out"), stock(folder))


def test_what_a_model_draws_by_default(model):
    plan = plan_clips(ClipBrief((PROMPT,), (1,), VideoSource(str(model)), DrawSettings()))
    wan = (81, 16, (480, 832), 50, 5.0)
    ltx = (161, 25, (512, 704), 50, 3.0)
    own = (plan.moving.frames, plan.moving.fps, plan.settings.size_px, plan.settings.num_steps)
    assert (*own, plan.settings.guidance_scale) == (wan if "wan" in str(model) else ltx)


def test_all_faults_are_said_at_once(model, tmp_path):
    (tmp_path / "no.safetensors").write_bytes(b"no")
    wrong = brief(model, tmp_path / "no.safetensors", frames=8, loop=True, common_noise=0.5, motion=tmp_path)
    wrong = replace(wrong, settings=SETTINGS.model_copy(update={"combiner": "composable", "scheduler": "euler"}))
    with pytest.raises(BrandsmithError) as raised:
        plan_clips(wrong)
    for part in ("4 things", "--combiner composable, --scheduler euler", "cut off", "--frames is 8", "--loop"):
        assert part in str(raised.value)
    with pytest.raises(InvalidConfig, match=r"size_px is \(33, 40\)"):
        plan_clips(replace(brief(model), settings=SETTINGS.model_copy(update={"size_px": (33, 40)})))


def test_a_lora_that_fits_nothing_is_refused(model, tmp_path):
    other = save_lora(model, tmp_path / "other.safetensors", prefix="unet.")
    with pytest.raises(BrandsmithError, match="changes no layer of this"):
        plan_clips(brief(model, other))


def test_a_folder_that_is_not_whole_is_refused(model, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(model, copy)
    config = copy / "transformer" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"num_layers": 3}))
    with pytest.raises(BrandsmithError, match="lack"):
        plan_clips(brief(copy))
    (copy / "tokenizer" / "tokenizer.json").unlink()
    config.write_text((model / "transformer" / "config.json").read_text())
    with pytest.raises(BrandsmithError, match="no tokenizer"):
        plan_clips(brief(copy))
    for file in (copy / "vae").glob("*.safetensors"):
        file.rename(file.with_suffix(".bin"))
    with pytest.raises(BrandsmithError, match="may run a program"):
        plan_clips(brief(copy))


@pytest.mark.slow
def test_the_command_line_knows_a_video_model(model, lora, tmp_path, brandsmith):
    (model / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    given = ("create", "clip", PROMPT, "--base", model, "--frames", "9", "--size", "32", "--dry-run")
    code, said, complained = brandsmith(*given, "--lora", lora, "--out", tmp_path / "out")
    assert code == 0 and "1 clips" in said and f"licence of base '{model}': apache-2.0" in complained
    (model / "README.md").write_text("---\nlicense: mit\nextra_gated_eu_disallowed: true\n---\n")
    code, _, complained = brandsmith(*given, "--place", "NL")
    assert code == 2 and "you are in NL" in complained
    (model / "README.md").unlink()
    code, _, complained = brandsmith(*given, "--run", tmp_path)
    assert code == 2 and "no run of Brandsmith" in complained
    code, _, complained = brandsmith("create", "clip", PROMPT, "--lora", lora, "--dry-run")
    assert code == 2 and "is for video models" in complained
    code, _, complained = brandsmith("sample", PROMPT, "--base", model, "--out", tmp_path / "out")
    assert code == 2 and "of no known family" in complained


def test_a_base_is_not_used_where_its_licence_does_not_hold(model, monkeypatch):
    monkeypatch.delenv("BRANDSMITH_PLACE", raising=False)
    (model / "README.md").write_text("---\nlicense: other\nlicense_name: tencent-hunyuan-community\n---\n")
    try:
        with pytest.raises(InvalidConfig, match="does not hold in EU, GB, KR"):
            plan_clips(brief(model))
        with located("uk"), pytest.raises(InvalidConfig, match="you are in GB"):
            plan_clips(brief(model))
        with located("CH"):
            plan_clips(brief(model))
    finally:
        (model / "README.md").unlink()


def test_every_kind_is_tried():
    assert sorted(KINDS) == sorted(VIDEO_KINDS)
