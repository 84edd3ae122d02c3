"""The house stays as drawn: imports point down, nothing at run time needs the recipe, no forbidden dependency."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "brandsmith"
ORDER = (
    "core",
    "concept",
    "provenance",
    "language",
    "results",
    "base",
    "methods",
    "guidance",
    "judges",
    "draw",
    "prepare",
    "doctor",
    "export",
    "evaluate",
    "create",
    "clips",
    "study",
    "report",
    "benchmark",
    "demo",
    "pocket",
    "studio",
    "cli",
)
FLOORS = {name: floor for floor, name in enumerate(ORDER)}
"""Every package has a floor of its own; `demo` is the one module beside them."""
STRANGERS = ("methods", "guidance", "judges")
ONLY = {"report": {"core", "concept", "results"}, "results": {"core", "concept"}}


def imports() -> list[tuple[str, str]]:
    """(importing part, imported module) of every import statement in the package."""
    found = []
    for file in PACKAGE.rglob("*.py"):
        relative = file.relative_to(PACKAGE)
        part = relative.parts[0] if len(relative.parts) > 1 else relative.stem
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found += [(part, alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                found.append((part, node.module or ""))
    return found


def test_learning_is_measured_on_what_the_model_drew():
    """Composites (`create`, exact marks among it) count in no study and no table."""
    users = {part for part, module in imports() if module.split(".")[:2] == ["brandsmith", "create"]}
    assert users and not users & {"results", "evaluate", "study", "report"}


def test_imports_point_down():
    own = [(part, module) for part, module in imports() if module.startswith("brandsmith.") and part in FLOORS]
    upward = {(part, module) for part, module in own if FLOORS[module.split(".")[1]] > FLOORS[part]}
    assert not upward, f"of {len(own)} imports looked at, these point up: {sorted(upward)}"
    assert len(own) > 600, f"only {len(own)} imports looked at"
    assert {part for part, _ in imports()} - {"__init__", "__main__"} == set(FLOORS), (
        "a package without a floor, or a floor without a package"
    )


def test_no_files_import_each_other_in_a_circle():
    """Imports inside functions and for types alone count too: such files are one thought in two places."""
    names = {".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts): file for file in PACKAGE.rglob("*.py")}
    needs = {name: {own for own in imported_by(file) if own in names} for name, file in names.items()}
    assert sum(map(len, needs.values())) > 2000, "hardly an import was found"
    circles = sorted(sorted(group) for group in groups_in_circles(needs))
    assert not circles, f"files in a circle: {circles}"


def imported_by(file: Path) -> set[str]:
    """Full names of the modules of every import statement, wherever it stands."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def groups_in_circles(needs: dict[str, set[str]]) -> list[set[str]]:
    """Sets of names of which each reaches all others and itself."""
    reached = {name: reachable(needs, name) for name in needs}
    groups = {frozenset(other for other in reached[name] if name in reached[other]) for name in needs}
    return [set(group) for group in groups if group]


def reachable(needs: dict[str, set[str]], name: str) -> set[str]:
    seen, ahead = set(), list(needs[name])
    while ahead:
        if (one := ahead.pop()) not in seen:
            seen.add(one)
            ahead += needs[one]
    return seen


def test_strangers_never_meet():
    met = {
        (part, module)
        for part, module in imports()
        for other in STRANGERS
        if part in STRANGERS and other != part
        if module.startswith(f"brandsmith.{other}")
    }
    assert met == set()
    for part, allowed in ONLY.items():
        known = {module.split(".")[1] for own, module in imports() if own == part and module.startswith("brandsmith.")}
        assert known and known <= allowed | {part}, f"{part} may know {sorted(allowed)} alone"


def test_nothing_at_run_time_imports_the_recipe():
    users = {part for part, module in imports() if module.startswith("brandsmith.pocket") and part != "pocket"}
    assert users <= {"cli"}
    text = "".join(f.read_text() for f in (PACKAGE / "cli").glob("*.py"))
    assert len(re.findall(r"^from brandsmith\.pocket", text, re.M)) == 0, (
        "the command line imports the recipe inside `base build` only"
    )


def test_reports_and_results_need_no_torch():
    modules = sorted(
        f"brandsmith.{part}.{file.stem}" for part in ("report", "results") for file in (PACKAGE / part).glob("*.py")
    )
    modules = [module for module in modules if not module.endswith("__init__")]
    assert len(modules) > 16
    code = f"import sys, {', '.join(modules)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent).returncode == 0


def test_files_seeds_and_prompts_need_no_torch():
    """A run's folder is read, and a prompt is parsed and checked, before torch is loaded (seconds)."""
    modules = [f"brandsmith.core.{file.stem}" for file in (PACKAGE / "core").glob("[!_]*.py")]
    modules += [f"brandsmith.guidance.{name}" for name in ("prompt_syntax", "branches", "subjects", "things")]
    assert len(modules) >= 12
    code = f"import sys, {', '.join(modules)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent).returncode == 0


def test_the_studio_starts_commands_and_reads_their_folders():
    """It neither trains nor draws by itself, so that a page never holds a model; of bases it knows files alone."""
    modules = {module for part, module in imports() if part == "studio" and module.startswith("brandsmith.")}
    known = {module.split(".")[1] for module in modules - {"brandsmith.base.model_card", "brandsmith.base.on_disk"}}
    assert "core" in known and not known & {"methods", "guidance", "judges", "base", "pocket", "benchmark"}


FORBIDDEN = {"torchvision", "ultralytics", "Levenshtein", "pyiqa"}


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
