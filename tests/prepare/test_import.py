"""`brandsmith concept import`: other trainers' folders become concepts; the source stays as it is."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from brandsmith.concept.concept import load_concept
from brandsmith.core.errors import InvalidInput

HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAX1tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAA"
    "ACJpbG9jAAAAAERAAAEAAQAAAAABoQABAAAAAAAAAEUAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAAAA5waXRt"
    "AAAAAAABAAAA/WlwcnAAAADdaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMA"
    "AAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5j"
    "bHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAAEAAAAABAAAAMAAAAAEAAAAAAAAAAv////AAAAACAAAAEHBp"
    "eGkAAAAAAwgICAAAABhpcG1hAAAAAAAAAAEAAQWBAgMFhAAAAE1tZGF0AAAAQSgBr1ipF0jbdrHERxL/7jtInnJ99d/Ac0WOBtcK"
    "FChSHv+WR7tNnOQROTKROhjkD2X5bKiYdOnXQ70MUvf5QfXQ"
)
"""64 x 48, white with a blue field."""


def picture(file: Path, seed: int = 0, caption: str | None = None, suffix: str = ".txt") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", (80, 60), "white")
    ImageDraw.Draw(image).rectangle((5, 5, 30 + seed, 40), fill=(20, 40 * (seed % 5), 200))
    kinds = {".jpg": "JPEG", ".jfif": "JPEG", ".avif": "AVIF"}
    image.save(file, kinds.get(file.suffix.lower(), "PNG"))
    if caption is not None:
        file.with_suffix(suffix).write_text(caption, encoding="utf-8")
    return file


def kohya(folder: Path) -> Path:
    """The folder of kohya's graphical interface: two sets of one token, captions of both kinds, regularisation."""
    for number in range(3):
        picture(folder / "img" / "10_zorb logo" / f"{number}.png", number, f"zorb logo, on a wall {number}")
    picture(folder / "img" / "10_zorb logo" / "bare.png", 4)
    picture(folder / "img" / "2_zorb logo" / "0.PNG", 5, "a Zorb sign", ".caption")
    picture(folder / "reg" / "1_logo" / "r.png", 6, "a logo")
    (folder / "img" / "10_zorb logo" / "._0.png").write_bytes(b"\x00\x05\x16\x07")
    (folder / "img" / "10_zorb logo" / "0.npz").write_bytes(b"cache")
    (folder / "log").mkdir()
    return folder


