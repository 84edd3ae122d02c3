"""One training by two processes is the training of one with twice the batch."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from bases import build_tiny
from lessons import QUICK, write_concept
from safetensors.torch import load_file

from brandsmith.core.errors import InvalidConfig
from brandsmith.core.run import RunDirectory
from brandsmith.methods.loop import train
from brandsmith.methods.processes import Processes, check_shared
from brandsmith.methods.registry import build_config

SETTINGS = {"steps": 3, "checkpoint_every": 2, "precision": "fp32", "adam_epsilon": 1e-3, **QUICK["lora"]}
ONE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from bases import build_tiny
from test_processes import SETTINGS
from brandsmith.concept.concept import load_concept
from brandsmith.methods.loop import train
from brandsmith.methods.registry import build_config
train(build_config("lora", **SETTINGS, batch_size=2), load_concept(sys.argv[2]), build_tiny("sd1"), Path(sys.argv[3]))
"""


@pytest.mark.slow
def test_two_processes_train_as_one_with_twice_the_batch(tmp_path):
    concept = write_concept(tmp_path / "brand")
    alone = train(build_config("lora", **SETTINGS, batch_size=4), concept, build_tiny("sd1"), tmp_path / "alone")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    here = Path(__file__).resolve().parent
    shared["PYTHONPATH"] = os.pathsep.join([str(here), shared.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", ONE, str(here.parent), str(concept.folder), str(tmp_path / "together")]
    both = [subprocess.Popen(command, env=shared | {"RANK": rank, "LOCAL_RANK": rank}) for rank in ("0", "1")]
    assert [process.wait(timeout=300) for process in both] == [0, 0]
    together = RunDirectory(tmp_path / "together")
    losses = [[row["loss"] for row in run.metrics()] for run in (alone, together)]
    assert len(losses[1]) == 3 and losses[1] == pytest.approx(losses[0], rel=3e-6)
    mine, theirs = (load_file(next(iter(run.checkpoint_at().glob("*.safetensors")))) for run in (alone, together))
    assert max(float((mine[name] - theirs[name]).abs().max()) for name in mine) < 1e-5
    with pytest.raises(InvalidConfig, match="processes: there 2, requested None"):
        train(build_config("lora", **SETTINGS, batch_size=2), concept, build_tiny("sd1"), together.folder)


def test_steps_inside_the_backward_pass_are_not_shared():
    fused = build_config("dreambooth", fused_backward=True, gradient_clip=0)
    with pytest.raises(InvalidConfig, match="does not go with 2 processes"):
        check_shared(fused, Processes(0, 2))
    check_shared(fused, Processes())
