"""Text, YAML and JSON from outside: one clear line that names the file, or the right value; never a traceback."""

from __future__ import annotations

import contextlib
import json
import random
import re
import shutil
import sys
import time
from pathlib import Path

import pytest
import torch
from bases import build_tiny, save_as_diffusers_folder
from lessons import TOKEN, write_concept
from studies import build_study
from transformers import CLIPTokenizer

from brandsmith.base.base import encode_prompts
from brandsmith.base.prompt_tokens import expand_prompts, expand_tokens
from brandsmith.base.stock import stock_pipeline
from brandsmith.cli.main import main
from brandsmith.concept.concept import load_concept, with_token
from brandsmith.core.errors import BrandsmithError, InvalidConcept, InvalidConfig, InvalidInput
from brandsmith.core.notes import warn_once
from brandsmith.core.run import RunDirectory
from brandsmith.evaluate.prompt_phrases import parser_for
from brandsmith.export.export_run import export_run
from brandsmith.judges.detector import load_detector
from brandsmith.methods.adapter import load_adapter
from brandsmith.methods.job import check_job
from brandsmith.methods.loop import train
from brandsmith.methods.registry import build_config
from brandsmith.results.study_files import read_study
from brandsmith.results.study_result import read_result, result_of

LONG = "a very detailed photograph of a narrow street at dusk with many small shops and warm light in the windows " * 3


# ----------------------------------------------------------------------------- captions and prompts past the limit


