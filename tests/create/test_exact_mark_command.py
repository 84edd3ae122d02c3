"""`brandsmith create mark`: a signed composite beside the picture, or a reason and nothing written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_exact_mark import cloth, garbled

from brandsmith.concept.concept import load_concept
from brandsmith.core.errors import BrandsmithError, InvalidConfig, InvalidInput
from brandsmith.core.pictures import load_rgb, save_png
from brandsmith.create.exact_mark_command import exact_mark_lines, lay_exact_mark
from brandsmith.create.true_mark import load_true_mark
from brandsmith.prepare.printing import print_on
from brandsmith.provenance.certificate import Signing

UNSIGNED = Signing(sign=False)


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    wrong = garbled(load_true_mark(load_concept("demo")))
    save_png(tmp_path / "cap.png", print_on(cloth(), wrong, (64, 70), 52, np.random.default_rng(3)).picture)
    return tmp_path / "cap.png"


@pytest.mark.slow
def test_a_composite_is_written_beside_the_picture_and_says_what_it_is(drawn):
    given = drawn.read_bytes()
    done = lay_exact_mark(drawn, "demo", signing=UNSIGNED)
    assert done.file == drawn.with_name("cap_exact-mark.png") and drawn.read_bytes() == given
    assert (load_rgb(done.file) == done.exact.picture).all()
    assert b"compositeWithTrainedAlgorithmicMedia" in done.file.read_bytes()
    assert any("counts in no study" in line for line in exact_mark_lines(done))
    assert done.as_json()["right"] and done.as_json()["spelled"]


@pytest.mark.slow
def test_without_a_mark_nothing_is_written(tmp_path):
    save_png(tmp_path / "plain.png", cloth())
    with pytest.raises(InvalidInput, match="no mark was found"):
        lay_exact_mark(tmp_path / "plain.png", "demo", signing=UNSIGNED)
    assert [path.name for path in tmp_path.iterdir()] == ["plain.png"]


def test_nothing_that_is_there_is_replaced(drawn, monkeypatch):
    """Known before any judge is loaded."""
    monkeypatch.setattr("brandsmith.create.exact_mark_command.load_judges", lambda concept: pytest.fail("loaded"))
    with pytest.raises(InvalidConfig, match="is there already"):
        lay_exact_mark(drawn, "demo", drawn, UNSIGNED)
    with pytest.raises(BrandsmithError, match="formats"):
        lay_exact_mark(drawn, "demo", drawn.with_suffix(".gif"), UNSIGNED)
