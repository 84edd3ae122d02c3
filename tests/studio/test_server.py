"""What stands before every page: who may, from where, and what is served."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from studio.apps import client_of, csrf_of

from brandsmith.core.errors import InvalidInput
from brandsmith.studio.jobs import queue
from brandsmith.studio.jobs.record import JobRequest
from brandsmith.studio.serve import listening
from brandsmith.studio.server import create_app
from brandsmith.studio.settings import StudioSettings, check_settings
from brandsmith.studio.users import write_account
from brandsmith.studio.workspace import Workspace


@pytest.fixture
def here(tmp_path) -> Workspace:
    found = Workspace.open(tmp_path / "work")
    (found.folder / "creations" / "ad-1").mkdir()
    Image.new("RGB", (800, 600), "red").save(found.folder / "creations" / "ad-1" / "a b.png")
    (tmp_path / "secret.png").write_bytes(b"secret")
    return found


def test_home_lists_what_there_is(here):
    page = client_of(here.folder).get("/")
    assert page.status_code == 200 and "ad-1" in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    cookie = page.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie


def test_pictures_come_as_thumbnails(here):
    client = client_of(here.folder)
    whole = client.get("/pictures/creations/ad-1/a b.png")
    small = client.get("/pictures/creations/ad-1/a b.png?width=150")
    assert whole.headers["content-type"] == "image/png" and small.headers["content-type"] == "image/webp"
    assert len(list((here.own / "thumbnails").iterdir())) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/pictures/creations/ad-1/..%2f..%2f..%2fsecret.png",
        "/pictures/creations/ad-1/%2e%2e/%2e%2e/secret.png",
        "/pictures/..%2f..%2f/x/secret.png",
        "/pictures/.studio/jobs/key",
        "/pictures/creations/.studio/key",
        "/files/creations/ad-1/..\\..\\secret.png",
        "/files/creations/ad-1/link.png",
        "/pictures/creations/ad-1/%00.png",
        "/static/../server.py",
        "/static/..%2fserver.py",
    ],
)
def test_nothing_outside_the_workspace_is_served(here, path, tmp_path):
    (here.folder / "creations" / "ad-1" / "link.png").symlink_to(tmp_path / "secret.png")
    answer = client_of(here.folder).get(path)
    assert answer.status_code in (400, 404) and "secret" not in answer.text.replace(path, "").replace("secret.png", "")


def test_a_file_that_goes_away_is_missing_and_no_fault_of_ours(here, monkeypatch):
    """Between the look and the answer a job may take a file away; a page got 500 for it once."""
    client = client_of(here.folder)
    place = here.folder / "creations" / "ad-1" / "a b.png"

    def gone(self, *args, **options):
        found = real(self, *args, **options)
        if self == place and real_is_file(place):
            place.rename(place.with_suffix(".old"))
        return found

    real, real_is_file = Path.is_file, Path.is_file
    for path in (
        "/pictures/creations/ad-1/a b.png",
        "/files/creations/ad-1/a b.png",
        "/pictures/creations/ad-1/a b.png?width=96",
    ):
        if not place.exists():
            place.with_suffix(".old").rename(place)
        with monkeypatch.context() as patched:
            patched.setattr(Path, "is_file", gone)
            assert client.get(path).status_code == 404


def test_other_names_of_the_machine_are_refused(here):
    client = client_of(here.folder)
    assert client.get("/", headers={"host": "evil.example:8700"}).status_code == 421
    assert client.get("/", headers={"host": "[::1]:8700"}).status_code == 200


def test_a_change_needs_a_form_of_ours(here):
    client = client_of(here.folder)
    job = queue.add(here, JobRequest(("brandsmith", "doctor", "demo"), "ada"))
    address = f"/api/v1/jobs/{job.id}/cancel"
    assert client.post(address).status_code == 403
    assert client.post(address, headers={"x-csrf-token": "0" * 64}).status_code == 403
    assert client.post(address, headers={"authorization": "Basic YTpi"}).status_code == 403, "as a form can send it"
    token = csrf_of(client)
    foreign = {"x-csrf-token": token, "origin": "http://evil.example"}
    assert client.post(address, headers=foreign).status_code == 403
    assert client.post(address, headers={"x-csrf-token": token}).json()["state"] == "cancelled"
    assert client_of(here.folder).post(address, headers={"x-csrf-token": token}).status_code == 403, "another's session"


@pytest.mark.parametrize(
    "given",
    [
        {"user_header": "X-User\r\nY"},
        {"user_header": "X User"},
        {"proxies": ("10.0.0.0/8",)},
        {"proxies": ("proxy",)},
        {"names": ("a/b",)},
        {"executor": "x"},
        {"host": "a" * 70},
        {"host": "nowhere.invalid"},
    ],
    ids=str,
)
def test_names_that_no_request_can_have_are_refused(here, given):
    settings = StudioSettings(**{"users": here.folder / "users"} | given)
    with pytest.raises(InvalidInput):
        check_settings(settings)
        listening(settings)


@pytest.mark.slow
def test_strangers_need_a_file_of_users(here, tmp_path):
    with pytest.raises(InvalidInput, match="nothing says who may"):
        create_app(here, StudioSettings(host="0.0.0.0"))
    write_account(tmp_path / "users", "ada", "viewer", "a long password")
    client = client_of(here.folder, StudioSettings(host="0.0.0.0", users=tmp_path / "users"))
    assert client.get("/").headers["location"] == "/login"
    assert client.get("/api/v1/jobs").status_code == 401
    form = {"csrf": csrf_of(client, "/login"), "name": "ada", "password": "a wrong one"}
    assert client.post("/login", data=form).status_code == 403
    assert client.post("/login", data=form | {"password": "a long password"}).status_code == 303
    assert client.get("/").status_code == 200
    job = queue.add(here, JobRequest(("brandsmith", "doctor", "demo"), "ada"))
    refused = client.post(f"/api/v1/jobs/{job.id}/cancel", headers={"x-csrf-token": csrf_of(client)})
    assert refused.status_code == 403 and "viewer" in refused.json()["error"]


def test_bodies_are_limited(here):
    client = client_of(here.folder, StudioSettings(most_body_bytes=1000, most_upload_bytes=2000))
    headers = {"x-csrf-token": csrf_of(client)}
    assert client.post("/logout", content=b"x" * 1001, headers=headers).status_code == 413
    unsaid = (b"x" * 600 for _ in range(3))
    assert client.post("/api/v1/orders/doctor", content=unsaid, headers=headers).status_code == 411
    file = {"files": ("a.png", b"x" * 2001)}
    assert client.post("/api/v1/concepts/x/pictures", files=file, headers=headers).status_code == 413
