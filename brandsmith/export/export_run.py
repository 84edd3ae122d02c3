"""`brandsmith export`: an adapter in the form that stock diffusers loads."""

from __future__ import annotations

import shutil
from pathlib import Path

from brandsmith.base.sources import load_base
from brandsmith.core.errors import InvalidConfig
from brandsmith.core.files import replacing
from brandsmith.core.output import LEAST_FREE_BYTES, check_output_folder
from brandsmith.core.run import RunDirectory
from brandsmith.methods.adapter import (
    check_adapter,
    check_stored_adapter,
    export_diffusers_folder,
    find_adapter_file,
    read_adapter_info,
    recorded_base,
)


def export_run(run: str | Path, out: str | Path, step: int | None = None) -> Path:
    """Copy an adapter (lora, textual_inversion, hypernetwork) to the file `out`, or write a whole diffusers folder
    (dreambooth). `step` None: the last checkpoint. Nothing is overwritten. Raises MissingResource or InvalidConfig.
    """
    out = Path(out)
    checkpoint = RunDirectory(Path(run)).checkpoint_at(step)
    if out.exists() or out.is_symlink():
        raise InvalidConfig(f"'{out}' exists", hint="give a new name: nothing is overwritten")
    check_output_folder(out.parent, LEAST_FREE_BYTES + sum(file.stat().st_size for file in checkpoint.iterdir()))
    if read_adapter_info(checkpoint).method == "dreambooth":
        base = recorded_base(checkpoint)
        check_adapter(base, checkpoint)
        return export_diffusers_folder(load_base(base), checkpoint, out)
    check_stored_adapter(checkpoint)
    source = find_adapter_file(checkpoint)
    with replacing(out, exclusive=True) as partial:  # of two exports to one name the first stays
        shutil.copyfile(source, partial)
    return out
