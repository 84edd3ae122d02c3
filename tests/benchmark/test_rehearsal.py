"""The rehearsal tries everything on a base, and a cell that fails says so while the rest goes on."""

from __future__ import annotations

import json

import pytest

from brandsmith.benchmark import rehearsal
from brandsmith.core.errors import InvalidConfig, InvalidInput


@pytest.mark.slow
def test_every_cell_works_and_stock_diffusers_draws_our_picture(given, brandsmith, tmp_path):
    concept, base = given
    out = tmp_path / "card"
    code, told, _ = brandsmith("rehearse", base, "--concept", concept, "--steps", "2", "--out", out, "--json")
    card = json.loads(told.splitlines()[-1])
    cells = {cell["what"]: cell for cell in card["cells"]}
    assert code == 0 and [cell for cell in card["cells"] if cell["outcome"] != "works"] == [] and card["works"]
    compared = {what: cell["largest_difference"] for what, cell in cells.items() if "in stock" in what}
    print(compared)
    assert len(compared) == 3 and all(difference <= 2 for difference in compared.values()), compared
    assert {"lora", "dreambooth", "textual_inversion", "hypernetwork"} <= {what.partition(":")[0] for what in cells}
    assert json.loads((out / "rehearsal.json").read_text(encoding="utf-8")) == card
    text = (out / "rehearsal.md").read_text(encoding="utf-8")
    assert "largest_difference" in text and str(tmp_path) not in text, "a card that is sent names no folders"


@pytest.mark.slow
def test_what_fails_is_a_sentence_and_the_rest_goes_on(given, monkeypatch, tmp_path):
    concept, base = given

    def broken(*_: object, **__: object) -> None:
        raise InvalidConfig("no export today")

    monkeypatch.setattr(rehearsal, "export_run", broken)
    monkeypatch.setattr(rehearsal, "METHODS", ("lora", "textual_inversion"))
    card = rehearsal.rehearse(str(base), tmp_path / "card", concept_name=str(concept), num_steps=1)
    outcomes = {cell.what: cell.outcome for cell in card.cells}
    assert not card.works and outcomes["lora: export --to kohya"] == "no export today"
    assert outcomes["textual_inversion: draw with the adapter"] == "works"
    with pytest.raises(InvalidInput, match="holds other files"):
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "mine.txt").write_text("mine", encoding="utf-8", newline="")
        rehearsal.rehearse(str(base), tmp_path / "other")
