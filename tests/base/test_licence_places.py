"""Where a licence does not hold is read from a card's name, a card's own word, and the licence's text; nothing else."""

from __future__ import annotations

import pytest
from bases import build_tiny, save_as_diffusers_folder

from brandsmith.base.licence_places import EUROPEAN_UNION, check_place, in_words, located, places_left_out
from brandsmith.core.errors import InvalidConfig
from brandsmith.draw.source import find_source

HUNYUAN = """TENCENT HUNYUAN COMMUNITY LICENSE AGREEMENT
THIS LICENSE AGREEMENT DOES NOT APPLY IN THE EUROPEAN
UNION, UNITED KINGDOM AND SOUTH KOREA AND IS LIMITED TO THE TERRITORY. By clicking …"""
TERRITORY = 'l. "Territory" shall mean the worldwide territory, excluding the territory of the European Union.'
APACHE = """2. Grant. … excluding those notices that do not pertain to any part of the Derivative Works.
In the United States and in the European Union courts … . 7. This warranty does not apply in other cases."""


@pytest.mark.parametrize(
    ("card", "text", "left_out"),
    [
        ("license: apache-2.0", APACHE, ""),
        ("license: other\nlicense_name: tencent-hunyuan-community", "", "EU, GB, KR"),
        ("license: other\nlicense_name: minimax-h3-community-license-agreement", "", "EU, GB, KR, US"),
        ("license: mit\nextra_gated_eu_disallowed: true", "", "EU"),
        ("license: mit\nextra_gated_eu_disallowed: false", "", ""),
        ("license: other", HUNYUAN, "EU, GB, KR"),
        ("license: other", TERRITORY, "EU"),
        ("license: [", HUNYUAN, "EU, GB, KR"),
    ],
)
def test_places_are_read(tmp_path, card, text, left_out):
    (tmp_path / "README.md").write_text(f"---\n{card}\n---\n")
    (tmp_path / "LICENSE.txt").write_text(text)
    assert in_words(places_left_out(tmp_path)) == left_out


def test_a_user_says_where_he_is(tmp_path, monkeypatch):
    monkeypatch.delenv("BRANDSMITH_PLACE", raising=False)
    (tmp_path / "README.md").write_text("---\nextra_gated_eu_disallowed: true\n---\n")
    with pytest.raises(InvalidConfig, match="does not hold in EU"):
        check_place("x", tmp_path)
    with located("fr"), pytest.raises(InvalidConfig, match="you are in FR"):
        check_place("x", tmp_path)
    with located("CH"):
        check_place("x", tmp_path)
    monkeypatch.setenv("BRANDSMITH_PLACE", "somewhere")
    with pytest.raises(InvalidConfig, match="BRANDSMITH_PLACE is 'somewhere'"):
        check_place("x", tmp_path)
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n")
    check_place("x", tmp_path)
    assert len(EUROPEAN_UNION) == 27


@pytest.mark.slow
def test_pictures_are_not_drawn_there_either(tmp_path, brandsmith, monkeypatch):
    monkeypatch.setenv("BRANDSMITH_PLACE", "DE")
    save_as_diffusers_folder(build_tiny(), tmp_path / "base")
    find_source(None, None, str(tmp_path / "base"))
    (tmp_path / "base" / "README.md").write_text("---\nextra_gated_eu_disallowed: true\n---\n")
    with pytest.raises(InvalidConfig, match="you are in DE"):
        find_source(None, None, str(tmp_path / "base"))
    given = ("--base", tmp_path / "base", "--run", tmp_path / "run", "--no-doctor")
    code, _, complained = brandsmith("train", "lora", "--concept", "demo", *given)
    assert code == 2 and "you are in DE" in complained
