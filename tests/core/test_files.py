"""Files that survive interruption and that Windows takes too: names, locks, line ends, files that others read."""

from __future__ import annotations

import ast
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import brandsmith
from brandsmith.core import files
from brandsmith.core.errors import InvalidInput
from brandsmith.core.files import append_jsonl, legal_name, only_one, write_text
from brandsmith.core.json_files import read_jsonl

HOLD = """
import sys, time
from pathlib import Path
from brandsmith.core.files import only_one
with only_one(Path(sys.argv[1]), None):
    print("held", flush=True)
    time.sleep(60)
"""
REFUSAL = InvalidInput("another process is there")
ILLEGAL = ("<brand>", "a:b", 'say "x"', "a/b", "a\\b", "what?", "*", "x|y", "tab\there", "end.", "end ", "...", "")
DEVICES = ("con", "NUL", "nul.txt", "Com1", "lpt9.tar.gz", "aux .txt")
LEGAL = ("red_qoga_logo-1f", "lora_learning_rate-0.001_rank-8_seed-0", "contact", "com", "com10", ".part", "Zürich")


@pytest.mark.parametrize("name", ILLEGAL + DEVICES)
def test_an_illegal_name_becomes_a_legal_one_of_its_own(name):
    legal = legal_name(name)
    assert legal != name and legal_name(legal) == legal
    assert not set(legal) & set('<>:"/\\|?*\t') and legal[-1] not in ". "
    assert legal.partition(".")[0].strip().lower() not in {"con", "nul", "com1", "lpt9", "aux", ""}


def test_illegal_names_stay_apart_and_legal_ones_as_they_are():
    given = [*ILLEGAL, *DEVICES, "-brand-", "a-b"]
    assert len({legal_name(name).lower() for name in given}) == len(given)
    assert [legal_name(name) for name in LEGAL] == list(LEGAL)


def holder(folder: Path) -> subprocess.Popen:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_a_lock_refuses_and_ends_with_its_process_however_that_ends(tmp_path):
    with holder(tmp_path) as other:
        with pytest.raises(InvalidInput, match="another process"), only_one(tmp_path, REFUSAL):
            pass
        other.send_signal(signal.SIGKILL)
        other.wait()
    with only_one(tmp_path, REFUSAL):
        assert (tmp_path / ".lock").exists()
        with pytest.raises(InvalidInput, match="another process"), only_one(tmp_path, REFUSAL):
            pass  # a second holder in this process is refused as well


def test_without_a_refusal_the_lock_is_waited_for(tmp_path):
    with holder(tmp_path) as other:
        threading.Timer(0.5, other.kill).start()
        started = time.monotonic()
        with only_one(tmp_path, None):
            assert time.monotonic() - started > 0.3


def test_an_error_inside_releases_the_lock(tmp_path):
    with pytest.raises(KeyError), only_one(tmp_path, REFUSAL):
        raise KeyError
    with only_one(tmp_path, REFUSAL):
        pass


def test_a_file_that_another_program_has_open_is_replaced_when_it_is_closed(tmp_path, monkeypatch):
    """Windows answers PermissionError for as long as anyone reads the file."""
    refused, replace = iter(range(3)), files.os.replace

    def busy(source, target):
        if next(refused, None) is not None:
            raise PermissionError(13, "being used by another process")
        replace(source, target)

    monkeypatch.setattr(files.os, "replace", busy)
    monkeypatch.setattr(files, "LONGEST_WAIT_SEC", 5.0)
    write_text(tmp_path / "a.txt", "new")
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"] and next(refused, None) is None

    refused = iter(range(10**6))
    monkeypatch.setattr(files, "LONGEST_WAIT_SEC", 0.1)
    with pytest.raises(InvalidInput, match=r"a\.txt': permission denied") as failed:
        write_text(tmp_path / "a.txt", "newer")
    assert isinstance(failed.value.__cause__, PermissionError)
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "new" and len(list(tmp_path.iterdir())) == 1


def test_text_is_written_byte_for_byte(tmp_path):
    write_text(tmp_path / "a.csv", "ü,1\r\nb,2\n")
    append_jsonl(tmp_path / "b.jsonl", {"what": "é"})
    assert (tmp_path / "a.csv").read_bytes() == "ü,1\r\nb,2\n".encode()
    assert (tmp_path / "b.jsonl").read_bytes() == '{"what": "é"}\n'.encode()
    assert read_jsonl(tmp_path / "b.jsonl") == [{"what": "é"}]


@pytest.mark.slow
def test_nothing_written_as_text_changes_its_line_ends_on_windows():
    """Every call in the package that opens a text file for writing names its line ends (or writes /proc)."""
    writes = []
    for file in Path(brandsmith.__file__).parent.rglob("*.py"):
        for call in (
            node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)
        ):
            method = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            modes = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            opens = method == "open" and any(set(m) & set("wax") and set(m) <= set("wax+t") for m in modes)
            if opens or (method == "write_text" and isinstance(call.func, ast.Attribute)):
                names = {keyword.arg for keyword in call.keywords}
                writes.append((f"{file.name}:{call.lineno}", "newline" in names or file.name == "memory.py"))
    assert len(writes) >= 3 and [place for place, fine in writes if not fine] == []
