"""Packed training: every trial ends where it ends alone, writes what it writes alone, and disturbs nobody."""

from __future__ import annotations

import os
import signal

import pytest
import torch
from bases import build_tiny
from lessons import QUICK, TOKEN, write_concept
from safetensors.torch import load_file

from brandsmith.base.base import encode_prompts
from brandsmith.base.base import predict as predict_rows
from brandsmith.base.prompt_tokens import expand_prompts
from brandsmith.base.sources import load_base
from brandsmith.benchmark.packing import benchmark_pack, compare_runs
from brandsmith.concept.concept import load_concept
from brandsmith.core.errors import InvalidConcept, InvalidConfig, TrainingDiverged
from brandsmith.core.run import RunDirectory
from brandsmith.methods.adapter import load_adapter, read_adapter_info
from brandsmith.methods.job import check_job
from brandsmith.methods.loop import train
from brandsmith.methods.lora import Lora
from brandsmith.methods.method import ParameterGroup
from brandsmith.methods.optimizer import build_optimizer
from brandsmith.methods.packed import Pack, Trial, _build_training, train_packed
from brandsmith.methods.packed_layers import PackedEmbedding, SampleRows, packed_layers
from brandsmith.methods.registry import build_config
from brandsmith.methods.textual_inversion import ExtendedEmbedding, TextualInversion

BAR = 1e-3
"""The bar in fp32. In fp64, where rounding cannot hide a mistake in the mathematics, every element must agree to
EXACT.
"""
EXACT = 1e-6


def exactly(one, other):
    return compare_runs(one, other).element <= EXACT


FP32: dict[str, object] = {
    "precision": "fp32"
}  # the promise is for fp32: `auto` takes bf16 where the processor multiplies it


def lora(seed, **more):
    settings = FP32 | {"steps": 6, "checkpoint_every": 3, "learning_rate": 1e-2, "rank": 4, "alpha": 6.0, "seed": seed}
    return build_config("lora", **(settings | more))


def word(seed, **more):
    return build_config(
        "ti", **(FP32 | {"steps": 6, "checkpoint_every": 3, "seed": seed} | QUICK["textual_inversion"] | more)
    )


PACKS = {
    "alike": ("sd1", [lora(s) for s in range(3)]),
    "everything differs": (
        "sd1",
        [
            lora(0, rank=2, alpha=1.0, warmup_steps=3),
            lora(1, rank=8, learning_rate=3e-2, text_encoder_learning_rate=1e-2, batch_size=2, steps=4),
            lora(2, feed_forward=True, gradient_clip=0.05, min_snr_gamma=5.0, weight_decay=0.5),
            lora(
                3,
                text_encoder_learning_rate=3e-3,
                checkpoint_every=2,
                steps=8,
                prior_weight=0.5,
                num_class_images=2,
                class_image_steps=2,
            ),
        ],
    ),
    "words": (
        "sd2",
        [
            word(0),
            word(1, num_vectors=3, learning_rate=0.1),
            word(2, num_vectors=1, batch_size=2, initial_word="sweater"),
        ],
    ),
    "both methods": ("sdxl", [lora(0, text_encoder_learning_rate=1e-2), word(1), lora(2, rank=1)]),
}


def rows(run):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in run.metrics()]


def trials_of(configs, concept, folder):
    return [Trial(config, concept, folder / str(i)) for i, config in enumerate(configs)]


def train_both_ways(base, configs, tmp_path):
    """(alone, packed) runs of each configuration."""
    concept, cache = write_concept(tmp_path / "concept"), tmp_path / "cache"
    alone = [
        train(config, concept, base, tmp_path / "alone" / str(i), cache_dir=cache) for i, config in enumerate(configs)
    ]
    return alone, train_packed(trials_of(configs, concept, tmp_path / "packed"), base, cache_dir=cache)


@torch.no_grad()
def predict(base):
    latents = torch.randn(1, *base.latent_shape, generator=torch.Generator().manual_seed(7)).to(base.denoiser.dtype)
    conditioning = encode_prompts(base, expand_prompts(base.tokenizer, [f"a {TOKEN}"]))
    return predict_rows(base, latents, torch.tensor([400]), conditioning)


def snapshot(base):
    structure = [[type(m) for m in module.modules()] for module in base.modules()]
    hooks = sum(len(m._forward_hooks) for module in base.modules() for m in module.modules())
    return structure, hooks, [id(tokenizer) for tokenizer in base.tokenizers]


