"""The licence of a base: read from its card, shown, kept; never guessed."""

from __future__ import annotations

import pytest

from brandsmith.base.licence import licence_of, say_licence
from brandsmith.base.model_card import Licence, licence_in
from brandsmith.base.sources import load_base
from brandsmith.methods.adapter import build_metadata
from brandsmith.methods.lora import LoraConfig
from brandsmith.methods.method import Words
from brandsmith.provenance.claim import Claim, Model, Source
from brandsmith.provenance.manifest import ingredients

CARDS = {
    "---\nlicense: apache-2.0\n---\n# a model": Licence("apache-2.0"),
    "---\nlicense: other\nlicense_name: flux-1-dev-non-commercial-license\n---\n": Licence(
        "flux-1-dev-non-commercial-license", True
    ),
    "---\nlicense: cc-by-nc-4.0\n---\n": Licence("cc-by-nc-4.0", True),
    "# no front matter\nlicense: mit": Licence(),
    "---\n[broken: {\n---\n": Licence(),
    "---\n- a list\n---\n": Licence(),
}


@pytest.mark.parametrize("card", CARDS)
def test_a_card_says_what_it_says_and_nothing_more(card, tmp_path):
    (tmp_path / "README.md").write_text(card)
    assert licence_in(tmp_path) == CARDS[card]


def test_without_a_card_the_licence_is_unknown_and_said_to_be(tmp_path):
    assert licence_in(tmp_path) == Licence() and "unknown" in Licence().line()
    assert licence_of(str(tmp_path / "nowhere")) == Licence()


def test_it_is_shown_kept_in_the_adapter_and_in_the_manifest():
    assert say_licence("pocket") == "licence of base 'pocket': apache-2.0"
    header = build_metadata(LoraConfig(), load_base("pocket"), Words("tok", "logo"), 1)
    assert header["base_licence"] == "apache-2.0"
    claim = Claim(Source.TRAINED, models=(Model("pocket", "f00", None, "apache-2.0"), Model("other")))
    described = [own.record["description"] for own in ingredients(claim)]
    assert "base licence apache-2.0" in described[0] and "licence" not in described[1]


def test_a_non_commercial_base_warns_once(capsys, tmp_path):
    (tmp_path / "model_index.json").write_text("{}")
    (tmp_path / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n")
    assert all(say_licence(str(tmp_path)).endswith("cc-by-nc-4.0") for _ in range(2))
    assert capsys.readouterr().err.count("non-commercial licence") == 1
