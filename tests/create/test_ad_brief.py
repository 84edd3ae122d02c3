"""A brief is read whole: formats by name, every mistake at once with its line, the kit's words, the fonts' letters."""

from __future__ import annotations

import pytest

from brandsmith.core.errors import InvalidConfig, MissingResource
from brandsmith.create.ad_brief import load_ad_brief
from brandsmith.create.formats import parse_format

BRIEF = """\
product: a blue {token} sweater
scene: on a pink background
headline: Made for rain
formats: [1:1, 4:5, 9:16, 16:9, leaderboard, 300x250]
"""


def brief(tmp_path, text):
    file = tmp_path / "brief.yaml"
    file.write_text(text, encoding="utf-8")
    return load_ad_brief(file)


def test_formats_may_be_written_without_quotes_although_yaml_reads_sixties(tmp_path):
    assert brief(tmp_path, BRIEF).formats == ("1:1", "4:5", "9:16", "16:9", "leaderboard", "300x250")


def test_the_prompt_has_the_token_and_texts_are_one_line(tmp_path):
    own = brief(tmp_path, BRIEF + "legal: |\n  While\n  stocks last.\n")
    assert own.prompt("red_qoga_logo") == "a blue red_qoga_logo sweater on a pink background"
    assert own.texts() == {"headline": "Made for rain", "legal": "While stocks last."}


def test_every_mistake_of_shape_is_shown_with_its_line(tmp_path):
    with pytest.raises(InvalidConfig) as caught:
        brief(tmp_path, "product: a {token} cap\nheadline: ''\ncandidates: many\nfont: Arial\ndraw: {steps: 3}\n")
    for part in (
        "line 2: headline",
        "line 3: candidates",
        "line 4: unknown key 'font'; allowed here: concept, product",
        "line 5: unknown key 'draw.steps'; allowed here: num_steps",
    ):
        assert part in str(caught.value), part


def test_every_mistake_of_meaning_is_shown_with_its_line(tmp_path):
    text = "product: a cap\nheadline: A bargain 夏\nformats: ['1:1', 2:1x, '1:1', 9x9]\n"
    with pytest.raises(InvalidConfig) as caught:
        brief(tmp_path, text)
    for part in (
        "line 1: product: 'a cap' lacks {token}",
        "line 2: headline: says 'bargain', which the brand kit forbids",
        "line 2: headline: the font 'Rubik-SemiBold.ttf' has no 夏",
        "line 3: formats.1: '2:1x' is no format",
        "line 3: formats.2: '1:1' is there twice",
        "line 3: formats.3: '9x9' is no format",
    ):
        assert part in str(caught.value), part


def test_mistakes_of_shape_hide_none_of_meaning(tmp_path):
    with pytest.raises(InvalidConfig) as caught:
        brief(tmp_path, "product: a cap\nheadline: A bargain\nformats: ['1:1', 3x3]\nfont: red\nseed: -1\n")
    for part in (
        "5 mistakes",
        "line 1: product: 'a cap' lacks",
        "line 2: headline: says 'bargain'",
        "line 3: formats.1: '3x3'",
        "line 4: unknown key 'font'",
        "line 5: seed",
    ):
        assert part in str(caught.value), part


def test_a_needed_key_that_is_wrong_hides_none_of_the_others(tmp_path):
    with pytest.raises(InvalidConfig) as caught:
        brief(tmp_path, "product: a {tokn} cap\nheadline: ''\nformats: ['1:1', 3x3]\nbudget: 2\nlegal: A bargain\n")
    for part in (
        "6 mistakes",
        "line 1: product: 'a {tokn} cap' lacks {token}",
        "line 1: product: has '{tokn}'",
        "line 2: headline: string should match",
        "line 3: formats.1: '3x3'",
        "line 4: budget: 2 pictures at most, and candidates asks for 8",
        "line 5: legal: says 'bargain'",
    ):
        assert part in str(caught.value), part


def test_a_concept_that_is_not_there_is_a_mistake_of_its_line(tmp_path):
    with pytest.raises(InvalidConfig, match="line 5: concept: no concept folder"):
        brief(tmp_path, BRIEF + "concept: nowhere\n")
    with pytest.raises(MissingResource, match="no brief"):
        load_ad_brief(tmp_path / "other.yaml")


def test_safe_areas_leave_out_what_apps_cover():
    story, square = parse_format("9:16"), parse_format("1:1")
    assert story.safe[1] > 0.12 * story.height and story.safe[3] < 0.83 * story.height
    assert square.safe == (76, 76, 1004, 1004)
    assert [parse_format(f).aspect for f in ("1:1", "9:16", "16:9", "leaderboard", "160x600")] == [
        "square",
        "tall",
        "wide",
        "strip",
        "tower",
    ]
