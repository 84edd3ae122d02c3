"""The doctor names every planted fault and nothing else, touches nothing, and mends what needs no judgement."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from brandsmith.benchmark.planted_faults import TOKEN, add, picture, plant_faults, said, sound_concept
from brandsmith.cli.main import app
from brandsmith.concept.concept import demo_folder, load_concept
from brandsmith.core.errors import InvalidInput, MissingResource
from brandsmith.core.pictures import load_rgb
from brandsmith.doctor.check import KnownBase, diagnose_patient, know_base
from brandsmith.doctor.command import examine
from brandsmith.doctor.finding import Diagnosis, kinds_of
from brandsmith.doctor.mend import mend
from brandsmith.doctor.patient import look_at_concept
from brandsmith.doctor.sheet import draw_sheet
from brandsmith.methods.lora import LoraConfig


@pytest.fixture(scope="module")
def pocket() -> KnownBase:
    return know_base("pocket")


@pytest.fixture(scope="module")
def planted(tmp_path_factory) -> tuple[Path, list[tuple[str, str]]]:
    """The folder with planted faults, and what was planted."""
    folder = tmp_path_factory.mktemp("planted") / "brand"
    return folder, plant_faults(folder)


def diagnosed(folder: Path, base: KnownBase) -> Diagnosis:
    return diagnose_patient(look_at_concept(folder), base)


def bytes_below(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.slow
def test_every_planted_fault_is_named_with_its_remedy_and_nothing_is_touched(planted, pocket):
    folder, faults = planted
    assert len(faults) >= 30 and len({kind for kind, _ in faults}) >= 20
    before = bytes_below(folder)
    found = diagnosed(folder, pocket)
    named = {(own.kind, own.file) for own in found.findings}
    assert set(faults) - named == set(), "planted and not named"
    assert {row for row in named if row[0] not in ("disk", "memory")} - set(faults) == set(), "false alarms"
    assert all(own.what and own.remedy for own in found.findings)
    assert bytes_below(folder) == before


def test_a_sound_folder_has_no_finding(tmp_path, pocket):
    sound_concept(tmp_path / "brand")
    assert diagnosed(tmp_path / "brand", pocket).findings == ()


def test_the_demo_is_sound_but_for_what_its_captions_leave_out(pocket, tmp_path):
    (found,) = diagnose_patient(look_at_concept("demo"), pocket).findings
    assert (found.kind, found.severity, found.file) == ("colours not said", "advice", "images/01.txt")
    assert found.what.startswith("not said in the caption: black background (16 more captions leave colours out)")
    images = sound_concept(tmp_path / "brand")
    said(shutil.copyfile(demo_folder() / "images" / "16.png", images / "16.png"), f"a billboard with a {TOKEN}")
    (found,) = diagnosed(tmp_path / "brand", pocket).findings
    assert (found.file, found.what.split(": ")[1]) == ("images/16.txt", "teal, green background")
    said(images / "16.png", f"a teal billboard with a {TOKEN} on a green background")
    assert diagnosed(tmp_path / "brand", pocket).findings == ()


@pytest.mark.slow
def test_a_mended_copy_trains(planted, tmp_path, pocket):
    folder, _ = planted
    before = bytes_below(folder)
    patient = look_at_concept(folder)
    mend(patient, diagnose_patient(patient, pocket).findings, tmp_path / "out")
    assert bytes_below(folder) == before
    left = diagnosed(tmp_path / "out", pocket)
    needs_somebody = {"too small", "extreme shape", "wide shape", "blank", "mark cut", "gives it away", "mask shape"}
    needs_words = {"caption too long", "token cut off", "colours not said"}
    assert kinds_of(left.findings) <= needs_somebody | needs_words
    concept = load_concept(tmp_path / "out")
    assert len(concept.examples) == len(left_names(tmp_path / "out")) >= 20
    assert all(TOKEN in example.caption for example in concept.examples)
    lying = load_rgb(folder / "images" / "lying.jpg")
    assert (load_rgb(tmp_path / "out" / "images" / "lying.png") == lying).all()
    sound = "images/00.png"
    assert bytes_below(tmp_path / "out")[sound] == before[sound]


def left_names(folder: Path) -> list[Path]:
    return [path for path in (folder / "images").iterdir() if path.suffix != ".txt"]


@pytest.mark.parametrize("out", ["brand/mended", "full"])
def test_a_copy_overwrites_nothing(tmp_path, pocket, out):
    sound_concept(tmp_path / "brand")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(InvalidInput):
        mend(look_at_concept(tmp_path / "brand"), (), tmp_path / out)
    assert (tmp_path / "full" / "mine.txt").read_text() == "mine" and not (tmp_path / "brand" / "mended").exists()


@pytest.mark.parametrize(("token", "severity"), [("cat", "fault"), ("sks", "advice"), ("blue_new_logo", None)])
def test_a_token_that_the_base_knows(tmp_path, pocket, token, severity, monkeypatch):
    images = sound_concept(tmp_path / "brand", 0)
    (tmp_path / "brand" / "concept.yaml").write_text(f"token: {token}\n")
    for number in range(6):
        add(images / f"{number}.png", number, f"a {token}")
    if token == "sks":  # pocket's vocabulary has no such piece; CLIP's has
        monkeypatch.setattr(pocket.tokenizers[0], "get_vocab", lambda: {"sks": 1})
    found = [own for own in diagnosed(tmp_path / "brand", pocket).findings if own.kind == "token known"]
    assert [own.severity for own in found] == ([severity] if severity else [])


@pytest.mark.parametrize(
    ("yaml", "kind"),
    [("token: [1\n", "concept.yaml"), ("class_word: x\n", "concept.yaml"), (None, "concept.yaml")],
)
def test_a_wrong_config_hides_nothing_else(tmp_path, pocket, yaml, kind):
    images = sound_concept(tmp_path / "brand")
    (images / "bad.png").write_bytes(b"no picture")
    config = tmp_path / "brand" / "concept.yaml"
    config.unlink()
    if yaml:
        config.write_text(yaml)
    assert {kind, "unreadable", "caption missing"} <= kinds_of(diagnosed(tmp_path / "brand", pocket).findings)


def test_empty_rights_of_a_kit_are_said(tmp_path, pocket):
    kit = "name: Z\nmark: {light: mark.png}\npalette: [{name: Z, hex: '#2050C0'}]\nrights: {owner: Z}\n"
    images = sound_concept(tmp_path / "brand")
    (tmp_path / "brand" / "brand.yaml").write_text(kit)
    mark = picture(99).convert("RGBA")
    mark.putalpha(picture(98).convert("L"))
    mark.save(tmp_path / "brand" / "mark.png")
    assert [own.kind for own in diagnosed(images.parent, pocket).findings] == ["rights"]


@pytest.mark.slow
def test_the_sheet_shows_every_picture(planted, tmp_path, pocket):
    patient = look_at_concept(planted[0])
    draw_sheet([patient], pocket.shapes, LoraConfig(), tmp_path / "sheet.png")
    height, width, _ = load_rgb(tmp_path / "sheet.png").shape
    assert width == 1152 and height == 250 * -(-len(patient.pictures) // 6)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(MissingResource):
        look_at_concept(tmp_path / "nothing")


@pytest.mark.slow
def test_the_command_prints_all_and_ends_with_1(tmp_path):
    images = sound_concept(tmp_path / "brand")
    assert CliRunner().invoke(app, ["doctor", str(tmp_path / "brand")]).exit_code == 0
    (images / "bad.png").write_bytes(b"no picture")
    ended = CliRunner().invoke(app, ["doctor", str(tmp_path / "brand"), "--json"])
    assert ended.exit_code == 1 and "fault   images/bad.png: cannot be read" in ended.output
    assert '"faults": 2' in ended.output.splitlines()[-1]


def test_pictures_made_for_a_concept_are_its_own(tmp_path, pocket):
    """As `concept expand` leaves a folder: `made/` is trained on, with masks of its own."""
    folder = tmp_path / "brand"
    sound_concept(folder)
    (folder / "made").mkdir()
    (folder / "masks").mkdir(exist_ok=True)
    for name in ("made-0000", "made-0001"):
        picture(7).save(folder / "made" / f"{name}.png")
        (folder / "made" / f"{name}.txt").write_text(f"a {TOKEN} on a bag", encoding="utf-8")
        picture(7).convert("L").save(folder / "masks" / f"{name}.png")
    found = diagnosed(folder, pocket)
    assert not {own.kind for own in found.findings} & {"stray mask", "unreadable"}
    cut = folder / "made" / "made-0001.png"
    cut.write_bytes(cut.read_bytes()[:200])
    found = diagnosed(folder, pocket)
    assert any(own.file == "made/made-0001.png" and own.severity == "fault" for own in found.findings)
    mend(look_at_concept(folder), found.findings, tmp_path / "mended")
    kept = load_concept(tmp_path / "mended")
    assert [own.caption for own in kept.made] == [f"a {TOKEN} on a bag"]


@pytest.mark.slow
def test_a_sheet_goes_over_an_earlier_sheet_and_over_nothing_else(tmp_path):
    images = sound_concept(tmp_path / "brand")
    other = tmp_path / "other.txt"
    other.write_text("mine")
    before = [file.read_bytes() for file in (images / "00.png", other)]
    for file in (images / "00.png", other, tmp_path, Path()):
        with pytest.raises(InvalidInput, match=r"exists and is no sheet|not a regular file|a file is meant"):
            examine(str(tmp_path / "brand"), "pocket", None, file)
    assert [file.read_bytes() for file in (images / "00.png", other)] == before
    for _ in range(2):
        examine(str(tmp_path / "brand"), "pocket", None, tmp_path / "sheet.png")


@pytest.mark.parametrize("sheet", ["mended", "mended/sheet.png"])
def test_a_sheet_in_the_mended_copy_is_refused_before_anything_is_written(sheet, tmp_path):
    sound_concept(tmp_path / "brand")
    with pytest.raises(InvalidInput, match="lies in the new folder"):
        examine(str(tmp_path / "brand"), "pocket", tmp_path / "mended", tmp_path / sheet)
    assert not (tmp_path / "mended").exists()
