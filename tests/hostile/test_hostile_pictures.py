"""Reading pictures: what is no picture is refused by its content in one message; what is one is read as a viewer shows
it, alike for training and for judging; nothing is passed over in silence.
"""

from __future__ import annotations

import ast
import os
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from brandsmith.concept.concept import load_examples
from brandsmith.core.errors import InvalidInput, MissingResource
from brandsmith.core.pictures import list_pictures, load_rgb, read_png_text
from brandsmith.draw.recipe import read_recipe
from brandsmith.evaluate.albums import find_albums
from brandsmith.methods.pixels import load_pixels
from brandsmith.report.pictures import load_picture

RNG = np.random.default_rng(0)
SCENE = RNG.integers(0, 256, (16, 24, 3), dtype=np.uint8)
PACKAGE = Path(__file__).resolve().parents[2] / "brandsmith"


def trained(path: Path) -> np.ndarray:
    """What training reads, as (height, width, 3) uint8."""
    high, wide = load_rgb(path).shape[:2]
    return ((load_pixels(path, (high, wide)) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()


def saved(path: Path, image: Image.Image, **how) -> Path:
    image.save(path, **how)
    return path


# ----------------------------------------------------------------------------- unsafe


@pytest.mark.skipif(os.name == "nt", reason="a shell script stands in for Ghostscript")
def test_an_eps_under_another_name_starts_no_program(tmp_path, monkeypatch):
    started, program = tmp_path / "started", tmp_path / "bin" / "gs"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch '{started}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    picture = tmp_path / "images" / "x.png"
    picture.parent.mkdir()
    Image.fromarray(SCENE).save(picture, "EPS")
    picture.with_suffix(".txt").write_text("a token")
    for read in (load_rgb, read_png_text, read_recipe, lambda p: load_examples(p.parent, "token")):
        with pytest.raises(InvalidInput, match="EPS or PostScript") as error:
            read(picture)
        assert "x.png" in str(error.value) and "PNG, JPEG" in error.value.hint
    assert load_picture(picture, 64) is None
    assert not started.exists()


@pytest.mark.slow
def test_pictures_are_opened_in_one_place():
    """`pocket` builds the base from artwork that it fetches itself."""
    users = set()
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr == "open" and ast.unparse(node.value) == "Image":
                users.add(file.relative_to(PACKAGE).as_posix())
    assert users <= {"core/pictures.py", "pocket/artwork.py", "pocket/motion_art.py", "pocket/photos.py"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFO on this system")
def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "x.png")
    start = time.monotonic()
    for read in (load_rgb, lambda p: list_pictures(p.parent), lambda p: find_albums(p.parent)):
        with pytest.raises(InvalidInput, match="no regular file"):
            read(tmp_path / "x.png")
    assert load_picture(tmp_path / "x.png", 64) is None and list_pictures(tmp_path, quiet=True) == []
    assert time.monotonic() - start < 2


@pytest.mark.skipif(os.name == "nt", reason="no device files on Windows")
def test_links_to_devices_and_to_nothing_are_refused(tmp_path):
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "gone.png").symlink_to(tmp_path / "not there.png")
    with pytest.raises(InvalidInput, match="no regular file"):
        load_rgb(tmp_path / "zero.png")
    with pytest.raises(MissingResource, match="link to a file that is not there"):
        load_rgb(tmp_path / "gone.png")


def png_of(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(12_000, 9_000), (30_000, 30_000), (2**31 - 1, 2**31 - 1)])
def test_too_many_pixels_are_refused_before_decoding(tmp_path, width, height):
    (tmp_path / "bomb.png").write_bytes(png_of(width, height))
    start = time.monotonic()
    with pytest.raises(InvalidInput, match="at most 100 million pixels"):
        load_rgb(tmp_path / "bomb.png")
    assert time.monotonic() - start < 1


def test_too_many_bytes_are_refused_before_reading(tmp_path):
    with (tmp_path / "x.png").open("wb") as file:
        file.truncate(400_000_000)  # sparse
    with pytest.raises(InvalidInput, match="400 MB; at most 300 MB"):
        load_rgb(tmp_path / "x.png")


