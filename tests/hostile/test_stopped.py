"""Ctrl-C and SIGTERM: one line, the right exit code, what is done is kept, and the same command goes on from there."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import pytest

from brandsmith.benchmark.crash_files import contents
from brandsmith.core.json_files import read_jsonl
from brandsmith.draw import writer
from brandsmith.judges import judge as judge_module
from brandsmith.judges.judge import CachedJudge, Verdict


@pytest.fixture(autouse=True)
def interruptible():
    """A shell starts what runs in its background with SIGINT ignored; a test run there is interrupted all the same."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


STOPS = [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "ended on request")]


def stopping_after(number: int, sent: signal.Signals, work: Callable) -> Callable:
    """`work`, after whose `number`-th call a signal comes."""
    calls = []

    def wrapped(*given, **named):
        work(*given, **named)
        calls.append(given)
        if len(calls) == number:
            signal.raise_signal(sent)

    return wrapped


def stopped(answer: tuple[int, str, str], code: int, words: str) -> None:
    assert answer[0] == code and answer[2].strip().splitlines()[-1] == f"{words}: run the same command again to go on"
    assert "Traceback" not in answer[2] and not answer[1]


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "code", "words"), STOPS)
def test_sample_keeps_what_is_drawn_and_goes_on(sent, code, words, brandsmith, given, monkeypatch, tmp_path):
    def drawing(place: str) -> tuple[int, str, str]:
        few = ("--seeds", 3, "--num-steps", 1, "--batch-size", 1)
        return brandsmith("sample", "a red_qoga_logo", "--base", given[1], *few, "--out", tmp_path / place / "a")

    with monkeypatch.context() as patched:
        patched.setattr(writer, "save_drawn", stopping_after(2, sent, writer.save_drawn))
        stopped(drawing("stopped"), code, words)
    kept = contents(tmp_path / "stopped")
    assert sum(name.endswith(".png") for name in kept) == 2
    assert drawing("stopped")[0] == drawing("undisturbed")[0] == 0
    assert contents(tmp_path / "stopped") == contents(tmp_path / "undisturbed") and len(kept) == 3


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "code", "words"), STOPS)
def test_train_saves_its_state_and_goes_on(sent, code, words, brandsmith, given, monkeypatch, tmp_path):
    from brandsmith.methods import loop

    brand, tiny = given
    arguments = ("--concept", brand, "--base", tiny, "--steps", 3, "--checkpoint-every", 3, "--batch-size", 1)
    with monkeypatch.context() as patched:
        patched.setattr(loop, "append_jsonl", stopping_after(1, sent, loop.append_jsonl))
        # The request is read before the row is written, so the step after it ends the run.
        stopped(brandsmith("train", "textual_inversion", *arguments, "--run", tmp_path / "a" / "run"), code, words)
    assert len(read_jsonl(tmp_path / "a" / "run" / "metrics.jsonl")) == 2
    for place in ("a", "b"):
        assert brandsmith("train", "textual_inversion", *arguments, "--run", tmp_path / place / "run")[0] == 0
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "code", "words"), STOPS[1:])
def test_judge_run_keeps_its_verdicts_and_goes_on(sent, code, words, brandsmith, given, monkeypatch, tmp_path):
    few = ("--seeds", 4, "--num-steps", 1)
    assert brandsmith("sample", "a red_qoga_logo", "--base", given[1], *few, "--out", tmp_path / "a" / "p")[0] == 0
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    judging = ("--no-check", "--no-floor", "--base", given[1])
    with monkeypatch.context() as patched:
        patched.setattr(judge_module, "append_jsonl", stopping_after(6, sent, judge_module.append_jsonl))
        stopped(brandsmith("judge", "run", tmp_path / "a" / "p", *judging), code, words)
    (verdicts,) = tmp_path.glob("a/p/judged/*/verdicts.jsonl")
    kept = read_jsonl(verdicts)
    assert len(kept) == 6
    for place in ("a", "b"):
        assert brandsmith("judge", "run", tmp_path / place / "p", *judging)[0] == 0
    assert read_jsonl(verdicts)[:6] == kept
    for name in ("verdicts.jsonl", "rows.jsonl"):
        (one,), (other,) = (tmp_path.glob(f"{place}/p/judged/*/{name}") for place in ("a", "b"))
        assert one.read_bytes() == other.read_bytes()


def test_a_judge_that_is_stopped_keeps_the_verdicts_of_every_32_pictures(tmp_path):
    class Slow:
        name, version, weights_hash = "slow", "1", "none"
        seen: ClassVar[list[int]] = []

        def score(self, pictures: list[np.ndarray]) -> list[Verdict]:
            if len(self.seen) == 2:
                raise KeyboardInterrupt
            self.seen.append(len(pictures))
            return [Verdict(float(picture.mean())) for picture in pictures]

    pictures = [np.full((8, 8, 3), number, np.uint8) for number in range(100)]
    file = tmp_path / "verdicts.jsonl"
    with pytest.raises(KeyboardInterrupt):
        CachedJudge(Slow(), file).score(pictures)
    assert Slow.seen == [32, 32] and len(read_jsonl(file)) == 64
    Slow.seen.clear()
    with pytest.raises(KeyboardInterrupt):  # 36 are left
        CachedJudge(Slow(), file).score([*pictures, *(picture + 100 for picture in pictures)])
    assert len(read_jsonl(file)) == 128


def test_a_request_to_end_outside_a_command_is_none_of_ours(brandsmith):
    before = signal.getsignal(signal.SIGTERM)
    assert brandsmith("--help")[0] == 0 and signal.getsignal(signal.SIGTERM) == before
