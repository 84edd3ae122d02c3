"""The training loop: it learns, it stops and resumes to the same bits, it refuses bad input before writing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from bases import build_tiny, save_as_diffusers_folder
from lessons import assert_same_run, quick_config, rows, send, write_concept

from brandsmith.core.errors import TrainingDiverged
from brandsmith.core.run import RunDirectory
from brandsmith.methods.diffusion_loss import DiffusionLoss
from brandsmith.methods.loop import prepare, train
from brandsmith.methods.registry import METHODS, build_config
from brandsmith.methods.schedules import learning_rate_factor
from brandsmith.methods.training_data import TrainingSet

every_method = pytest.mark.parametrize("name", sorted(METHODS))


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adamw", "adafactor", "muon"])
@every_method
def test_interrupted_and_resumed_equals_undisturbed(name, optimizer, tmp_path):
    concept, config = write_concept(tmp_path / "concept"), quick_config(name, optimizer=optimizer, warmup_steps=2)
    whole = train(config, concept, build_tiny(), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(config, concept, build_tiny(), tmp_path / "broken", progress=send(signal.SIGINT, 3))
    broken = RunDirectory(tmp_path / "broken")
    assert (broken.status(), broken.step(), len(broken.metrics())) == ("interrupted", 3, 3)
    assert_same_run(train(config, concept, build_tiny(), tmp_path / "broken"), whole)
    assert not broken.state_file.exists()


def test_ctrl_c_leaves_the_base_clean_and_the_handlers_in_place(tmp_path):
    base, before = build_tiny(), signal.getsignal(signal.SIGINT)
    weights = {key: tensor.clone() for key, tensor in base.denoiser.state_dict().items()}
    with pytest.raises(KeyboardInterrupt):
        train(
            quick_config("dreambooth"),
            write_concept(tmp_path / "concept"),
            base,
            tmp_path / "run",
            progress=send(signal.SIGINT, 1),
        )
    assert all(torch.equal(tensor, weights[key]) for key, tensor in base.denoiser.state_dict().items())
    assert signal.getsignal(signal.SIGINT) is before


VICTIM = """
import os, signal, sys
sys.path[:0] = sys.argv[1].split(os.pathsep)
import torch
torch.set_num_threads(int(sys.argv[5]))
from pathlib import Path
from bases import build_tiny
from brandsmith.concept.concept import load_concept
from brandsmith.core.run import RunDirectory
from brandsmith.methods.loop import train
from lessons import quick_config

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

if sys.argv[4] == "inside a checkpoint":
    os.replace = lambda old, new: die() if "step-000004" in str(new) else os.rename(old, new)

