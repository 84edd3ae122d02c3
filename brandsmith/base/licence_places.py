"""Places in which a base's licence does not hold, and where its user is: a base is not used where it may not be.

Some licences leave countries out: Tencent Hunyuan's Community License "does not apply in the European Union, United
Kingdom and South Korea", MiniMax H3's leaves out the United States as well; what a model draws is left out with it.
Such places are read from the name on the base's card, from the card's `extra_gated_eu_disallowed`, and from the licence
in the base's folder. What a text says otherwise is not understood: who uses a base reads its licence.

A user says where he is with `--place`, or once and for all in the environment's BRANDSMITH_PLACE.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from brandsmith.base.model_card import front_matter, licence_in
from brandsmith.core.errors import BrandsmithError, InvalidConfig
from brandsmith.core.text import read_text

VARIABLE = "BRANDSMITH_PLACE"
EUROPEAN_UNION = frozenset(
    {"AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU", "LV"}
    | {"MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK"}
)
_NAMES = {
    "european union": EUROPEAN_UNION,
    "united kingdom": frozenset({"GB"}),
    "south korea": frozenset({"KR"}),
    "republic of korea": frozenset({"KR"}),
    "united states": frozenset({"US"}),
    "mainland china": frozenset({"CN"}),
    "people's republic of china": frozenset({"CN"}),
    "japan": frozenset({"JP"}),
    "canada": frozenset({"CA"}),
}
_LEFT_OUT = {
    "tencent-hunyuan-community": EUROPEAN_UNION | {"GB", "KR"},
    "minimax-h3-community": EUROPEAN_UNION | {"GB", "KR", "US"},
}
"""By the beginning of a licence's name on a card. The texts: huggingface.co/tencent/HunyuanVideo (LICENSE, 2024-12),
huggingface.co/MiniMaxAI/MiniMax-H3 (LICENSE, 2026-08).
"""
_CLAUSES = (
    re.compile(r"does not apply in ([^.]{0,300})"),
    re.compile(r"territor(?:y|ies)\b[^.]{0,80}\b(?:excluding|except|other than|does not include)\b([^.]{0,300})"),
)
_OTHER_NAMES = {"UK": "GB", "EL": "GR", "USA": "US"}
_PLACE: ContextVar[str] = ContextVar("place", default="")


@contextmanager
def located(place: str | None) -> Iterator[None]:
    """Inside the `with`, the user is there; None leaves what is in force. Raises InvalidConfig for no such name."""
    token = _PLACE.set(_checked(place, "--place") if place is not None else _PLACE.get())
    try:
        yield
    finally:
        _PLACE.reset(token)


def place_in_force() -> str:
    """Two letters (ISO 3166), `EU`, or nothing where nobody said. Raises InvalidConfig for another name."""
    return _PLACE.get() or (_checked(os.environ[VARIABLE], VARIABLE) if os.environ.get(VARIABLE) else "")


def places_left_out(folder: Path) -> frozenset[str]:
    """Countries in which the licence of a diffusers folder does not hold, as two letters."""
    name = licence_in(folder).name.lower()
    found = {place for beginning, places in _LEFT_OUT.items() if name.startswith(beginning) for place in places}
    if front_matter(folder).get("extra_gated_eu_disallowed") is True:
        found |= EUROPEAN_UNION
    for file in sorted(folder.glob("*")) if folder.is_dir() else []:
        if re.fullmatch(r"licen[cs]e(\.txt|\.md)?", file.name, re.IGNORECASE):
            found |= _said_in(file)
    return frozenset(found)


def check_place(base: str, folder: Path) -> None:
    """Raises InvalidConfig for a base whose licence does not hold where its user is; or that leaves places out, where
    nobody said where that is.
    """
    left_out = places_left_out(folder)
    if not left_out:
        return
    here = place_in_force()
    licence = licence_in(folder).name
    said = f"the licence of base '{base}'{f', {licence},' if licence else ''} does not hold in {in_words(left_out)}"
    if not here:
        raise InvalidConfig(
            said,
            hint=f"elsewhere say where you are: --place with two letters, such as CH, or {VARIABLE} in the"
            " environment; there use another base",
        )
    if (EUROPEAN_UNION if here == "EU" else {here}) & left_out:
        raise InvalidConfig(f"{said}: you are in {here}", hint="use a base whose licence holds there")


def in_words(places: frozenset[str]) -> str:
    """`EU, GB, KR`: the European Union as one."""
    whole = places >= EUROPEAN_UNION
    return ", ".join([*(["EU"] if whole else []), *sorted(places - EUROPEAN_UNION if whole else places)])


def _said_in(file: Path) -> frozenset[str]:
    try:
        text = re.sub(r"\s+", " ", read_text(file)).replace("’", "'").lower()
    except BrandsmithError:
        return frozenset()
    clauses = " ".join(match[1] for clause in _CLAUSES for match in clause.finditer(text))
    return frozenset(place for name, places in _NAMES.items() if name in clauses for place in places)


def _checked(place: str, where: str) -> str:
    given = place.strip().upper()
    given = _OTHER_NAMES.get(given, given)
    if not re.fullmatch(r"[A-Z]{2}", given):
        raise InvalidConfig(f"{where} is '{place}'", hint="give a country as two letters, such as NL, or EU")
    return given
