"""Settings: look and language in the browser, bases with their licences, tokens that are shown once."""

from __future__ import annotations

import re

import pytest
from studio.apps import client_of, csrf_of

from brandsmith.studio.base_licences import PERMITS, TONES, found_bases, permitted_by
from brandsmith.studio.bases import known_bases
from brandsmith.studio.languages import words
from brandsmith.studio.tokens import tokens, user_of_token
from brandsmith.studio.workspace import Workspace


def test_theme_and_language_are_kept_in_the_browser(tmp_path):
    client = client_of(tmp_path)
    data = {"csrf": csrf_of(client), "theme": "dark", "language": "fr"}
    assert client.post("/settings/look", data=data).headers["location"] == "/settings?said=saved"
    page = client.get("/").text
    assert 'data-theme="dark"' in page and '<html lang="fr"' in page
    client.post("/settings/look", data={**data, "theme": '"><script>', "language": "xx"})
    assert 'data-theme="dark"' in client.get("/").text


def test_a_token_is_shown_once_works_and_is_forgotten(tmp_path):
    client, here = client_of(tmp_path), Workspace.open(tmp_path)
    csrf = csrf_of(client)
    page = client.post("/settings/tokens", data={"csrf": csrf, "label": "<night>", "role": "viewer"}).text
    text = re.search(r"bs_[\w-]{20,}", page)[0]
    assert user_of_token(here, text).role == "viewer" and "&lt;night&gt;" in page
    assert text not in client.get("/settings").text
    (token,) = tokens(here)
    client.post("/settings/tokens/remove", data={"csrf": csrf, "digest": token.digest})
    assert tokens(here) == [] and user_of_token(here, text) is None
    assert client.post("/settings/tokens/remove", data={"csrf": csrf, "digest": "x"}).status_code == 400


def test_bases_say_what_their_licence_permits_and_an_admin_lets_them_be_chosen(tmp_path, monkeypatch):
    cached = tmp_path / "hub" / "models--owner--Fine-Base" / "snapshots" / "abc"
    cached.mkdir(parents=True)
    (cached / "model_index.json").write_text("{}")
    (cached / "README.md").write_text("---\nlicense: other\nlicense_name: flux-1-dev-non-commercial-license\n---\n")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    client, here = client_of(tmp_path / "work"), Workspace.open(tmp_path / "work")
    pocket, found = found_bases(here)
    assert (pocket.name, pocket.licence, pocket.permits, pocket.named) == ("pocket", "apache-2.0", "free", True)
    assert (found.name, found.place, found.permits, found.named) == ("fine-base", "owner/Fine-Base", "not", False)
    page = client.get("/settings").text
    assert words("en")["licence.not"] in page and words("en")["licence.free"] in page
    csrf = csrf_of(client)
    client.post("/settings/bases", data={"csrf": csrf, "name": found.name, "place": found.place})
    assert known_bases(here) == {"pocket": "pocket", "fine-base": "owner/Fine-Base"}
    for place in ("/etc/passwd", "other/model", "https://example.com/x.safetensors", "../x"):
        answer = client.post("/settings/bases", data={"csrf": csrf, "name": "x", "place": place})
        assert answer.status_code == 422 and "no base on this machine" in answer.text.replace("&#39;", "'"), place
    assert set(PERMITS.values()) | {"unknown"} == set(TONES) and permitted_by("") == "unknown"


@pytest.mark.parametrize(("licence", "permits"), [("MIT", "free"), ("Flux-1-dev-non-commercial-License", "not")])
def test_what_a_licence_permits_is_told_by_its_name_in_any_case(licence, permits):
    assert permitted_by(licence) == permits
