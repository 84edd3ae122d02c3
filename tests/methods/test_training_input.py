"""Bad input to a training: one clear error, and nothing written."""

from __future__ import annotations

import json

import pytest
from bases import build_tiny, save_as_diffusers_folder
from lessons import quick_config, write_concept

from brandsmith.core.errors import InvalidConcept, InvalidConfig
from brandsmith.core.run import RunDirectory
from brandsmith.methods.loop import train
from brandsmith.methods.registry import METHODS, build_config, method_named, parse_config

every_method = pytest.mark.parametrize("name", sorted(METHODS))


@pytest.mark.parametrize(
    ("given", "guess"), [("lorra", "lora"), ("dreamboth", "dreambooth"), ("x", "textual_inversion")]
)
def test_unknown_method(given, guess):
    with pytest.raises(InvalidConfig, match=f"unknown method '{given}'") as caught:
        method_named(given)
    assert guess in caught.value.hint and "\n" not in str(caught.value)


def test_short_names():
    assert [method_named(short).name for short in ("db", "lora", "ti", "hn")] == [
        "dreambooth",
        "lora",
        "textual_inversion",
        "hypernetwork",
    ]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"learning_rat": 1}, "learning_rat"),
        ({"steps": 0}, "steps"),
        ({"rank": "many"}, "rank"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"precision": "fp8"}, "precision"),
        ({"expansion": 2}, "expansion"),
    ],
)
def test_wrong_setting(options, says):
    with pytest.raises(InvalidConfig, match=says) as caught:
        build_config("lora", **options)
    assert "\n" not in str(caught.value)


@every_method
def test_config_survives_its_stored_form(name):
    config = quick_config(name)
    assert parse_config(json.loads(config.model_dump_json())) == config
    with pytest.raises(InvalidConfig):
        parse_config({"method": name, "surprise": 1})


@every_method
@pytest.mark.parametrize("token", ["logo", "Sweater"])
def test_known_token_is_refused_before_weights_load(name, token, tmp_path):
    save_as_diffusers_folder(build_tiny(), tmp_path / "base")
    for weights in (tmp_path / "base").rglob("*.safetensors"):
        weights.unlink()  # loading would now fail with another error
    with pytest.raises(InvalidConcept, match=f"token '{token.lower()}' is already in the base's vocabulary"):
        train(quick_config(name), write_concept(tmp_path / "concept", token), str(tmp_path / "base"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_other_settings_in_a_used_run_directory(tmp_path):
    concept = write_concept(tmp_path / "concept")
    run = train(quick_config("lora", steps=2), concept, build_tiny(), tmp_path / "run")
    before = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")}
    with pytest.raises(InvalidConfig, match=r"settings.rank: there 4, requested 8"):
        train(quick_config("lora", steps=2, rank=8), concept, build_tiny(), tmp_path / "run")
    (concept.folder / "images" / "0.txt").write_text(f"another {concept.token}")
    from brandsmith.concept.concept import load_concept

    with pytest.raises(InvalidConfig, match=r"concept.data"):
        train(quick_config("lora", steps=2), load_concept(concept.folder), build_tiny(), tmp_path / "run")
    assert {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")} == before


def test_two_trainers_in_one_run_directory(tmp_path):
    with RunDirectory(tmp_path / "run").locked(), pytest.raises(InvalidConfig, match="another process"):
        train(quick_config("lora"), write_concept(tmp_path / "concept"), build_tiny(), tmp_path / "run")


def test_untrainable_base(tmp_path):
    base = build_tiny()
    base.scheduler.register_to_config(prediction_type="flow_prediction")
    with pytest.raises(InvalidConfig, match="predicts 'flow_prediction'"):
        train(quick_config("lora"), write_concept(tmp_path / "concept"), base, tmp_path / "run")
    assert not (tmp_path / "run").exists()