@pytest.mark.parametrize("method", ["textual_inversion", "lora"])
def test_a_token_that_would_be_cut_is_refused_before_weights(method, tmp_path):
    concept = write_concept(tmp_path / "c")
    concept.examples[2].image.with_suffix(".txt").write_text(f"{LONG} {TOKEN}")
    config = build_config(method, steps=1)
    with pytest.raises(InvalidConcept, match=r"2\.txt'.*the base reads 22"):
        check_job(config, load_concept(tmp_path / "c"), build_tiny(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_vectors_of_the_token_count(tmp_path):
    concept = write_concept(tmp_path / "c")
    check_job(build_config("ti", steps=1, num_vectors=16), concept, build_tiny(), tmp_path / "run")
    with pytest.raises(InvalidConcept, match="the base reads 22"):
        check_job(build_config("ti", steps=1, num_vectors=23), concept, build_tiny(), tmp_path / "run")


def test_a_cut_end_and_capitals_are_said(tmp_path, capsys):
    concept = write_concept(tmp_path / "c", "Red_QOGA")
    concept.examples[1].image.with_suffix(".txt").write_text(f"a Red_QOGA, {LONG}")
    check_job(build_config("lora", steps=1), load_concept(tmp_path / "c"), build_tiny(), tmp_path / "run")
    said = capsys.readouterr().err
    assert "1.txt': longer than the base reads" in said and "token 'Red_QOGA' is 'red_qoga' everywhere" in said


@pytest.mark.slow
def test_a_token_with_capitals_is_all_its_vectors_to_stock_diffusers(tmp_path):
    """What is exported is looked up in lower case, and every vector of it is found."""
    concept, base = write_concept(tmp_path / "c", "Red_QOGA"), build_tiny()
    concept.examples[1].image.with_suffix(".txt").write_text("a RED_qoga on a wall")
    concept = load_concept(tmp_path / "c")
    assert concept.token == "red_qoga" and concept.examples[1].caption == "a red_qoga on a wall"
    run = train(build_config("ti", steps=1, num_vectors=3, learning_rate=0.5), concept, base, tmp_path / "run")
    checkpoint = run.checkpoint_at()
    stock = stock_pipeline(build_tiny())
    stock.load_textual_inversion(export_run(run.folder, tmp_path / "word.safetensors", to="diffusers"))
    expected = stock.encode_prompt("a red_qoga on a wall", "cpu", 1, False)[0]
    with load_adapter(base, checkpoint):
        for written in ("a red_qoga on a wall", "a Red_QOGA on a wall", "A RED_QOGA on a wall"):
            hidden = encode_prompts(base, expand_prompts(base.tokenizer, [written]), (64, 64)).hidden
            torch.testing.assert_close(hidden, expected, atol=1e-5, rtol=1e-5, msg=written)
            ids = base.tokenizer(expand_tokens(base.tokenizer, written)).input_ids
            assert len({i for i in ids if i >= base.tokenizer.convert_tokens_to_ids("red_qoga")}) == 3


def test_a_prompt_s_token_counts_in_any_case():
    assert with_token("a RED_Qoga, red_qoga", "red_qoga") == "a red_qoga, red_qoga"
    assert parser_for("red_qoga")("a blue cat and a RED_QOGA") == parser_for("red_qoga")("a blue cat and a red_qoga")


# ----------------------------------------------------------------------------- a seeded campaign of damage

VALUES = (
    "null",
    "true",
    "false",
    "0",
    "-1",
    "7",
    "1.5",
    "1e999",
    "-1e999",
    "NaN",
    "Infinity",
    "99999999999999999999999999",
    "[]",
    "{}",
    "[[]]",
    "[{}]",
    '{"a":1}',
    '""',
    '"x"',
    '"\\ud800"',
    '"=1+1"',
    '"<b>"',
    '"../../x"',
    '"\\u0000"',
    '"\\u001b[31m"',
    '"running"',
    '["x",7]',
    '{"":null}',
    '"1e3"',
    "1e300",
    "-0.0",
)


def damage(text: bytes, dice: random.Random) -> bytes:
    """One mutation of a JSON or JSONL file."""
    kind = dice.choice(["value", "value", "value", "value", "key", "drop", "cut", "byte", "empty", "whole", "encoding"])
    if kind == "cut":
        return text[: dice.randrange(len(text))]
    if kind == "byte":
        place = dice.randrange(len(text))
        return text[:place] + bytes([dice.randrange(256)]) + text[place + 1 :]
    if kind == "empty":
        return dice.choice([b"", b"\n", b"\x00" * 100, b"\xff\xfe", b"[" * 5000])
    if kind == "whole":
        return dice.choice(VALUES).encode()
    if kind == "encoding":
        return text.decode().encode(dice.choice(["utf-16", "utf-8-sig", "utf-32"]))
    lines = text.decode().split("\n")
    place = dice.randrange(len(lines))
    pairs = list(re.finditer(r'"(\w+)": ("[^"]*"|\[[^\]]*\]|\{[^{}]*\}|[^,{}\[\]]+)', lines[place]))
    if not pairs:
        return text + b"x"
    pair = dice.choice(pairs)
    new = {
        "value": f'"{pair[1]}": {dice.choice(VALUES)}',
        "key": f'"{dice.choice(["", "zz", "step", "method"])}": {pair[2]}',
        "drop": '"gone": 0',
    }[kind]
    lines[place] = lines[place][: pair.start()] + new + lines[place][pair.end() :]
    return "\n".join(lines).encode()


def survives(work, where: str) -> str:
    """`done`, or the message of a refusal; anything else is a bug."""
    started = time.process_time()
    try:
        work()
        outcome = "done"
    except BrandsmithError as error:
        assert error.exit_code == 2 or type(error) is BrandsmithError, where
        assert str(error) and len(str(error)) < 4000, where
        str(error).encode()
        outcome = str(error)
    except Exception as error:
        raise AssertionError(f"{where}: {type(error).__name__}: {error}") from error
    assert time.process_time() - started < 10, where
    return outcome


@pytest.fixture(scope="module")
def study_folder(tmp_path_factory) -> Path:
    folder = build_study(tmp_path_factory.mktemp("study") / "s", pictures=False, side_px=16)
    for trial in sorted((folder / "trials").iterdir())[2:]:
        shutil.rmtree(trial)
    for trial in (folder / "trials").iterdir():
        scores = (trial / "scores.jsonl").read_text().splitlines(keepends=True)
        (trial / "scores.jsonl").write_text("".join(scores[:60]))
    (folder / "findings.json").write_text(json.dumps([{"severity": "warning", "message": "few", "advice": "more"}]))
    (folder / "result.json").write_text(json.dumps(result_of(read_study(folder)).as_json() | {"complete": True}))
    return folder


@pytest.mark.parametrize("part", range(4))
@pytest.mark.slow
def test_a_damaged_study_is_refused_or_reported(part, study_folder, tmp_path):
    from brandsmith.report.html import write_report

    dice = random.Random(part)
    files = sorted(p for p in study_folder.rglob("*") if p.suffix in (".json", ".jsonl"))
    outcomes = []
    for number in range(30):
        folder = tmp_path / f"s{number}"
        shutil.copytree(study_folder, folder)
        file = folder / dice.choice(files).relative_to(study_folder)
        file.write_bytes(damage(file.read_bytes(), dice))
        where = f"part {part} number {number}: {file} is {file.read_bytes()[:300]!r}"
        outcomes.append(survives(lambda folder=folder: write_report(folder, folder / "out"), where))
        shutil.rmtree(folder)
    assert 2 <= outcomes.count("done") < 30


@pytest.mark.slow
def test_a_damaged_study_is_read_or_refused(study_folder, tmp_path):
    dice = random.Random(99)
    files = sorted(p for p in study_folder.rglob("*") if p.suffix in (".json", ".jsonl"))
    for number in range(300):
        file = tmp_path / f"s{number}" / dice.choice(files).relative_to(study_folder)
        shutil.copytree(study_folder, tmp_path / f"s{number}")
        file.write_bytes(damage(file.read_bytes(), dice))
        where = f"number {number}: {file} is {file.read_bytes()[:300]!r}"
        survives(lambda n=number: result_of(read_study(tmp_path / f"s{n}")), where)
        survives(lambda n=number: read_result(tmp_path / f"s{n}" / "result.json"), where)
        shutil.rmtree(tmp_path / f"s{number}")


REQUESTED = {"base": "pocket", "concept": {"token": TOKEN}, "settings": {"method": "lora", "learning_rate": 1e-4}}


def write_run(folder: Path) -> RunDirectory:
    """What a training leaves, without its weights."""
    run = RunDirectory(folder)
    run.start(REQUESTED)
    run.set_status("interrupted", 3)
    run.metrics_file.write_text("".join(json.dumps({"step": i, "loss": 0.5}) + "\n" for i in (1, 2, 3)))
    (folder / "checkpoints" / "step-000003").mkdir(parents=True)
    return run


def use_run(run: RunDirectory) -> None:
    run.check_folder()
    run.config()
    with contextlib.suppress(InvalidConfig):  # a damaged key may be another setting: said as such
        run.check_config(REQUESTED)
    run.checkpoints_at(None)
    run.status()
    assert isinstance(run.step(), int)
    run.cut_metrics(2)
    run.load_state()


@pytest.mark.slow
def test_a_damaged_run_directory_is_read_or_refused(tmp_path):
    dice = random.Random(5)
    for number in range(300):
        run = write_run(tmp_path / f"r{number}")
        file = dice.choice([run.config_file, run.status_file, run.metrics_file])
        file.write_bytes(damage(file.read_bytes(), dice))
        survives(lambda run=run: use_run(run), f"number {number}: {file.name} is {file.read_bytes()!r}")


def test_a_run_of_odd_files_is_refused(tmp_path):
    for name in ("config_file", "status_file", "metrics_file"):
        run = write_run(tmp_path / name)
        getattr(run, name).unlink()
        getattr(run, name).mkdir()
        with pytest.raises(InvalidInput, match=r"regular file|not a run directory"):
            use_run(run)


@pytest.mark.slow
def test_a_damaged_card_is_refused(tmp_path):
    from brandsmith.concept.concept import demo_folder

    judges = demo_folder().parent / "demo_judges"
    dice = random.Random(6)
    text = (judges / "card.json").read_bytes()
    for number in range(100):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "detector.safetensors").symlink_to(judges / "detector.safetensors")
        (folder / "card.json").write_bytes(damage(text, dice))
        survives(lambda f=folder: load_detector(f), f"number {number}: {(folder / 'card.json').read_bytes()[:400]!r}")


@pytest.mark.slow
def test_a_prompt_that_is_cut_is_said_on_stderr(tmp_path, capsys, monkeypatch):
    base = build_tiny("sd3")  # the others read long prompts in chunks
    save_as_diffusers_folder(base, tmp_path / "tiny")
    arguments = ["sample", f"a cat, {LONG}", "--base", tmp_path / "tiny", "--out", tmp_path / "o", "--seeds", 1]
    arguments += ["--num-steps", 1, "--negative-prompt", LONG, "--scheduler", "euler"]
    monkeypatch.setattr(sys, "argv", ["brandsmith", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert ended.value.code == 0 and "the base reads 22: its end is cut" in said.err
    assert "warning: the negative prompt has" in said.err
    assert isinstance(build_tiny().tokenizer, CLIPTokenizer)


def test_what_is_said_on_stderr_is_one_line_that_a_terminal_may_show(capsys):
    warn_once("passed over 'a\x1b[2Jb\nc\u202e': " + "x" * 9000)
    told = capsys.readouterr().err
    assert told.startswith("warning: passed over 'a?[2Jb c?'") and told.count("\n") == 1 and len(told) < 2100
