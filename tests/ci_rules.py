"""A pytest plugin: which tests may stay out, and where.

On CI (the variable `CI` is set) a skipped test is a failure, so that no browser, database or package goes missing
unnoticed. A test marked `only_with("mlflow")` is not collected where that package is not installed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import pytest

MAY_SKIP = {"test_training_full_size.py": "takes 11.7 GB: the machine may have less"}
"""File name -> why its tests may skip on CI all the same."""

OPTIONAL = {
    "mlflow": "forty more packages, and it asks for importlib_metadata < 10 where constraints.txt has 10.2",
    "wandb": "it brings packages that nothing else needs",
}
"""Packages that the extra `dev` leaves out, and why. Only these can be named by `only_with`."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"only_with(package): not collected without it; one of {', '.join(OPTIONAL)}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Drop what cannot run here; start files that hold slow tests first, so that no worker ends long after another."""
    left_out = [item for item in items if any(find_spec(package) is None for package in _packages(item))]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items[:] = sorted((item for item in items if item not in left_out), key=lambda item: item.path not in slow)


def _packages(item: pytest.Item) -> Iterable[str]:
    for marker in item.iter_markers("only_with"):
        (package,) = marker.args
        if package not in OPTIONAL:
            raise pytest.UsageError(f"{item.nodeid}: only_with({package!r}); allowed: {', '.join(OPTIONAL)}")
        yield package


def _skipped(config: pytest.Config) -> list[pytest.TestReport]:
    """The skips that CI does not allow; none in a worker of xdist, which reports to the process that started it."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or hasattr(config, "workerinput") or not os.environ.get("CI"):
        return []
    reports = reporter.stats.get("skipped", [])
    return [report for report in reports if Path(report.nodeid.partition("::")[0]).name not in MAY_SKIP]


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _skipped(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    absent = [package for package in OPTIONAL if find_spec(package) is None]
    if absent:
        terminalreporter.write_line(f"not collected: tests that need {' or '.join(absent)}, which 'dev' leaves out")
    if skipped := _skipped(config):
        terminalreporter.section(f"{len(skipped)} skipped: on CI that is a failure", red=True)
        for report in skipped:
            terminalreporter.write_line(f"{report.nodeid}: {report.longrepr[2]}")
