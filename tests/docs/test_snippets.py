"""What README and docs show can be typed: commands and options exist, Python and YAML are accepted."""

from __future__ import annotations

import ast
import re
import shlex

import click
import pytest
import typer
import yaml
from doc_pages import HISTORY, PAGES, ROOT, blocks, spans

import brandsmith
from brandsmith.cli.main import app
from brandsmith.concept.brand_kit import KitSettings
from brandsmith.concept.concept import ConceptConfig
from brandsmith.create.ad_brief import AdBrief
from brandsmith.study.config import StudyConfig

YAML_KINDS = {"methods": StudyConfig, "mark": KitSettings, "token": ConceptConfig, "headline": AdBrief}
"""By a key that only this kind of file has."""
OLD_SPELLINGS = {"--no-layout"}
"""Still read, with a line that says the new one."""


def command_lines(text: str) -> list[str]:
    """The lines of a block that call `brandsmith`, continued ones joined."""
    return [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip().startswith("brandsmith ")]


def find_command(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that the words call, and the words after its name. Raises KeyError for a name that is none."""
    command = typer.main.get_command(app)
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        command, words = command.commands[words[0]], words[1:]
    return command, words


def options_of(command: click.Command) -> set[str]:
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}


def problem_of(line: str, *, whole: bool) -> str | None:
    """Why the real command line refuses this one. `whole`: as it stands; else only its names, the rest left out."""
    words = shlex.split(line, comments=True)[1:]
    try:
        command, rest = find_command(words)
    except KeyError as error:
        return f"no command {error}"
    unknown = {word.partition("=")[0] for word in rest if word.startswith("--")} - options_of(command)
    if unknown or not whole or "--help" in rest:
        return f"no option {sorted(unknown)}" if unknown else None
    try:
        command.make_context(command.name, list(rest))
    except Exception as error:
        return str(error)
    return None


def test_command_lines_of_code_blocks_are_accepted():
    lines = [(block.page, line) for page in PAGES for block in blocks(page) for line in command_lines(block.text)]
    problems = [
        f"{page.name}: {line}: {problem_of(line, whole=True)}" for page, line in lines if problem_of(line, whole=True)
    ]
    assert problems == []
    assert len(lines) > 20, f"only {len(lines)} command lines looked at"


@pytest.mark.slow
def test_commands_and_options_of_running_text_exist():
    named = [(page, span) for page in PAGES for span in spans(page) if re.match(r"brandsmith\s+[a-z]", span)]
    assert [f"{p.name}: {s}: {problem_of(s, whole=False)}" for p, s in named if problem_of(s, whole=False)] == []
    assert len(named) > 60, f"only {len(named)} commands looked at"
    known = all_options(typer.main.get_command(app)) | OLD_SPELLINGS
    options = [
        (page, span.split()[0].partition("=")[0])
        for page in PAGES
        for span in spans(page)
        if span.startswith("--") and page.name not in HISTORY
    ]
    assert [f"{page.name}: {option}" for page, option in options if option not in known] == []
    assert len(options) > 30, f"only {len(options)} options looked at"


def all_options(command: click.Command) -> set[str]:
    below = (all_options(c) for c in getattr(command, "commands", {}).values())
    return options_of(command).union(*below)


@pytest.mark.parametrize(
    "line", ["brandsmith paint x", "brandsmith sample --no-such", "brandsmith train --seed x lora"]
)
def test_a_wrong_command_line_is_seen(line):
    assert problem_of(line, whole=True)


def imported_names(tree: ast.Module) -> set[str]:
    """What a snippet takes from the front door."""
    found = {
        a.name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module == "brandsmith" for a in n.names
    }
    return found | {
        n.attr
        for n in ast.walk(tree)
        if isinstance(n, ast.Attribute)
        if isinstance(n.value, ast.Name) and n.value.id in ("brandsmith", "bs")
    }


def test_python_of_code_blocks_uses_names_that_exist():
    snippets = [block for page in PAGES for block in blocks(page) if block.language == "python"]
    used = [name for snippet in snippets for name in imported_names(ast.parse(snippet.text))]
    assert [name for name in used if not hasattr(brandsmith, name)] == []
    assert len(snippets) > 4 and len(used) > 8, f"only {len(snippets)} snippets and {len(used)} names looked at"


def test_yaml_of_code_blocks_is_accepted():
    documents = [yaml.safe_load(b.text) for page in PAGES for b in blocks(page) if b.language == "yaml"]
    kinds = [next(kind for key, kind in YAML_KINDS.items() if key in document) for document in documents]
    for kind, document in zip(kinds, documents, strict=True):
        kind.model_validate(document)
    assert set(kinds) == set(YAML_KINDS.values())


def test_the_reference_lists_the_whole_front_door():
    listed = re.findall(r"^\.\. auto\w+:: (\w+)", (ROOT / "docs" / "api.md").read_text(encoding="utf-8"), re.M)
    assert sorted([*listed, "__version__"]) == sorted(brandsmith.__all__)