NOT_PICTURES = {
    "empty": (b"", "empty"),
    "zeros": (bytes(100), "zeros"),
    "text": (b"no picture at all", "no format that is read"),
    "pdf": (b"%PDF-1.7 and more", "a PDF file"),
    "svg": (b"\xef\xbb\xbf<svg xmlns=''/>", "an SVG file"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1", "HEIC"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "Git LFS pointer"),
    "apple double": (b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(60), "AppleDouble"),
    "ppm": (b"P6 1 1 255\n\0\0\0", "no format that is read"),
}


@pytest.mark.parametrize("name", NOT_PICTURES)
def test_the_message_says_what_the_file_is(tmp_path, name):
    content, what = NOT_PICTURES[name]
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(InvalidInput, match=what) as error:
        load_rgb(tmp_path / "x.png")
    assert "x.png" in str(error.value) and "\n" not in str(error.value) and error.value.hint


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF"])
def test_damaged_files_give_one_message_or_a_picture(tmp_path, form):
    whole = saved(tmp_path / "whole", Image.fromarray(SCENE), format=form).read_bytes()
    rng = np.random.default_rng(1)
    for trial in range(60):
        content = bytearray(whole)
        if trial % 3 == 0:
            content = content[: int(rng.integers(1, len(whole)))]
        else:
            for place in rng.integers(0, len(whole), 1 + trial % 8):
                content[place] = int(rng.integers(256))
        (tmp_path / "x.png").write_bytes(content)
        try:
            picture = load_rgb(tmp_path / "x.png")
        except InvalidInput as error:
            assert "x.png" in str(error) and "\n" not in str(error)
        else:
            assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3


# ----------------------------------------------------------------------------- read as a viewer shows it


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tiff"])
def test_orientation_is_applied_in_training_and_judging(tmp_path, orientation, suffix):
    upright = Image.fromarray(np.repeat(np.repeat(SCENE[:4, :6], 16, 0), 16, 1))
    laid = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    tag = Image.Exif()
    tag[0x0112] = orientation
    how = {".jpg": {"quality": 100, "subsampling": 0}, ".webp": {"lossless": True}}.get(suffix, {})
    path = saved(tmp_path / f"x{suffix}", upright.transpose(laid) if laid is not None else upright, exif=tag, **how)
    read, wanted = load_rgb(path).astype(int), np.asarray(upright).astype(int)
    assert read.shape == wanted.shape and np.abs(read - wanted).max() <= 3
    assert np.array_equal(trained(path), load_rgb(path))


def test_damaged_orientation_turns_nothing(tmp_path):
    path = saved(tmp_path / "x.jpg", Image.fromarray(SCENE), exif=b"Exif\0\0MM\0*\xff\xff\xff\xff broken")
    assert load_rgb(path).shape == SCENE.shape


def grey16(mode: str) -> Image.Image:
    return Image.fromarray((np.arange(256).reshape(16, 16) * 257).astype("<u2")).convert(mode)


MODES = {
    "16-bit grey": (grey16("I;16"), "PNG"),
    "16-bit grey TIFF": (grey16("I;16"), "TIFF"),
    "32-bit grey TIFF": (grey16("I"), "TIFF"),
    "floating point of 0 to 1": (Image.fromarray((np.arange(256).reshape(16, 16) / 255).astype(np.float32)), "TIFF"),
    "8-bit grey": (Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)), "PNG"),
    "grey with alpha": (Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).convert("LA"), "PNG"),
    "palette": (Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).convert("P"), "PNG"),
}


@pytest.mark.parametrize("name", MODES)
def test_a_grey_ramp_is_the_same_whatever_it_is_stored_as(tmp_path, name):
    image, form = MODES[name]
    path = saved(tmp_path / "x.png", image, format=form)
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(load_rgb(path), np.repeat(ramp[..., None], 3, axis=2))
    assert np.array_equal(trained(path), load_rgb(path))


def test_black_and_white_and_cmyk(tmp_path):
    halves = np.zeros((8, 8), np.uint8)
    halves[:, 4:] = 255
    one = load_rgb(saved(tmp_path / "one.png", Image.fromarray(halves).convert("1")))
    inked = load_rgb(saved(tmp_path / "cmyk.jpg", Image.new("CMYK", (8, 8), (0, 255, 255, 0)), quality=100))
    assert np.array_equal(one[..., 0], halves)
    assert np.abs(inked.astype(int) - [255, 0, 0]).max() <= 3


