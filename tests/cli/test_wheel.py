"""The wheel, installed alone, works. `python tests/wheel_smoke.py` does the same without pytest."""

from __future__ import annotations

import pytest
from wheel_smoke import build_wheel, check_contents, check_use, install

import brandsmith


@pytest.mark.slow
def test_a_wheel_installed_alone_draws_a_picture(tmp_path):
    wheel = build_wheel(tmp_path)
    assert check_contents(wheel) > 300
    assert check_use(install(wheel, tmp_path), tmp_path) == brandsmith.__all__
