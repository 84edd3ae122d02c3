"""A base whose autoencoder is replaced: by one in diffusers' form, or in one file as ComfyUI and AUTOMATIC1111 do.

A small folder in the user's cache stands for the pair: the base's configuration and tokenizers, the autoencoder's
configuration, and `weights.json`, which says where the weights are. No weights are copied.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from brandsmith.base.foreign.shapes_to_configs import vae_config
from brandsmith.base.foreign.single_file import cache_folder, pointed_file, tensor_names
from brandsmith.base.shared_parts import part_place
from brandsmith.core.errors import InvalidConfig, InvalidInput, MissingResource
from brandsmith.core.files import replacing_folder
from brandsmith.core.json_files import read_object
from brandsmith.core.safe_weights import check_floats, read_header
from brandsmith.core.version import package_version

PLACES = "weights.json"
_SMALL = (".json", ".txt")
"""Endings of what is copied: configuration and vocabularies."""
_ALLOWED = "allowed: a folder with an AutoencoderKL, a base's folder, or a .safetensors file"


def folder_with_vae(base: Path, vae: str) -> Path:
    """The folder that stands for the base in folder `base` with another autoencoder; written when it is not there.

    Raises MissingResource, InvalidInput, and InvalidConfig for an autoencoder that is no match for the base.
    """
    place = _find_vae(vae)
    own = _config_in(part_place(base, "vae"))
    config = _config_of_file(place, own) if place.is_file() else _config_in(place)
    _check_match(config, own, vae)
    files = _small_files(base) | {"vae/config.json": json.dumps(config, indent=2)}
    files[PLACES] = json.dumps({"base": str(base.resolve()), "vae": str(place.resolve())}, indent=2)
    said = json.dumps([package_version(), sorted(files.items())])
    folder = cache_folder() / "with-vae" / f"{base.name[:40]}-{hashlib.sha256(said.encode()).hexdigest()[:16]}"
    if not (folder / PLACES).is_file():
        _write(folder, files)
    return folder


def weights_place(folder: Path, part: str) -> Path:
    """Where the weights of a part of a base are: a folder, or a single file that holds them among others."""
    places = _places(folder)
    if part == "vae" and places:
        return Path(places["vae"])
    return pointed_file(folder) or part_place(Path(places.get("base", folder)), part)


def _places(folder: Path) -> dict[str, str]:
    """Folder of the base and place of the autoencoder; {} for an ordinary base."""
    file = folder / PLACES
    if not file.is_file():
        return {}
    return {key: str(value) for key, value in read_object(file, f"remove '{folder}': it is made anew").items()}


def _find_vae(vae: str) -> Path:
    """The folder with the autoencoder's configuration, or the file. Raises MissingResource, InvalidInput."""
    given = Path(vae)
    if given.is_file():
        if given.suffix != ".safetensors":
            raise InvalidInput(f"the vae '{vae}' is no .safetensors file", hint=_ALLOWED)
        return given
    for folder in (given, given / "vae"):
        if _config_in(folder).get("_class_name") == "AutoencoderKL":
            return folder
    if given.is_dir():
        raise InvalidInput(f"'{vae}' holds no autoencoder (no config.json of an AutoencoderKL)", hint=_ALLOWED)
    raise MissingResource(f"the vae '{vae}' is not there", hint=_ALLOWED)


def _config_in(folder: Path) -> dict[str, Any]:
    file = folder / "config.json"
    return read_object(file, "get it again") if file.is_file() else {}


def _config_of_file(file: Path, own: dict[str, Any]) -> dict[str, Any]:
    """Its structure is read off the file's shapes; what no shape shows, such as the scale of latents, is the base's."""
    header = read_header(file)
    check_floats(header, ("position_ids", "num_batches_tracked", "betas", "v_pred", "ztsnr"))
    shapes = {name: header.tensors[stored].shape for name, stored in tensor_names(header.tensors, "sd1").items()}
    try:
        config = vae_config(shapes, "sd1")
    except (KeyError, StopIteration) as error:
        lacking = error.args[0] if error.args else "an encoder"
        raise InvalidInput(f"'{file}' is no autoencoder: it lacks '{lacking}'", hint=_ALLOWED) from None
    kept = ("scaling_factor", "shift_factor", "force_upcast", "sample_size", "norm_num_groups")
    return config | {key: own[key] for key in kept if key in own}


def _check_match(config: dict[str, Any], own: dict[str, Any], vae: str) -> None:
    def facts(of: dict[str, Any]) -> dict[str, Any]:
        return {
            "latent channels": of.get("latent_channels", 4),
            "levels": len(of.get("block_out_channels", [64])),
            "scaling factor": of.get("scaling_factor", 0.18215),
        }

    theirs, ours = facts(config), facts(own)
    for fact in ours:
        if theirs[fact] != ours[fact]:
            raise InvalidConfig(
                f"the vae '{vae}' has {fact} {theirs[fact]}, the base's own {ours[fact]}",
                hint="take an autoencoder that was made for bases of this family",
            )


def _small_files(base: Path) -> dict[str, str]:
    """What is copied of a base, by its place in the folder."""
    names = [name for name in [*base.glob("*.json"), *base.glob("*/*")] if name.suffix in _SMALL]
    kept = [file for file in names if ".index." not in file.name and file.parent.name != "vae"]
    return {file.relative_to(base).as_posix(): file.read_text(encoding="utf-8") for file in sorted(kept)}


def _write(folder: Path, files: dict[str, str]) -> None:
    try:
        with replacing_folder(folder) as partial:
            for name, text in files.items():
                (partial / name).parent.mkdir(parents=True, exist_ok=True)
                (partial / name).write_text(text, encoding="utf-8", newline="")
    except InvalidInput:
        if not (folder / PLACES).is_file():  # otherwise another process was faster
            raise
