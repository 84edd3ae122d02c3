"""Pages hold nothing that the policy forbids, and nothing that moves when pictures arrive."""

from __future__ import annotations

import re

from brandsmith.studio.render import HERE

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
