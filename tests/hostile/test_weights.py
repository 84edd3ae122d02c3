"""Weights that anybody may have written: every damaged file is refused in one sentence, nothing is put on a base."""

from __future__ import annotations

import json
import random
import shutil
import socket
import struct
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from bases import save_as_diffusers_folder
from lessons import write_adapter
from safetensors.torch import load_file, save_file

from brandsmith.base import sources
from brandsmith.base.base import Base
from brandsmith.base.sources import check_base, load_base
from brandsmith.core.errors import InvalidInput, MissingResource, printable
from brandsmith.core.safe_weights import check_finite, read_header
from brandsmith.guidance.schedulers import check_scheduler
from brandsmith.methods.adapter import (
    check_adapter,
    check_stored_adapter,
    load_adapter,
    read_adapter_info,
)
from brandsmith.methods.registry import METHODS

REFUSALS = (InvalidInput, MissingResource)
MUTATIONS = 40
"""Per method."""
every_method = pytest.mark.parametrize("name", sorted(METHODS))


def split(file: Path) -> tuple[dict, bytes]:
    raw = file.read_bytes()
    length = struct.unpack("<Q", raw[:8])[0]
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def join(file: Path, header: dict | str, data: bytes) -> None:
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + data)


def with_header(change: Callable[[dict, random.Random], None]) -> Callable[[Path, random.Random], None]:
    def damage(file: Path, draw: random.Random) -> None:
        header, data = split(file)
        change(header, draw)
        join(file, header, data)

    return damage


def with_tensors(change: Callable[[dict, str], None]) -> Callable[[Path, random.Random], None]:
    def damage(file: Path, draw: random.Random) -> None:
        metadata, tensors = split(file)[0]["__metadata__"], load_file(file)
        change(tensors, draw.choice(sorted(tensors)))
        save_file(tensors, file, metadata)

    return damage


def with_settings(**changes: object) -> Callable[[Path, random.Random], None]:
    def change(header: dict, draw: random.Random) -> None:
        settings = json.loads(header["__metadata__"]["settings"])
        header["__metadata__"]["settings"] = json.dumps(settings | changes)

    return with_header(change)


def with_metadata(key: str, value: object) -> Callable[[Path, random.Random], None]:
    return with_header(lambda header, draw: header["__metadata__"].update({key: value}))


def any_tensor(header: dict, draw: random.Random) -> dict:
    return header[draw.choice(sorted(header.keys() - {"__metadata__"}))]


def set_one(value: float) -> Callable[[dict, str], None]:
    def change(tensors: dict, name: str) -> None:
        tensors[name].view(-1)[0] = value

    return change


