"""Every file and folder that any command takes, with names that no one means: found by walking the commands, so that a
new command is tried too.
"""

from __future__ import annotations

import inspect
import socket
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from bases import build_tiny, save_as_diffusers_folder

from brandsmith.base import hub
from brandsmith.base.foreign.pickles import convert_pickles
from brandsmith.base.sources import resolve_base
from brandsmith.cli.main import app
from brandsmith.cli.places import _place_of, _types_in, meant, written
from brandsmith.core.errors import InvalidInput, MissingResource

ODD = {
    "-": "is '-'",
    "runs/x ": "white space at an end",
    " runs/x": "white space at an end",
    "new\nline/x": "a line end or a tab",
    "x\n": "a line end or a tab",
    "x" * 256: "256 characters",
    f"below/{'é' * 130}/x": "130 characters",
}
NAMES_OF_PLACES = {"base", "concept", "out", "run", "folder", "file", "source", "sources", "pictures", "rows", "study"}
MAY_BE_NEW = {"folder", "workspace"}
OUTPUTS = {"out", "rows", "sheet", "work", "workdir", "run"}


def commands(group: typer.Typer = app, before: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    """(words, function) of every command."""
    own = [((*before, one.name or one.callback.__name__), one.callback) for one in group.registered_commands]
    for one in group.registered_groups:
        own += commands(one.typer_instance, (*before, one.name) if isinstance(one.name, str) else before)
    return own


COMMANDS = [(words, dict(inspect.signature(call).parameters)) for words, call in commands()]
PLACES = [(words, name, option) for words, own in COMMANDS for name, one in own.items() if (option := _place_of(one))]


def line(words: tuple[str, ...], given: dict[str, str]) -> list[str]:
    """A command line with these values, and something for every other parameter that a command must have."""
    parameters = dict(COMMANDS)[words]
    options, arguments = [], []
    for name, one in parameters.items():
        if name not in given and one.default is not inspect.Parameter.empty:
            continue
        kind = next((own for own in getattr(one.annotation, "__metadata__", ()) if hasattr(own, "param_decls")), None)
        if kind is None:  # typer's context
            continue
        value = given.get(name, "lora" if name == "method" else "nowhere")
        if type(kind).__name__ == "ArgumentInfo":
            arguments.append(value)
        else:
            options += [written(name, kind), value]
    return [*words, *options, "--", *arguments]


def test_the_walk_finds_the_places():
    assert len(COMMANDS) >= 35 and len(PLACES) >= 85
    assert {(("train",), "run", "--run"), (("report",), "study", "STUDY"), (("sample",), "picture", "--from")} <= set(
        PLACES
    )


def test_what_is_called_like_a_place_is_looked_at_as_one():
    looked_at = {(words, name) for words, name, _ in PLACES}
    texts = {(words, name) for words, own in COMMANDS for name, one in own.items() if str in _types_in(one.annotation)}
    named = {(words, name) for words, name in texts if name in NAMES_OF_PLACES}
    assert len(named) >= 20
    assert named - looked_at == set()


@pytest.mark.parametrize(
    ("words", "name", "option", "odd"),
    [(*place, odd) for place, odd in zip(PLACES, cycle(ODD), strict=False)],
    ids=lambda one: "" if isinstance(one, str) and one in ODD else None,
)
def test_names_that_no_one_means(words, name, option, odd, brandsmith, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, printed, complaint = brandsmith(*line(words, {name: odd}))
    assert (code, printed) == (2, ""), complaint
    assert complaint.startswith(f"error: {option}") and ODD[odd] in complaint and len(complaint.splitlines()) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("odd", ODD)
def test_every_odd_name_is_refused_in_texts_paths_and_lists(odd):
    for given in (odd, Path(odd), [odd], [Path("fine"), Path(odd)]):
        with pytest.raises(InvalidInput, match="--out"):
            meant("--out", given)


def test_what_is_there_may_have_any_name(tmp_path):
    folder = tmp_path / " my\tpictures "
    folder.mkdir()
    assert meant("--out", folder / "new") == folder / "new"
    for usual in ("demo", "owner/model", "a b/c.d", "/", ".", "..", "x" * 255, None, 3):
        assert meant("--base", usual) == usual


def test_the_home_folder_also_where_the_shell_left_it(tmp_path, monkeypatch, brandsmith):
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert meant("--out", Path("~/x")) == tmp_path / "home" / "x" and meant("--base", "~") == str(tmp_path / "home")
    assert meant("--out", Path("~x")) == Path("~x") and meant("--out", "a/~/b") == "a/~/b"
    _, _, complaint = brandsmith("export", "~/run", "--out=~/x")
    assert str(tmp_path / "home" / "run") in complaint and not (tmp_path / "~").exists()


@pytest.mark.parametrize(
    "name", ["[bold]x[/x]", "a/b c", "./a/b", "../a", "a//b", "a/b/c", "x..y/z", "a/--b", "mark", "🙂/a"]
)
def test_no_text_that_cannot_be_on_the_hub_is_looked_for_there(name, monkeypatch):
    monkeypatch.setattr(hub, "fetch", lambda name: pytest.fail(f"asked for {name}"))
    with pytest.raises(MissingResource, match="unknown base"):
        resolve_base(name)
    assert hub.is_id("stabilityai/stable-diffusion-2-1")


# ------------------------------------------------------------------------------ places that are something else


@pytest.fixture(scope="module")
def around(tmp_path_factory) -> Path:
    """A folder with one of everything."""
    folder = tmp_path_factory.mktemp("around")
    (folder / "file").write_text("mine", encoding="utf-8")
    (folder / "folder").mkdir()
    (folder / "folder" / "mine.txt").write_text("mine", encoding="utf-8")
    save_as_diffusers_folder(build_tiny(), folder / "tiny")
    return folder


def contents(folder: Path) -> dict[str, bytes | None]:
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


@pytest.mark.slow
@pytest.mark.parametrize("words", [words for words, _ in COMMANDS], ids=" ".join)
def test_a_place_that_is_something_else(words, around, brandsmith, monkeypatch):
    """Each place in turn; where every other is well or missing, the command ends before it loads anything."""
    monkeypatch.chdir(around)
    before = contents(around)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **how: pytest.fail("asks the network"))
    monkeypatch.setattr("brandsmith.base.sources._load_part", lambda *given: pytest.fail("loads weights"))
    monkeypatch.setattr("brandsmith.judges.measure.measure", lambda *given: pytest.fail("judges"), raising=False)
    parameters = dict(COMMANDS)[words]
    dead_end = {name: "nowhere" for name in ("concept", "study", "run") if name in parameters}
    tried = 0
    for _, name, _ in [place for place in PLACES if place[0] == words]:
        values = ["file/a/b", "folder" if name == "rows" else "file"]
        if name not in OUTPUTS | MAY_BE_NEW or dead_end.keys() - {name}:  # else the command would begin its work
            values.append("[x]/\\[y]")
        for value in values:
            code, _, complaint = brandsmith(*line(words, {**dead_end, name: value}))
            told = (name, value, complaint)
            assert code == 2 and complaint.count("error: ") == 1 and "Traceback" not in complaint, told
            assert contents(around) == before, told
            tried += 1
    assert tried or not [place for place in PLACES if place[0] == words]


TOOLS = [
    ("lora", "extract", "tiny", "--base", "tiny", "--run", "file/below"),
    ("lora", "extract", "tiny", "--base", "tiny", "--run", "new", "--token", "two words"),
    ("lora", "extract", "tiny", "--base", "pocket/x", "--run", "folder"),
    ("lora", "merge", "a.safetensors", "--base", "tiny", "--run", "file/below"),
    ("lora", "resize", "a.safetensors", "--base", "tiny", "--run", "new", "--token", "é" * 9),
    ("lora", "resize", "a.safetensors", "--base", "tiny", "--run", "folder"),
    ("import", "a.safetensors", "--base", "tiny", "--run", "file/below"),
    ("import", "a.safetensors", "--base", "tiny", "--run", "new", "--token", "x" * 81),
    ("import", "a.safetensors", "--base", "tiny", "--run", "new", "--class-word", "a\nb"),
    ("lora", "resize", "a.safetensors", "--base", "tiny", "--run", "new", "--class-word", "a\nb"),
    ("lora", "merge", "a.safetensors", "a.safetensors", "--base", "tiny", "--run", "new", "--class-word", "mug"),
    ("base", "convert", "a.pt", "--allow-pickle", "--out", "file/below.safetensors"),
    ("base", "convert", "a.pt", "--allow-pickle", "--out", f"{'x' * 240}.safetensors"),
    ("base", "convert", "bins", "--allow-pickle", "--out", "file/below"),
]


@pytest.mark.parametrize("words", TOOLS, ids=lambda words: " ".join(words)[:60])
def test_a_tool_looks_at_what_it_shall_write_before_it_reads(words, around, brandsmith, monkeypatch):
    monkeypatch.chdir(around)
    (around / "a.safetensors").write_bytes(b"")
    (around / "a.pt").write_bytes(b"")
    (around / "bins").mkdir(exist_ok=True)
    (around / "bins" / "a.bin").write_bytes(b"")
    monkeypatch.setattr("brandsmith.base.sources._load_part", lambda *given: pytest.fail("loads weights"))
    before = contents(around)
    code, printed, complaint = brandsmith(*words)
    assert (code, printed) == (2, "") and complaint.startswith("error: ") and "Traceback" not in complaint
    assert any(word in complaint for word in ("below", "folder", "token", "too long", "class")), complaint
    assert contents(around) == before


def test_a_pickle_without_weights_is_refused(tmp_path):
    for record in ({"state_dict": 3}, {"state_dict": {}}, {"a": "b"}):
        torch.save(record, tmp_path / "a.pt")
        with pytest.raises(InvalidInput, match="holds no weights"):
            convert_pickles(tmp_path / "a.pt", tmp_path / "b.safetensors", allow_pickle=True)
    assert not (tmp_path / "b.safetensors").exists()
