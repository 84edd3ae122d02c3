"""SVG, PDF and PSD say what they are: XMP for others' readers, a manifest where C2PA has a place for it."""

from __future__ import annotations

import json
import shutil
import subprocess
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from brandsmith.core.errors import InvalidInput
from brandsmith.provenance.certificate import Signing
from brandsmith.provenance.claim import Claim, Edit, Model, Rights, Source
from brandsmith.provenance.documents import kind_of, with_xmp, xmp_packets
from brandsmith.provenance.found import State, read_found
from brandsmith.provenance.signature import save_signed_bytes, signed
from brandsmith.provenance.xmp import SOURCE, packet, properties

CLAIM = Claim(
    Source.COMPOSITE,
    models=(Model("pocket", "f" * 16, "a" * 16),),
    edits=(Edit("c2pa.drawing", "text set: headline"),),
    rights=Rights("QOGA & friends", "QOGA", "© 2026 QOGA"),
)
SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">\n<rect width="9"/></svg>\n'


def pdf() -> bytes:
    import typst

    return typst.compile(b'#set document(title: "Spring", date: none)\nPages', format="pdf")


def psd() -> bytes:
    from psd_tools import PSDImage

    out, document = BytesIO(), PSDImage.new("RGBA", (12, 8))
    document.create_pixel_layer(Image.new("RGBA", (4, 4), (200, 30, 30, 255)), name="mark", top=2, left=3)
    document.save(out)
    return out.getvalue()


MADE = {"svg": lambda: SVG, "pdf": pdf, "psd": psd}


@pytest.mark.parametrize("suffix", MADE)
def test_each_says_what_it_is_and_whose(tmp_path, suffix):
    file = tmp_path / f"a.{suffix}"
    save_signed_bytes(file, MADE[suffix](), CLAIM)
    found = read_found(file)
    assert found.xmp[SOURCE] == [Source.COMPOSITE.uri] and found.xmp["dc:creator"] == ["QOGA & friends"]
    assert found.manifest.state is (State.ABSENT if suffix == "psd" else State.UNTRUSTED)
    if suffix != "psd":
        assert found.manifest.source == Source.COMPOSITE.value and "c2pa.drawing" in found.manifest.actions[1]
    assert found.watermark is None


@pytest.mark.parametrize("suffix", ["svg", "pdf"])
def test_a_change_after_signing_is_seen_and_equal_files_have_equal_bytes(tmp_path, suffix):
    made = signed(MADE[suffix](), CLAIM)
    assert made == signed(MADE[suffix](), CLAIM)
    (tmp_path / "a").write_bytes(made.replace(b'width="9"/', b'width="8"/') if suffix == "svg" else made + b"\n%more\n")
    assert read_found(tmp_path / "a").manifest.state is State.TAMPERED


@pytest.mark.parametrize("suffix", MADE)
def test_signing_again_replaces_what_was_said(suffix):
    once = with_xmp(MADE[suffix](), packet(Claim(Source.TRAINED)))
    assert kind_of(once) == suffix.upper() and properties(xmp_packets(once)[0])[SOURCE] == [Source.TRAINED.uri]
    if suffix == "pdf":
        assert properties(xmp_packets(once)[0])["dc:title"] == ["Spring"]
        return
    twice = with_xmp(once, packet(CLAIM))
    assert [properties(own)[SOURCE] for own in xmp_packets(twice)] == [[Source.COMPOSITE.uri]]


def test_layers_and_pixels_of_a_psd_stay():
    from psd_tools import PSDImage

    before, after = PSDImage.open(BytesIO(psd())), PSDImage.open(BytesIO(signed(psd(), CLAIM)))
    assert [layer.name for layer in after] == ["mark"]
    assert np.array_equal(np.asarray(before.composite()), np.asarray(after.composite()))


def test_unsigned_means_xmp_alone(tmp_path):
    save_signed_bytes(tmp_path / "a.svg", SVG, CLAIM, Signing(sign=False))
    found = read_found(tmp_path / "a.svg")
    assert found.manifest.state is State.ABSENT and found.xmp[SOURCE] == [Source.COMPOSITE.uri]


@pytest.mark.parametrize(
    "content", [b"<svg/>", b"%PDF-1.7\nnothing", b"8BPS\0\1" + b"\0" * 9, b"8BPS" + b"\0" * 26 + b"\0\0\0\xff"]
)
def test_what_is_damaged_is_refused(content):
    with pytest.raises(InvalidInput, match="cannot be signed"):
        signed(content, CLAIM)


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="no exiftool on PATH; install libimage-exiftool-perl")
@pytest.mark.parametrize("suffix", MADE)
def test_exiftool_reads_it(tmp_path, suffix):
    file = tmp_path / f"a.{suffix}"
    save_signed_bytes(file, MADE[suffix](), CLAIM)
    done = subprocess.run(["exiftool", "-json", "-G1", "-n", str(file)], capture_output=True, check=True)
    (said,) = json.loads(done.stdout)
    assert said["XMP-iptcExt:DigitalSourceType"] == Source.COMPOSITE.uri
    assert said["XMP-dc:Creator"] == "QOGA & friends" and not [key for key in said if key.endswith(":Error")]
    assert suffix != "pdf" or said["PDF:Title"] == "Spring"
