"""The scripts in `examples/` are short, say what they are, and run."""

from __future__ import annotations

import ast
import runpy
import sys
from pathlib import Path

import pytest
from PIL import Image

from brandsmith.concept.concept import demo_folder

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run_example(monkeypatch, name: str, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")


def test_each_is_short_and_uses_the_front_door_alone():
    files = sorted(EXAMPLES.glob("*.py"))
    assert [file.stem for file in files] == ["judge_folder", "studio_client", "study_of_two", "teach_and_draw"]
    for file in files:
        text = file.read_text(encoding="utf-8")
        tree = ast.parse(text)
        docstring = ast.get_docstring(tree)
        assert len(text.splitlines()) < 40 and f"python examples/{file.name}" in docstring
        deeper = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and "brandsmith" in node.module]
        assert not deeper, f"{file.name} imports from inside the package"


@pytest.mark.slow
def test_teach_and_draw(monkeypatch, tmp_path, capsys):
    run_example(monkeypatch, "teach_and_draw", "--steps", 2, "--out", tmp_path / "out")
    files = sorted((tmp_path / "out").glob("*.png"))
    assert [str(file) in capsys.readouterr().out for file in files[:1]] == [True]
    assert [Image.open(file).size for file in files] == [(128, 128)] * 2
    assert (tmp_path / "out" / "run" / "checkpoints" / "step-000002").is_dir()


@pytest.mark.slow
def test_judge_folder(monkeypatch, tmp_path, capsys):
    for source in sorted((demo_folder() / "held_out").glob("*.png"))[:3]:
        Image.open(source).save(tmp_path / source.name)
    run_example(monkeypatch, "judge_folder", tmp_path)
    printed = capsys.readouterr().out
    assert printed.startswith("3 pictures, usable ") and "every verdict is in " in printed


@pytest.mark.slow
def test_study_of_two(monkeypatch, tmp_path, capsys):
    run_example(monkeypatch, "study_of_two", "--steps", 2, "--pictures", 1, "--out", tmp_path / "study")
    printed = capsys.readouterr().out
    assert "rank 4" in printed and "rank 32" in printed
    assert (tmp_path / "study" / "report.html").is_file() and "report.html" in printed
