"""A disk that is full, found before the work where it can be known; or at any write: one sentence, and nothing lost."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import Engine, event
from studies import build_study
from study_process import colour_judges, study_text

from brandsmith.benchmark.crash_files import contents, different, leftovers
from brandsmith.core import output
from brandsmith.core.errors import BrandsmithError, InvalidInput
from brandsmith.study import folder as study_folder
from brandsmith.study.config import parse_study
from brandsmith.study.engine import run_study

Disk = namedtuple("Disk", "total used free")
TRAINING = ("--steps", 2, "--checkpoint-every", 1, "--batch-size", 1)


class FullDisk:
    """An audit hook (Python removes none): while `folder` is set, everything below it that is opened for writing, and
    every new folder, counts; from the n-th on there is no space.
    """

    def __init__(self) -> None:
        self.folder, self.count, self.full_from = "", 0, None

    def __call__(self, name: str, arguments: tuple) -> None:
        if not self.folder or name not in ("open", "os.mkdir"):
            return
        writes = name == "os.mkdir" or arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if not writes or isinstance(arguments[0], int) or not os.fsdecode(arguments[0]).startswith(self.folder):
            return
        self.count += 1
        if self.full_from and self.count >= self.full_from:
            raise OSError(errno.ENOSPC, "No space left on device", os.fsdecode(arguments[0]))

    def during(self, folder: Path, full_from: int | None, work: Callable[[], object]) -> object:
        self.folder, self.count, self.full_from = str(folder), 0, full_from
        try:
            return work()
        finally:
            self.folder = ""


@pytest.fixture(scope="module")
def disk() -> FullDisk:
    hook = FullDisk()
    sys.addaudithook(hook)
    return hook


def survives(
    disk: FullDisk, work: Callable[[], object], out: Path, every: int, begin: Callable[[], object] = lambda: None
) -> None:
    """Fill the disk at every `every`-th write of some work: it is refused, nothing is half-written, and with space
    again the work ends as if nothing had been. `begin`: what is done before, with space.
    """
    begin()
    disk.during(out, None, work)
    reference, num_writes = contents(out), disk.count
    points = range(1, num_writes + 1, every)
    assert len(points) >= 2
    for number in points:
        shutil.rmtree(out)
        begin()
        refused = disk.during(out, number, work)
        assert refused, number
        assert not list(out.rglob("*.part")), (number, refused)
        assert disk.during(out, None, work) is None, number
        found = contents(out)
        assert not different(reference, found) and not leftovers(reference, found), (number, refused)


@pytest.fixture
def command(brandsmith) -> Callable[..., Callable[[], object]]:
    """Work for `survives`: the command line in this process; what it complained of, None when it ended well."""

    def prepare(*arguments: object) -> Callable[[], object]:
        def work() -> object:
            code, _, told = brandsmith(*arguments)
            if code == 0:
                return None
            lines = told.strip().splitlines()[-2:]
            assert code == 1 and "Traceback" not in told, told
            assert lines[0].startswith("error: no space left") and lines[1].startswith("  "), told
            return lines

        return work

    return prepare


# ----------------------------------------------------------------------------- at every write


@pytest.mark.slow
@pytest.mark.parametrize(("method", "every"), [("textual_inversion", 7), ("dreambooth", 16)])
def test_training_survives_a_full_disk(method, every, disk, command, given, tmp_path):
    brand, tiny = given
    few = ("--set", "num_class_images=2", "--set", "class_image_steps=1") if method == "dreambooth" else ()
    run = tmp_path / "out" / "run"
    work = command("train", method, "--concept", brand, "--base", tiny, "--run", run, *TRAINING, *few)
    survives(disk, work, tmp_path / "out", every=every)


@pytest.mark.slow
def test_sampling_judging_and_export_survive_a_full_disk(disk, command, given, tmp_path):
    brand, tiny = given
    run = tmp_path / "run"
    assert command("train", "lora", "--concept", brand, "--base", tiny, "--run", run, *TRAINING)() is None
    drawn = ("--run", run, "--seeds", 2, "--num-steps", 1, "--out", tmp_path / "pictures" / "a")
    survives(disk, command("sample", "a red_qoga_logo", *drawn), tmp_path / "pictures", every=3)

    def begin() -> None:
        shutil.copytree(tmp_path / "pictures" / "a", tmp_path / "judged" / "a")

    judged = command("judge", "run", tmp_path / "judged" / "a", "--no-check", "--base", tiny)
    survives(disk, judged, tmp_path / "judged", every=25, begin=begin)


@pytest.mark.slow
def test_reports_survive_a_full_disk(disk, command, tmp_path):
    study = build_study(tmp_path / "study", pictures=False)
    survives(disk, command("report", study, "--out", tmp_path / "out" / "report"), tmp_path / "out", every=4)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["export.safetensors", "deep/er/export.safetensors"])
def test_an_export_survives_a_full_disk(place, disk, brandsmith, given, tmp_path):
    brand, tiny = given
    arguments = ("train", "textual_inversion", "--concept", brand, "--base", tiny, "--run", tmp_path / "run", *TRAINING)
    assert brandsmith(*arguments)[0] == 0
    out = tmp_path / "out" / place
    for number in (1, 2):
        code, _, told = disk.during(
            tmp_path / "out", number, lambda: brandsmith("export", tmp_path / "run", "--out", out)
        )
        assert code == 1 and "no space left" in told and not out.exists()
    assert brandsmith("export", tmp_path / "run", "--out", out)[0] == 0 and out.is_file()


# ----------------------------------------------------------------------------- studies and their database


@pytest.fixture
def study(given, tmp_path) -> Callable[[], object]:
    """Work for `survives`: a study of one training of each method; what it was refused with."""
    text = study_text(*given, more="").replace("training_seeds: [0, 1]", "training_seeds: [0]")
    text = text.replace("[1e-3, 1e-1]", "[1e-3]").replace("[1e-2, 3e-1]", "[1e-2]")

    def work() -> object:
        quiet = Console(file=StringIO())
        try:
            run_study(parse_study(text), text, tmp_path / "out" / "study", console=quiet, judges=colour_judges)
        except BrandsmithError as error:
            assert error.exit_code == 1 and "no space left" in str(error) and error.hint
            return str(error)
        return None

    return work


@pytest.mark.slow
def test_a_study_survives_a_full_disk(disk, study, tmp_path):
    survives(disk, study, tmp_path / "out", every=70)


@pytest.fixture
def database_pages() -> Iterator[dict[str, int]]:
    """How many pages of half a kilobyte SQLite files may have from now on."""
    pages = {"most": 1 << 30}

    def limit(connection, _) -> None:
        connection.execute("PRAGMA page_size = 512")
        connection.execute(f"PRAGMA max_page_count = {pages['most']}")

    event.listen(Engine, "connect", limit)
    yield pages
    event.remove(Engine, "connect", limit)


@pytest.mark.slow
def test_a_study_survives_a_full_database(study, database_pages, tmp_path):
    """SQLite itself says that the disk is full: when it makes its tables, and when it writes into them."""
    study()
    file = tmp_path / "out" / "study" / "studies.sqlite3"
    reference, needed = contents(tmp_path / "out"), file.stat().st_size // 512
    shutil.rmtree(tmp_path / "out")
    for database_pages["most"] in (3, needed - 4):
        assert "studies.sqlite3" in str(study()), database_pages
    database_pages["most"] = needed + 8  # a setting that was half proposed stays
    assert study() is None and not different(reference, contents(tmp_path / "out"))


@pytest.mark.slow
def test_a_complete_study_is_read_where_nothing_can_be_written(study, given, brandsmith, disk, monkeypatch, tmp_path):
    study()
    folder = tmp_path / "out" / "study"
    before = contents(folder)
    monkeypatch.setattr(output.os, "access", lambda _, mode: not mode & os.W_OK)
    monkeypatch.setattr(study_folder, "only_one", None)  # the lock is a file too
    assert disk.during(folder, 1, study) is None and disk.count == 0
    monkeypatch.undo()
    assert brandsmith("report", folder, "--out", tmp_path / "elsewhere")[0] == 0
    assert contents(folder) == before and (tmp_path / "elsewhere" / "report.html").is_file()


# ----------------------------------------------------------------------------- known before the work


def test_what_a_training_will_write_is_compared_with_the_free_space(brandsmith, given, monkeypatch, tmp_path):
    """A tiny base's DreamBooth checkpoint has 1.5 MB: two of them and the states beside them do not fit into 4."""
    brand, tiny = given
    monkeypatch.setattr(output.shutil, "disk_usage", lambda _: Disk(10**9, 10**9, 4 << 20))
    few = ("--set", "num_class_images=2", "--set", "class_image_steps=1")
    arguments = ("--concept", brand, "--base", tiny, "--run", tmp_path / "run", "--steps", 2, "--checkpoint-every", 1)
    code, _, told = brandsmith("train", "dreambooth", *arguments, *few)
    assert code == 2 and "no space left" in told and "4.0 MiB free" in told and "needed" in told
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_what_a_study_will_write_is_compared_with_the_free_space(given, monkeypatch, tmp_path):
    text = study_text(*given, more="").replace("hypernetwork", "dreambooth")
    monkeypatch.setattr(output.shutil, "disk_usage", lambda _: Disk(10**9, 10**9, 4 << 20))
    with pytest.raises(InvalidInput, match="no space left"):
        run_study(parse_study(text), text, tmp_path / "s", console=Console(quiet=True), judges=colour_judges)
    assert not (tmp_path / "s").exists()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a device that is always full")
def test_results_that_find_no_space_are_one_sentence():
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "brandsmith", "--help"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1 and done.stderr.startswith("error: no space left"), done.stderr
    assert len(done.stderr.strip().splitlines()) == 2
