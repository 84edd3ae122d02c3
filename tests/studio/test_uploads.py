"""What people send is measured and decoded before it is kept; names never become paths."""

from __future__ import annotations

import io
import zlib

import pytest
from PIL import Image
from starlette.datastructures import UploadFile

from brandsmith.core.errors import InvalidInput
from brandsmith.studio.uploads import MOST_FILES, keep_mark, keep_mask, keep_pictures


def upload(name: str, content: bytes) -> UploadFile:
    return UploadFile(io.BytesIO(content), size=len(content), filename=name)


def picture(kind: str = "PNG", size: tuple[int, int] = (8, 8)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, "red").save(file, format=kind)
    return file.getvalue()


def bomb(side: int) -> bytes:
    """A PNG of `side` × `side` pixels in a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    header = side.to_bytes(4) * 2 + bytes((1, 0, 0, 0, 0))
    pixels = zlib.compress(bytes((side // 8 + 1) * 1000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def test_content_decides_and_names_are_plain(tmp_path):
    given = [
        upload("../../etc/été 1.exe", picture()),
        upload("..\\..\\a.png", picture("JPEG")),
        upload("A.jpg", picture("WEBP")),
        upload("", picture()),
        upload("a.txt", b"a cap"),
        upload("lost.txt", b"a cap"),
    ]
    kept = keep_pictures(given, tmp_path, captions=True)
    assert kept.kept == ("été-1.png", "a.jpg", "A-2.webp", "picture.png")
    assert (tmp_path / "a.txt").read_text() == "a cap" and [name for name, _ in kept.refused] == ["'lost.txt'"]
    assert {path.name for path in tmp_path.iterdir()} == {*kept.kept, "a.txt"}
    assert keep_pictures(given[1:2], tmp_path).kept == ("a-3.jpg",)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%!PS",
        b"GIF89a",
        picture()[:50],
        bomb(9000),
        b"<html><script>alert(1)</script>",
    ],
    ids=["empty", "svg", "postscript", "cut", "cut-png", "bomb", "html"],
)
def test_what_is_no_picture_leaves_nothing(tmp_path, content):
    sent = keep_pictures([upload("x.png", content)], tmp_path)
    assert sent.kept == () and sent.refused[0][1] and ".part" not in sent.refused[0][1]
    assert list(tmp_path.iterdir()) == []


def test_numbers_are_limited(tmp_path):
    with pytest.raises(InvalidInput, match="files at once"):
        keep_pictures([upload("x.png", b"")] * (MOST_FILES + 1), tmp_path)


def test_masks_and_marks(tmp_path):
    keep_mask(upload("m.png", picture()), tmp_path / "mask.png")
    with pytest.raises(InvalidInput, match="no PNG"):
        keep_mask(upload("m.png", picture("JPEG")), tmp_path / "mask.png")
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect width="9" height="9"/></svg>'
    assert keep_mark(upload("m.bin", svg), tmp_path).name == "mark.svg"
    with pytest.raises(InvalidInput):
        keep_mark(upload("m.svg", b"<svg"), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"mask.png", "mark.svg"}