config, concept = quick_config("lora"), load_concept(Path(sys.argv[2]))
train(config, concept, build_tiny(), sys.argv[3], progress=lambda stage, done, *_: done == 5 and die())
"""


@pytest.mark.slow
@pytest.mark.parametrize(("how", "step"), [("between checkpoints", 4), ("inside a checkpoint", 2)])
def test_a_killed_process_resumes_to_the_same_bits(how, step, tmp_path):
    concept = write_concept(tmp_path / "concept")
    here = Path(__file__).parent
    arguments = [f"{here}{os.pathsep}{here.parent}", concept.folder, tmp_path / "killed", how, torch.get_num_threads()]
    ended = subprocess.run([sys.executable, "-c", VICTIM, *map(str, arguments)], capture_output=True, text=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    killed = RunDirectory(tmp_path / "killed")
    assert (killed.status(), killed.step()) == ("running", step)
    assert_resumes_like_undisturbed(killed, concept, tmp_path)


def assert_resumes_like_undisturbed(broken, concept, tmp_path):
    resumed = train(quick_config("lora"), concept, build_tiny(), broken.folder)
    assert_same_run(resumed, train(quick_config("lora"), concept, build_tiny(), tmp_path / "whole"))
    assert not list(resumed.folder.rglob("*.part"))


@pytest.mark.slow
def test_sigterm_saves_and_ends_with_143(tmp_path):
    concept = write_concept(tmp_path / "concept")
    with pytest.raises(SystemExit) as ended:
        train(quick_config("lora"), concept, build_tiny(), tmp_path / "run", progress=send(signal.SIGTERM, 5))
    run = RunDirectory(tmp_path / "run")
    assert (ended.value.code, run.status(), run.step()) == (143, "interrupted", 5)
    assert_resumes_like_undisturbed(run, concept, tmp_path)


@pytest.mark.slow
def test_lost_between_checkpoint_and_state(tmp_path, monkeypatch):
    concept = write_concept(tmp_path / "concept")
    with monkeypatch.context() as patch, pytest.raises(TypeError):
        patch.setattr(RunDirectory, "save_state", None)
        train(quick_config("lora"), concept, build_tiny(), tmp_path / "run")
    run = RunDirectory(tmp_path / "run")
    assert [step for step, _ in run.checkpoints()] == [2] and run.load_state() is None and len(run.metrics()) == 2
    assert_resumes_like_undisturbed(run, concept, tmp_path)


@every_method
def test_finished_run_does_nothing(name, tmp_path):
    concept, config = write_concept(tmp_path / "concept"), quick_config(name, steps=2)
    run = train(config, concept, build_tiny(), tmp_path / "run")
    before = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")}
    assert train(config, concept, build_tiny(), tmp_path / "run").status() == "finished"
    assert {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")} == before and len(before) >= 5


@pytest.mark.slow
def test_same_seed_same_run_other_seed_other_run(tmp_path):
    concept = write_concept(tmp_path / "concept")
    one, same, other = (
        train(quick_config("lora", seed=s), concept, build_tiny(), tmp_path / n)
        for n, s in (("a", 5), ("b", 5), ("c", 6))
    )
    assert_same_run(one, same)
    assert rows(one) != rows(other)


LEARNABLE = {
    "dreambooth": {"learning_rate": 2e-3, "prior_weight": 0.0},
    "lora": {"learning_rate": 2e-2, "rank": 8, "alpha": 8.0},
    "textual_inversion": {"learning_rate": 0.1, "num_vectors": 2},
    "hypernetwork": {"learning_rate": 1e-2},
}


@pytest.mark.slow
@every_method
def test_training_lowers_the_loss(name, tmp_path):
    """Per sample noise is named by the running number: a run at a rate of next to nothing is the untrained loss."""
    concept = write_concept(tmp_path / "concept")
    settings = {"steps": 40, "batch_size": 2, "checkpoint_every": 40} | LEARNABLE[name]
    taught = train(build_config(name, **settings), concept, build_tiny(), tmp_path / "taught")
    idle = train(build_config(name, **(settings | {"learning_rate": 1e-9})), concept, build_tiny(), tmp_path / "idle")
    late = [sum(row["loss"] for row in run.metrics()[20:]) / 20 for run in (taught, idle)]
    least = {"textual_inversion": 0.002}.get(name, 0.03)  # one word cannot change a random model much
    assert late[0] < late[1] * (1 - least)


@pytest.mark.slow
def test_prior_preservation_counts(tmp_path):
    concept = write_concept(tmp_path / "concept")
    run = train(quick_config("dreambooth", prior_weight=1.0), concept, build_tiny(), tmp_path / "with")
    assert all("prior_loss" in row for row in run.metrics())
    without = train(quick_config("dreambooth", prior_weight=0.0), concept, build_tiny(), tmp_path / "without")
    assert not any("prior_loss" in row for row in without.metrics())
    assert run.metrics()[0]["loss"] == pytest.approx(without.metrics()[0]["loss"], rel=1e-5)  # same draws
    assert run.metrics()[-1]["loss"] != without.metrics()[-1]["loss"]
    assert len(list((tmp_path / "with" / "cache").glob("class-*"))) == 1 and not list(
        (tmp_path / "without" / "cache").glob("class-*")
    )


def test_own_class_pictures_are_used(tmp_path):
    concept = write_concept(tmp_path / "concept")
    (concept.folder / "images").rename(concept.folder / "class_images")
    (concept.folder / "images").symlink_to(concept.folder / "class_images")
    run = train(quick_config("dreambooth"), concept, build_tiny(), tmp_path / "run")
    assert run.status() == "finished" and not list((tmp_path / "run" / "cache").glob("class-*"))


def test_class_pictures_can_be_of_the_captions(tmp_path):
    """As many as asked for, in turn, the class word where the token was; a cache of the one kind is not taken for the
    other.
    """
    concept, base = write_concept(tmp_path / "concept"), build_tiny()
    settings = quick_config("dreambooth", class_prompts="captions", num_class_images=len(concept.examples) + 1)
    material = prepare(base, concept, settings, tmp_path / "cache", lambda *_: None)
    asked = [example.caption.replace(concept.token, concept.config.class_word) for example in concept.examples]
    assert list(material.prior.prompts) == [*asked, asked[0]] and not any(
        concept.token in prompt for prompt in material.prior.prompts
    )
    prepare(
        base, concept, quick_config("dreambooth", num_class_images=len(asked) + 1), tmp_path / "cache", lambda *_: None
    )
    assert len(list((tmp_path / "cache").glob("class-*"))) == 2


@pytest.mark.slow
def test_class_pictures_and_latents_are_shared_through_the_cache(tmp_path, monkeypatch):
    concept, shared = write_concept(tmp_path / "concept"), tmp_path / "shared"
    train(quick_config("dreambooth"), concept, build_tiny(), tmp_path / "one", cache_dir=shared)
    files = sorted(shared.iterdir())
    assert len(files) == 2
    monkeypatch.setattr("brandsmith.methods.training_data.draw_class_latents", None)  # calling it would now fail
    train(quick_config("dreambooth", seed=1), concept, build_tiny(), tmp_path / "two", cache_dir=shared)
    assert sorted(shared.iterdir()) == files


@pytest.mark.slow
def test_diverged_training_stops_and_keeps_the_checkpoint(tmp_path, monkeypatch):
    concept, base, honest = write_concept(tmp_path / "concept"), build_tiny(), DiffusionLoss.__call__
    calls = []

    def broken_at_step_five(self, *inputs):
        calls.append(1)
        return honest(self, *inputs) * (float("nan") if len(calls) == 5 else 1.0)

    monkeypatch.setattr(DiffusionLoss, "__call__", broken_at_step_five)
    with pytest.raises(TrainingDiverged, match=r"step 5: loss = nan") as caught:
        train(quick_config("lora"), concept, base, tmp_path / "run")
    run = RunDirectory(tmp_path / "run")
    assert (run.status(), [step for step, _ in run.checkpoints()]) == ("diverged", [2, 4])
    assert "step-000004" in caught.value.hint and len(run.metrics()) == 4
    assert not any(".lora_" in key for key in base.denoiser.state_dict())
    monkeypatch.undo()
    assert_same_run(
        train(quick_config("lora"), concept, base, tmp_path / "run"),
        train(quick_config("lora"), concept, base, tmp_path / "calm"),
    )


def test_absurd_learning_rate_diverges_by_itself(tmp_path):
    with pytest.raises(TrainingDiverged, match="diverged at step"):
        train(
            quick_config("dreambooth", learning_rate=1e30),
            write_concept(tmp_path / "concept"),
            build_tiny(),
            tmp_path / "run",
        )


@pytest.mark.slow
def test_base_by_name_trains_the_same(tmp_path):
    save_as_diffusers_folder(build_tiny(), tmp_path / "base")
    concept = write_concept(tmp_path / "concept")
    by_name = train(quick_config("lora"), concept, str(tmp_path / "base"), tmp_path / "named", device="cpu")
    assert_same_run(by_name, train(quick_config("lora"), concept, build_tiny(), tmp_path / "given"))


# The parts.


@pytest.mark.parametrize("size", [1, 3, 7])
def test_every_epoch_takes_each_picture_once(size):
    source = TrainingSet(torch.zeros(size, 1, 1, 1), ("a",) * size)
    order = source.order(0, 1, range(5 * size))
    assert all(sorted(order[e * size : (e + 1) * size]) == list(range(size)) for e in range(5))
    assert order == [source.order(0, 1, [n])[0] for n in range(5 * size)]
    if size == 7:
        assert order[:7] != order[7:14]


@pytest.mark.parametrize("family", ["sd1", "sd2"])
def test_loss_is_the_papers(family):
    """epsilon: |eps - f|^2; v: |sqrt(a) eps - sqrt(1 - a) x - f|^2, at x_t = sqrt(a) x + sqrt(1 - a) eps."""
    base = build_tiny(family)
    loss, latents, noise = DiffusionLoss(base), torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8)
    timesteps = torch.tensor([10, 900])
    from brandsmith.base.base import encode_prompts

    conditioning = encode_prompts(base, ["a cat", "a bowl"])
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    a = torch.cumprod(1 - betas, 0)[timesteps].view(2, 1, 1, 1)
    predicted = base.denoiser(
        a.sqrt() * latents + (1 - a).sqrt() * noise, timesteps, encoder_hidden_states=conditioning.hidden
    ).sample
    target = noise if family == "sd1" else a.sqrt() * noise - (1 - a).sqrt() * latents
    assert torch.allclose(
        loss(latents, conditioning, noise, timesteps), (predicted - target).square().mean((1, 2, 3)), rtol=1e-4
    )


@pytest.mark.parametrize("family", ["sd1", "sd2"])
def test_min_snr_weights(family):
    loss, timesteps = DiffusionLoss(build_tiny(family), min_snr_gamma=5.0), torch.tensor([0, 500, 999])
    alphas = loss.noising.alphas_cumprod[timesteps]
    snr = alphas / (1 - alphas)
    expected = torch.tensor([min(float(s), 5.0) / (float(s) + (family == "sd2")) for s in snr])
    assert torch.allclose(loss.weights(timesteps), expected, rtol=1e-5)
    assert torch.equal(DiffusionLoss(build_tiny(family)).weights(timesteps), torch.ones(3))


def test_golden_three_steps(tmp_path):
    """A refactor may not change these losses (fp32; other processors round differently, hence the tolerance)."""
    config = quick_config("lora", steps=3, checkpoint_every=3, precision="fp32")
    run = train(config, write_concept(tmp_path / "concept"), build_tiny(), tmp_path / "run")
    assert [row["loss"] for row in run.metrics()] == pytest.approx(GOLDEN, rel=1e-4)


GOLDEN = [1.1793160, 1.0910240, 1.0300423]


def test_learning_rates_rise_stay_and_fall():
    settings = build_config("lora", steps=10, warmup_steps=2, cooldown=0.5)
    factors = [learning_rate_factor(step, settings) for step in range(1, 11)]
    assert factors == pytest.approx([0.5, 1, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2])
    assert all(learning_rate_factor(step, build_config("lora", steps=10)) == 1 for step in range(1, 11))