@pytest.fixture
def in_fp64(monkeypatch):
    for method in (Lora, TextualInversion):
        plain = method.attach
        monkeypatch.setattr(
            method,
            "attach",
            lambda self, base, settings, words, plain=plain: plain(self, base, settings, words, torch.float64),
        )


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PACKS))
def test_every_trial_ends_where_it_ends_alone(name, tmp_path, in_fp64):
    family, configs = PACKS[name]
    base = build_tiny(family).to("cpu", torch.float64)
    plain, before = predict(base), snapshot(base)
    alone, packed = train_both_ways(base, configs, tmp_path)
    assert torch.equal(predict(base), plain) and snapshot(base) == before
    for single, together, config in zip(alone, packed, configs, strict=True):
        assert exactly(single, together)
        assert (
            together.config() == single.config()
            and together.status() == "finished"
            and not together.state_file.parent.exists()
        )
        assert [row.keys() for row in rows(together)] == [row.keys() for row in rows(single)] and len(
            rows(single)
        ) == config.steps
        for mine, theirs in zip(rows(together), rows(single), strict=True):
            assert mine == pytest.approx(theirs, rel=1e-4)


@pytest.mark.slow
def test_in_fp32_rounding_stays_below_the_bar(tmp_path):
    base, configs = build_like_pocket(), [lora(0, text_encoder_learning_rate=1e-2), lora(1, rank=2), word(2)]
    alone, packed = train_both_ways(base, configs, tmp_path)
    for single, together in zip(alone, packed, strict=True):
        assert whole_difference(single, together) <= BAR
    other = train(lora(9, rank=2), write_concept(tmp_path / "again"), base, tmp_path / "other")
    assert whole_difference(alone[1], other) > 100 * BAR, (
        "another seed looks the same: the comparison would prove nothing"
    )


def whole_difference(one, other):
    """|a - b| / |a| over all weights of the last checkpoint."""
    mine, theirs = (
        torch.cat([t.flatten() for f in last_files(run) for t in load_file(f).values()]) for run in (one, other)
    )
    return float((mine - theirs).norm() / mine.norm())


def last_files(run):
    return sorted(run.checkpoints()[-1][1].iterdir())


@pytest.mark.slow
def test_the_bar_holds_on_pocket_at_its_preset(tmp_path):
    figures = benchmark_pack(load_base("pocket"), load_concept("demo"), tmp_path / "out", num_trials=3, num_steps=20)
    assert figures.max_rel_diff <= BAR


def test_gradients_lost_in_rounding_move_nothing():
    """What makes the bar hold: AdamW at 1e-8 moves a gradient of 1e-9 by a tenth of a learning rate."""
    weight = torch.nn.Parameter(torch.zeros(2))
    optimizer = build_optimizer(build_config("lora", weight_decay=0.0), [ParameterGroup("unet", 1.0, {"w": weight})])
    weight.grad = torch.tensor([1e-9, 1e-3])
    optimizer.step()
    assert abs(weight[0]) < 2e-3 and abs(weight[1] + 1) < 2e-3


@pytest.mark.slow
def test_adapters_of_a_pack_load_as_any_other(tmp_path):
    base = build_tiny()
    plain = predict(base)
    for alone, packed in zip(
        *train_both_ways(base, [lora(0, rank=2), lora(1, rank=4), word(2)], tmp_path), strict=True
    ):
        drawn = []
        for run in (alone, packed):
            with load_adapter(base, run.checkpoints()[-1][1]):
                drawn.append(predict(base))
        assert read_adapter_info(alone.checkpoints()[-1][1]) == read_adapter_info(packed.checkpoints()[-1][1])
        assert (drawn[0] - drawn[1]).abs().max() < 1e-2 * (drawn[0] - plain).abs().max()


def build_like_pocket():
    """x0 is predicted and the text states are pooled into the time embedding."""
    from diffusers import UNet2DConditionModel

    base, config = build_tiny(), dict(build_tiny().denoiser.config)
    torch.manual_seed(1)
    base.denoiser = UNet2DConditionModel.from_config(
        config | {"addition_embed_type": "text", "addition_embed_type_num_heads": 4}
    )
    base.scheduler.register_to_config(prediction_type="sample")
    return base.freeze()


