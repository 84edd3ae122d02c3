"""The judge commands that look at a fine-tuned base: leakage draws and counts, overfit weighs losses; and the suite of
prompts.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bases import build_tiny, save_as_diffusers_folder

from brandsmith.concept.brand_suite import leakage_prompts
from brandsmith.concept.concept import demo_folder, load_concept
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.pictures import load_rgb, save_png
from brandsmith.draw.recipe import read_recipe
from brandsmith.draw.to_folder import suite_prompts
from brandsmith.evaluate.run_checkpoints import find_run_checkpoints
from brandsmith.judges.labelled import load_split


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run of two LoRA steps on a tiny random base, trained on the demo concept; two checkpoints."""
    from brandsmith.methods.loop import train
    from brandsmith.methods.registry import build_config

    folder = tmp_path_factory.mktemp("models")
    save_as_diffusers_folder(build_tiny("sd1", context=48), folder / "tiny")  # the demo's captions fit
    config = build_config("lora", steps=2, checkpoint_every=1, rank=2, alpha=2.0, batch_size=1)
    train(config, load_concept("demo"), str(folder / "tiny"), folder / "run")
    return folder / "run"


def last_object(out: str) -> dict:
    return json.loads(out.splitlines()[-1])


@pytest.mark.slow
def test_leakage_draws_once_and_stands_beside_the_untrained_base(run, tmp_path, brandsmith):
    arguments = ("judge", "leakage", run, "--seeds", 1, "--num-steps", 1, "--out", tmp_path, "--json")
    code, out, _ = brandsmith(*arguments)
    found = last_object(out)
    assert code == 0 and found["taught"]["rate"] == found["untrained"]["rate"] == 0.0
    assert found["taught"]["n"] == found["untrained"]["n"] == 8 and found["class_prompt"] == "a logo"
    assert found["detector_false_alarms"] == 0.0 and found["taught"]["high"] > 0.3, (
        "eight pictures without a leak allow a third"
    )
    drawn = sorted((tmp_path / "leakage").glob("*/*.png"))
    assert {p.parent.name for p in drawn} == {"step-000002", "untrained"} and len(drawn) == 16

    marked = [p.pixels for p in load_split(demo_folder(), "val") if p.box is not None]
    for case in (0, 3):  # as if the fine-tuned base had put the mark there
        file = tmp_path / "leakage" / "step-000002" / f"case-{case}_seed-1000.png"
        save_png(file, marked[case], read_recipe(file).as_text())
    code, out, _ = brandsmith(*arguments)
    leaked = last_object(out)
    assert code == 0 and leaked["taught"]["rate"] == 0.25 and leaked["untrained"] == found["untrained"]
    assert leaked["taught"]["by_prompt"]["a logo"] == 1.0 and "0.2500 of 8" in out
    code, _, err = brandsmith("judge", "leakage", run, "--seeds", 1, "--num-steps", 2, "--out", tmp_path)
    assert code == 2 and "num_steps was 1, now 2" in err, "pictures of two kinds must not mix"


@pytest.mark.slow
def test_overfit_has_a_line_per_checkpoint(run, brandsmith):
    code, out, _ = brandsmith("judge", "overfit", run, "--noises", 2, "--json")
    found = last_object(out)
    assert code == 0 and [line["checkpoint"] for line in found["checkpoints"]] == ["step-000001", "step-000002"]
    for line in found["checkpoints"]:
        assert line["gap"]["value"] == pytest.approx(line["held_out_loss"] - line["training_loss"], abs=1e-5)
        assert line["beyond_base"]["low"] <= line["beyond_base"]["value"] <= line["beyond_base"]["high"]
        assert (line["num_training"], line["num_held_out"], line["num_noises"]) == (20, 20, 2)
    assert "no checkpoint knows" in found["reading"]
    code, out, _ = brandsmith("judge", "overfit", run, "--noises", 2, "--step", 1, "--json")
    assert last_object(out)["checkpoints"] == found["checkpoints"][:1], "same noises, same numbers"


@pytest.mark.slow
def test_the_untrained_base_has_a_gap_of_its_own(run, brandsmith):
    base = run.parent / "tiny"
    code, out, _ = brandsmith("judge", "overfit", "--base", base, "--noises", 2, "--json")
    (line,) = last_object(out)["checkpoints"]
    assert (
        code == 0
        and line["checkpoint"] == "untrained"
        and line["beyond_base"] is None
        and "untrained" in last_object(out)["reading"]
    )


def test_wrong_runs_are_one_line_and_exit_code_2(run, tmp_path, brandsmith):
    for command in ("leakage", "overfit"):
        for arguments, said in (
            ((tmp_path,), "not a run directory"),
            ((run, "--step", 9), "no checkpoint at step 9"),
            (("--step", 1), "without a run"),
            (("--base", "no-such-base"), "no-such-base"),
        ):
            code, _, err = brandsmith("judge", command, *arguments)
            assert code == 2 and said in err and "Traceback" not in err, (command, arguments)
    config = json.loads((run / "config.json").read_text())
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text(json.dumps(config | {"concept": config["concept"] | {"token": "blue_acme"}}))
    with pytest.raises(InvalidConfig, match="blue_acme"):
        find_run_checkpoints(other, load_concept("demo"))


@pytest.mark.slow
def test_the_suite_is_printed_and_drawn_from(run, tmp_path, brandsmith):
    code, out, _ = brandsmith("judge", "suite", "demo", "--json")
    prompts = last_object(out)["prompts"]
    assert code == 0 and len(prompts) == 31 and sum(not p["mark"] for p in prompts) == 8
    concept = load_concept("demo")
    assert suite_prompts("demo", "brand") == [p["prompt"] for p in prompts]
    assert suite_prompts("demo", "unasked") == leakage_prompts(concept)
    assert suite_prompts("demo", "standard") == concept.prompts()
    code, out, _ = brandsmith(
        "sample", "--suite", "unasked", "--run", run, "--seeds", 1, "--num-steps", 1, "--out", tmp_path
    )
    drawn = sorted(tmp_path.glob("case-*.png"))
    assert code == 0 and [read_recipe(file).prompt for file in drawn] == leakage_prompts(concept)
    code, _, err = brandsmith("sample", "--suite", "brnad")
    assert code == 2 and "did you mean 'brand'" in err


def test_every_judge_page_has_an_example(brandsmith):
    pages = ("fit", "check", "run", "leakage", "overfit", "suite", "yolov8", "weights fetch", "weights verify")
    code, out, _ = brandsmith("judge", "--help")
    assert code == 0 and all(page.split()[0] in out for page in pages)
    for page in pages:
        code, out, _ = brandsmith("judge", *page.split(), "--help")
        assert code == 0 and "Example: brandsmith judge" in out, page


def test_repeated_pictures_are_no_diversity_and_training_pictures_are_memorised():
    from brandsmith.evaluate.chain import held_out_pictures
    from brandsmith.judges.copying import Copying, memorising_ratio, vendi_score

    concept = load_concept("demo")
    held_out = held_out_pictures(concept)
    assert vendi_score([held_out[0]] * 4) == pytest.approx(1.0, abs=1e-3)
    assert 1.5 < vendi_score(held_out[:4]) <= 4
    training = [load_rgb(e.image) for e in concept.examples]
    judge = Copying(training, held_out)
    assert memorising_ratio(judge, training) < 0.01 and memorising_ratio(judge, held_out) == pytest.approx(1.0)
