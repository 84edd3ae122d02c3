"""YAML that remembers on which line each key stands, so that every mistake in a study can be shown where it is.

Two differences from plain PyYAML: `1e-4` is a number (YAML 1.2; PyYAML wants `1.0e-4` and takes the other for text),
and a key given twice is a mistake instead of a silent choice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

Path = tuple[str | int | float | None, ...]


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

    def line_of(self, path: Path) -> int:
        """The line of a path, or of the nearest thing around it that exists."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return 1


def read_yaml(text: str) -> Located:
    """Read one document; syntax errors and doubled keys become `problems`, nothing is raised."""
    found = Located()
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        found.value = _build(loader, node, (), found) if node else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        found.problems.append((mark.line + 1 if mark else 1, f"not valid YAML: {error.problem or error.context}"))
    except yaml.YAMLError as error:
        found.problems.append((1, f"not valid YAML: {str(error).splitlines()[0]}"))
    finally:
        loader.dispose()
    return found


def _build(loader: _Loader, node: yaml.Node, path: Path, found: Located) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return [_build_at(loader, item, (*path, i), item, found) for i, item in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return loader.construct_object(node)
    loader.flatten_mapping(node)
    mapping: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node)
        if not isinstance(key, str | int | float | bool | None):
            raise yaml.MarkedYAMLError(problem="a key is a word or a number", problem_mark=key_node.start_mark)
        if key in mapping:
            found.problems.append((key_node.start_mark.line + 1, f"'{key}' is given twice"))
        mapping[key] = _build_at(loader, value_node, (*path, key), key_node, found)
    return mapping


def _build_at(loader: _Loader, node: yaml.Node, path: Path, where: yaml.Node, found: Located) -> Any:
    found.lines[path] = where.start_mark.line + 1
    return _build(loader, node, path, found)
