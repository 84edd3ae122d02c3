"""YAML that remembers on which line each key stands, so that every mistake can be shown where it is.

Two differences from plain PyYAML: `1e-4` is a number (YAML 1.2; PyYAML wants `1.0e-4` and takes the other for text),
and a key given twice is a mistake instead of a silent choice. Nesting, aliases and merges are limited, so that a small
file cannot fill the memory.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

Path = tuple[str | int | float | None, ...]
DEEPEST = 20
"""Levels of nesting."""
_PLAIN = ("tag:yaml.org,2002:seq", "tag:yaml.org,2002:map")
MOST_VALUES = 20_000
"""Keys and items, those that aliases repeat counted each time."""


class _Loader(yaml.SafeLoader):
    pass


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+0123456789.")
)


@dataclass
class Located:
    """A document's value, the line (from 1) of each key or item, and what was wrong while reading."""

    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)
    built: int = 0
    """Values put together so far, each repetition by an alias counted."""

    def line_of(self, path: Path) -> int:
        """The line of a path, or of the nearest thing around it that exists."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return 1


def read_yaml(text: str) -> Located:
    """Read one document; syntax errors and doubled keys become `problems`, nothing is raised."""
    found = Located()
    try:
        _check_size(text)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            found.value = _build(loader, node, (), found) if node else None
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        found.problems.append((mark.line + 1 if mark else 1, f"not valid YAML: {error.problem or error.context}"))
    except yaml.YAMLError as error:
        found.problems.append((1, f"not valid YAML: {str(error).splitlines()[0]}"))
    if found.problems and found.problems[-1][1].startswith("not valid YAML"):
        found.value = None
    return found


def _check_size(text: str) -> None:
    """Refuse deep nesting and floods of values before PyYAML, which recurses, puts them together."""
    depth = values = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        values += isinstance(event, yaml.NodeEvent)
        if depth > DEEPEST:
            raise _refusal(f"nested deeper than {DEEPEST} levels", event.start_mark)
        if values > MOST_VALUES:
            raise _refusal(f"more than {MOST_VALUES} values", event.start_mark)


def _refusal(what: str, mark: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=what, problem_mark=mark)


def _build(loader: _Loader, node: yaml.Node, path: Path, found: Located) -> Any:
    if isinstance(node, yaml.CollectionNode) and node.tag not in _PLAIN:
        raise _refusal(f"the tag '{node.tag[:60]}' is not allowed", node.start_mark)
    if isinstance(node, yaml.SequenceNode):
        return [_build_at(loader, item, (*path, i), item, found) for i, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return _build_mapping(loader, node, path, found)
    return _scalar(loader, node)


def _scalar(loader: _Loader, node: yaml.Node) -> Any:
    try:
        return loader.construct_object(node)
    except (ValueError, OverflowError, AttributeError, KeyError, IndexError) as error:  # !!int x, a date of month 13
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise _refusal(f"'{str(node.value)[:40]}' is no value ({reason[:80]})", node.start_mark) from None


def _build_mapping(loader: _Loader, node: yaml.MappingNode, path: Path, found: Located) -> dict[Any, Any]:
    own: dict[Any, Any] = {}
    merged: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            merged = _merged(loader, value_node, path, found) | merged
            continue
        key = _scalar(loader, key_node) if isinstance(key_node, yaml.ScalarNode) else ()
        if not isinstance(key, str | int | float | bool | None):
            raise yaml.MarkedYAMLError(problem="a key is a word or a number", problem_mark=key_node.start_mark)
        if key in own:
            found.problems.append((key_node.start_mark.line + 1, f"'{key}' is given twice"))
        own[key] = _build_at(loader, value_node, (*path, key), key_node, found)
    return merged | own


def _merged(loader: _Loader, node: yaml.Node, path: Path, found: Located) -> dict[Any, Any]:
    """The keys of `<<: *one` or `<<: [*one, *two]`, the first before the others."""
    parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
    path = (*path, "<<")
    keys: dict[Any, Any] = {}
    for part in parts:
        if not isinstance(part, yaml.MappingNode):
            raise yaml.MarkedYAMLError(problem="<< takes keys and values", problem_mark=part.start_mark)
        _count(part, path, found)
        keys = _build_mapping(loader, part, path, found) | keys
    return keys


def _build_at(loader: _Loader, node: yaml.Node, path: Path, where: yaml.Node, found: Located) -> Any:
    found.lines[path] = where.start_mark.line + 1
    _count(node, path, found)
    return _build(loader, node, path, found)


def _count(node: yaml.Node, path: Path, found: Located) -> None:
    found.built += 1
    if len(path) > DEEPEST:
        raise _refusal(f"an alias that holds itself, or nesting deeper than {DEEPEST} levels", node.start_mark)
    if found.built > MOST_VALUES:
        raise _refusal(f"aliases make it more than {MOST_VALUES} values", node.start_mark)
