"""The page Brand: a kit is checked whole before anything of the concept changes; pictures are held out and put back."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from studio.apps import client_of, csrf_of
from studio.furnished import furnish

from brandsmith.concept.brand_kit import load_brand_kit
from brandsmith.concept.concept import demo_folder
from brandsmith.core.files import write_json
from brandsmith.judges.cutouts import uses_cutout
from brandsmith.studio.brand import view_brand
from brandsmith.studio.jobs import queue

ROOT = "/teach/red-hugo"


@pytest.fixture
def brand(tmp_path):
    """(client, the fields of a form that is right, the workspace)"""
    here = furnish(tmp_path)
    (here.item("concepts", "red-hugo") / "mark.png").unlink()
    client = client_of(tmp_path)
    given = {
        "csrf": csrf_of(client),
        "name": "Hugo",
        "owner": "Hugo & Co <b>",
        "must": "",
        "never": "cheap\nbargain, sale",
    }
    given |= {"colour_name": ["Red", "", "Ink"], "colour_hex": ["#de2630", "#808080", "#1b1b1f"]}
    return client, given | {"colour_tolerance": ["6", "", ""], "clear_space": "0.4"}, here


def svg(name: str = "mark_light") -> dict[str, tuple[str, bytes, str]]:
    return {name: ("anything.svg", (demo_folder() / "mark.svg").read_bytes(), "image/svg+xml")}


def png(colour: str, mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, (64, 48), colour).save(out, "PNG")
    return out.getvalue()


@pytest.mark.slow
def test_a_kit_from_the_form_is_a_kit_that_ads_read(brand):
    client, given, here = brand
    folder = here.item("concepts", "red-hugo")
    assert client.get(f"{ROOT}/brand").status_code == 200 and not view_brand(here, "red-hugo").may_fit
    answer = client.post(f"{ROOT}/brand", data=given, files=svg())
    assert answer.headers["location"] == f"{ROOT}/brand?said=kit_saved"
    kit = load_brand_kit(folder)
    assert [(own.name, own.hex, own.tolerance) for own in kit.palette] == [
        ("Red", "#DE2630", 6.0),
        ("Ink", "#1B1B1F", 3.0),
    ]
    assert kit.settings.words.never == ("cheap", "bargain", "sale") and kit.settings.rights.owner == "Hugo & Co <b>"
    assert kit.mark_file(dark=True) == folder / "mark.svg" and kit.settings.mark.clear_space == 0.4
    assert uses_cutout(folder) and view_brand(here, "red-hugo").may_fit, "a cut-out was made of the vector"
    (folder / "detector" / "train").mkdir(parents=True)
    assert not view_brand(here, "red-hugo").may_fit and "detector/val" in client.get(f"{ROOT}/brand").text
    shown = client.get(f"{ROOT}/brand")
    assert "Hugo &amp; Co &lt;b&gt;" in shown.text and client.get(f"{ROOT}/brand/mark/light.png").status_code == 200
    assert client.get(f"{ROOT}/brand/mark/dark.png").status_code == 404
    font = {"font_headline": ("a.ttf", _font(), "font/ttf")}
    client.post(f"{ROOT}/brand", data=given | {"licence_headline": "OFL-1.1"}, files={**font, **svg("mark_dark")})
    kit = load_brand_kit(folder)
    assert (
        kit.font_file("headline") == folder / "fonts" / "headline.ttf"
        and kit.mark_file(dark=True).name == "mark-on-dark.svg"
    )
    assert kit.mark_file() == folder / "mark.svg", "what was not sent again stays"


def _font() -> bytes:
    from PIL import ImageFont

    return ImageFont.load_default(12).font_bytes


@pytest.mark.slow
def test_a_kit_that_is_wrong_changes_nothing_and_says_every_mistake(brand):
    client, given, here = brand
    folder = here.item("concepts", "red-hugo")
    before = sorted(folder.rglob("*"))
    wrong = given | {"colour_hex": ["red", "#808080", "#1b1b1f"], "clear_space": "9", "owner": ""}
    answer = client.post(f"{ROOT}/brand", data=wrong, files=svg())
    assert answer.status_code == 422 and str(here.folder) not in answer.text
    for said in ("palette.0.hex", "mark.clear_space", "owner"):
        assert said in answer.text
    opaque = {"mark_light": ("m.png", png("red"), "image/png")}
    assert client.post(f"{ROOT}/brand", data=given, files=opaque).status_code == 422, "nothing is transparent"
    assert client.post(f"{ROOT}/brand", data=given).status_code == 422, "there is no mark"
    no_font = {"font_text": ("f.ttf", b"MZ" + bytes(100), "font/ttf")}
    assert client.post(f"{ROOT}/brand", data=given, files={**svg(), **no_font}).status_code == 422
    assert sorted(folder.rglob("*")) == before and list(here.own.glob("tmp*")) == []


def test_pictures_are_held_out_set_aside_and_put_back(brand):
    client, given, here = brand
    token = {"csrf": given["csrf"]}
    sent = [("pictures", ("01.png", png("teal"), "image/png")), ("pictures", ("01.txt", b"a teal wall", "text/plain"))]
    assert client.post(f"{ROOT}/held-out", data=token, files=sent).headers["location"].endswith("said=added")
    assert view_brand(here, "red-hugo").held_out == ("01.png",) and view_brand(here, "red-hugo").num_missing == 7
    client.post(f"{ROOT}/set-aside", data=token | {"number": "100"})
    folder = here.item("concepts", "red-hugo")
    assert len(list(folder.glob("images/*.png"))) == 3, "half stays"
    assert view_brand(here, "red-hugo").held_out == ("01-2.png", "01.png", "03.png", "05.png")
    assert (folder / "held_out" / "03.txt").read_text().startswith("a red_hugo_logo")
    client.post(f"{ROOT}/put-back", data=token | {"picture": "03.png"})
    assert (folder / "images" / "03.txt").is_file() and not (folder / "held_out" / "03.png").exists()
    for name in ("../images/02.png", "03.png"):
        assert client.post(f"{ROOT}/put-back", data=token | {"picture": name}).status_code == 404


def test_judges_are_fitted_by_a_job_beside_the_concept(brand):
    client, given, here = brand
    client.post(f"{ROOT}/judges", data={"csrf": given["csrf"]})
    job = queue.jobs(here)[-1]
    assert job.request.command[1:] == ("judge", "fit", "concepts/red-hugo", "--out=concepts/red-hugo-judges")
    assert view_brand(here, "red-hugo").fitting == job and not view_brand(here, "red-hugo").has_judges
    queue.cancel(here, job.id)
    judges = here.item("concepts", "red-hugo-judges")
    judges.mkdir()
    write_json(judges / "card.json", {})
    assert view_brand(here, "red-hugo").has_judges and view_brand(here, "red-hugo").fitting is None
