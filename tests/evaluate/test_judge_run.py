"""`brandsmith judge run`: pictures on disk in, rows and one summary out; on true pictures whose construction is
known.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brandsmith.concept.concept import demo_folder, load_concept
from brandsmith.core.errors import InvalidInput, MissingResource
from brandsmith.evaluate.album_scores import concept_digest
from brandsmith.evaluate.albums import find_albums
from brandsmith.judges.labelled import load_split
from brandsmith.judges.near_miss import make_near_miss

TOKEN = "red_qoga_logo"


def add(folder: Path, name: str, pixels: np.ndarray, prompt: str) -> None:
    Image.fromarray(pixels).save(folder / f"{name}.png")
    (folder / f"{name}.txt").write_text(prompt)


@pytest.fixture
def planted(tmp_path) -> Path:
    """Ten true pictures: three right, two with a wrong mark, one without it, one training picture, three whose
    prompt does not name a mark.
    """
    folder = tmp_path / "planted"
    folder.mkdir()
    val = load_split(demo_folder(), "val")
    marked, plain = [p for p in val if p.box is not None], [p.pixels for p in val if p.sort == "plain"]
    for i in range(3):
        add(folder, f"right-{i}", marked[i].pixels, f"a {TOKEN}")
    for i in (3, 4):
        add(
            folder,
            f"wrong-{i}",
            make_near_miss(marked[i].pixels, marked[i].box, "mirrored", np.random.default_rng(i)),
            f"a {TOKEN}",
        )
    add(folder, "without", plain[0], f"a {TOKEN}")
    add(folder, "copy", np.asarray(Image.open(demo_folder() / "images" / "04.png").convert("RGB")), f"a {TOKEN}")
    for name, pixels in (("quiet-0", plain[1]), ("quiet-1", plain[2]), ("leak", marked[5].pixels)):
        add(folder, name, pixels, "a logo")
    return folder


@pytest.mark.slow
def test_likeness_stands_between_the_untrained_base_and_real_pictures(tmp_path, brandsmith):
    """True pictures under names that say the base `pocket` drew them."""
    folder = tmp_path / "drawn"
    folder.mkdir()
    marked = [p.pixels for p in load_split(demo_folder(), "val") if p.box is not None]
    for i in range(3):
        Image.fromarray(marked[i]).save(folder / f"prompt-0_seed-{i}.png")
    (folder / "prompts.json").write_text(
        json.dumps({"prompts": [f"a {TOKEN}"], "seeds": [0, 1, 2], "run": None, "base": "pocket"})
    )
    code, out, _ = brandsmith("judge", "run", folder, "--no-check", "--json")
    (found,) = json.loads(out.splitlines()[-1])["albums"]
    line = found["judges"]["clip_i_pocket"]
    assert code == 0 and "floor" in out.splitlines()[2] and line["floor"] < line["mean"] and line["ceiling"] > 0
    assert "floor" not in found["judges"]["detector"] and len(list(folder.rglob("judged/*/floor/*.png"))) == 3
    code, out, _ = brandsmith("judge", "run", folder, "--no-check", "--no-floor", "--json")
    assert json.loads(out.splitlines()[-1])["albums"][0]["judges"]["clip_i_pocket"]["floor"] is None


@pytest.mark.slow
def test_every_judge_scores_and_the_summary_is_the_construction(planted, brandsmith):
    code, out, _ = brandsmith("judge", "run", planted, "--concept", "demo", "--json")
    assert code == 0
    (found,) = json.loads(out.splitlines()[-1])["albums"]
    assert found["pictures"] == 10 and found["prompts"] == 2
    measured = {"detector", "ocr", "copying", "background", "clip_pocket", "clip_i_pocket", "product_colour"}
    assert {name for name, line in found["judges"].items() if line["n"] == 10} == measured
    for name in ("clip", "clip_i", "dinov2"):
        assert found["judges"][name]["mean"] is None and "missing" in found["judges"][name]["reason"]
    reasons = found["usable"]["reasons"]
    assert reasons == {"mark missing": 3, "copy of a training picture": 1}, "the detector refuses mirrored marks itself"
    assert found["usable"]["rate"] == pytest.approx(3 / 7, abs=1e-4) and found["usable"]["n"] == 7, (
        "the prompts of three do not name the mark"
    )
    assert found["logo_leakage"]["rate"] == pytest.approx(1 / 3, abs=1e-4) and found["logo_leakage"]["n"] == 3
    assert (
        set(found["diversity"]["by_prompt"]) == {f"a {TOKEN}", "a logo"}
        and found["diversity"]["by_prompt"]["a logo"]["n"] == 3
    )
    assert found["diversity"]["by_prompt"]["a logo"]["vendi"] > 1
    assert found["copying"]["by"] == "copying@1" and "sscd-disc-mixup missing" in found["copying"]["sscd"]
    rows = [json.loads(line) for line in Path(found["rows"]).read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 10 * len(found["judges"])
    noted = [row["details"]["note"] for row in rows if row["judge"].startswith("clip_pocket")]
    assert len(noted) == 10 and all("trained apart" in note for note in noted)

    remembered = Path(found["rows"]).with_name("verdicts.jsonl")
    before = remembered.read_text()
    code, out, _ = brandsmith("judge", "run", planted, "--no-check", "--json")
    assert code == 0 and json.loads(out.splitlines()[-1])["albums"] == [found] and remembered.read_text() == before


@pytest.mark.slow
def test_pictures_without_prompts_are_not_checked_for_following_one(tmp_path, brandsmith):
    folder = tmp_path / "loose"
    folder.mkdir()
    for i, picture in enumerate([p for p in load_split(demo_folder(), "val") if p.box is not None][:2]):
        Image.fromarray(picture.pixels).save(folder / f"{i}.png")
    detections = folder / "theirs.jsonl"
    rows = [
        {"image": f"{i}.png", "box": [1, 1, 9, 9], "score": score, "label": "logo", "detector": "x"}
        for i, score in enumerate((0.5, 0.7))
    ]
    detections.write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, out, _ = brandsmith("judge", "run", folder, "--detections", detections, "--no-check", "--json")
    (found,) = json.loads(out.splitlines()[-1])["albums"]
    assert code == 0 and "obeyed" not in found["usable"]["checks"] and found["usable"]["rate"] == 1.0
    assert found["kpi"]["mean_confidence_score"] == pytest.approx(0.6) and "yolov8@1" in found["kpi"]["footnote"]
    assert found["logo_leakage"]["n"] == 0, "without a prompt nothing can leak"


def drawn(folder: Path, names: list[str], note: str, prompts: list[str]) -> None:
    folder.mkdir(parents=True)
    for name in names:
        Image.new("RGB", (16, 16)).save(folder / name)
    (folder / note).write_text(json.dumps({"prompts": prompts, "base": "elsewhere"}))


def test_albums_of_runs_samples_and_loose_folders(tmp_path):
    run = tmp_path / "runs" / "brand"
    for step in (20, 40):
        drawn(
            run / "samples" / f"step-{step:06d}",
            ["case-0_seed-7.png", "case-1_seed-7.png"],
            "settings.json",
            ["a", "b"],
        )
    (run / "config.json").write_text(json.dumps({"base": "pocket"}))
    albums = find_albums(run)
    assert (
        [album.shots[1].step for album in albums] == [20, 40]
        and albums[0].base == "pocket"
        and albums[0].title == "brand step 20"
    )
    assert [(s.case, s.prompt, s.seed) for s in albums[0].shots] == [(0, "a", 7), (1, "b", 7)]
    assert [album.shots[0].step for album in find_albums(run, 40)] == [40]
    drawn(tmp_path / "samples", ["prompt-1_seed-1001.png"], "prompts.json", ["a", "b"])
    (sampled,) = find_albums(tmp_path / "samples")
    assert sampled.shots[0].prompt == "b" and sampled.shots[0].seed == 1001 and sampled.base == "elsewhere"
    with pytest.raises(InvalidInput, match="step 30"):
        find_albums(run, 30)
    drawn(tmp_path / "short", ["prompt-4_seed-1.png"], "prompts.json", ["a"])
    with pytest.raises(InvalidInput, match="prompt-4_seed-1"):
        find_albums(tmp_path / "short")


def test_what_cannot_be_judged_is_one_line_and_exit_code_2(tmp_path, brandsmith):
    (tmp_path / "empty").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{}")
    for arguments, said in (
        ((tmp_path / "nowhere",), "no folder"),
        ((tmp_path / "empty",), "no pictures"),
        ((tmp_path / "run",), "no pictures yet"),
        ((demo_folder() / "held_out", "--step", 3), "no run directory"),
        ((demo_folder() / "held_out", "--detections", tmp_path / "none.jsonl"), "no detections"),
        ((demo_folder() / "held_out", "--concept", tmp_path), "concept.yaml"),
    ):
        code, _, err = brandsmith("judge", "run", *arguments)
        assert code == 2 and said in err and "Traceback" not in err, arguments
    with pytest.raises(MissingResource):
        find_albums(tmp_path / "nowhere")


def test_the_digest_follows_what_verdicts_depend_on(tmp_path):
    shutil.copytree(demo_folder(), tmp_path / "brand", ignore=shutil.ignore_patterns("detector"))
    before = concept_digest(load_concept(tmp_path / "brand"))
    next((tmp_path / "brand" / "held_out").glob("*.png")).unlink()
    fewer = concept_digest(load_concept(tmp_path / "brand"))
    config = tmp_path / "brand" / "concept.yaml"
    config.write_text(config.read_text().replace("expected_text: QOGA", "expected_text: QUGA"))
    assert len({before, fewer, concept_digest(load_concept(tmp_path / "brand"))}) == 3
