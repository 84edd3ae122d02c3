"""What a stopped training left to go on from, checked before anything is loaded: its step, that its tensors belong
together, that every value is finite. Whether they are this training's own weights shows when those are there
(`optimizer.restore_training`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from brandsmith.core.errors import InvalidConfig
from brandsmith.core.run import RunDirectory
from brandsmith.core.safe_weights import FLOATS, Header, check_finite_file
from brandsmith.methods.optimizer import LOOP, MEMORY
from brandsmith.methods.weight_average import PREFIX as AVERAGE
from brandsmith.methods.weight_average import UPDATES

_LIKE_THE_WEIGHT = {"exp_avg", "exp_avg_sq", "momentum_buffer", "z", AVERAGE}
"""Memory with a number for each of the weight's."""
_ANEW = "train in a new run directory"


def check_saved_state(run: RunDirectory, steps: int) -> None:
    """Raise InvalidInput for a saved state from which no training of `steps` steps can go on."""
    header = run.state_to_resume(steps)
    if header is None:
        return
    step = run.step_of(header)
    if step >= steps:  # the last step is never saved: the run is finished with it
        raise InvalidConfig(f"the saved state in '{run.folder}' is of step {step} of {steps}", hint=_ANEW)
    if wrong := next(_mistakes(header), None):
        raise InvalidConfig(f"the saved state in '{run.folder}' is damaged: {wrong}", hint=_ANEW)
    check_finite_file(header.file)


def _mistakes(header: Header) -> Iterator[str]:
    weights = {n.partition(":")[2]: t for n, t in header.tensors.items() if n.startswith("weight:")}
    if not weights:
        yield "it holds no weight"
    for full_name, tensor in header.tensors.items():
        key, _, name = full_name.partition(":")
        if key in (LOOP, "step", UPDATES):
            if math.prod(tensor.shape) != 1:
                yield f"'{full_name}' is not one number"
        elif key not in MEMORY | {"weight", AVERAGE}:
            yield f"'{full_name}' is nothing that an optimizer of this version knows"
        elif name not in weights:
            yield f"'{full_name}' belongs to no weight"
        elif key == "weight" and tensor.dtype not in FLOATS:
            yield f"'{full_name}' is of type {tensor.dtype}"
        elif key in _LIKE_THE_WEIGHT and math.prod(tensor.shape) != math.prod(weights[name].shape):
            yield f"'{full_name}' has shape {tensor.shape}, its weight {weights[name].shape}"