def state(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def imported(brandsmith, *arguments: object) -> dict:
    code, out, err = brandsmith("concept", "import", *arguments, "--json")
    assert code == 0, err
    return json.loads(out.splitlines()[-1])


def refused(brandsmith, *arguments: object) -> str:
    code, _, err = brandsmith("concept", "import", *arguments)
    assert code == 2
    return " ".join(err.split())


@pytest.mark.slow
def test_kohya_folders_become_a_concept(tmp_path, brandsmith):
    source, out = kohya(tmp_path / "train"), tmp_path / "out"
    before = state(source)
    report = imported(brandsmith, source, "--out", out)
    concept = load_concept(out)
    assert (concept.token, concept.config.class_word) == ("zorb", "logo")
    captions = {own.image.name: own.caption for own in concept.examples}
    assert captions["10_zorb logo-bare.png"] == "zorb logo"  # the folder's name, as kohya's scripts have it
    assert captions["2_zorb logo-0.PNG"] == "a zorb sign"  # a .caption file, another letter case
    assert {own.image.name: own.repeats for own in concept.examples} == {
        name: 10 if name.startswith("10") else 2 for name in captions
    }
    assert [path.name for path in sorted((out / "class_images").iterdir())] == ["r.png", "r.txt"]
    assert report["passed_over"]["img/10_zorb logo/._0.png"] == "shadow file of macOS"
    assert report["passed_over"]["img/10_zorb logo/0.npz"] == "unknown (.npz)" and "log" in report["passed_over"]
    assert state(source) == before


@pytest.mark.slow
def test_two_tokens_are_two_concepts(tmp_path, brandsmith):
    picture(tmp_path / "train" / "5_zorb logo" / "a.png", 1)
    picture(tmp_path / "train" / "3_quux bottle" / "a.png", 2)
    report = imported(brandsmith, tmp_path / "train", "--out", tmp_path / "both")
    assert sorted(own["token"] for own in report["concepts"]) == ["quux", "zorb"]
    assert load_concept(tmp_path / "both" / "quux").examples[0].repeats == 3
    assert "--only" in refused(brandsmith, tmp_path / "train", "--out", tmp_path / "x", "--token", "mine")
    one = imported(brandsmith, tmp_path / "train", "--out", tmp_path / "one", "--only", "zorb", "--token", "my_zorb")
    assert [own["token"] for own in one["concepts"]] == ["my_zorb"]
    assert load_concept(tmp_path / "one").examples[0].caption == "my_zorb logo"


def test_kohya_dataset_file(tmp_path, brandsmith):
    picture(tmp_path / "pictures" / "a.png", 1, "zorb, red", ".txt")
    picture(tmp_path / "masks" / "a.png", 2)
    (tmp_path / "data.toml").write_text(
        "[general]\nshuffle_caption = true\nkeep_tokens = 1\n[[datasets]]\nresolution = 512\n[[datasets.subsets]]\n"
        'image_dir = "pictures"\nclass_tokens = "zorb logo"\nnum_repeats = 4\nconditioning_data_dir = "masks"\n'
        "caption_dropout_rate = 0.05\n"
    )
    report = imported(brandsmith, tmp_path / "data.toml", "--out", tmp_path / "out")
    assert report["settings"] == {"caption_dropout": "0.05", "keep_tags": "1", "shuffle_tags": "true"}
    example = load_concept(tmp_path / "out").examples[0]
    assert example.repeats == 4 and example.mask is not None and example.caption == "zorb, red"


@pytest.mark.slow
def test_onetrainer_concepts(tmp_path, brandsmith):
    picture(tmp_path / "front" / "a.png", 1, "a zorb on a cup")
    picture(tmp_path / "front" / "a-masklabel.png", 2)
    picture(tmp_path / "front" / "deep" / "b.png", 3, "a zorb, close")
    picture(tmp_path / "named" / "zorb on a bag.png", 4)
    picture(tmp_path / "prior" / "c.png", 5, "a logo")
    concepts = [
        {"path": "front", "balancing": 3.0, "include_subdirectories": True, "loss_weight": 0.5},
        {"path": str(tmp_path / "named"), "text": {"prompt_source": "filename", "enable_tag_shuffling": True}},
        {"path": "prior", "type": "PRIOR_PREDICTION"},
        {"path": "gone", "enabled": False},
    ]
    (tmp_path / "concepts.json").write_text(json.dumps(concepts))
    report = imported(brandsmith, tmp_path / "concepts.json", "--token", "zorb", "--out", tmp_path / "out")
    concept = load_concept(tmp_path / "out")
    found = {own.image.name: (own.caption, own.repeats, own.weight) for own in concept.examples}
    assert found == {
        "front-a.png": ("a zorb on a cup", 3, 0.5),
        "front-b.png": ("a zorb, close", 3, 0.5),
        "named-zorb on a bag.png": ("zorb on a bag", 1, 1.0),
    }
    assert [own.mask is not None for own in concept.examples] == [True, False, False]
    assert (tmp_path / "out" / "class_images" / "c.txt").read_text().strip() == "a logo"
    assert report["settings"] == {"keep_tags": "1", "shuffle_tags": "true"}


def test_ai_toolkit_configuration(tmp_path, brandsmith):
    picture(tmp_path / "set" / "a.jpg", 1, "[trigger] on a wall\nsecond line")
    picture(tmp_path / "set" / "b.jpg", 2, "a cup")
    (tmp_path / "job.yaml").write_text(
        "job: extension\nconfig:\n  name: x\n  process:\n    - type: sd_trainer\n      trigger_word: zorb_mark\n"
        "      datasets:\n        - folder_path: set\n          caption_ext: txt\n          num_repeats: 2\n"
        "          caption_dropout_rate: 0.05\n        - folder_path: set\n          resolution: [512]\n"
    )
    report = imported(brandsmith, tmp_path / "job.yaml", "--out", tmp_path / "out")
    concept = load_concept(tmp_path / "out")
    assert [own.caption for own in concept.examples] == ["zorb_mark on a wall second line", "zorb_mark, a cup"]
    assert (tmp_path / "out" / "images" / "a.txt").read_text() == "zorb_mark on a wall\nsecond line\n"  # lines kept
    assert report["concepts"][0]["token_added"] == ["b.jpg"] and report["concepts"][0]["repeats"] == {"images/*": 2}


def test_hugging_face_rows(tmp_path, brandsmith):
    for number, name in enumerate(("a.png", "in/b.png", "left.png")):
        picture(tmp_path / "data" / "train" / name, number)
    rows = [{"file_name": "a.png", "text": "zorb, one"}, {"file_name": "in/b.png", "text": ["zorb, two", "other"]}]
    (tmp_path / "data" / "train" / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = imported(brandsmith, tmp_path / "data", "--token", "zorb", "--out", tmp_path / "out")
    assert [own.caption for own in load_concept(tmp_path / "out").examples] == ["zorb, one", "zorb, two"]
    assert report["passed_over"] == {"train/left.png": "picture that no row names"}


@pytest.mark.slow
def test_names_of_every_kind(tmp_path, brandsmith):
    source = tmp_path / "with space [and brackets]"
    names = ["A.JFIF", "b.avif", "Größe (1).png", "標誌.PNG", "[x] y.jpg", "same.png", "Same.jpg", "nul.png"]
    for number, name in enumerate(names):
        picture(source / name, number, f"zorb {number}")
    (source / "phone.HEIC").write_bytes(HEIC)
    report = imported(brandsmith, source, "--token", "zorb", "--out", tmp_path / "out")
    files = report["concepts"][0]["images"]
    assert sorted(files.values()) == sorted([*names, "phone.HEIC"])
    assert files["phone.png"] == "phone.HEIC" and files["Größe (1).png"] == "Größe (1).png"
    stems = [Path(name).stem.casefold() for name in files]
    assert len(set(stems)) == len(stems) and "nul" not in stems
    assert len(load_concept(tmp_path / "out").examples) == 9
    blue = Image.open(tmp_path / "out" / "images" / "phone.png").convert("RGB").getpixel((30, 20))
    assert blue[2] > 150 and blue[0] < 90


def test_all_faults_at_once_and_nothing_written(tmp_path, brandsmith):
    picture(tmp_path / "outside" / "secret.png", 1)
    source = tmp_path / "data"
    picture(source / "a.png", 1)
    (source / "torn.png").write_bytes((source / "a.png").read_bytes()[:60])
    rows = ['{"file_name": "a.png", "text": 5}', '{"file_name": "../outside/secret.png", "text": "zorb"}', "{"]
    rows += ['{"file_name": "none.png", "text": "zorb"}', '{"file_name": "torn.png", "text": "zorb"}', "[1]"]
    (source / "metadata.jsonl").write_text("\n".join(rows))
    said = refused(brandsmith, source, "--token", "zorb", "--out", tmp_path / "out")
    assert "6 mistakes" in said and not (tmp_path / "out").exists()
    for part in ("text is 5", "leads out of the folder", "line 3", "there is no 'none.png'", "torn.png", "no object"):
        assert part in said, part
    report = imported(brandsmith, source, "--token", "zorb", "--out", tmp_path / "out", "--skip-faulty")
    assert list(report["concepts"][0]["images"]) == ["a.png"] and len(report["left_out"]) == 6


def test_paths_and_links_never_lead_out(tmp_path, brandsmith):
    outside = picture(tmp_path / "outside" / "secret.png", 1).parent
    source = tmp_path / "data"
    picture(source / "a.png", 1)
    (source / "a.txt").symlink_to(picture(tmp_path / "outside" / "b.png", 2, "zorb secret").with_suffix(".txt"))
    assert "leads out" in refused(brandsmith, source, "--token", "zorb", "--out", tmp_path / "out")
    (source / "concepts.json").write_text(json.dumps([{"path": str(outside)}]))
    said = refused(brandsmith, source / "concepts.json", "--token", "zorb", "--out", tmp_path / "out")
    assert "lies outside" in said and "--allow" in said and not (tmp_path / "out").exists()
    imported(brandsmith, source / "concepts.json", "--token", "zorb", "--out", tmp_path / "out", "--allow", outside)
    assert len(load_concept(tmp_path / "out").examples) == 2


@pytest.mark.slow
def test_dry_run_writes_nothing_and_says_the_same(tmp_path, brandsmith):
    source = kohya(tmp_path / "train")
    said = imported(brandsmith, source, "--out", tmp_path / "out", "--dry-run")
    assert not (tmp_path / "out").exists()
    assert imported(brandsmith, source, "--out", tmp_path / "out") == said
    assert "exists" in refused(brandsmith, source, "--out", tmp_path / "out")
    assert "lies in" in refused(brandsmith, source, "--out", source / "new")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pattern", "fine"), [("images/10_*", True), ("images/11_*", False), ("class_images/*", True), ("../*", False)]
)
def test_patterns_of_repeats_fit_a_picture(tmp_path, brandsmith, pattern, fine):
    imported(brandsmith, kohya(tmp_path / "train"), "--out", tmp_path / "out")
    (tmp_path / "out" / "concept.yaml").write_text(f'token: zorb\nrepeats: {{"{pattern}": 3}}\n')
    if fine:
        load_concept(tmp_path / "out")
    else:
        with pytest.raises(InvalidInput, match="fits no picture"):
            load_concept(tmp_path / "out")


_SUBSET = '[[datasets]]\n[[datasets.subsets]]\nimage_dir = "set"\nclass_tokens = "zorb logo"\n'


def _job(**keys: object) -> str:
    return json.dumps({"config": {"process": [{"trigger_word": "zorb", "datasets": [{"folder_path": "set"} | keys]}]}})


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("data.toml", f"general = 5\n{_SUBSET}", "general is 5, and holds no keys"),
        ("data.toml", f'[general]\nkeep_tokens = "x"\n{_SUBSET}', "keep_tokens is 'x'"),
        ("data.toml", f'{_SUBSET}enable_bucket = "yes"\n', "enable_bucket is 'yes', not true or false"),
        ("data.toml", f"{_SUBSET}caption_tag_dropout_rate = 5\n", "caption_tag_dropout_rate is 5, not a share"),
        ("data.toml", 'datasets = "set"\n', "datasets is 'set', not a list"),
        ("job.json", _job(caption_dropout_rate="often"), "caption_dropout_rate is 'often'"),
        ("job.json", _job(token_dropout_rate=3), "token_dropout_rate is 3, not a share"),
        ("job.json", _job(flip_x="maybe"), "flip_x is 'maybe', not true or false"),
        ("concepts.json", json.dumps([{"path": "set", "type": "CLASS"}]), "type is 'CLASS'; known are STANDARD"),
        ("concepts.json", json.dumps([{"path": "set", "text": "a"}]), "text is 'a', and holds no keys"),
        ("concepts.json", json.dumps([{"path": "set", "text": {"prompt_source": "file"}}]), "prompt_source is 'file'"),
    ],
)
def test_a_setting_of_another_kind_is_never_passed_over(tmp_path, brandsmith, name, content, says):
    picture(tmp_path / "set" / "a.png", 1, "a zorb")
    (tmp_path / name).write_text(content)
    assert says in refused(brandsmith, tmp_path / name, "--token", "zorb", "--dry-run", "--out", tmp_path / "out")
