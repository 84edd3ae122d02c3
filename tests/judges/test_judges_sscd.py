"""SSCD in the place of the weightless copying: only when the declared file is sealed, and only that file. Run here on a
small stand-in network in the same file format; the real weights have never been at hand.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from brandsmith.core.errors import InvalidInput, MissingResource
from brandsmith.core.files import sha256_of
from brandsmith.judges import weights as registry
from brandsmith.judges.copying import Copying
from brandsmith.judges.judge import Judge
from brandsmith.judges.sscd import COPY_FROM, SscdCopying, copying_judge
from brandsmith.judges.weights import SSCD, fetch_weights, find_weights, verify_weights


class Coarse(torch.nn.Module):
    """(N, 3, 320, 320) -> (N, 300) unit vectors: the picture on a 10 x 10 grid, without its mean."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        small = torch.nn.functional.adaptive_avg_pool2d(pixels, (10, 10)).flatten(1)
        return torch.nn.functional.normalize(small - small.mean(1, keepdim=True), dim=1)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A weights folder that holds a stand-in under SSCD's declared file name, not sealed yet."""
    file = tmp_path / SSCD / registry.DECLARED[SSCD].main_file
    file.parent.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated; the file to be read is of 2022
        torch.jit.save(torch.jit.script(Coarse()), str(file))
    monkeypatch.setitem(registry.DECLARED, SSCD, replace(registry.DECLARED[SSCD], files={file.name: sha256_of(file)}))
    return tmp_path


def pictures(first: int, count: int) -> list[np.ndarray]:
    return [
        np.random.default_rng(first + i).integers(0, 256, (8, 8, 3), np.uint8).repeat(16, 0).repeat(16, 1)
        for i in range(count)
    ]


def test_without_sealed_weights_the_weightless_judge_scores(folder):
    assert type(copying_judge(pictures(0, 6), pictures(50, 10), folder)) is Copying, "there, but not sealed"
    verify_weights([SSCD], folder)
    judge = copying_judge(pictures(0, 6), pictures(50, 10), folder)
    assert isinstance(judge, SscdCopying) and isinstance(judge, Judge)
    assert (judge.name, judge.version) == ("copying", "sscd-1") and judge.weights_hash.startswith(
        registry.DECLARED[SSCD].weights_hash[:6]
    )


def test_copies_are_found_mirrored_ones_too(folder):
    verify_weights([SSCD], folder)
    training = pictures(0, 6)
    judge = copying_judge(training, pictures(50, 10), folder)
    soft = [np.clip(p.astype(int) + 8, 0, 255).astype(np.uint8) for p in training]
    turned = [np.ascontiguousarray(p[:, ::-1]) for p in training]
    for shown in (training, soft, turned):
        verdicts = judge.score(shown)
        assert min(v.value for v in verdicts) > 0.9 and [v.details["nearest"] for v in verdicts] == list(range(6))
    fresh = judge.score(pictures(200, 8))
    assert max(v.value for v in fresh) < 0.5 and judge.score([]) == []
    assert "held-out" in copying_judge(training, [], folder).score(training)[0].reason


def test_the_scale_begins_a_copy_at_the_published_cosine_or_above_the_control(folder):
    verify_weights([SSCD], folder)
    judge = copying_judge(pictures(0, 6), pictures(50, 10), folder)
    for edge in (0.1, 0.5, 0.74, 0.9):
        judge.control = np.array([edge])
        copy_from = max(COPY_FROM, edge + (1 - edge) / 3)
        values = judge.scaled(np.array([-0.2, 0.0, copy_from - 1e-6, copy_from + 1e-6, 1.0]))
        assert values[0] == values[1] == 0 and values[2] < 0.5 < values[3] and values[4] == 1
        assert (np.diff(judge.scaled(np.linspace(0, 1, 50))) > 0).all()


def test_a_changed_program_is_never_run(folder):
    verify_weights([SSCD], folder)
    file = folder / SSCD / registry.DECLARED[SSCD].main_file
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 2] ^= 1
    file.write_bytes(whole)
    assert find_weights(SSCD, folder), "the seal compares sizes only"
    with pytest.raises(InvalidInput, match="not the declared file"):
        copying_judge(pictures(0, 6), pictures(50, 10), folder)


def test_it_is_fetched_from_its_url_and_sealed(folder, tmp_path_factory, monkeypatch):
    source = folder / SSCD / registry.DECLARED[SSCD].main_file
    monkeypatch.setitem(registry.DECLARED, SSCD, replace(registry.DECLARED[SSCD], url=source.as_uri()))
    other = tmp_path_factory.mktemp("fetched")
    assert [s.state for s in fetch_weights([SSCD], other)] == ["sealed"] and find_weights(SSCD, other)
    monkeypatch.setitem(registry.DECLARED, SSCD, replace(registry.DECLARED[SSCD], url=(folder / "nothing").as_uri()))
    with pytest.raises(MissingResource, match=SSCD):
        fetch_weights([SSCD], tmp_path_factory.mktemp("none"))
