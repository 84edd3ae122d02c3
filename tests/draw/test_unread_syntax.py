"""Syntax that is not read is said: in prompts with AND for cfg, and in prompts written for other programs."""

from __future__ import annotations

import pytest

from brandsmith.draw.unread_syntax import warn_of_unread_syntax
from brandsmith.guidance.settings import DrawSettings


@pytest.mark.parametrize(
    ("prompt", "combiner", "says"),
    [
        ("a cat AND a bowl", "cfg", "AND and NOT are words"),
        ("a cat AND a bowl", "composable", ""),
        ('a "rock AND roll" cat', "cfg", ""),
        ("a (blue:1.3) cat", "cfg", "'(blue:1.3)' is a weight"),
        ("a (blue : -.5 ) cat AND a bowl", "composable", "is a weight"),
        ("a [cat:dog:0.5]", "cfg", "is an exchange of words"),
        ("a cat <lora:mark:1>", "cfg", "is an adapter"),
        ("a cat, embedding:mark", "cfg", "is an embedding"),
        ("a cat BREAK a bowl", "cfg", "is a break"),
        ("a cat (at 10:30), [new], a {blue cat} breaks", "cfg", ""),
        ("a cat (ratio 16:9 photo)", "cfg", ""),
    ],
)
def test_what_nobody_reads_is_said(prompt, combiner, says, capsys):
    warn_of_unread_syntax([prompt], DrawSettings(combiner=combiner))
    told = capsys.readouterr().err
    assert (says in told) if says else told == ""
    assert told.count("\n") == bool(says)