DAMAGES: dict[str, Callable[[Path, random.Random], None]] = {
    "cut": lambda file, draw: file.write_bytes(file.read_bytes()[: draw.randrange(file.stat().st_size)]),
    "longer": lambda file, draw: file.write_bytes(file.read_bytes() + b"\0" * draw.randrange(1, 99)),
    "pointer": lambda file, draw: file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"),
    "empty": lambda file, draw: file.write_bytes(b""),
    "text": lambda file, draw: file.write_text("not found"),
    "noise": lambda file, draw: file.write_bytes(draw.randbytes(400)),
    "longest header": lambda file, draw: file.write_bytes(b"\xff" * 8 + file.read_bytes()[8:]),
    "no JSON": lambda file, draw: join(file, '{"__metadata__": {', split(file)[1]),
    "list": lambda file, draw: join(file, "[1, 2]", split(file)[1]),
    "deep": lambda file, draw: join(file, "[" * 90_000, b""),
    "no metadata": with_header(lambda header, draw: header.pop("__metadata__")),
    "metadata of numbers": with_metadata("steps", 3),
    "no base": with_header(lambda header, draw: header["__metadata__"].pop("base")),
    "no settings": with_header(lambda header, draw: header["__metadata__"].pop("settings")),
    "settings no JSON": with_metadata("settings", "{"),
    "settings a list": with_metadata("settings", "[]"),
    "settings deep": with_metadata("settings", "[" * 90_000),
    "settings of another method": with_settings(method="ti"),
    "unknown setting": with_settings(colour="blue"),
    "steps no number": with_metadata("steps", "many"),
    "unknown family": with_metadata("family", "sd9"),
    "other family": with_metadata("family", "sdxl"),
    "no token": with_metadata("token", ""),
    "escape in the token": with_metadata("token", "\x1b[2Jred"),
    "no class word": with_metadata("class_word", " "),
    "unknown type": with_header(lambda header, draw: any_tensor(header, draw).update(dtype="F7")),
    "type of another size": with_header(lambda header, draw: any_tensor(header, draw).update(dtype="F64")),
    "negative shape": with_header(lambda header, draw: any_tensor(header, draw).update(shape=[-1, 4])),
    "huge shape": with_header(lambda header, draw: any_tensor(header, draw).update(shape=[10**12, 10**12])),
    "shape no list": with_header(lambda header, draw: any_tensor(header, draw).update(shape="4x4")),
    "offsets outside": with_header(lambda header, draw: any_tensor(header, draw).update(data_offsets=[0, 10**15])),
    "offsets turned": with_header(lambda header, draw: any_tensor(header, draw).update(data_offsets=[8, 0])),
    "missing tensor": with_tensors(lambda tensors, name: tensors.pop(name)),
    "extra tensor": with_tensors(lambda tensors, name: tensors.update(extra=torch.ones(2))),
    "renamed tensor": with_tensors(lambda tensors, name: tensors.update({name + "x": tensors.pop(name)})),
    "other shape": with_tensors(lambda tensors, name: tensors.update({name: torch.ones(3, 5)})),
    "whole numbers": with_tensors(lambda tensors, name: tensors.update({name: tensors[name].to(torch.int32)})),
    "truth values": with_tensors(lambda tensors, name: tensors.update({name: tensors[name] > 0})),
    "complex": with_tensors(lambda tensors, name: tensors.update({name: tensors[name].to(torch.complex64)})),
    "NaN": with_tensors(set_one(float("nan"))),
    "infinite": with_tensors(set_one(float("-inf"))),
}


def own_damages(name: str) -> dict[str, Callable[[Path, random.Random], None]]:
    return {
        "lora": {
            "rank 4096": with_settings(rank=4096),
            "rank 100000": with_settings(rank=100_000),
            "rank 10^18": with_settings(rank=10**18),
            "rank true": with_settings(rank="four"),
            "alpha infinite": with_header(
                lambda header, draw: header["__metadata__"].update(
                    settings=header["__metadata__"]["settings"].replace('"alpha":6.0', '"alpha":1e999')
                )
            ),
        },
        "textual_inversion": {
            "64 vectors": with_settings(num_vectors=64),
            "other word": with_metadata("token", "green_other"),
            "a word that is known": with_metadata("token", "cat"),
        },
        "hypernetwork": {"expansion 16": with_settings(expansion=16)},
        "dreambooth": {"part missing": lambda file, draw: file.unlink()},
    }[name]


@every_method
@pytest.mark.slow
def test_every_damaged_adapter_is_refused_and_the_base_left_alone(name, tiny, tmp_path):
    whole = write_adapter(tiny, name, tmp_path / "whole")
    assert check_adapter(tiny, whole).method == name
    before = [{key: value.clone() for key, value in module.state_dict().items()} for module in tiny.modules()]
    kinds = [[type(m) for m in module.modules()] for module in tiny.modules()]
    damages = DAMAGES | own_damages(name)
    accepted = []
    for number, (what, damage) in enumerate(damages.items()):
        draw = random.Random(number)
        folder = Path(shutil.copytree(whole, tmp_path / f"{number}"))
        damage(draw.choice(sorted(folder.glob("*.safetensors"))), draw)
        accepted += [
            f"{what}: {check.__name__}" for check in (check_adapter, put_on) if not refused(check, tiny, folder)
        ]
        shutil.rmtree(folder)
    assert accepted == [] and len(damages) >= MUTATIONS
    for module, old, types in zip(tiny.modules(), before, kinds, strict=True):
        assert [type(m) for m in module.modules()] == types
        assert all(torch.equal(value, old[key]) for key, value in module.state_dict().items())


