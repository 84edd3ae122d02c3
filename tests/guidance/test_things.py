"""Things: what stands side by side in a prompt, and which tokens are its nouns."""

from __future__ import annotations

import pytest
from bases import build_tiny

from brandsmith.guidance.combiners import build_combiner
from brandsmith.guidance.things import things_side_by_side


def things_of(base, prompt, combiner="cfg"):
    return things_side_by_side(base, build_combiner(combiner).branches(prompt, 5.0))


@pytest.mark.parametrize(
    ("prompt", "alone"),
    [
        ("a blue cat and a yellow bowl", ["a blue cat", "a yellow bowl"]),
        ("a blue cat, a yellow bowl and red shorts", ["a blue cat", "a yellow bowl", "red shorts"]),
        (
            "a cat, a bowl, and a car, oil painting",
            ["a cat, oil painting", "a bowl, oil painting", "a car, oil painting"],
        ),
        ("a photo of a cat next to a bowl", ["a photo of a cat", "a bowl"]),
        ("a man wearing a blue t shirt and red pants", []),
        ("a cat on a table and a bowl", []),
        ("a {cat} on a table and a {bowl}", ["a cat on a table", "a bowl"]),
        ("a black and white cat", []),
        ("a black and white cat and a bowl", ["a black and white cat", "a bowl"]),
        ("", []),
    ],
)
def test_things_that_stand_side_by_side(prompt, alone):
    listed = things_of(build_tiny(), prompt)
    assert [thing.alone for thing in listed.things] == alone
    assert all(thing.tokens for thing in listed.things) and "{" not in listed.sentence


@pytest.mark.parametrize("combiner", ["composable", "regional"])
def test_and_parts_are_things_and_what_is_taken_back_is_none(combiner):
    base = build_tiny()
    listed = things_of(base, "a man wearing a blue t shirt AND a {bowl} on a table AND NOT a dog", combiner)
    assert [thing.alone for thing in listed.things] == ["a man wearing a blue t shirt", "a bowl on a table"]
    pieces = base.tokenizers[0].convert_ids_to_tokens(base.tokenizers[0](listed.expanded)["input_ids"])
    assert [[pieces[t] for t in thing.tokens] for thing in listed.things] == [
        ["man</w>", "t</w>", "shirt</w>"],
        ["bowl</w>"],
    ]
    if combiner == "regional":
        assert [
            thing.alone for thing in things_of(base, "a cat AND a bowl AND a dog AND NOT a bowl", combiner).things
        ] == ["a cat", "a dog"]
