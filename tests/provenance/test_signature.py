"""Pictures leave with XMP and a signature that independent readers read; their pixels stay."""

from __future__ import annotations

import io
import json
import shutil
import subprocess

import c2pa
import numpy as np
import pytest
from PIL import Image

from brandsmith.core.errors import InvalidConfig, InvalidInput
from brandsmith.core.pictures import save_png
from brandsmith.provenance.certificate import Signing
from brandsmith.provenance.claim import Claim, Edit, Input, Model, Rights, Role, Source
from brandsmith.provenance.containers import MIME, packets, with_packet
from brandsmith.provenance.signature import encoded, save_signed, sign_picture, signed
from brandsmith.provenance.xmp import RECIPE, SOURCE, properties

PIXELS = (np.random.default_rng(0).random((24, 40, 3)) * 255).astype(np.uint8)
PROMPT = "a “cat” & a <bowl>\x07, ﷽ 🦛 \ufffe"
RIGHTS = Rights("Noor ‹QOGA›", "QOGA & friends", "© 2026 QOGA")
CLAIM = Claim(
    Source.TRAINED, json.dumps({"prompt": PROMPT, "seed": 2**62}), (Model("pocket", "f" * 16, "a" * 16),), rights=RIGHTS
)
SUFFIXES = (".png", ".jpg", ".webp")


