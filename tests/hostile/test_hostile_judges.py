"""Judges' own weights, cards and rows are read as strictly as adapters: one sentence, before anything is judged."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from stored_rows import ARM_ROW
from test_weights import any_tensor, join, set_one, split, with_header, with_tensors

from brandsmith.base.base import pocket_folder
from brandsmith.benchmark.guidance_rows import read_saved
from brandsmith.concept.concept import load_concept
from brandsmith.core.errors import InvalidInput, MissingResource
from brandsmith.core.rows import read_score_rows
from brandsmith.judges.fit import judges_folder, load_judges
from brandsmith.judges.judge import CachedJudge, Verdict
from brandsmith.judges.pocket_classes import PocketClasses
from brandsmith.judges.pocket_clip import PocketPair, pair_folder

REFUSALS = (InvalidInput, MissingResource)


def edit_json(file: Path, **changes: object) -> None:
    record = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(record | changes), encoding="utf-8")


def turned_variance(tensors: dict, name: str) -> None:
    one = next(n for n in sorted(tensors) if n.endswith("running_var"))
    tensors[one] = -tensors[one] - 1


DAMAGES = {
    "cut": lambda file, draw: file.write_bytes(file.read_bytes()[: draw.randrange(file.stat().st_size)]),
    "longer": lambda file, draw: file.write_bytes(file.read_bytes() + b"\0"),
    "pointer": lambda file, draw: file.write_text("version https://git-lfs.github.com/spec/v1\n"),
    "empty": lambda file, draw: file.write_bytes(b""),
    "noise": lambda file, draw: file.write_bytes(draw.randbytes(300)),
    "no JSON": lambda file, draw: join(file, "{", split(file)[1]),
    "missing": with_tensors(lambda tensors, name: tensors.pop(name)),
    "extra": with_tensors(lambda tensors, name: tensors.update(extra=tensors[name].float())),
    "other shape": with_tensors(lambda tensors, name: tensors.update({name: tensors[name].float().flatten()[:1]})),
    "whole numbers": with_header(
        lambda header, draw: [entry.update(dtype="I16") for n, entry in header.items() if entry.get("dtype") == "F16"]
    ),
    "NaN": with_tensors(lambda tensors, name: set_one(float("nan"))(tensors, first_float(tensors))),
    "infinite": with_tensors(lambda tensors, name: set_one(float("inf"))(tensors, first_float(tensors))),
    "huge shape": with_header(lambda header, draw: any_tensor(header, draw).update(shape=[10**12, 10**9])),
}


def first_float(tensors: dict) -> str:
    return next(name for name in sorted(tensors) if tensors[name].is_floating_point())


def refused(load) -> bool:
    try:
        load()
    except REFUSALS as error:
        return bool(error.hint) and len(str(error).splitlines()) == 1
    return False


@pytest.mark.parametrize("name", ["detector.safetensors", "correctness.safetensors"])
def test_damaged_weights_of_fitted_judges_are_refused(name, tmp_path):
    demo = load_concept("demo")
    whole = Path(shutil.copytree(judges_folder(demo), tmp_path / "whole"))
    load_judges(demo, whole)
    accepted = []
    for number, (what, damage) in enumerate((DAMAGES | {"variance": with_tensors(turned_variance)}).items()):
        folder = Path(shutil.copytree(whole, tmp_path / str(number)))
        damage(folder / name, random.Random(number))
        accepted += [what] if not refused(lambda folder=folder: load_judges(demo, folder)) else []
    assert accepted == []


@pytest.mark.parametrize("share", ["many", "nan", "-1", "7", ""])
def test_a_header_with_another_share_is_refused(share, tmp_path):
    demo = load_concept("demo")
    folder = Path(shutil.copytree(judges_folder(demo), tmp_path / "judges"))
    with_header(lambda header, draw: header["__metadata__"].update(least_corner_share=share))(
        folder / "correctness.safetensors", random.Random(0)
    )
    with pytest.raises(InvalidInput, match="least_corner_share"):
        load_judges(demo, folder)


def test_a_reference_of_another_size_is_refused(tmp_path):
    from PIL import Image

    demo = load_concept("demo")
    folder = Path(shutil.copytree(judges_folder(demo), tmp_path / "judges"))
    Image.new("RGB", (3000, 2)).save(folder / "reference.png")
    with pytest.raises(InvalidInput, match=r"reference\.png' is 3000 x 2"):
        load_judges(demo, folder)


def test_damaged_classifiers_of_a_base_are_refused(tmp_path):
    accepted = []
    for number, (what, damage) in enumerate(DAMAGES.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name in ("classes.json", "classes.safetensors"):
            shutil.copyfile(pocket_folder() / name, folder / name)
        damage(folder / "classes.safetensors", random.Random(number))
        accepted += [what] if not refused(lambda folder=folder: PocketClasses(folder)) else []
    assert accepted == []
    for change in ({"words": "cat"}, {"colours": []}, {"version": 2}, {"photo_words": [3]}, {"n": "many"}):
        shutil.copyfile(pocket_folder() / "classes.safetensors", folder / "classes.safetensors")
        shutil.copyfile(pocket_folder() / "classes.json", folder / "classes.json")
        edit_json(folder / "classes.json", **change)
        with pytest.raises(InvalidInput, match=rf"classes\.json'.*{next(iter(change))}"):
            PocketClasses(folder)


@pytest.mark.slow
def test_damaged_pairs_for_judging_are_refused_and_a_whole_one_is_as_transformers_reads_it(tmp_path):
    from transformers import AutoTokenizer, CLIPModel

    whole = pair_folder(pocket_folder())
    texts, pictures = ["a blue cat", "A Red bowl!"], [np.full((70, 50, 3), 90, np.uint8)]
    ours, stock = PocketPair(whole), PocketPair(whole)
    stock.model = CLIPModel.from_pretrained(whole).float().eval()
    stock.tokenizer = AutoTokenizer.from_pretrained(whole)
    assert np.array_equal(ours.of_texts(texts), stock.of_texts(texts))
    assert np.array_equal(ours.of_pictures(pictures), stock.of_pictures(pictures))
    accepted = []
    for number, (what, damage) in enumerate(DAMAGES.items()):
        folder = Path(shutil.copytree(whole, tmp_path / str(number)))
        damage(folder / "model.safetensors", random.Random(number))
        accepted += [what] if not refused(lambda folder=folder: PocketPair(folder)) else []
    assert accepted == ["extra"], "transformers leaves unknown tensors out, in bases too"


class Counting:
    name, version, weights_hash = "counting", "1", "none"
    calls = 0

    def score(self, pictures):
        self.calls += len(pictures)
        return [Verdict(0.5, details={"seen": [1]})] * len(pictures)


REMEMBERED = {"key": "counting@1:none", "picture": "p", "value": 0.5, "reason": "", "details": {}}
WRONG_VERDICTS = [
    {"value": "0.5"},
    {"value": True},
    {"value": None},
    {"reason": "why"},
    {"reason": None},
    {"details": []},
    {"details": None},
    {"picture": 3},
    {"key": None},
]


@pytest.mark.parametrize("change", WRONG_VERDICTS, ids=str)
def test_a_remembered_verdict_of_another_shape_is_refused_with_its_line(change, tmp_path):
    file = tmp_path / "verdicts.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in (REMEMBERED, REMEMBERED | change)))
    with pytest.raises(InvalidInput, match=r"verdicts\.jsonl' line 2: ") as complaint:
        CachedJudge(Counting(), file)
    assert "judged again" in complaint.value.hint


def test_a_missing_key_of_a_verdict_is_named(tmp_path):
    for key in REMEMBERED:
        file = tmp_path / f"{key}.jsonl"
        file.write_text(json.dumps({k: v for k, v in REMEMBERED.items() if k != key}) + "\n")
        with pytest.raises(InvalidInput, match=f"line 1: '{key}' is missing"):
            CachedJudge(Counting(), file)


def test_what_is_remembered_is_read_back(tmp_path):
    picture, file, judge = np.zeros((8, 8, 3), np.uint8), tmp_path / "verdicts.jsonl", Counting()
    first = CachedJudge(judge, file).score([picture])
    assert CachedJudge(judge, file).score([picture]) == first and judge.calls == 1


SCORE = {
    "case": 0,
    "prompt": "a",
    "seed": 1,
    "run": "r",
    "step": 1,
    "judge": "ocr@1",
    "weights": "w",
    "value": 0.5,
    "reason": "",
    "details": {},
}


@pytest.mark.parametrize("change", [{"value": None}, {"reason": "why"}, {"seed": 1.5}, {"step": "1"}], ids=str)
def test_a_score_of_another_shape_is_refused_with_its_line(change, tmp_path):
    (tmp_path / "scores.jsonl").write_text(json.dumps(SCORE | change) + "\n")
    with pytest.raises(InvalidInput, match=r"scores\.jsonl' line 1: "):
        read_score_rows(tmp_path / "scores.jsonl")


PRICES = dict.fromkeys(("plain_alone", "plain", "excite_alone", "excite_of_four", "excite", "idle", "diffusers"), 1.0)


def test_rows_of_the_guidance_benchmark_are_read_key_by_key(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(ARM_ROW) + "\n" + json.dumps({"prices": PRICES}) + "\n")
    prices, rows = read_saved(file)
    assert prices is not None and vars(prices) == PRICES and rows == [ARM_ROW]
    for wrong in (
        ARM_ROW | {"case": "0"},
        ARM_ROW | {"seconds": -1},
        {"prices": {"plain": 1}},
        {"prices": 3},
        {"a": 1},
    ):
        file.write_text(json.dumps(ARM_ROW) + "\n" + json.dumps(wrong) + "\n")
        with pytest.raises(InvalidInput, match=r"rows\.jsonl' line 2: "):
            read_saved(file)