def test_padding_never_moves(tmp_path):
    base, concept = build_tiny(), write_concept(tmp_path / "concept")
    configs = [lora(0, rank=2), lora(1, rank=4, feed_forward=True), word(2)]
    jobs = [check_job(c, concept, base, tmp_path / str(i)) for i, c in enumerate(configs)]
    trainings = [_build_training(base, job, tmp_path / "cache", lambda *_: None) for job in jobs]
    pack = Pack(base, trainings)
    with packed_layers(base, pack.stack, [t.attached for t in trainings], pack.rows):
        for step in (1, 2, 3):
            pack.gradients([step] * 3)
            pack.optimizer.step()
    padding = pack.stack.values.clone()
    for row, training in zip(padding, trainings, strict=True):
        for group in training.attached.groups:
            for name, parameter in group.named().items():
                window = pack.stack.window(row, name, parameter.shape)
                assert torch.equal(window, parameter) and window.any()
                window.zero_()
    assert not padding.any() and padding.numel() > 1.5 * sum(p.numel() for t in trainings for p in t.parameters)


# Stopping, going on, failing.


def send(number, done):
    def progress(stage, now, total, note):
        if stage == "train" and now == done:
            os.kill(os.getpid(), number)

    return progress


def interrupt(trials, base):
    """Stop a pack of two after its fourth step: the signal comes while the third is reported."""
    with pytest.raises(KeyboardInterrupt):
        train_packed(trials, base, progress=send(signal.SIGINT, 6))
    runs = [RunDirectory(trial.run_dir) for trial in trials]
    assert [(run.status(), run.step(), len(run.metrics())) for run in runs] == [("interrupted", 4, 4)] * 2


@pytest.mark.slow
def test_interrupted_goes_on_packed_or_alone(tmp_path, in_fp64):
    concept, base = write_concept(tmp_path / "concept"), build_tiny().to("cpu", torch.float64)
    configs = [lora(0, text_encoder_learning_rate=1e-2), word(1)]
    whole = train_packed(trials_of(configs, concept, tmp_path / "whole"), base)
    again = trials_of(configs, concept, tmp_path / "again")
    interrupt(again, base)
    resumed = train_packed(again, base)
    assert [compare_runs(*pair).element for pair in zip(whole, resumed, strict=True)] == [0.0, 0.0]
    assert [rows(run) for run in resumed] == [rows(run) for run in whole]
    handed_over = trials_of(configs, concept, tmp_path / "handed")
    interrupt(handed_over, base)
    single = train(configs[0], concept, base, handed_over[0].run_dir)
    assert exactly(whole[0], single)
    late = train_packed(
        [*handed_over, Trial(lora(5), concept, tmp_path / "late")], base
    )  # one finished, one at step 4, one new
    assert exactly(whole[1], late[1]) and [run.status() for run in late] == ["finished"] * 3


@pytest.mark.slow
def test_begun_alone_joins_a_pack(tmp_path, in_fp64):
    concept, base, config = write_concept(tmp_path / "concept"), build_tiny().to("cpu", torch.float64), lora(0, rank=2)

    def stop_at_two(stage, done, total, note):
        if stage == "train" and done == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(config, concept, base, tmp_path / "run", progress=stop_at_two)
    joined = train_packed([Trial(lora(1), concept, tmp_path / "new"), Trial(config, concept, tmp_path / "run")], base)
    assert exactly(train(config, concept, base, tmp_path / "whole"), joined[1])


@pytest.mark.slow
def test_finished_trials_are_left_alone(tmp_path):
    concept, base = write_concept(tmp_path / "concept"), build_tiny()
    trials = trials_of([lora(0, steps=2), lora(1, steps=2)], concept, tmp_path)
    train_packed(trials, base)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert [run.status() for run in train_packed(trials, base)] == ["finished"] * 2
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before and len(before) > 20


@pytest.mark.slow
def test_a_diverging_trial_does_not_end_the_others(tmp_path):
    concept, base = write_concept(tmp_path / "concept"), build_tiny()
    good, mad = lora(0), lora(1, learning_rate=1e30, weight_decay=0.0)
    with pytest.raises(TrainingDiverged, match="/1': training diverged at step") as caught:
        train_packed(trials_of([good, mad, lora(2)], concept, tmp_path / "packed"), base)
    assert "lower the learning rate" in caught.value.hint
    runs = [RunDirectory(tmp_path / "packed" / str(i)) for i in range(3)]
    assert [run.status() for run in runs] == ["finished", "diverged", "finished"]
    assert len(runs[1].metrics()) < 3 and not runs[1].checkpoints()
    assert whole_difference(train(good, concept, base, tmp_path / "alone"), runs[0]) <= BAR