def put_on(base: Base, folder: Path) -> None:
    with load_adapter(base, folder):
        pass


def refused(check: Callable[[Base, Path], object], base: Base, folder: Path) -> bool:
    """Anything but a refusal is a traceback and fails the test."""
    try:
        check(base, folder)
    except REFUSALS as error:
        assert str(error) and len(str(error).splitlines()) == 1
        return True
    return False


@pytest.mark.parametrize("what", ["", "cut", "NaN", "whole numbers"])
def test_an_adapter_whose_base_is_not_here_is_checked_alone(what, tiny, tmp_path):
    folder = write_adapter(tiny, "hypernetwork", tmp_path / "adapter")
    assert read_adapter_info(folder).base == "tiny-sd1"  # no folder, no hub id
    if what:
        DAMAGES[what](next(folder.glob("*.safetensors")), random.Random(0))
    with pytest.raises(REFUSALS) if what else nullcontext():
        check_stored_adapter(folder)


@every_method
@pytest.mark.slow
def test_bytes_changed_at_random_are_refused_or_change_nothing_but_values(name, tiny, tmp_path):
    """Seeded: 60 files with one to eight changed bytes in their headers."""
    whole = write_adapter(tiny, name, tmp_path / "whole")
    for seed in range(60):
        draw = random.Random(f"{name} {seed}")
        folder = Path(shutil.copytree(whole, tmp_path / f"{seed}"))
        file = draw.choice(sorted(folder.glob("*.safetensors")))
        raw = bytearray(file.read_bytes())
        end = 8 + struct.unpack("<Q", raw[:8])[0]
        for _ in range(draw.randint(1, 8)):
            raw[draw.randrange(end)] = draw.randrange(256)
        file.write_bytes(raw)
        refused(put_on, tiny, folder)
        shutil.rmtree(folder)


def test_a_large_rank_in_a_header_takes_no_memory(tiny, tmp_path, monkeypatch):
    folder = write_adapter(tiny, "lora", tmp_path / "lora")
    with_settings(rank=4096)(next(folder.glob("*.safetensors")), random.Random(0))
    made = []
    monkeypatch.setattr(torch.nn.init, "kaiming_uniform_", lambda tensor, **_: made.append(tensor.device.type))
    with pytest.raises(InvalidInput, match="does not fit"):
        check_adapter(tiny, folder)
    assert set(made) == {"meta"}


