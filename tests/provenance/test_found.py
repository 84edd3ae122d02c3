"""What is read back: trusted, untrusted, tampered or absent, said plainly; hostile files are one sentence."""

from __future__ import annotations

import io
import json
import time
import zlib
from datetime import UTC, datetime, timedelta

import c2pa
import numpy as np
import pytest
from certificates import Signer, make_signer
from PIL import Image

from brandsmith.core.errors import InvalidInput
from brandsmith.core.pictures import load_rgb, save_png
from brandsmith.provenance.certificate import Signing
from brandsmith.provenance.claim import Claim, Model, Rights, Source
from brandsmith.provenance.containers import LARGEST_PACKET, with_packet
from brandsmith.provenance.found import State, read_found
from brandsmith.provenance.keys import load_key, signer_of
from brandsmith.provenance.signature import encoded, save_signed

PIXELS = (np.random.default_rng(1).random((24, 40, 3)) * 255).astype(np.uint8)
CLAIM = Claim(Source.TRAINED, json.dumps({"prompt": "a cat", "seed": 1}), (Model("pocket"),), rights=Rights("QOGA"))
SUFFIXES = (".png", ".jpg", ".webp")


@pytest.fixture(scope="module")
def signer(tmp_path_factory) -> Signer:
    return make_signer(tmp_path_factory.mktemp("signer"))


@pytest.fixture(params=SUFFIXES)
def picture(request, tmp_path):
    file = tmp_path / f"a{request.param}"
    save_signed(file, PIXELS, CLAIM)
    return file


def test_a_signature_of_ones_own_is_untrusted_until_one_trusts_it(tmp_path, signer, brandsmith):
    file = tmp_path / "a.png"
    save_signed(file, PIXELS, CLAIM, Signing(certificate=signer.chain, key=signer.key))
    found = read_found(file).manifest
    assert found.state is State.UNTRUSTED and not found.local and found.signer == "Studio Noord, signer"
    assert read_found(file, signer.root).manifest.state is State.TRUSTED
    other = make_signer(tmp_path / "other").root
    assert read_found(file, other).manifest.state is State.UNTRUSTED
    codes = [brandsmith("provenance", "show", file, *more)[0] for more in ((), ("--trust", signer.root))]
    assert codes == [0, 0] and brandsmith("provenance", "show", file, "--trust", other)[0] == 1


def test_the_command_says_it_plainly(picture, brandsmith):
    code, said, complained = brandsmith("provenance", "show", picture, "--json")
    assert (code, complained) == (0, "")
    lines = said.splitlines()
    assert "untrusted: signed, and unchanged since; nobody vouches for who signed" in lines[0]
    assert lines[1].endswith("(this computer's own certificate)")
    assert "digital source type: trainedAlgorithmicMedia" in lines and "did: c2pa.created" in lines
    told = json.loads(lines[-1])
    assert told["c2pa"]["state"] == "untrusted" and told["c2pa"]["local"] is True
    assert told["xmp"]["dc:creator"] == ["QOGA"] and told["recipe"] == {"prompt": "a cat", "seed": 1}


def test_one_changed_pixel_is_found(picture, brandsmith):
    """By a program that keeps the metadata as it is."""
    content, fresh = picture.read_bytes(), PIXELS.copy()
    fresh[3, 3] ^= 255
    old, new = (_pixel_data(encoded(pixels, picture.suffix, {}, 95), picture.suffix) for pixels in (PIXELS, fresh))
    changed = content.replace(old, new)
    if picture.suffix == ".webp":
        changed = changed[:4] + (len(changed) - 8).to_bytes(4, "little") + changed[8:]
    picture.write_bytes(changed)
    assert not np.array_equal(load_rgb(picture), PIXELS)
    code, said, _ = brandsmith("provenance", "show", picture)
    assert code == 1 and "TAMPERED: changed after it was signed" in said
    assert "the file was changed after it was signed" in said


