"""On CI a skipped test fails the run, with and without parallel workers."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from ci_rules import MAY_SKIP, OPTIONAL

TESTS = Path(__file__).parents[1]
RUNS = "def test_that_runs():\n    pass\n"
SKIPS = "import pytest\n\n\n@pytest.mark.skip(reason='no browser')\ndef test_that_skips():\n    pass\n"
NO_MODULE = "import pytest\n\npytest.importorskip('no_such_module')\n"


def pytest_exit(folder: Path, *options: str, ci: str = "true", **files: str) -> tuple[int, str]:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = slow\n")
    environment = {**os.environ, "CI": ci, "PYTHONPATH": str(TESTS)}
    command = [sys.executable, "-m", "pytest", "-p", "ci_rules", "-p", "no:cacheprovider", "--strict-markers", *options]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["one process", "a worker"])
def test_a_skip_fails_the_run_and_is_named(tmp_path, options):
    code, printed = pytest_exit(tmp_path, *options, test_one=RUNS + SKIPS, test_two=NO_MODULE, test_three=RUNS)
    assert code == 1 and "2 skipped: on CI that is a failure" in printed
    assert "test_one.py::test_that_skips: Skipped: no browser" in printed
    assert "test_two.py: Skipped: could not import 'no_such_module'" in printed


def test_elsewhere_a_skip_is_a_skip_and_what_may_skip_may(tmp_path):
    assert pytest_exit(tmp_path, ci="", test_one=RUNS + SKIPS)[0] == 0
    (allowed,) = MAY_SKIP
    assert (TESTS / "methods" / allowed).is_file()
    code, printed = pytest_exit(tmp_path, test_one=RUNS, **{allowed.removesuffix(".py"): SKIPS})
    assert code == 0 and "1 passed, 1 skipped" in printed


@pytest.mark.slow
def test_a_test_of_an_optional_package_is_left_out_and_said_so(tmp_path):
    marked = "import pytest\n\n\n@pytest.mark.only_with('PACKAGE')\ndef test_with_it():\n    pass\n"
    code, printed = pytest_exit(tmp_path, test_one=RUNS, test_two=marked.replace("PACKAGE", "chromium"))
    assert code == 4 and f"only_with('chromium'); allowed: {', '.join(OPTIONAL)}" in printed
    code, printed = pytest_exit(tmp_path, test_two=marked.replace("PACKAGE", "wandb"), wandb="")
    assert code == 0 and "2 passed" in printed
    (tmp_path / "wandb.py").unlink()
    if find_spec("wandb") is None:
        printed = pytest_exit(tmp_path, test_one=RUNS)[1]
        assert "1 passed, 1 deselected" in printed and "not collected: tests that need" in printed


def test_slow_files_come_first(tmp_path):
    slow = "import pytest\n\n\n@pytest.mark.slow\ndef test_slow():\n    pass\n\n\ndef test_after():\n    pass\n"
    code, printed = pytest_exit(tmp_path, "--collect-only", "-q", test_a=RUNS, test_b=slow)
    order = [line for line in printed.splitlines() if "::" in line]
    assert code == 0 and order == ["test_b.py::test_slow", "test_b.py::test_after", "test_a.py::test_that_runs"]
