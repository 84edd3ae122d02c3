"""Opening an output folder: ours, empty, writable, with space; or one sentence, and nobody's file is touched."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest
from bases import build_tiny
from folder_checks import refused, snapshot
from lessons import QUICK, write_concept

from brandsmith.core import files, output
from brandsmith.core.errors import BrandsmithError, InvalidInput, from_os_error
from brandsmith.core.files import (
    append_jsonl,
    partial_beside,
    replacing,
    replacing_folder,
    sha256_of,
    write_safetensors,
    write_text,
)
from brandsmith.core.output import check_output_folder
from brandsmith.core.run import MARK, RunDirectory
from brandsmith.export import export_run as export_module
from brandsmith.export.export_run import export_run
from brandsmith.methods.loop import train
from brandsmith.methods.registry import build_config

Disk = namedtuple("Disk", "total used free")


def foreign_files(folder: Path) -> None:
    """What a user may have, under every name that a training writes or removes."""
    for name in (
        "state/thesis.docx",
        "checkpoints/step-000001/mine.txt",
        "metrics.jsonl",
        "status.json",
        ".download.part",
        "deep/er/.film.1234abcd.part",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"mine: {name}")


def lora(**more):
    return build_config("lora", **({"steps": 2, "checkpoint_every": 1} | QUICK.get("lora", {}) | more))


@pytest.fixture(scope="module")
def concept(tmp_path_factory):
    return write_concept(tmp_path_factory.mktemp("concept"))


@pytest.fixture(scope="module")
def finished(concept, tmp_path_factory) -> RunDirectory:
    """A run of two steps; its folder is read, never written."""
    return train(lora(), concept, build_tiny(), tmp_path_factory.mktemp("finished") / "run")


# ----------------------------------------------------------------------------- a run directory


def test_train_refuses_a_folder_that_it_did_not_start_and_touches_nothing(brandsmith, given, tmp_path):
    brand, tiny = given
    foreign_files(tmp_path / "work")
    before = snapshot(tmp_path)
    answer = brandsmith("train", "lora", "--concept", brand, "--base", tiny, "--run", tmp_path / "work", "--steps", 1)
    refused(answer, str(tmp_path / "work"), "--run", "empty")
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("config", ["{}", "[]", '{"model_type": "clip"}', '{"settings": {}}'])
def test_the_config_of_another_program_does_not_make_a_folder_ours(config, tmp_path):
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(InvalidInput, match="not a run directory"):
        RunDirectory(tmp_path).check_folder()


@pytest.mark.slow
def test_a_run_is_marked_and_one_of_version_0_1_goes_on(concept, tmp_path):
    run = train(lora(), concept, build_tiny(), tmp_path / "run")
    config = run.config()
    assert config.pop(MARK)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "config.json").write_text(json.dumps(config))
    assert train(lora(), concept, build_tiny(), tmp_path / "old").status() == "finished"
    assert MARK not in RunDirectory(tmp_path / "old").config()


@pytest.mark.slow
def test_in_a_run_of_ours_only_our_own_files_are_removed(concept, tmp_path):
    run = RunDirectory(tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        train(lora(), concept, build_tiny(), run.folder, progress=stop_after_step(1))
    run.state_file.rename(tmp_path / "kept")  # so that step 1 is done again, over its checkpoint
    foreign = ("state/thesis.docx", "checkpoints/step-000001/mine.txt", ".film.part", "cache/.mine.12345678.part")
    for name in foreign:
        (run.folder / name).write_text(f"mine: {name}")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / ".config.json.12345678.part").write_text("behind a link")
    (run.folder / "trackers").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    ours = [
        run.folder / ".config.json.12345678.part",
        run.folder / "checkpoints" / ".step-000002.4711.part",
        partial_of_the_dead(run.folder / "cache" / "latents-00.safetensors"),
    ]
    for path in ours:
        path.write_text("left")
    train(lora(), concept, build_tiny(), run.folder)
    assert run.status() == "finished" and [step for step, _ in run.checkpoints()] == [1, 2]
    assert all((run.folder / name).read_text() == f"mine: {name}" for name in foreign)
    assert (tmp_path / "elsewhere" / ".config.json.12345678.part").exists()
    assert not [path for path in ours if path.exists()] and not run.state_file.exists()


def stop_after_step(step: int):
    def progress(stage, done, *_):
        if stage == "train" and done == step:
            import signal

            signal.raise_signal(signal.SIGINT)

    return progress


def test_a_checkpoint_that_is_a_link_is_not_replaced(tmp_path):
    run = RunDirectory(tmp_path / "run")
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "a").write_text("a")
    (run.folder / "checkpoints").mkdir(parents=True)
    (run.folder / "checkpoints" / "step-000001").symlink_to(tmp_path / "precious", target_is_directory=True)
    before = snapshot(tmp_path)
    with pytest.raises(InvalidInput, match="not a folder of ours"), run.writing_checkpoint(1) as folder:
        (folder / "a").write_text("b")
    assert snapshot(tmp_path) == before


def test_a_finished_run_is_read_where_nothing_can_be_written(finished, concept, monkeypatch):
    monkeypatch.setattr(output.os, "access", lambda _, mode: not mode & os.W_OK)
    assert train(lora(), concept, build_tiny(), finished.folder).status() == "finished"
    with pytest.raises(InvalidInput, match="read-only"):
        RunDirectory(finished.folder.parent / "new").check_folder()


def test_two_trainings_write_the_same_bytes(finished, concept, tmp_path):
    other = train(lora(), concept, build_tiny(), tmp_path / "run")
    hashes = [
        {(step, file.name): sha256_of(file) for step, folder in run.checkpoints() for file in folder.iterdir()}
        for run in (finished, other)
    ]
    assert hashes[0] == hashes[1] and len(hashes[0]) == 2


def test_metadata_is_sorted_and_the_tensors_are_as_given(tmp_path):
    import torch
    from safetensors import safe_open

    notes = {name: f'wört \x01 \\ " {name}' for name in ("zebra", "apple", "mango", "kiwi", "fig", "plum")}
    tensors = {"b": torch.arange(6).reshape(2, 3), "a": torch.ones(5, dtype=torch.float16)}
    for number in range(5):
        write_safetensors(tmp_path / f"{number}.safetensors", tensors, notes)
    assert len({sha256_of(file) for file in tmp_path.iterdir()}) == 1
    with safe_open(tmp_path / "0.safetensors", "pt") as stored:
        assert stored.metadata() == notes
        assert all(torch.equal(stored.get_tensor(name), tensor) for name, tensor in tensors.items())


# ----------------------------------------------------------------------------- a place that takes nothing


@pytest.mark.slow
def test_a_file_where_a_folder_is_meant_is_refused_before_weights_load(brandsmith, given, tmp_path):
    brand, tiny = given
    (tmp_path / "file").write_text("mine")
    before = snapshot(tmp_path)
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        answer = brandsmith("train", "lora", "--concept", brand, "--base", tiny, "--run", place, "--steps", 1)
        refused(answer, str(place), "folder")
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("name", ["x" * 300, "a/" + "ü" * 200 + "/b"])
def test_a_name_that_no_file_system_takes_is_refused(name, tmp_path):
    with pytest.raises(InvalidInput, match="too long"):
        check_output_folder(tmp_path / name)
    assert not snapshot(tmp_path)


def test_a_full_disk_is_known_before_the_work(brandsmith, given, monkeypatch, tmp_path):
    monkeypatch.setattr(output.shutil, "disk_usage", lambda _: Disk(10**9, 10**9, 1000))
    brand, tiny = given
    answer = brandsmith("train", "lora", "--concept", brand, "--base", tiny, "--run", tmp_path / "run", "--steps", 1)
    refused(answer, "no space left", str(tmp_path / "run"))
    assert not snapshot(tmp_path)


def test_a_disk_that_fills_up_during_work_leaves_nothing_half_written(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    with (
        pytest.raises(BrandsmithError, match=r"no space left to write .*a\.txt") as full,
        replacing(tmp_path / "a.txt"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert full.value.exit_code == 1 and full.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"] and (tmp_path / "a.txt").read_text() == "old"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a device that is always full")
def test_a_row_on_a_full_device_is_one_sentence():
    with pytest.raises(BrandsmithError, match="no space left"):
        append_jsonl(Path("/dev/full"), {"step": 1})


@pytest.mark.parametrize(
    "number", [errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ENOSPC]
)
def test_what_the_system_refuses_is_a_sentence_with_a_remedy(number):
    explained = from_os_error(OSError(number, "no", "some/file"))
    assert explained and "some/file" in str(explained) and explained.hint
    assert explained.exit_code == (1 if number == errno.ENOSPC else 2)
    assert from_os_error(OSError("a message of a library's")) is None


# ----------------------------------------------------------------------------- leftovers of killed processes


def partial_of_the_dead(path: Path) -> Path:
    """A temporary name as a process made it that has ended since."""
    code = "import sys; from pathlib import Path; from brandsmith.core.files import partial_beside as p; "
    ended = subprocess.run(
        [sys.executable, "-c", f"{code}print(p(Path(sys.argv[1])))", str(path)], capture_output=True, text=True
    )
    return Path(ended.stdout.strip())


@pytest.mark.skipif(os.name == "nt", reason="Windows waits for a day")
def test_the_next_write_removes_what_a_killed_process_left_and_nothing_else(tmp_path):
    dead, living = partial_of_the_dead(tmp_path / "a.txt"), partial_beside(tmp_path / "a.txt")
    folder = partial_of_the_dead(tmp_path / "exported")
    folder.mkdir()
    for file in (dead, living, folder / "weights", tmp_path / ".mine.part", tmp_path / ".mine.12345678.part"):
        file.write_text("x")
    link = partial_of_the_dead(tmp_path / "link")
    (tmp_path / "target").write_text("mine")
    link.symlink_to(tmp_path / "target")
    write_text(tmp_path / "b.txt", "new")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"b.txt", living.name, ".mine.part", ".mine.12345678.part", link.name, "target"}


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows waits for a day")
def test_a_kill_inside_a_save_leaves_only_what_the_next_write_removes(tmp_path):
    code = (
        "import os, sys, torch; from pathlib import Path; from brandsmith.core.files import *;"
        "torch.Tensor.contiguous = lambda tensor: os._exit(9);"
        "write_safetensors(Path(sys.argv[1]), {'a': torch.ones(3)})"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path / "state.safetensors")])
    (left,) = tmp_path.iterdir()
    assert killed.returncode == 9 and files.is_leftover(left.name)
    write_text(tmp_path / "a.txt", "next")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_weights_are_readable_by_whoever_may_read_the_other_files(tmp_path):
    write_text(tmp_path / "a.json", "{}")
    write_safetensors(tmp_path / "a.safetensors", {}, {"a": "b"})
    assert (tmp_path / "a.json").stat().st_mode == (tmp_path / "a.safetensors").stat().st_mode


def test_a_finished_run_drops_the_state_that_a_kill_left(finished, concept, tmp_path):
    shutil.copytree(finished.folder, tmp_path / "run")
    run = RunDirectory(tmp_path / "run")
    run.state_file.parent.mkdir()
    run.state_file.write_text("left")
    assert train(lora(), concept, build_tiny(), run.folder).status() == "finished"
    assert snapshot(run.folder) == snapshot(finished.folder)


@pytest.mark.skipif(os.name == "nt", reason="Windows waits for a day")
def test_an_export_that_is_refused_cleans_up_after_one_that_was_killed_when_complete(finished, tmp_path):
    out = export_run(finished.folder, tmp_path / "out.safetensors")
    os.link(out, partial_of_the_dead(out))
    with pytest.raises(InvalidInput, match="exists"):
        export_run(finished.folder, out)
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_a_folder_of_another_machine_is_left_for_a_day(tmp_path, monkeypatch):
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(files, "_MACHINE", "00000000")
        young, old = partial_beside(tmp_path / "a"), partial_beside(tmp_path / "b")
    young.write_text("x")
    old.write_text("x")
    os.utime(old, (0, 0))
    write_text(tmp_path / "c", "new")
    assert {path.name for path in tmp_path.iterdir()} == {young.name, "c"}


# ----------------------------------------------------------------------------- export


def test_of_two_exports_to_one_name_the_first_stays(finished, monkeypatch, tmp_path):
    out = tmp_path / "out.safetensors"
    write = export_module.write_safetensors

    def overtaken(*given, **more):
        out.write_text("the other one's")
        write(*given, **more)

    monkeypatch.setattr(export_module, "write_safetensors", overtaken)
    with pytest.raises(InvalidInput, match=r"out\.safetensors': it exists already"):
        export_run(finished.folder, out)
    assert [path.name for path in tmp_path.iterdir()] == [out.name] and out.read_text() == "the other one's"


def test_an_exported_folder_replaces_none_and_a_killed_one_is_cleaned_up(tmp_path):
    left = partial_of_the_dead(tmp_path / "exported")
    (left / "unet").mkdir(parents=True)
    (left / "unet" / "weights").write_text("half")
    with pytest.raises(InvalidInput, match="exists already"), replacing_folder(tmp_path / "exported") as folder:
        (folder / "weights").write_text("mine")
        (tmp_path / "exported").mkdir()  # by another process, meanwhile
    assert [path.name for path in tmp_path.iterdir()] == ["exported"] and not any((tmp_path / "exported").iterdir())


def test_export_needs_a_place_that_takes_it(finished, brandsmith, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    before = snapshot(tmp_path)
    for out in ("file", "file/below.safetensors", "link", "x" * 300):
        refused(brandsmith("export", finished.folder, "--out", tmp_path / out), str(tmp_path / out)[:60])
    monkeypatch.setattr(output.shutil, "disk_usage", lambda _: Disk(10**9, 10**9, 1000))
    refused(brandsmith("export", finished.folder, "--out", tmp_path / "new"), "no space left")
    assert snapshot(tmp_path) == before
