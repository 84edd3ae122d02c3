"""Films: what is signed in an MP4, an animated WebP and a GIF is read back by `provenance show`, to the field."""

from __future__ import annotations

import json

import numpy as np
import pytest

from brandsmith.clips.film import film_bytes
from brandsmith.provenance.claim import Claim, Model, Rights, Source
from brandsmith.provenance.containers import packets
from brandsmith.provenance.found import read_found
from brandsmith.provenance.signature import signed

RECIPE = {"prompt": "a red cap", "seed": 7, "clip": {"frames": 5}}
MODELS = (Model("pocket", "1becace1", "a850529f"), Model("pocket_motion", "77aa"))
CLAIM = Claim(Source.TRAINED, json.dumps(RECIPE), MODELS, rights=Rights("QOGA"))


@pytest.fixture(params=["mp4", "webp", "gif"])
def film(request, tmp_path):
    frames = np.zeros((5, 32, 48, 3), np.uint8)
    frames[np.arange(5), :, np.arange(5) * 8] = (250, 40, 40)
    file = tmp_path / f"film.{request.param}"
    file.write_bytes(signed(film_bytes(frames, 8, request.param), CLAIM))
    return file


def test_a_film_says_what_was_signed(film, brandsmith):
    code, said, complained = brandsmith("provenance", "show", film)
    assert (code, complained) == (0, "")
    for part in (
        "untrusted: signed, and unchanged since",
        "digital source type: trainedAlgorithmicMedia",
        "did: c2pa.created",
        "base pocket with adapter a850529f",
        "pocket_motion",
        "XMP dc:creator: QOGA",
        "recipe: prompt 'a red cap', seed 7; draw it again: create clip --again",
    ):
        assert part in said
    assert len(list(packets(film.read_bytes()))) == 1
    found = read_found(film)
    assert found.recipe == RECIPE and found.manifest.recipe == RECIPE
    assert json.loads(found.xmp["brandsmith:Recipe"][0]) == RECIPE


def test_a_changed_film_is_told_from_one_that_was_never_signed(film, brandsmith):
    whole = film.read_bytes()
    at = whole.index({".mp4": b"mdat", ".webp": b"ANMF", ".gif": b"NETSCAPE"}[film.suffix]) + 45
    film.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    code, said, _ = brandsmith("provenance", "show", film)
    assert code == 1 and "TAMPERED" in said
    plain = film.with_name(f"plain{film.suffix}")
    plain.write_bytes(film_bytes(np.zeros((2, 32, 32, 3), np.uint8), 8, film.suffix[1:]))
    code, said, _ = brandsmith("provenance", "show", plain)
    assert code == 3 and "not signed" in said


def test_a_film_that_is_cut_off_is_one_sentence(film, brandsmith):
    film.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    code, _, complained = brandsmith("provenance", "show", film)
    assert code == 2 and str(film) in complained and complained.startswith("error:")
