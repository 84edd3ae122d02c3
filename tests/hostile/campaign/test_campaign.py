"""The campaign on CI: every boundary with all its inputs, and proof that each kind of fault would be seen."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import campaign_harness
import pytest
from campaign import BOUNDARIES, run_campaign
from campaign_harness import FAULTS, Campaign, Input, command

from brandsmith.core.errors import InvalidInput

SHARE = 0.3
"""Of the inputs, on CI; the command in campaign.py tries all."""
CHEAP = ("captions", "rows", "prompts", "recipes", "results")


def shown(done: Campaign) -> str:
    return "\n".join(f"{fault.kind} | {fault.what!r} | {fault.detail}" for fault in done.faults[:20])


def test_it_is_large_and_covers_every_boundary():
    assert sum(BOUNDARIES.values()) >= 5000 and len(BOUNDARIES) >= 25 and min(BOUNDARIES.values()) >= 5


@pytest.mark.parametrize("boundary", CHEAP)
def test_a_few_inputs_of_a_boundary(boundary):
    done = run_campaign(0.04, only=boundary)
    assert done.inputs.total() >= 4 and not done.faults, shown(done)


@pytest.mark.slow
@pytest.mark.parametrize("boundary", [boundary.__name__ for boundary in BOUNDARIES])
def test_nothing_silent_nothing_unsafe(boundary):
    done = run_campaign(SHARE, only=boundary)
    print(done.table())
    assert not done.faults, shown(done)


# ----------------------------------------------------------------------------- it can fail


def tried(place: Path, call, **how) -> set[str]:
    done = Campaign()
    done.try_all(iter([Input("made up", "made up", call, place, **how)]))
    return {fault.kind for fault in done.faults}


def refuse(before=lambda: None):
    def call() -> None:
        before()
        raise InvalidInput("no", hint="never")

    return call


@pytest.fixture
def place(tmp_path) -> Path:
    folder = tmp_path / "in" / "place"
    folder.mkdir(parents=True)
    (folder / "mine.txt").write_text("mine")
    return folder


def test_a_right_refusal_and_a_right_result_are_no_faults(place):
    assert tried(place, refuse()) == set() and tried(place, lambda: 3, right=lambda n: "" if n == 3 else "no") == set()
    assert tried(place, command("sample", "a", "--step", "3")) == set()


def test_every_kind_of_fault_is_seen(place, monkeypatch):
    monkeypatch.setattr(campaign_harness, "LONGEST_SEC", 0.3)
    part, out = place / ".half.part", place / "out"

    def busy() -> None:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            pass

    seen = {
        "traceback": tried(place, lambda: {}["no"]),
        "silent wrong": tried(place, lambda: 2, right=lambda n: "not 3"),
        "hang": tried(place, busy),
        "half-written": tried(place, refuse(lambda: part.write_text("half"))) & {"half-written"},
        "user files changed": tried(place, lambda: (place / "mine.txt").write_text("yours")),
        "unsafe": tried(place, lambda: subprocess.run([sys.executable, "-c", ""], check=False)) & {"unsafe"},
    }
    assert seen == {kind: {kind} for kind in FAULTS}
    part.unlink()
    assert "half-written" in tried(place, refuse(lambda: out.write_text("half")), out=out)
    assert tried(place, lambda: "taken", refuse=True) == {"silent wrong"}


def test_a_broken_reader_turns_a_boundary_red(monkeypatch):
    import campaign_pictures

    monkeypatch.setattr(campaign_pictures, "read_text", lambda file: file.read_bytes().decode())
    assert {fault.kind for fault in run_campaign(0.1, only="captions").faults} >= {"traceback", "silent wrong"}