CLEAR = {
    "RGBA": (Image.new("RGBA", (8, 8), (200, 0, 0, 0)), {}),
    "LA": (Image.new("LA", (8, 8), (0, 0)), {}),
    "RGB with one colour clear": (Image.new("RGB", (8, 8), (1, 2, 3)), {"transparency": (1, 2, 3)}),
    "palette": (Image.new("P", (8, 8), 0), {"transparency": 0}),
    "grey": (Image.new("L", (8, 8), 7), {"transparency": 7}),
    "16-bit grey": (Image.fromarray(np.full((8, 8), 700, "<u2")), {"transparency": 700}),
}


@pytest.mark.parametrize("name", CLEAR)
def test_transparency_is_laid_on_white(tmp_path, name):
    image, how = CLEAR[name]
    path = saved(tmp_path / "x.png", image, **how)
    assert (load_rgb(path) == 255).all() and (trained(path) == 255).all()


def test_ordinary_pictures_keep_their_pixels(tmp_path):
    for suffix, how in ((".png", {}), (".jpg", {"quality": 90}), (".webp", {})):
        path = saved(tmp_path / f"x{suffix}", Image.fromarray(SCENE), **how)
        with Image.open(path) as opened:
            assert np.array_equal(load_rgb(path), np.asarray(opened.convert("RGB")))


# ----------------------------------------------------------------------------- nothing passed over in silence


def test_every_suffix_that_viewers_open_is_taken(tmp_path, capsys):
    formats = {"jfif": "JPEG", "JPG": "JPEG", "bmp": "BMP", "tif": "TIFF", "TIFF": "TIFF", "gif": "GIF", "WebP": "WEBP"}
    formats |= {"avif": "AVIF"} if features.check("avif") else {}
    for number, (suffix, form) in enumerate(formats.items()):
        saved(tmp_path / f"{number}.{suffix}", Image.fromarray(SCENE), format=form)
        (tmp_path / f"{number}.txt").write_text("a token")
    examples = load_examples(tmp_path, "token")
    assert len(examples) == len(formats) and capsys.readouterr().err == ""
    assert all(load_rgb(example.image).shape == SCENE.shape for example in examples)


def test_what_is_passed_over_is_said_once_with_counts(tmp_path, capsys):
    saved(tmp_path / "1.png", Image.fromarray(SCENE))
    (tmp_path / "10_logo").mkdir()
    for name in ("a.png", "b.JPG"):
        saved(tmp_path / "10_logo" / name, Image.fromarray(SCENE))
    for name in ("1.txt", ".DS_Store", "Thumbs.db", "2.heic", "3.HEIC", "4.mp4", "._1.png"):
        (tmp_path / name).write_bytes(b"x")
    assert [p.name for p in list_pictures(tmp_path)] == ["1.png"]
    list_pictures(tmp_path)
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    for part in ("2 .heic", "1 .mp4", "1 hidden", "sub-folder '10_logo' with 2 pictures"):
        assert part in said.err, said.err
    assert list_pictures(tmp_path, quiet=True) and capsys.readouterr().err == ""


def test_drawings_beside_a_picture_are_not_passed_over(tmp_path, capsys):
    saved(tmp_path / "case-0_seed-1.png", Image.fromarray(SCENE))
    (tmp_path / "case-0_seed-1").mkdir()
    saved(tmp_path / "case-0_seed-1" / "peaks.png", Image.fromarray(SCENE))
    list_pictures(tmp_path)
    assert capsys.readouterr().err == ""


def test_more_frames_than_one_and_shared_captions_are_said(tmp_path, capsys):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for name in ("1.gif", "1.webp"):
        saved(tmp_path / name, frames[0], save_all=True, append_images=frames[1:], lossless=True)
    (tmp_path / "1.txt").write_text("a token")
    pictures = [load_rgb(example.image) for example in load_examples(tmp_path, "token")]
    assert all(np.array_equal(p, np.asarray(frames[0])) for p in pictures)
    said = capsys.readouterr().err
    assert "'1.gif' and '1.webp' share the text file" in said and said.count("first frame") == 1
