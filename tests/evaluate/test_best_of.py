"""Draw until so many pictures are usable: what is kept, what is thrown away, and that neither is hidden."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from bases import build_tiny, save_as_diffusers_folder

from brandsmith.concept.concept import load_concept
from brandsmith.core.errors import InvalidConfig
from brandsmith.draw.source import Source
from brandsmith.evaluate import best_of
from brandsmith.evaluate.best_of import draw_best
from brandsmith.guidance.settings import DrawSettings
from brandsmith.judges.judge import Verdict
from brandsmith.results.best_of import BestOf

PROMPTS = ["a cat and a red_qoga_logo", "a red_qoga_logo"]
SETTINGS = DrawSettings(num_steps=2, guidance_scale=1.0)


class EveryThird:
    """`correctness` in the chain's place: right is every third picture that it ever saw."""

    name, version, weights_hash = "correctness", "0", "none"

    def __init__(self) -> None:
        self.seen = 0

    def score(self, pictures: list[np.ndarray]) -> list[Verdict]:
        numbers = range(self.seen, self.seen + len(pictures))
        self.seen += len(pictures)
        return [Verdict(float(number % 3 == 2)) for number in numbers]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base") / "tiny"
    save_as_diffusers_folder(build_tiny(), folder)
    return str(folder)


@pytest.fixture
def judged(monkeypatch):
    judge = EveryThird()
    monkeypatch.setattr(best_of, "judges_for", lambda concept, folder: {"correctness": judge})
    return judge


def test_drawing_stops_when_enough_are_usable_and_all_are_accounted_for(tiny, tmp_path, judged):
    results = draw_best(PROMPTS, BestOf(2, 20, 5), SETTINGS, Source(tiny), load_concept("demo"), tmp_path / "out")
    assert [len(own.kept) for own in results] == [2, 2]
    drawn = sorted(path.name for path in (tmp_path / "out" / "drawn").glob("*.png"))
    kept = sorted(path.name for path in (tmp_path / "out").glob("*.png"))
    assert kept == sorted(name for own in results for name in own.kept) and set(kept) < set(drawn)
    assert len(drawn) == sum(own.drawn for own in results) == judged.seen < 40
    record = json.loads((tmp_path / "out" / "best_of.json").read_text())
    assert record["drawn"] == record["usable"] + record["thrown_away"] == len(drawn)
    assert [own["refused"] for own in record["prompts"]] == [
        {"mark is wrong": own.drawn - len(own.kept)} for own in results
    ]
    for name in kept:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "out" / "drawn" / name).read_bytes()


def test_the_same_command_again_draws_and_judges_nothing(tiny, tmp_path, judged):
    given = (PROMPTS, BestOf(1, 9, 5), SETTINGS, Source(tiny), load_concept("demo"), tmp_path / "out")
    first, seen = draw_best(*given), judged.seen
    assert draw_best(*given) == first and judged.seen == seen


def test_what_other_judges_refuse_is_taken_back_and_nobody_elses_picture_is(tiny, tmp_path, judged):
    given = (PROMPTS, BestOf(1, 9, 5), SETTINGS, Source(tiny), load_concept("demo"), tmp_path / "out")
    (first, _) = draw_best(*given)
    (tmp_path / "out" / "verdicts.jsonl").unlink()
    judged.seen = 1  # now another picture of each three is right
    (second, _) = draw_best(*given)
    assert first.kept != second.kept
    kept = {path.name for path in (tmp_path / "out").glob("case-0_*.png")}
    assert kept == set(second.kept) and (tmp_path / "out" / "drawn" / first.kept[0]).is_file()
    mine = tmp_path / "mine" / "case-0_seed-5.png"
    mine.parent.mkdir()
    shutil.copyfile(load_concept("demo").examples[0].image, mine)
    before = mine.read_bytes()
    with pytest.raises(InvalidConfig):
        draw_best(*given[:-1], mine.parent)
    assert mine.read_bytes() == before and list(mine.parent.iterdir()) == [mine]


@pytest.mark.slow
def test_a_spent_budget_ends_it(tiny, tmp_path, brandsmith):
    """Random weights draw no mark: every picture is thrown away, and the command says so."""
    options = ("--base", tiny, "--num-steps", "2", "--best-of", "2", "--budget", "3", "--out", tmp_path / "out")
    code, kept, said = brandsmith("sample", PROMPTS[1], *options)
    assert code == 0 and kept == ""
    assert "0 usable of 3 drawn; thrown away: 3 mark missing" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--budget", "3"), "--best-of is not given"),
        (("--best-of", "2", "--seeds", "3"), "--seeds would change nothing"),
    ],
)
def test_options_that_nothing_would_read_are_refused(brandsmith, tmp_path, options, said):
    code, _, error = brandsmith("sample", PROMPTS[1], *options, "--out", tmp_path / "out")
    assert code == 2 and said in error