def edit(file: Path, **changes: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def pickled(folder: Path) -> None:
    file = folder / "unet/diffusion_pytorch_model.safetensors"
    torch.save(load_file(file), file.with_suffix(".bin"))
    file.unlink()


def without_tokenizer(folder: Path) -> None:
    for file in (folder / "tokenizer").iterdir():
        if file.name != "tokenizer_config.json":
            file.unlink()


def spoiled(part: str, value: float) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        with_tensors(set_one(value))(next((folder / part).glob("*.safetensors")), random.Random(0))

    return damage


def sharded(folder: Path, name: str) -> None:
    file = folder / "unet/diffusion_pytorch_model.safetensors"
    keys = split(file)[0].keys() - {"__metadata__"}
    file.rename(file.with_name("shard.safetensors"))
    index = {"metadata": {}, "weight_map": dict.fromkeys(keys, name)}
    Path(f"{file}.index.json").write_text(json.dumps(index), encoding="utf-8")


UNET = "unet/diffusion_pytorch_model.safetensors"
BASES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no index": (lambda folder: (folder / "model_index.json").unlink(), "model_index.json"),
    "broken index": (lambda folder: (folder / "model_index.json").write_text("{"), "model_index.json"),
    "index a list": (lambda folder: (folder / "model_index.json").write_text("[]"), "model_index.json"),
    "encoder no pair": (lambda folder: edit(folder / "model_index.json", text_encoder_2=5), "model_index.json"),
    "no unet": (lambda folder: (folder / UNET).unlink(), "unet"),
    "unet cut": (lambda folder: (folder / UNET).write_bytes((folder / UNET).read_bytes()[:9000]), "unet"),
    "unet pointer": (lambda folder: (folder / UNET).write_text("version https://git-lfs.github.com/spec/v1\n"), "LFS"),
    "fp16 alone": (lambda folder: (folder / UNET).rename(folder / "unet/x.fp16.safetensors"), "x.fp16.safetensors"),
    "no vae": (lambda folder: shutil.rmtree(folder / "vae"), "vae"),
    "no text encoder": (lambda folder: shutil.rmtree(folder / "text_encoder"), "text_encoder"),
    "no scheduler": (lambda folder: shutil.rmtree(folder / "scheduler"), "scheduler"),
    "no tokenizer": (lambda folder: shutil.rmtree(folder / "tokenizer"), "tokenizer"),
    "tokenizer without files": (without_tokenizer, "tokenizer"),
    "tokenizer damaged": (lambda folder: (folder / "tokenizer/tokenizer.json").write_text("{}"), "tokenizer"),
    "pickle alone": (pickled, "may run a program"),
    "shard outside": (lambda folder: sharded(folder, "../shard.safetensors"), "names no weight files"),
    "shard missing": (lambda folder: sharded(folder, "other.safetensors"), "other.safetensors"),
    "another task": (lambda folder: edit(folder / "unet/config.json", in_channels=5), "another task"),
    "said to take a mask": (lambda folder: edit(folder / "unet/config.json", in_channels=9), "conv_in.weight"),
    "video": (lambda folder: edit(folder / "unet/config.json", _class_name="UNet3DConditionModel"), "UNet3D"),
    "other widths": (lambda folder: edit(folder / "unet/config.json", block_out_channels=[16, 64]), "unet"),
    "wrong types": (lambda folder: edit(folder / "unet/config.json", block_out_channels="wide"), "unet"),
    "many layers": (lambda folder: edit(folder / "unet/config.json", layers_per_block=10**9), "layers_per_block"),
    "quantised": (lambda folder: edit(folder / "unet/config.json", quantization_config={}), "quantised"),
    "another encoder": (lambda folder: edit(folder / "text_encoder/config.json", model_type="t5"), "t5"),
    "small vocabulary": (lambda folder: edit(folder / "text_encoder/config.json", vocab_size=9), "text_encoder"),
    "pipeline as scheduler": (
        lambda folder: edit(folder / "scheduler/scheduler_config.json", _class_name="DiffusionPipeline"),
        "DiffusionPipeline",
    ),
    "foreign scheduler": (
        lambda folder: edit(folder / "scheduler/scheduler_config.json", _class_name="VQDiffusionScheduler"),
        "VQDiffusionScheduler",
    ),
    "endless schedule": (
        lambda folder: edit(folder / "scheduler/scheduler_config.json", num_train_timesteps=10**12),
        "num_train_timesteps",
    ),
    "unknown betas": (
        lambda folder: edit(folder / "scheduler/scheduler_config.json", beta_schedule="steep"),
        "scheduler",
    ),
}


@pytest.mark.parametrize("what", BASES)
def test_a_damaged_base_is_refused_by_name_before_weights_load(what, tiny_folder, tmp_path, monkeypatch):
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "base"))
    damage, named = BASES[what]
    damage(folder)
    monkeypatch.setattr(sources, "_load_part", lambda *_: pytest.fail("weights were loaded"))
    for check in (check_base, load_base):
        with pytest.raises(REFUSALS, match=named):
            check(str(folder))


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_weights_that_are_not_finite_are_refused_by_the_tensors_name(part, tiny_folder, tmp_path):
    folder = Path(shutil.copytree(tiny_folder, tmp_path / "base"))
    spoiled(part, float("nan"))(folder)
    with pytest.raises(InvalidInput, match=rf"{part}.*tensor '.*' holds NaN"):
        load_base(str(folder))


