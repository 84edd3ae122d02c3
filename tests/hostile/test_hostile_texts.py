"""Every text of every command, with values that no one means: one sentence, exit code 2, nothing begun."""

from __future__ import annotations

import pytest
from typer.main import get_command

from brandsmith.cli import main as cli
from brandsmith.cli.arguments import check_arguments
from brandsmith.core.errors import InvalidInput

NO_TEXT = {
    "empty": "",
    "white space": " \t",
    "escape": "a\x1b[2Jb",
    "bell": "\x07",
    "null": "a\0b",
    "C1": "a\x9b31m",
    "turned": "a\u202egnp.exe",
    "line separator": "a\u2028b",
    "no UTF-8": "a\udcffb",
    "half a pair": "\ud83d",
    "a page": "x" * 20_001,
}


def all_commands(group=None, before: tuple[str, ...] = ()):
    """(words, its parameters) of every command."""
    for name, own in (group or get_command(cli.app)).commands.items():
        if hasattr(own, "commands"):
            yield from all_commands(own, (*before, name))
        else:
            yield (*before, name), own.params


COMMANDS = dict(all_commands())
OPTIONS = [
    (words, one.opts[0])
    for words, params in COMMANDS.items()
    for one in params
    if one.opts[0].startswith("--") and not getattr(one, "is_flag", False) and one.opts[0] != "--help"
]


def test_the_walk_finds_the_options():
    assert len(COMMANDS) >= 24 and len(OPTIONS) >= 100
    assert (("sample",), "--run") in OPTIONS and (("judge", "weights", "fetch"), "--folder") in OPTIONS


@pytest.mark.slow
@pytest.mark.parametrize("what", NO_TEXT)
def test_no_option_takes_what_no_one_means(what, brandsmith, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words, option in OPTIONS[list(NO_TEXT).index(what) % 4 :: 4]:
        if option == "--negative-prompt" and not NO_TEXT[what].strip():
            continue
        for given in ((option, NO_TEXT[what]), (f"{option}={NO_TEXT[what]}",))[len(option) % 2 :][:1]:
            code, printed, complaint = brandsmith(*words, *given)
            assert (code, printed) == (2, "") and complaint.startswith(f"error: {option} "), (words, given, complaint)
            assert complaint.isascii() and len(complaint.splitlines()) == 2 and max(map(len, complaint)) < 200
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what", NO_TEXT)
def test_no_argument_either(what, brandsmith, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words in list(COMMANDS)[list(NO_TEXT).index(what) % 3 :: 3]:
        code, printed, complaint = brandsmith(*words, NO_TEXT[what])
        assert (code, printed) == (2, "") and complaint.startswith(f"error: argument {len(words) + 1} "), complaint
    assert list(tmp_path.iterdir()) == []


def test_what_is_meant_is_taken():
    check_arguments(["sample", "ein blaues Kätzchen — 青い猫 \U0001f408", "a\tb\nc", "--negative-prompt", ""])
    check_arguments(["sample", "a", "--negative-prompt=", "--size=64", "--out", "a folder/[x] 'y' $z", "--redraw"])
    with pytest.raises(InvalidInput, match="--out is empty"):
        check_arguments(["sample", "a", "--redraw", "--out", ""])
