"""Marks as vectors, which anybody may have made: drawn, or refused in one sentence within seconds and megabytes."""

from __future__ import annotations

import sys
import time

import pytest

from brandsmith.concept import svg_process
from brandsmith.concept.mark_art import draw_mark_art
from brandsmith.core.errors import InvalidConcept

SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
NESTED = "".join(f'<g id="a{i}">' + f'<use xlink:href="#a{i - 1}"/>' * 10 + "</g>" for i in range(1, 9))
SQUARE = '<rect width="5" height="5"/></svg>'


def filtered(effect: str) -> str:
    return f'{SVG}viewBox="0 0 9 9"><filter id="f">{effect}</filter><g filter="url(#f)">{SQUARE[:-6]}</g></svg>'


HOSTILE = {
    "a tower": f'{SVG}viewBox="0 0 1 1e9">{SQUARE}',
    "a band": f'{SVG}viewBox="0 0 1e9 1">{SQUARE}',
    "no numbers": f'{SVG}viewBox="0 0 nan 9">{SQUARE}',
    "a laugh": f'{SVG}viewBox="0 0 9 9"><g id="a0">{SQUARE[:-6]}</g>{NESTED}</svg>',
    "entities": f'<!DOCTYPE svg [<!ENTITY a "aa"><!ENTITY b "&a;&b;">]>{SVG}viewBox="0 0 9 9"><text>&b;</text></svg>',
    "deep nesting": f'{SVG}viewBox="0 0 9 9">{"<g>" * 100_000}{SQUARE[:-6]}{"</g>" * 100_000}</svg>',
    "itself": f'{SVG}viewBox="0 0 9 9"><g id="a"><use xlink:href="#a"/></g></svg>',
    "other files": f'{SVG}viewBox="0 0 9 9"><image xlink:href="/etc/hostname" width="9" height="9"/></svg>',
    "a dot in a field": f'{SVG}viewBox="0 0 100000 100000">{SQUARE}',
    "no SVG": "<html/>",
    "nothing": " ",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_vector_is_refused(what, tmp_path):
    file = tmp_path / "mark.svg"
    file.write_text(HOSTILE[what], encoding="utf-8")
    with pytest.raises(InvalidConcept) as refused:
        draw_mark_art(file, 64)
    assert str(file) in str(refused.value) and len(str(refused.value).splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("effect", ['<feTurbulence numOctaves="2000000000"/>', '<feMorphology radius="400"/>'])
def test_a_vector_that_takes_hours_is_given_up_within_seconds(effect, tmp_path, monkeypatch):
    monkeypatch.setattr(svg_process, "LONGEST_SEC", 3)
    svg_process.drawn_svg.cache_clear()
    file, started = tmp_path / "mark.svg", time.perf_counter()
    file.write_text(filtered(effect), encoding="utf-8")
    with pytest.raises(InvalidConcept, match="heavy filters"):
        draw_mark_art(file, 4096)
    assert time.perf_counter() - started < 30


def test_small_marks_in_large_drawings_and_effects_are_drawn(tmp_path):
    file = tmp_path / "mark.svg"
    file.write_text(f'{SVG}viewBox="0 0 100 100">{SQUARE}', encoding="utf-8")
    assert draw_mark_art(file, 50).size == (50, 50)
    file.write_text(filtered('<feGaussianBlur stdDeviation="1"/>'), encoding="utf-8")
    assert draw_mark_art(file, 64).width == 64


def test_a_vector_is_drawn_beside_us_by_this_python(monkeypatch):
    seen: list[list[str]] = []

    def run(command, **options):
        seen.append(command)
        raise svg_process.subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(svg_process.subprocess, "run", run)
    svg_process.drawn_svg.cache_clear()
    with pytest.raises(ValueError, match="takes more than"):
        svg_process.drawn_svg(f'{SVG}viewBox="0 0 9 9">{SQUARE}', 64)
    assert [command[:3] for command in seen] == [[sys.executable, "-I", "-c"]]
