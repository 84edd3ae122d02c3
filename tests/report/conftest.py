"""A study and its page, for all tests of the report."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_pages import Page, report
from studies import build_study


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    return build_study(tmp_path_factory.mktemp("made") / "study", side_px=48)


@pytest.fixture(scope="module")
def page(study, tmp_path_factory) -> Page:
    return report(study, tmp_path_factory.mktemp("out"))[0]


@pytest.fixture
def bare(tmp_path) -> Path:
    """A study of one's own to spoil, without pictures."""
    return build_study(tmp_path / "bare", pictures=False, side_px=48)
