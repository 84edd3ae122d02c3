"""The house stays as drawn: imports point down, nothing at run time needs the recipe, no forbidden dependency."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "brandsmith"
FLOORS = {"core": 0, "concept": 1, "base": 1, "methods": 2, "guidance": 2, "judges": 2, "study": 3, "report": 3}
SIBLINGS = ({"methods", "guidance", "judges"},)
FORBIDDEN = {"torchvision", "ultralytics", "Levenshtein", "pyiqa"}


def imports() -> list[tuple[str, str]]:
    """(importing part, imported module) of every import statement in the package."""
    found = []
    for file in PACKAGE.rglob("*.py"):
        parts = file.relative_to(PACKAGE).parts
        part = parts[0] if len(parts) > 1 else "top"
        for node in ast.walk(ast.parse(file.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found += [(part, name) for name in names]
    return found


def test_imports_point_down():
    looked = 0
    for part, module in imports():
        if part not in FLOORS or not module.startswith("brandsmith."):
            continue
        looked += 1
        target = module.split(".")[1]
        assert target in FLOORS, f"{part} imports {module}: only the top and the recipe may"
        assert FLOORS[target] <= FLOORS[part], f"{part} imports {module}, which is above it"
        for group in SIBLINGS:
            assert not (part in group and target in group and part != target), f"{part} and {target} must not know each other"
    assert looked > 80


def test_nothing_at_run_time_imports_the_recipe():
    users = {part for part, module in imports() if module.startswith("brandsmith.pocket") and part not in ("pocket", "top")}
    assert users == set()
    text = "".join(f.read_text() for f in PACKAGE.glob("*.py"))
    assert len(re.findall(r"^from brandsmith\.pocket", text, re.M)) == 0, "the command line imports the recipe inside `base build` only"


def test_a_report_needs_no_torch():
    modules = sorted(f"brandsmith.report.{file.stem}" for file in (PACKAGE / "report").glob("*.py") if file.stem != "__init__")
    assert len(modules) > 10
    code = f"import sys, {', '.join(modules)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent).returncode == 0


def test_no_forbidden_dependency():
    used = {module.split(".")[0] for _, module in imports()}
    assert len(used) > 15 and not used & FORBIDDEN
    pinned = (PACKAGE.parent / "constraints.txt").read_text().lower()
    assert not [name for name in FORBIDDEN if re.search(rf"^{name.lower()}==", pinned, re.M)]
    assert "torch==2.13.0" in pinned


def test_functions_stay_short():
    lengths = []
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef):
                lengths.append((node.end_lineno - node.lineno + 1, f"{file.name}:{node.name}"))
    lengths.sort()
    assert len(lengths) > 200
    assert lengths[len(lengths) // 2][0] <= 12, "median"
    assert [entry for entry in lengths if entry[0] > 75] == []
