"""`brandsmith train` asks the doctor first: faults refuse it before anything loads, advice is printed once."""

from __future__ import annotations

import time

import pytest
from bases import build_tiny, save_as_diffusers_folder
from lessons import TOKEN, write_concept

from brandsmith.benchmark.doctor import benchmark_doctor
from brandsmith.benchmark.planted_faults import sound_concept
from brandsmith.core.errors import InvalidConcept
from brandsmith.doctor.before_training import examine_before_training
from brandsmith.doctor.check import diagnose
from brandsmith.methods.loop import load_trainable


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base") / "tiny"
    save_as_diffusers_folder(build_tiny(), folder)
    return folder


def test_all_faults_refuse_a_training_at_once_and_no_weights_load(brandsmith, tmp_path, tiny, monkeypatch):
    concept = write_concept(tmp_path / "brand")
    (concept.folder / "images" / "0.txt").unlink()
    (concept.folder / "images" / "1.txt").write_text("a blue sweater")
    (concept.folder / "images" / "2.png").write_bytes(b"no picture")
    monkeypatch.setattr("brandsmith.methods.loop.load_in", lambda *_, **__: pytest.fail("weights are loaded"))
    command = ("train", "lora", "--concept", concept.folder, "--base", tiny, "--run", tmp_path / "run", "--steps", 1)
    code, _, err = brandsmith(*command)
    said = " ".join(err.split())
    assert code == 2 and "3 mistakes" in said and "--no-doctor" in said and "Traceback" not in said
    for part in ("images/0.txt", f"the token '{TOKEN}' is not in it", "images/2.png"):
        assert part in said, part
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_without_the_doctor_what_can_be_trained_on_is(brandsmith, tmp_path, tiny):
    concept = write_concept(tmp_path / "brand")
    (concept.folder / "images" / "stray.txt").write_text("a caption without a picture")
    command = ("train", "lora", "--concept", concept.folder, "--base", tiny, "--run", tmp_path / "run", "--steps", 1)
    assert brandsmith(*command)[0] == 2
    code, _, err = brandsmith(*command, "--set", "rank=2", "--no-doctor")
    assert code == 0 and "few pictures" not in err and load_trainable is not None


def test_advice_is_printed_once_and_faults_of_every_concept_are_said(tmp_path, capsys):
    one, two = write_concept(tmp_path / "one"), write_concept(tmp_path / "two", f"{TOKEN}_2")
    (one.folder / "images" / "0.txt").unlink()
    with pytest.raises(InvalidConcept) as refused:
        examine_before_training([str(one.folder), str(two.folder)], "pocket")
    assert "has no caption" in str(refused.value) and "meet" in str(refused.value)
    assert capsys.readouterr().err == "", "advice waits until nothing refuses"
    three = str(write_concept(tmp_path / "three").folder)
    (tmp_path / "three" / "images" / "0.txt").write_bytes(f"a {TOKEN} on the shop".encode() + b"\x92s wall")
    for _ in range(2):
        examine_before_training([three], "pocket")
    lines = capsys.readouterr().err.splitlines()
    assert lines and len(lines) == len(set(lines)) and all(line.startswith("warning: ") for line in lines)


def test_tokens_that_meet_and_patterns_that_fit_nothing_are_found(tmp_path):
    sound_concept(tmp_path / "brand")
    config = tmp_path / "brand" / "concept.yaml"
    config.write_text(config.read_text() + 'repeats: {"images/none*": 2}\n')
    found = diagnose(tmp_path / "brand", also=["demo", tmp_path / "brand"])
    assert sorted(own.kind for own in found.findings) == ["repeats", "token collision"]


def test_a_concept_of_made_pictures_alone_is_sound(tmp_path):
    images = sound_concept(tmp_path / "brand")
    images.rename(tmp_path / "brand" / "made")
    assert diagnose(tmp_path / "brand").findings == ()


def test_the_demo_takes_less_than_a_second():
    diagnose("demo")  # imports
    started = time.process_time()
    examine_before_training(["demo"], "pocket")
    assert time.process_time() - started < 1.0


@pytest.mark.slow
def test_the_benchmark_names_every_fault_and_raises_no_false_alarm():
    figures = benchmark_doctor(None, timed=False)
    assert figures.planted >= 30 and figures.kinds >= 20 and figures.sound_pictures == 40
    wrong = (figures.missed, figures.wrongly_named, figures.false_alarms)
    assert wrong == ([], [], []) and figures.without_remedy == figures.files_changed == 0
    assert str(figures.planted) in figures.lines()[0]
