"""The command line as its user meets it: real files, exit codes and one clear line per mistake.

Mistakes are made in this process, where the second of starting Python and torch is paid once; what they leave in the
folder they are made in is looked at all the same. Help, one mistake, a training and the demo run as processes.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from bases import build_tiny, save_as_diffusers_folder
from PIL import Image

from brandsmith.cli import main as main_module
from brandsmith.concept.concept import demo_folder


@pytest.fixture(scope="module")
def tiny_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tiny-base")
    save_as_diffusers_folder(build_tiny("sd1", context=77), folder)  # the demo's captions fit
    return folder


def process(*arguments: object, cwd: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "brandsmith", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600)


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def concept(tmp_path) -> Path:
    folder = tmp_path / "brand"
    (folder / "images").mkdir(parents=True)
    for example in sorted((demo_folder() / "images").glob("0[1-4]*")):
        shutil.copy(example, folder / "images" / example.name)
    shutil.copy(demo_folder() / "concept.yaml", folder / "concept.yaml")
    return folder


@pytest.mark.slow
def test_help_names_every_command(tmp_path):
    shown = process("--help", cwd=tmp_path)
    assert shown.returncode == 0
    for command in ("demo", "train", "sample", "export", "base", "judge"):
        assert command in shown.stdout
    for command in ("demo", "train", "sample", "export", "base build", "base check"):
        page = process(*command.split(), "--help", cwd=tmp_path)
        assert page.returncode == 0 and "Example: brandsmith" in page.stdout, command


def break_folder(folder: Path) -> None:
    shutil.rmtree(folder / "images")
    (folder / "images").mkdir()


def corrupt_image(folder: Path) -> None:
    next((folder / "images").glob("*.png")).write_bytes(b"not a picture")


def missing_caption(folder: Path) -> None:
    next((folder / "images").glob("*.txt")).unlink()


def known_token(folder: Path) -> None:
    """`logo` is one piece of pocket's and the tiny base's vocabulary."""
    config = yaml.safe_load((folder / "concept.yaml").read_text())
    (folder / "concept.yaml").write_text(yaml.safe_dump(config | {"token": "logo"}))
    for text in (folder / "images").glob("*.txt"):
        text.write_text(text.read_text().replace("red_qoga_logo", "logo"))


def wrong_yaml(folder: Path) -> None:
    (folder / "concept.yaml").write_text("token: red_qoga_logo\ncolour: red\n")


MISTAKES = {
    "empty folder": (break_folder, "0 pictures to learn from"),
    "corrupt image": (corrupt_image, "cannot be read as an image"),
    "missing caption": (missing_caption, "has no caption"),
    "token in the vocabulary": (known_token, "logo"),
    "unknown key": (wrong_yaml, "colour"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_wrong_concept_is_one_clear_line_and_leaves_nothing(name, concept, tiny_folder, tmp_path, brandsmith):
    spoil, expected = MISTAKES[name]
    spoil(concept)
    before = sorted(p for p in tmp_path.rglob("*"))
    code, _, complaint = brandsmith("train", "lora", "--concept", concept, "--base", tiny_folder, "--steps", 1)
    assert code == 2, complaint
    first = complaint.strip().splitlines()
    assert first[0].startswith("error: ") and expected in first[0] and len(first) <= 2
    assert sorted(p for p in tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("train", "lorra"), "unknown method 'lorra'"),
        (("train", "lora", "--base", "pockett"), "unknown base 'pockett'"),
        (("train", "lora", "--concept", "nowhere"), "no concept folder"),
        (("train", "lora", "--set", "rnk=4"), "rnk"),
        (("train", "lora", "--set", "rank=minus"), "rank"),
        (("train", "lora", "--steps", "0"), "steps"),
        (("sample", "--run", "nowhere"), "nowhere"),
        (("sample", "a cat", "--refiner", "excite"), "unknown refiner"),
        (("sample", "a cat", "--combiner", "composible"), "unknown combiner 'composible'"),
        (("sample", "a cat", "--scheduler", "dimm"), "unknown scheduler 'dimm'"),
        (("sample", "a cat", "--num-steps", "0"), "num_steps is 0"),
        (("sample", "a cat", "--screen", "0"), "screen is 0"),
        (("explain", "a cat AND", "--combiner", "composable"), "nothing follows or precedes AND"),
        (("sample", "a cat", "--suite", "brand"), "--suite would change nothing: prompts are given"),
        (
            ("sample", "--from", "a.png", "a cat", "--num-steps", "5", "--no-redraw"),
            "prompts, --num-steps, --redraw would",
        ),
        (("export", "nowhere", "--out", "x"), "nowhere"),
        (("base", "build", "sd15"), "unknown base to build"),
        (("base", "build", "pocket", "--minutes", "9"), "--minutes needs --start-from"),
        (("benchmark", "pack", "--precision", "fp8"), "unknown precision 'fp8'"),
        (("fly",), "No such command"),
    ],
)
def test_a_wrong_option_is_one_clear_line_and_leaves_nothing(arguments, expected, tmp_path, brandsmith):
    code, printed, complaint = brandsmith(*arguments)
    assert code == 2, (printed, complaint)
    lines = complaint.strip().splitlines()
    assert expected in lines[0] and len(lines) <= 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_name_that_the_output_cannot_write_ends_no_command(encoding, monkeypatch):
    output = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", output)
    monkeypatch.setattr(sys, "argv", ["brandsmith", "--version"])
    monkeypatch.setattr(main_module, "app", lambda *_, **__: print("out/\u05d0"))
    with pytest.raises(SystemExit) as end:
        main_module.main()
    assert end.value.code == 0 and output.buffer.getvalue().splitlines() == [b"out/\\u05d0"]


@pytest.mark.slow
def test_a_process_ends_with_the_same_line_and_code(tmp_path, brandsmith):
    done = process("train", "lora", "--base", "pockett", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == brandsmith("train", "lora", "--base", "pockett")
    assert done.returncode == 2 and list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_train_sample_export_on_a_users_own_concept(concept, tiny_folder, tmp_path, brandsmith):
    train = (
        "train",
        "lora",
        "--concept",
        concept,
        "--base",
        tiny_folder,
        "--run",
        "run",
        "--steps",
        4,
        "--checkpoint-every",
        2,
        "--set",
        "rank=2",
    )
    trained = process(*train, cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    code, printed, _ = brandsmith(*train)
    assert code == 0 and "step      4" in printed
    code, _, complaint = brandsmith(
        "sample",
        "a red_qoga_logo cap",
        "--run",
        "run",
        "--base",
        tiny_folder,
        "--seeds",
        2,
        "--num-steps",
        2,
        "--out",
        "pictures",
    )
    assert code == 0, complaint
    assert [Image.open(p).size for p in sorted((tmp_path / "pictures").glob("*.png"))] == [(64, 64)] * 2
    assert brandsmith("export", "run", "--out", "lora.safetensors")[0] == 0
    assert (tmp_path / "lora.safetensors").stat().st_size > 1000
    assert brandsmith("export", "run", "--out", "lora.safetensors")[0] == 2


@pytest.mark.slow
def test_quick_demo_writes_table_and_sheet_and_then_does_nothing(tiny_folder, tmp_path, brandsmith):
    demo = ("demo", "--quick", "--base", tiny_folder, "--out", "demo", "--json")
    done = process(*demo, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.strip().splitlines()[-1])
    assert {line["method"] for line in result["table"]} == {"untrained base", "dreambooth", "lora", "textual_inversion"}
    rows = list(csv.DictReader((tmp_path / "demo" / "table.csv").open()))
    assert list(rows[0])[:5] == [
        "method",
        "parameters",
        "average(ocr, yolo)",
        "mean_confidence_score",
        "mean_ocr_score",
    ]
    assert Image.open(tmp_path / "demo" / "contact_sheet.png").width > 1000
    stamps = {p: p.stat().st_mtime_ns for p in (tmp_path / "demo").rglob("case-*.png")}
    assert brandsmith(*demo)[0] == 0
    assert stamps and stamps == {p: p.stat().st_mtime_ns for p in (tmp_path / "demo").rglob("case-*.png")}
