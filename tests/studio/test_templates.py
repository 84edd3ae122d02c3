"""Pages hold nothing that the policy forbids, and nothing that moves when pictures arrive."""

from __future__ import annotations

import re

from brandsmith.studio.render import HERE

SHOWN_PARTS = (
    *("ui.html", "fields.html", "pictures.html", "judged.html", "job_line.html", "model.html", "create_tabs.html"),
    "kit.html",
)
INSIDE_OTHERS = {"icon", "csrf_field", "about", "described", "mosaic", "address", "star", "name"}
"""Macros that other macros call."""
TEMPLATES = {file.name: file.read_text(encoding="utf-8") for file in (HERE / "templates").rglob("*.html")}


def test_no_inline_script_style_or_handler():
    assert len(TEMPLATES) >= 8
    for name, text in TEMPLATES.items():
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:|\|\s*safe\b", text), name


def test_every_picture_has_its_size_and_its_words():
    tags = [(name, tag) for name, text in TEMPLATES.items() for tag in re.findall(r"<img\b[^>]*>", text)]
    assert len(tags) >= 4
    for name, tag in tags:
        assert all(f"{attribute}=" in tag for attribute in ("alt", "width", "height")), (name, tag)


def test_every_form_that_changes_something_carries_the_token():
    forms = [
        (name, form)
        for name, text in TEMPLATES.items()
        for form in re.findall(r"<form\b[^>]*method=\"post\".*?</form>", text, re.S)
    ]
    assert len(forms) >= 4
    for name, form in forms:
        assert "csrf_field()" in form, (name, form[:80])


def test_design_shows_every_component():
    """Whatever a page takes from `parts/` as a macro; those that only write an attribute, and whole parts, show nothing
    of their own.
    """
    parts = {name: re.findall(r"{% macro (\w+)\(", TEMPLATES[name]) for name in SHOWN_PARTS}
    shown = set(re.findall(r"\b\w+\.(\w+)\(", TEMPLATES["design.html"]))
    wanted = {macro for macros in parts.values() for macro in macros} - INSIDE_OTHERS
    assert wanted - shown == set() and len(wanted) >= 30 and all(parts.values())
