"""A stranger's folder of photos: odd names, other files among them, no captions. It becomes a concept that trains."""

from __future__ import annotations

import pytest
from PIL import Image
from test_import import picture, state

from brandsmith.concept.concept import load_concept
from brandsmith.doctor.check import diagnose

NAMES = ("IMG_0012.JPG", "Schuh – vorne [final].jpg", "靴 正面.png", "DSC 0001 (1).Jpg", "#5 & more.jpg", "a'b.png")


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "Unsere Schuhe (Sommer 2026)"
    for seed, name in enumerate(NAMES):
        picture(folder / name, 6 * seed)
        Image.open(folder / name).resize((128, 128)).save(folder / name)
    (folder / "._IMG_0012.JPG").write_bytes(b"\0\5\x16\7" + bytes(60))
    (folder / "Thumbs.db").write_bytes(b"x")
    (folder / "clip.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(50))
    return folder


def test_a_folder_of_photos_becomes_a_concept(photos, tmp_path, brandsmith):
    before = state(photos)
    token = ("--token", "lena_shoe", "--class-word", "shoe", "--out", tmp_path / "shoe")
    code, out, err = brandsmith("concept", "new", "--pictures", photos, *token)
    said = " ".join(f"{out} {err}".split())
    assert code == 0 and "6 pictures; token lena_shoe, class word shoe" in said
    for part in (
        "broken.jpg",
        "clip.mp4",
        "Thumbs.db",
        "._IMG_0012.JPG",
        "no caption there: the default one written: 6",
    ):
        assert part in said, part
    assert state(photos) == before
    concept = load_concept(tmp_path / "shoe")
    assert {example.image.name for example in concept.examples} == set(NAMES)
    assert {example.caption for example in concept.examples} == {"a lena_shoe"}
    assert not [own for own in diagnose(tmp_path / "shoe").findings if own.severity == "fault"]


def test_what_is_missing_is_said_at_once(photos, tmp_path, brandsmith):
    code, _, err = brandsmith("concept", "import", photos, "--out", tmp_path / "shoe")
    said = " ".join(err.split())
    assert code == 2 and "2 mistakes" in said and "broken.jpg" in said and "--token" in said
    code, out, _ = brandsmith(
        "concept", "import", photos, "--token", "x_shoe", "--skip-faulty", "--out", tmp_path / "s"
    )
    assert code == 0 and "taken for a 'logo'; --class-word" in " ".join(out.split())
    for given, needed in (
        ((), "--pictures FOLDER, or --mark"),
        (("--pictures", photos, "--mark", "m.png"), "or the mark"),
    ):
        code, _, err = brandsmith("concept", "new", "--token", "x_shoe", "--out", tmp_path / "new", *given)
        assert code == 2 and needed in " ".join(err.split()) and not (tmp_path / "new").exists()