def _pixel_data(bare: bytes, suffix: str) -> bytes:
    """Everything of a file without metadata from its pixels on."""
    return bare[{".png": bare.find(b"IDAT") - 4, ".jpg": bare.find(b"\xff\xda"), ".webp": 12}[suffix] :]


def test_a_changed_word_is_found(picture):
    content = picture.read_bytes()
    picture.write_bytes(content.replace(b"trainedAlgorithmicMedia", b"trainedAlgorithmicMedib"))
    found = read_found(picture).manifest
    assert found.state is State.TAMPERED and found.reasons


def test_a_stripped_picture_is_not_signed(picture, brandsmith):
    Image.fromarray(load_rgb(picture)).save(picture)
    code, said, _ = brandsmith("provenance", "show", picture)
    assert code == 3 and "not signed: no C2PA manifest" in said and "XMP: none" in said


def test_an_edited_copy_of_somebody_else_shows_only_what_it_is(picture, tmp_path):
    """A manifest that is copied into another picture does not fit it."""
    save_signed(tmp_path / f"b{picture.suffix}", PIXELS[::-1], CLAIM)
    other = (tmp_path / f"b{picture.suffix}").read_bytes()
    assert read_found(tmp_path / f"b{picture.suffix}").manifest.state is State.UNTRUSTED
    assert other != picture.read_bytes()


def foreign(definition: dict, signer: Signer) -> bytes:
    """A picture that another program signed: the SDK called with whatever it takes."""
    key = load_key(signer.key.read_bytes(), signer.key, "")
    own = c2pa.Signer.from_callback(signer_of(key), c2pa.C2paSigningAlg.ES256, signer.chain.read_text())
    out = io.BytesIO()
    with own, c2pa.Builder.from_json(definition) as builder:
        builder.sign(own, "image/png", io.BytesIO(encoded(PIXELS, ".png", {}, 90)), out)
    return out.getvalue()