def test_a_relative_folder_without_a_part_asks_nobody(tiny_folder, tmp_path, monkeypatch):
    """`tiny/vae` looks like a hub id."""
    shutil.copytree(tiny_folder, tmp_path / "tiny")
    shutil.rmtree(tmp_path / "tiny/vae")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("the network was asked"))
    with pytest.raises(MissingResource, match="has no vae"):
        load_base("tiny")


def test_training_on_a_damaged_base_leaves_no_folder(given, tmp_path, brandsmith):
    concept, base = given
    damaged = Path(shutil.copytree(base, tmp_path / "base"))
    edit(damaged / "unet/config.json", in_channels=9)
    code, _, complaint = brandsmith("train", "lora", "--concept", concept, "--base", damaged, "--run", tmp_path / "run")
    assert code == 2 and "do not fit its config.json" in complaint and not (tmp_path / "run").exists()


def test_only_schedulers_that_are_listed_can_be_named():
    for name in ("DiffusionPipeline", "VQDiffusionScheduler", "FlaxScheduler", "__class__"):
        with pytest.raises(InvalidInput, match="unknown scheduler"):
            check_scheduler(name, 20)
    check_scheduler("DPMSolverSinglestepScheduler", 20)


@pytest.mark.parametrize("name", ["pndm", "euler_ancestral", "KDPM2DiscreteScheduler"])
def test_a_scheduler_that_cannot_sample_x0_is_refused_before_weights_load(name, tmp_path, brandsmith, monkeypatch):
    monkeypatch.setattr(sources, "_load_part", lambda *_: pytest.fail("weights were loaded"))
    code, _, complaint = brandsmith("sample", "a cat", "--scheduler", name, "--out", tmp_path / "out")
    assert code == 2 and "predicts the clean picture" in complaint and not (tmp_path / "out").exists()


def test_large_finite_values_are_finite():
    check_finite([("a", torch.full((9,), 3e38)), ("b", torch.full((9,), 6e4, dtype=torch.float16))], "file")


def test_a_device_or_pipe_is_no_weight_file(tmp_path):
    with pytest.raises(MissingResource, match="is no file"):
        read_header(tmp_path)


def test_control_characters_of_files_never_reach_the_terminal(tmp_path, brandsmith):
    folder = "\x1b]0;title\x07\x9b2J[red]name"
    code, _, complaint = brandsmith("sample", "a cat", "--base", folder, "--out", tmp_path / "out")
    assert code == 2 and "[red]name" in complaint
    assert not any((ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160 for c in complaint)
    assert printable("a\udc80\u202eb\tc\n") == "a??b\tc\n"


@pytest.mark.parametrize(("name", "steps"), [("pndm", 1), ("base", 999)])
def test_a_number_of_steps_that_a_scheduler_cannot_take_is_refused_before_weights_load(
    name, steps, tiny, tmp_path, brandsmith, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    save_as_diffusers_folder(tiny, Path("tiny"))
    file = Path("tiny/scheduler/scheduler_config.json")
    file.write_text(
        json.dumps(json.loads(file.read_text(encoding="utf-8")) | {"num_train_timesteps": 500}), encoding="utf-8"
    )
    monkeypatch.setattr(sources, "_load_part", lambda *given: pytest.fail("loads weights"))
    line = ("sample", "a cat", "--base", "tiny", "--num-steps", steps, "--scheduler", name, "--out", "out")
    code, printed, complaint = brandsmith(*line)
    assert (code, printed) == (2, "") and f"cannot sample this base in {steps} steps" in complaint
    assert not Path("out").exists()