def read_back(content: bytes) -> c2pa.Reader:
    return c2pa.Reader(MIME[Image.open(io.BytesIO(content)).format], io.BytesIO(content))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_readers_of_others_read_what_is_said(tmp_path, suffix):
    file = tmp_path / f"a{suffix}"
    save_signed(file, PIXELS, CLAIM)
    said = Image.open(file).getxmp()["xmpmeta"]["RDF"]["Description"]
    assert said["DigitalSourceType"] == Source.TRAINED.uri and said["Credit"] == RIGHTS.credit
    assert said["creator"]["Seq"]["li"] == RIGHTS.creator and said["rights"]["Alt"]["li"]["text"] == RIGHTS.notice
    assert json.loads(said["Recipe"]) == json.loads(CLAIM.recipe)
    reader = read_back(file.read_bytes())
    assert reader.get_validation_state() == "Valid"
    own = reader.get_active_manifest()
    made, recipe = (assertion["data"] for assertion in own["assertions"])
    assert [action["action"] for action in made["actions"]] == ["c2pa.created"]
    assert made["actions"][0]["digitalSourceType"] == Source.TRAINED.uri
    assert recipe == json.loads(CLAIM.recipe)
    (base,) = own["ingredients"]
    assert base["title"] == f"base pocket with adapter {'a' * 16}" and "f" * 16 in base["description"]


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="no exiftool on PATH; install libimage-exiftool-perl")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_exiftool_reads_it(tmp_path, suffix):
    file = tmp_path / f"a{suffix}"
    save_signed(file, PIXELS, CLAIM)
    done = subprocess.run(
        ["exiftool", "-json", "-n", "-G1", "-validate", "-all", str(file)],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    (said,) = json.loads(done.stdout)
    assert said["XMP-iptcExt:DigitalSourceType"] == Source.TRAINED.uri
    assert said["XMP-dc:Creator"] == RIGHTS.creator and said["XMP-dc:Rights"] == RIGHTS.notice
    assert said["XMP-photoshop:Credit"] == RIGHTS.credit and said["XMP-xmp:CreatorTool"].startswith("Brandsmith ")
    assert said["ExifTool:Validate"] == "0 0 0" and not [key for key in said if key.endswith(":Error")]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_pixels_stay(tmp_path, suffix):
    file = tmp_path / f"a{suffix}"
    file.write_bytes(encoded(PIXELS, suffix, {}, 90))
    before = np.asarray(Image.open(file))
    sign_picture(file, CLAIM)
    assert np.array_equal(np.asarray(Image.open(file)), before)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_packet_is_replaced_and_the_file_stays_whole(suffix):
    plain = encoded(Image.new("RGBA" if suffix != ".jpg" else "RGB", (17, 9), "red"), suffix, {}, 90)
    once = with_packet(plain, b"first packet")
    twice = with_packet(once, b"second")
    assert packets(plain) == [] and packets(once) == [b"first packet"] and packets(twice) == [b"second"]
    picture, bare = (Image.open(io.BytesIO(content)) for content in (twice, plain))
    assert picture.mode == bare.mode and picture.tobytes() == bare.tobytes()
    assert picture.info["xmp"] == b"second"


def test_an_edit_keeps_what_its_picture_said(tmp_path):
    """Its manifest is inside the new one; what was placed is named by its hash."""
    save_signed(tmp_path / "drawn.png", PIXELS, CLAIM)
    save_png(tmp_path / "mark.png", PIXELS[:8])
    claim = Claim(
        Source.COMPOSITE,
        inputs=(
            Input(tmp_path / "drawn.png", Role.PARENT, "drawn picture"),
            Input(tmp_path / "mark.png", Role.COMPONENT, "mark"),
        ),
        edits=(Edit("c2pa.edited", "inpainted"), Edit("c2pa.resized")),
    )
    save_signed(tmp_path / "edited.webp", PIXELS, claim)
    reader = read_back((tmp_path / "edited.webp").read_bytes())
    own = reader.get_active_manifest()
    assert reader.get_validation_state() == "Valid" and len(json.loads(reader.json())["manifests"]) == 2
    names = [action["action"] for action in own["assertions"][0]["data"]["actions"]]
    assert names == ["c2pa.opened", "c2pa.edited", "c2pa.placed", "c2pa.resized"]
    assert {i["title"]: i["relationship"] for i in own["ingredients"]} == {
        "drawn picture": "parentOf",
        "mark": "componentOf",
    }


@pytest.mark.parametrize("parts", [2, 12])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_equal_pictures_are_equal_byte_for_byte(tmp_path, suffix, parts):
    """Signature and all; with 12 ingredients the manifest fills several segments of a JPEG."""
    inputs = []
    for number in range(parts):
        save_signed(tmp_path / f"{number}.png", PIXELS[: number + 2], CLAIM)
        inputs.append(Input(tmp_path / f"{number}.png", Role.COMPONENT))
    claim = Claim(Source.COMPOSITE, CLAIM.recipe, CLAIM.models, tuple(inputs))
    plain = encoded(PIXELS, suffix, {}, 90)
    first, second, other = signed(plain, claim), signed(plain, claim), signed(plain, CLAIM)
    assert first == second and first != other
    reader = read_back(first)
    assert reader.get_validation_state() == "Valid" and len(first) > parts * 13_000
    assert len(reader.get_active_manifest()["ingredients"]) == parts + 1
    damaged = bytearray(first)
    damaged[{".png": -40, ".jpg": -20, ".webp": first.find(b"VP8 ") + 60}[suffix]] ^= 1
    assert read_back(bytes(damaged)).get_validation_state() == "Invalid"


def test_unsigned_pictures_say_it_in_xmp_and_are_equal_byte_for_byte():
    plain = encoded(PIXELS, ".png", {}, 90)
    content = signed(plain, CLAIM, Signing(sign=False))
    assert content == signed(plain, CLAIM, Signing(sign=False)) and b"caBX" not in content
    said = properties(packets(content)[0])
    assert said[SOURCE] == [Source.TRAINED.uri] and json.loads(said[RECIPE][0])["prompt"] == PROMPT


def test_other_formats_are_refused(tmp_path):
    (tmp_path / "a.bmp").write_bytes(b"BM")
    with pytest.raises(InvalidInput, match="cannot be signed: it is neither PNG nor JPEG nor WebP"):
        sign_picture(tmp_path / "a.bmp", CLAIM)
    with pytest.raises(InvalidConfig, match=r"unknown format of pictures '\.tif'"):
        save_signed(tmp_path / "a.tif", PIXELS, CLAIM)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bmp"]