CAPTURED = {
    "action": "c2pa.created",
    "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture",
}
FOREIGN = {
    "a camera": [{"label": "c2pa.actions", "data": {"actions": [CAPTURED]}}],
    "a recipe that is none": [{"label": "org.brandsmith.recipe", "data": {"prompt": [1], "seed": "\x1b[2J"}}],
    "a recipe that is a list": [{"label": "org.brandsmith.recipe", "data": [[["deep"] * 9] * 9] * 9}],
    "something else": [{"label": "com.example.thing", "data": {"actions": 5}}],
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_others_signed_is_shown_and_never_drawn(tmp_path, signer, brandsmith, kind):
    made = FOREIGN[kind] if kind == "a camera" else [*FOREIGN["a camera"], *FOREIGN[kind]]
    definition = {"claim_generator_info": [{"name": "Kamera", "version": "7"}], "title": "x", "assertions": made}
    file = tmp_path / "a.png"
    file.write_bytes(foreign(definition, signer))
    found = read_found(file, signer.root).manifest
    assert (found.state, found.source, found.local) == (State.TRUSTED, "digitalCapture", False)
    assert found.software.startswith("Kamera 7")
    code, said, _ = brandsmith("provenance", "show", file)
    assert code == 0 and "\x1b" not in said
    code, said, complained = brandsmith("sample", "--from", file, "--out", tmp_path / "out")
    assert (code, said) == (2, "") and "recipe" in complained and not (tmp_path / "out").exists()


# ----------------------------------------------------------------------------- hostile

BOMB = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<x:xmpmeta xmlns:x="adobe:ns:meta/">&b;</x:xmpmeta>"""
FILE_OF_ANOTHER = BOMB.replace(b'<!ENTITY a "aaaaaaaaaa">', b'<!ENTITY a SYSTEM "file:///etc/hostname">')
HOSTILE = {
    "entities": (BOMB, "declares a document type"),
    "a file of the computer": (FILE_OF_ANOTHER, "declares a document type"),
    "utf-16": (BOMB.decode().encode("utf-16"), "declares a document type"),
    "deep": (b"<a>" * 50_000, "nested deeper than 40"),
    "no XML": (b"\x00\xff" * 99, "its XML is damaged"),
    "huge": (b" " * (LARGEST_PACKET + 1), f"at most {LARGEST_PACKET}"),
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_hostile_xmp_is_one_sentence(tmp_path, brandsmith, kind, suffix):
    packet, reason = HOSTILE[kind]
    file = tmp_path / f"a{suffix}"
    file.write_bytes(with_packet(encoded(PIXELS, suffix, {}, 90), packet))
    code, said, complained = brandsmith("provenance", "show", file)
    assert (code, said) == (2, "") and reason in complained and len(complained.splitlines()) == 2


def test_a_compressed_packet_of_gigabytes_is_refused_early(tmp_path):
    squeezed = zlib.compress(b" " * (8 << 20), 9)
    plain = encoded(PIXELS, ".png", {}, 90)
    data = b"iTXtXML:com.adobe.xmp\0\1\0\0\0" + squeezed
    chunk = (len(data) - 4).to_bytes(4, "big") + data + zlib.crc32(data).to_bytes(4, "big")
    file = tmp_path / "a.png"
    file.write_bytes(plain[:33] + chunk + plain[33:])
    with pytest.raises(InvalidInput, match="at most"):
        read_found(file)


@pytest.mark.slow
def test_damaged_files_are_one_sentence_or_tampered(picture):
    """Every kind of damage: cut off anywhere, and bytes changed anywhere."""
    content, seen, draw = picture.read_bytes(), set(), np.random.default_rng(0)
    for number in range(120):
        at = int(draw.integers(12, len(content)))
        bad = bytearray(content[:at] if number % 3 == 0 else content)
        if number % 3:
            bad[at] ^= int(draw.integers(1, 256))
        picture.write_bytes(bytes(bad))
        try:
            seen.add(read_found(picture).manifest.state)
        except InvalidInput as error:
            seen.add(str(error).partition("(")[0].partition("' ")[2].strip())
    assert State.TAMPERED in seen and "says nothing that can be read" in seen
    assert seen <= {State.TAMPERED, State.UNTRUSTED, State.ABSENT, "says nothing that can be read"}


def test_what_is_no_picture_is_refused(tmp_path, brandsmith):
    (tmp_path / "a.png").write_text("no picture")
    code, _, complained = brandsmith("provenance", "show", tmp_path / "a.png")
    assert code == 2 and "neither PNG nor JPEG nor WebP" in complained
    assert brandsmith("provenance", "show", tmp_path / "nowhere.png")[0] == 2
    (tmp_path / "roots.pem").write_text("none")
    save_png(tmp_path / "b.png", PIXELS)
    code, _, complained = brandsmith("provenance", "show", tmp_path / "b.png", "--trust", tmp_path / "roots.pem")
    assert code == 2 and "holds no certificates" in complained


def test_control_characters_of_others_reach_no_terminal(tmp_path, brandsmith):
    claim = Claim(Source.TRAINED, rights=Rights("\x1b[31mred\u202e"))
    save_signed(tmp_path / "a.png", PIXELS, claim)
    code, said, _ = brandsmith("provenance", "show", tmp_path / "a.png")
    assert code == 0 and "\x1b" not in said and "\u202e" not in said


@pytest.mark.slow
def test_expiry_is_said(tmp_path, signer):
    """A signature outlives its certificate: whole, and said to be expired."""
    start = datetime.now(UTC)
    short = make_signer(tmp_path / "short", last=start + timedelta(seconds=2))
    save_signed(tmp_path / "a.png", PIXELS, CLAIM, Signing(certificate=short.chain, key=short.key))
    while datetime.now(UTC) <= start + timedelta(seconds=3):
        time.sleep(0.1)
    found = read_found(tmp_path / "a.png").manifest
    assert found.state is State.UNTRUSTED and any("expired" in reason for reason in found.reasons)
