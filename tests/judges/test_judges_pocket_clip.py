"""CLIP over the pair for judging, on true captioned pictures: a picture's own caption must score above a changed
one.
"""

from __future__ import annotations

import numpy as np
import pytest

from brandsmith.base.base import pocket_folder
from brandsmith.benchmark.clip import clip_error
from brandsmith.benchmark.prompt_judge import captioned_pictures, changed_captions
from brandsmith.concept.concept import load_concept
from brandsmith.evaluate.chain import every_judge, held_out_pictures, obeyed_judge
from brandsmith.judges.judge import Judge, PromptJudge
from brandsmith.judges.pocket_clip import NOTE, PocketClipText, PocketIdentity, has_pair


@pytest.fixture(scope="module")
def judge() -> PocketClipText:
    concept = load_concept("demo")
    return PocketClipText(concept.token, concept.config.class_word, pocket_folder())


def test_own_captions_score_above_changed_ones(judge):
    concept = load_concept("demo")
    figures = clip_error(judge, obeyed_judge(concept, pocket_folder()), *captioned_pictures(concept))
    assert figures["another colour"].n >= 25 and figures["another colour"].own_above >= 0.95
    assert figures["another thing"].n >= 30 and figures["another thing"].own_above > 0.5
    assert figures["another colour"].mean_own > figures["another colour"].mean_changed + 0.1


def test_every_verdict_says_whose_pair_it_is(judge):
    assert isinstance(judge, PromptJudge) and judge.version == "2" and len(judge.weights_hash) == 12
    pictures = held_out_pictures(load_concept("demo"))[:2]
    first, second = judge.score_prompted(pictures, ["a red_qoga_logo", ""])
    assert first.details["note"] == NOTE and first.details["text"] == "a logo" and -1 <= first.value <= 1
    assert second.value is None and judge.score(pictures)[0].value is None
    tall = np.ascontiguousarray(pictures[0][:, :64])
    assert -1 <= judge.score_prompted([tall], ["a logo"])[0].value <= 1, "other shapes are squeezed"
    together = judge.score_prompted(pictures, ["a logo", "a cat and a bowl"])
    alone = judge.score_prompted(pictures[1:], ["a cat and a bowl"])[0]
    assert alone.value == pytest.approx(together[1].value, abs=1e-5)


def test_identity_prefers_the_concept_to_pictures_without_it():
    from brandsmith.concept.concept import demo_folder
    from brandsmith.judges.labelled import load_split

    val, held_out = load_split(demo_folder(), "val"), held_out_pictures(load_concept("demo"))
    judge = PocketIdentity(held_out, pocket_folder())
    marked, plain = ([p.pixels for p in val if p.sort == sort][:40] for sort in ("mark", "plain"))
    with_mark, without = (np.mean([v.value for v in judge.score(shown)]) for shown in (marked, plain))
    assert isinstance(judge, Judge) and with_mark > without and -1 <= judge.ceiling() <= 1


@pytest.mark.slow
def test_a_base_without_a_pair_has_no_such_judge(tmp_path):
    assert has_pair(pocket_folder()) and not has_pair(tmp_path)
    concept = load_concept("demo")
    assert "clip_pocket" in every_judge(concept, pocket_folder()) and "clip_pocket" not in every_judge(
        concept, tmp_path
    )
    verdict = PocketClipText("t", "logo", tmp_path).score_prompted(held_out_pictures(concept)[:1], ["a t"])[0]
    assert verdict.value is None and "no CLIP pair for judging" in verdict.reason


def test_changed_captions_change_one_word():
    concept = load_concept("demo")
    judge = obeyed_judge(concept, pocket_folder())
    _, captions = captioned_pictures(concept)
    looked = 0
    for i, caption in enumerate(captions):
        for changed in changed_captions(judge, caption, np.random.default_rng(i)).values():
            looked += 1
            assert changed != caption and concept.token in changed
    assert looked > 50
