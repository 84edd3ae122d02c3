"""Every number that the command line takes, with values that no one means: one sentence, exit code 2, nothing begun."""

from __future__ import annotations

from pathlib import Path

import pytest

ODD = ("-1", "-1000000000", "nan", "inf", "-inf", "1e400", "1000000000000000000000000", "x", "true", "")
NEEDED = {"sample": ["a"], "train": ["lora"], "explain": ["a"]}


DRAWN = ("--num-steps", "--guidance-scale", "--screen", "--size")
OPTIONS = {
    "train": ("--steps", "--learning-rate", "--batch-size", "--checkpoint-every", "--seed"),
    "sample": ("--step", "--seeds", "--first-seed", "--batch-size", *DRAWN),
    "explain": ("--step", "--seed", *DRAWN),
    "base check": ("--seeds",),
    "base build": ("--unet-steps", "--minutes"),
    "benchmark earlystop": ("--replays",),
    "benchmark pack": ("--trials", "--steps", "--image-px"),
    "benchmark judges": ("--epochs",),
    "study replicate": ("--seeds",),
    "judge run": ("--step",),
    "judge leakage": ("--step", "--seeds", "--num-steps", "--guidance-scale"),
    "judge overfit": ("--step", "--noises"),
    "judge yolov8": ("--epochs", "--size", "--copies"),
}
NUMBERS = [(tuple(command.split()), option) for command, options in OPTIONS.items() for option in options]


def test_there_are_many():
    assert len(NUMBERS) * len(ODD) >= 200


@pytest.mark.slow
@pytest.mark.parametrize(("command", "option"), NUMBERS, ids=[" ".join([*c, o]) for c, o in NUMBERS])
def test_odd_numbers(command, option, brandsmith, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    odd = [value for value in ODD if option != "--guidance-scale" or value != "-1"]  # it may push away
    if option == "--learning-rate":  # large, and a number: it diverges
        odd = [value for value in odd if not value.startswith("1000")]
    for value in odd:
        needed = NEEDED.get(command[0], ["nowhere"] if command[0] == "study" or "earlystop" in command else [])
        code, printed, complaint = brandsmith(*command, *needed, f"{option}={value}")
        assert code == 2 and printed == "", (value, code, printed, complaint)
        assert complaint.startswith("error: ") and "Traceback" not in complaint and len(complaint.splitlines()) <= 2
        named = complaint.replace("-", "_")
        assert option.strip("-").replace("-", "_") in named or "size" in option, (value, complaint)
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "line",
    [
        ("sample", "a", "--step", "3"),
        ("explain", "a", "--step", "3"),
        ("sample", "a", "--seeds", "0"),
        ("sample", "a", "--size", "0"),
        ("train", "lora", "--learning-rate", "0"),
        ("train", "lora", "--set", "rank=true"),
        ("train", "lora", "--set", "rank=NaN"),
        ("train", "lora", "--set", "learning_rate=Infinity"),
        ("train", "lora", "--set", "steps=1000000000"),
        ("train", "lora", "--set", "=3"),
        ("train", "lora", "--set", "rank"),
        ("train", "lora", "--steps", "0"),
        ("sample", "a", "--run", "[bold]nowhere[/x]"),
        ("report", "[red]nowhere"),
        ("study", "run", "[/]"),
        ("base", "check", "--seeds", "0"),
        ("study", "replicate", "nowhere", "--seeds", "1"),
    ],
)
def test_what_would_do_nothing_is_refused(line, brandsmith, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, printed, complaint = brandsmith(*line)
    assert (code, printed) == (2, "") and complaint.startswith("error: "), complaint
    bracketed = [part for part in line if "[" in part]
    assert all(part in complaint for part in bracketed), "printed as it is"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [("report",), ("study", "run"), ("study", "replicate"), ("judge", "run")])
def test_a_file_or_a_folder_in_the_other_s_place(command, brandsmith, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("", encoding="utf-8")
    Path("folder").mkdir()
    for given in ("file", "folder"):
        code, _, complaint = brandsmith(*command, given)
        assert code == 2 and complaint.startswith("error: ") and "Traceback" not in complaint
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file", "folder"]