# Bad input: one clear error, nothing written.


@pytest.mark.parametrize(
    ("configs", "says"),
    [
        ([], "no trials"),
        ([lora(0), build_config("db")], "dreambooth trials cannot be packed"),
        ([build_config("hn")], "hypernetwork trials"),
        ([lora(0, convolutions=True)], "convolutions"),
        ([lora(0, optimizer="adafactor")], "optimizer 'adafactor'"),
        ([lora(0), lora(1, image_px=32)], "share resolution, precision"),
        ([lora(0, precision="fp32"), word(1, precision="bf16")], "share resolution, precision"),
    ],
)
def test_what_cannot_be_packed(configs, says, tmp_path):
    concept = write_concept(tmp_path / "concept")
    with pytest.raises(InvalidConfig, match=says) as caught:
        train_packed(trials_of(configs, concept, tmp_path / "runs"), build_tiny())
    assert caught.value.hint and "\n" not in str(caught.value) and not (tmp_path / "runs").exists()


def test_two_trials_in_one_folder_a_known_word_and_another_process(tmp_path):
    base, concept = build_tiny(), write_concept(tmp_path / "concept")
    with pytest.raises(InvalidConfig, match="two trials of a pack in one run directory"):
        train_packed([Trial(lora(s), concept, tmp_path / "run") for s in (0, 1)], base)
    with pytest.raises(InvalidConcept, match="already in the base's vocabulary"):
        train_packed(
            [
                Trial(lora(0), concept, tmp_path / "run"),
                Trial(lora(0), write_concept(tmp_path / "logo", "logo"), tmp_path / "b"),
            ],
            base,
        )
    assert not (tmp_path / "run").exists()
    with RunDirectory(tmp_path / "run").locked(), pytest.raises(InvalidConfig, match="another process"):
        train_packed([Trial(lora(0), concept, tmp_path / "free"), Trial(lora(1), concept, tmp_path / "run")], base)
    assert not (tmp_path / "free" / "config.json").exists()


@pytest.mark.slow
def test_benchmark_figures(tmp_path):
    figures = benchmark_pack(
        build_tiny(), write_concept(tmp_path / "concept"), tmp_path / "out", num_trials=2, num_steps=3
    )
    assert figures.trials == 2 and figures.steps == 3 and 0 <= figures.max_rel_diff <= figures.max_element_diff < 0.1
    assert 0 < figures.max_adapter_diff <= BAR
    assert figures.time_ratio > 0 and (figures.memory_ratio is None or figures.memory_ratio > 0.5)
    assert len(figures.seconds_alone) == len(figures.seconds_per_packed_trial) == 2
    alone, other = RunDirectory(tmp_path / "out" / "alone-0"), RunDirectory(tmp_path / "out" / "warm-up")
    with pytest.raises(ValueError, match="different tensors"):
        compare_runs(alone, other)


@pytest.mark.parametrize("packed", [False, True])
def test_the_gradient_of_new_words_is_the_same_bits_every_time(packed):
    """A batch as large as a real one: only then do several threads add, in the order in which they come."""
    torch.manual_seed(0)
    table, rows = torch.nn.Embedding(50, 192), SampleRows(2, torch.device("cpu"))
    rows.set([0, 1] * 4)
    vectors = torch.nn.Parameter(torch.randn(2, 6, 192) if packed else torch.randn(6, 192))
    embedding = PackedEmbedding(table, 50, vectors, rows) if packed else ExtendedEmbedding(table, 50, vectors)
    ids, weights = torch.randint(40, 56, (8, 48)), torch.randn(8, 48, 192)

    def gradient() -> torch.Tensor:
        vectors.grad = None
        (embedding(ids) * weights).sum().backward()
        return vectors.grad

    first = gradient()
    assert all(torch.equal(gradient(), first) for _ in range(20))
    own = vectors[rows.index] if packed else vectors.expand(8, -1, -1)
    looked_up = torch.stack([own[i][(ids[i] - 50).clamp(min=0)] for i in range(8)])
    assert torch.equal(embedding(ids)[ids >= 50], looked_up[ids >= 50])
