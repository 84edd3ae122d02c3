"""`create clip`: files, recipes, resuming, faults, and what a clip says of itself."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from bases import build_tiny, save_as_diffusers_folder
from diffusers import MotionAdapter
from PIL import Image

from brandsmith.clips.again import Found, draw_clip_again
from brandsmith.clips.brief import ClipChoice
from brandsmith.clips.command import make_clips
from brandsmith.clips.film import chosen_kind, film_bytes, strip_of
from brandsmith.clips.plan import ClipBrief, plan_clips
from brandsmith.clips.recipe import read_clip_recipe
from brandsmith.core.errors import BrandsmithError, InvalidConfig, InvalidInput
from brandsmith.core.files import sha256_of
from brandsmith.draw.recipe import read_recipe
from brandsmith.draw.source import Source
from brandsmith.guidance.settings import DrawSettings
from brandsmith.provenance.certificate import Signing
from brandsmith.provenance.found import read_found

PROMPT = "a red logo on a blue sweater"


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> tuple[Path, Path]:
    """A tiny base's folder, and temporal layers for it."""
    folder = tmp_path_factory.mktemp("clips")
    save_as_diffusers_folder(build_tiny(), folder / "base")
    torch.manual_seed(0)
    layers = MotionAdapter((16, 32), 1, motion_num_attention_heads=2, motion_norm_num_groups=8)
    layers.save_pretrained(folder / "motion")
    return folder / "base", folder / "motion"


@pytest.fixture
def brief(places) -> ClipBrief:
    base, motion = places
    choice = ClipChoice(motion=motion, frames=4, kind="webp")
    settings = DrawSettings(num_steps=2, guidance_scale=2.0)
    return ClipBrief((PROMPT,), (7,), Source(str(base)), settings, choice, signing=Signing(sign=False))


def changed(brief: ClipBrief, **choice) -> ClipBrief:
    return ClipBrief(
        brief.prompts,
        brief.seeds,
        brief.source,
        brief.settings,
        ClipChoice(**(brief.choice.__dict__ | choice)),
        signing=brief.signing,
    )


def hashes(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): sha256_of(file) for file in folder.rglob("*") if file.is_file()}


@pytest.mark.slow
def test_a_clip_is_drawn_kept_and_drawn_again(brief, tmp_path):
    made = make_clips(brief, tmp_path / "out")
    (film,) = made.films
    with Image.open(film) as opened:
        assert opened.n_frames == 4 and opened.size == (64, 64)
    assert Image.open(tmp_path / "out" / "clip-0_seed-7_strip.png").size == (4 * 64, 64)
    frame = tmp_path / "out" / "frames" / "clip-0_seed-7" / "frame-002.png"
    for file in (film, frame):
        recipe = read_clip_recipe(file)
        assert (recipe.prompt, recipe.seed, recipe.moving.frames) == (PROMPT, 7, 4)
        with pytest.raises(InvalidInput, match="is of a clip"):
            read_recipe(file)
    once = hashes(tmp_path / "out")
    assert make_clips(brief, tmp_path / "out").films == made.films and hashes(tmp_path / "out") == once
    film.unlink()
    frame.unlink()
    make_clips(brief, tmp_path / "out")
    assert hashes(tmp_path / "out") == once, "what is missing is made again with the same bytes"
    again = draw_clip_again(frame, tmp_path / "again", Found(motion=brief.choice.motion))
    assert again.same and again.path.is_file()
    again.path.unlink()
    with pytest.raises(InvalidConfig, match=r"_strip.png' exists"):
        draw_clip_again(frame, tmp_path / "again", Found(motion=brief.choice.motion))
    with pytest.raises(InvalidConfig, match="another brief"):
        make_clips(changed(brief, frames=3), tmp_path / "out")


@pytest.mark.slow
def test_a_clip_starts_from_a_picture(brief, tmp_path):
    picture = tmp_path / "first.png"
    Image.fromarray(np.full((64, 64, 3), (200, 30, 30), np.uint8)).save(picture)
    kept, drawn = (
        make_clips(changed(brief, picture=picture, strength=strength), tmp_path / str(strength)).films[0]
        for strength in (0.5, 1.0)
    )
    assert read_clip_recipe(kept).moving.strength == 0.5
    assert read_clip_recipe(kept).pixels != read_clip_recipe(drawn).pixels
    with pytest.raises(InvalidConfig, match="started from a picture"):
        draw_clip_again(kept, tmp_path / "again", Found(motion=brief.choice.motion))


def test_a_dry_run_writes_nothing(brief, tmp_path):
    made = make_clips(brief, tmp_path / "out", dry_run=True)
    assert made.dry and not (tmp_path / "out").exists()
    assert list(made.lines()) == ["1 clips; nothing was drawn (--dry-run)"]


def test_all_faults_are_said_at_once(brief, tmp_path):
    wrong = changed(brief, frames=1, fps=0.0, strength=0.5, motion=tmp_path)
    with pytest.raises(BrandsmithError) as raised:
        plan_clips(wrong)
    for part in ("4 things are wrong", "--frames is 1", "--fps is 0", "without --from", "no temporal layers"):
        assert part in str(raised.value)


def test_a_base_of_pictures_needs_temporal_layers(brief):
    with pytest.raises(BrandsmithError, match="needs temporal layers"):
        plan_clips(changed(brief, motion=None))


@pytest.mark.parametrize("kind", ["webp", "gif", "mp4"])
def test_films_are_whole_repeatable_and_signed(kind, tmp_path):
    from brandsmith.provenance.claim import Claim, Source
    from brandsmith.provenance.signature import signed

    frames = np.zeros((5, 32, 48, 3), np.uint8)
    frames[np.arange(5), :, np.arange(5) * 8] = (250, 40, 40)
    content = film_bytes(frames, 8, kind)
    assert content == film_bytes(frames, 8, kind)
    claim = Claim(Source.TRAINED, json.dumps({"clip": {}, "prompt": "é"}))
    whole = signed(content, claim)
    assert whole == signed(content, claim)
    (tmp_path / f"film.{kind}").write_bytes(whole)
    found = read_found(tmp_path / f"film.{kind}")
    assert found.manifest.state == "untrusted" and found.recipe == {"clip": {}, "prompt": "é"}
    assert found.xmp["Iptc4xmpExt:DigitalSourceType"][0].endswith("trainedAlgorithmicMedia")
    torn = bytearray(whole)
    torn[len(content) // 2 + (len(whole) - len(content) if kind == "mp4" else 0)] ^= (
        255  # an MP4's manifest is in front
    )
    (tmp_path / f"torn.{kind}").write_bytes(bytes(torn))
    assert read_found(tmp_path / f"torn.{kind}").manifest.state == "tampered"
    if kind != "mp4":
        with Image.open(tmp_path / f"film.{kind}") as opened:
            assert opened.n_frames == 5
    assert strip_of(frames, 3).size == (3 * 48, 32)


def test_without_the_extra_a_clip_is_webp(monkeypatch, capsys):
    monkeypatch.setattr("brandsmith.clips.film.find_spec", lambda name: None)
    assert chosen_kind(None) == "webp"
    assert chosen_kind("gif") == "gif"
