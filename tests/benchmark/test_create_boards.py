"""What the bars of catalogue and mood board stand on."""

from __future__ import annotations

import sys

import pytest

from brandsmith.benchmark import create_boards as module
from brandsmith.core.errors import BrandsmithError
from brandsmith.create.products import items_of, read_products


def test_the_table_is_forty_rows_of_which_none_is_like_another(tmp_path):
    (tmp_path / "products.csv").write_text(module._table(), "utf-8")
    items = items_of(read_products(tmp_path / "products.csv"), "qoga")
    assert len(items) == module.ROWS == len({item.name for item in items})
    assert len({item.prompt for item in items}) == 32, "some share a prompt: they need seeds of their own"


def test_a_process_is_killed_once_it_is_so_far(tmp_path):
    started = f"open({str(tmp_path / 'begun')!r}, 'w').close(); import time; time.sleep(60)"
    module._kill_when([sys.executable, "-c", started], (tmp_path / "begun").exists)
    with pytest.raises(BrandsmithError, match="ended before it could be killed"):
        module._kill_when([sys.executable, "-c", "pass"], lambda: False)
    with pytest.raises(BrandsmithError, match="exit code 3"):
        module._finish([sys.executable, "-c", "raise SystemExit(3)"])


def test_the_moments_lie_apart_and_the_last_is_while_pages_are_set(tmp_path):
    (tmp_path / "drawn").mkdir()
    moments = [module._moment(tmp_path, number) for number in range(module.KILLS)]
    reached = []
    for number in range(module.ROWS):
        (tmp_path / "drawn" / f"{number}.png").touch()
        reached.append(sum(moment() for moment in moments))
    assert sorted(set(reached)) == [1, 2, 3, 4]
    (tmp_path / "scores.csv").touch()
    assert moments[-1]()


def test_any_other_byte_shows(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name / "pictures").mkdir(parents=True)
        (tmp_path / name / "pictures" / "a.png").write_bytes(b"x")
    assert module._hashes(tmp_path / "one") == module._hashes(tmp_path / "other")
    (tmp_path / "other" / "pictures" / "a.png").write_bytes(b"y")
    assert module._hashes(tmp_path / "one") != module._hashes(tmp_path / "other")
