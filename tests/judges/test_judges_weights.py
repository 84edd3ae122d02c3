"""Declared weights: sealed or not used, never substituted; and the judges over them, on tiny real models saved to
disk.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, Dinov2Config, Dinov2Model

from brandsmith.base.random_sd15 import CORPUS
from brandsmith.base.tokenizer import train_clip_tokenizer
from brandsmith.concept.concept import load_concept
from brandsmith.core.errors import InvalidInput, MissingResource
from brandsmith.core.files import sha256_of
from brandsmith.core.rows import Shot
from brandsmith.evaluate.chain import weighted_judges
from brandsmith.judges import weights as registry
from brandsmith.judges.clip import ClipText, Identity
from brandsmith.judges.judge import Judge, score_shots
from brandsmith.judges.weights import DECLARED, SEAL, check_weights, fetch_weights, find_weights, verify_weights

CLIP, DINO = "clip-vit-base-patch32", "dinov2-small"


def save_tiny_models(folder: Path) -> None:
    torch.manual_seed(0)
    tokenizer = train_clip_tokenizer(CORPUS, vocab_size=620, max_length=24)
    tower = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    ends = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    text = tower | {"vocab_size": len(tokenizer), "max_position_embeddings": 24} | ends
    vision = tower | {"image_size": 32, "patch_size": 8}
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=12)).save_pretrained(folder / CLIP)
    tokenizer.save_pretrained(folder / "tokenizer")
    learnt = json.loads((folder / "tokenizer" / "tokenizer.json").read_text())["model"]
    (folder / CLIP / "vocab.json").write_text(json.dumps(learnt["vocab"]))
    (folder / CLIP / "merges.txt").write_text(
        "#version: 0.2\n" + "\n".join(" ".join(m) if isinstance(m, list) else m for m in learnt["merges"])
    )
    Dinov2Model(Dinov2Config(**vision)).save_pretrained(folder / DINO)
    for name in (CLIP, DINO):
        CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(
            folder / name
        )


@pytest.fixture(scope="module")
def tiny_models(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_tiny_models(folder)
    return folder


@pytest.fixture
def folder(tiny_models, tmp_path, monkeypatch) -> Path:
    """A weights folder whose declared files are the tiny models', not sealed yet."""
    for name in (CLIP, DINO):
        (tmp_path / name).mkdir()
        files = [f for f in (tiny_models / name).iterdir() if f.is_file()]
        for file in files:
            (tmp_path / name / file.name).write_bytes(file.read_bytes())
        tiny = replace(DECLARED[name], files={f.name: sha256_of(f) for f in files}, main_file="model.safetensors")
        monkeypatch.setitem(registry.DECLARED, name, tiny)
    return tmp_path


def pictures(count: int = 3) -> list[np.ndarray]:
    return [np.random.default_rng(i).integers(0, 256, (40, 48, 3), np.uint8) for i in range(count)]


def test_encoders_go_where_every_model_goes(folder, monkeypatch):
    """Without a card: where the model is put and its pictures and words are sent is recorded."""
    moved, there = [], torch.device("cpu", 0)
    real = torch.Tensor.to

    def to(self, *place, **how):
        moved.append(place[0] if place else how.get("device"))
        return real(self, *place, **how) if isinstance(self, torch.Tensor) else self

    monkeypatch.setattr("brandsmith.judges.encoders.choose_device", lambda: there)
    monkeypatch.setattr(torch.nn.Module, "to", to)
    verify_weights([CLIP], folder)
    judge = ClipText("red_qoga_logo", "logo", folder)
    monkeypatch.setattr(torch.Tensor, "to", to)
    judge.score_prompted(pictures(1), ["a cat"])
    assert moved.count(there) >= 4, "the model, the pictures, the words and their mask"


def test_every_declaration_is_whole():
    assert len(DECLARED) >= 3
    for name, weights in DECLARED.items():
        assert name == weights.name and weights.licence and weights.purpose and weights.size_mb > 0
        assert bool(weights.url) != (len(weights.revision) == 40), (
            "a commit on the hub, or a file that its digest names"
        )
        assert {weights.main_file} | (set() if weights.url else {"config.json", "preprocessor_config.json"}) <= set(
            weights.files
        )
        assert all(len(digest) == 64 and set(digest) <= set("0123456789abcdef") for digest in weights.files.values())


def test_what_is_missing_is_not_measured_and_says_how_to_get_it(tmp_path):
    concept = load_concept("demo")
    judges = weighted_judges(concept, tmp_path)
    assert sorted(judges) == ["clip", "clip_i", "dinov2"]
    shots = [Shot(0, "a cat", i, "run", 0) for i in range(3)]
    for judge in judges.values():
        rows = score_shots(judge, shots, pictures())
        assert isinstance(judge, Judge) and judge.weights_hash == "missing"
        assert [row.value for row in rows] == [None] * 3
        assert all(
            f"weights {judge.weights.name} missing" in row.reason and "judge weights fetch" in row.reason
            for row in rows
        )


def test_only_sealed_weights_are_used_and_a_changed_file_is_refused(folder):
    assert find_weights(DINO, folder) is None, "not sealed yet"
    assert [s.state for s in verify_weights([DINO], folder)] == ["sealed"] and find_weights(DINO, folder)
    assert json.loads((folder / DINO / SEAL).read_text())["revision"] == DECLARED[DINO].revision
    config = folder / DINO / "config.json"
    config.write_text(config.read_text() + " ")
    assert find_weights(DINO, folder) is None, "another size breaks the seal"
    with pytest.raises(InvalidInput, match=r"config\.json"):
        verify_weights([DINO], folder)
    assert not (folder / DINO / SEAL).exists()
    config.unlink()
    assert check_weights(DINO, folder).files == ("config.json",)
    with pytest.raises(MissingResource, match=DINO):
        verify_weights([DINO], folder)
    assert [s.state for s in verify_weights([], folder)].count("sealed") == 1, (
        "without names, what is missing is listed"
    )


def test_fetching_takes_declared_files_only_and_seals_them(folder, tmp_path_factory, monkeypatch):
    import huggingface_hub

    downloaded = {}

    def download(model, *, revision, allow_patterns, local_dir, etag_timeout):
        downloaded[model] = (revision, sorted(allow_patterns))
        local_dir.mkdir(parents=True)
        for name in allow_patterns:
            (local_dir / name).write_bytes((folder / DINO / name).read_bytes())

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *_, **__: None)
    other = tmp_path_factory.mktemp("fetched")
    assert [s.state for s in fetch_weights([DINO], other)] == ["sealed"] and find_weights(DINO, other)
    assert downloaded == {DECLARED[DINO].model: (DECLARED[DINO].revision, sorted(registry.DECLARED[DINO].files))}

    def refuse(*_, **__):
        raise OSError("no route\nto host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(MissingResource, match="no route"):
        fetch_weights([DINO], tmp_path_factory.mktemp("none"))


def test_clip_scores_pictures_by_their_prompts_with_the_model_beside(folder):
    verify_weights([CLIP], folder)
    judge = ClipText("red_qoga_logo", "logo", folder)
    prompts = ["a red_qoga_logo", "a cat and a bowl", ""]
    verdicts = judge.score_prompted(pictures(), prompts)
    assert all(-1 <= v.value <= 1 for v in verdicts[:2]) and verdicts[2].value is None
    assert verdicts[0].details["text"] == "a logo" and verdicts[0].details["scale"] == "cosine x 1"
    assert (
        verdicts[0].details["model"] == DECLARED[CLIP].model
        and verdicts[0].details["revision"] == DECLARED[CLIP].revision
    )
    alone = judge.score_prompted(pictures()[1:2], prompts[1:2])[0]
    assert alone.value == pytest.approx(verdicts[1].value, abs=1e-5)
    other = judge.score_prompted(pictures()[1:2], ["the new fragrance"])[0]
    assert other.value != pytest.approx(verdicts[1].value, abs=1e-4), "the prompt must matter"
    model = CLIPModel.from_pretrained(folder / CLIP)
    stock = model(
        pixel_values=judge._encoder.prepare(images=[pictures()[1]], return_tensors="pt")["pixel_values"],
        **judge._encoder.tokenizer(["a cat and a bowl"], return_tensors="pt"),
    )
    assert (stock.image_embeds @ stock.text_embeds.T).item() == pytest.approx(verdicts[1].value, abs=1e-4), (
        "as transformers computes it"
    )


@pytest.mark.parametrize(("name", "weights"), [("clip_i", CLIP), ("dinov2", DINO)])
def test_identity_knows_its_own_references_and_its_ceiling(folder, name, weights):
    verify_weights([weights], folder)
    held_out = pictures(4)
    judge = Identity(name, weights, held_out, folder)
    verdicts = judge.score([held_out[0], np.zeros((40, 48, 3), np.uint8)])
    assert (
        all(-1 <= v.value <= 1 for v in verdicts)
        and verdicts[0].details["num_references"] == 4
        and verdicts[0].details["crop"] is None
    )
    alone = Identity(name, weights, held_out[:1], folder).score(held_out[:1])[0]
    assert alone.value == pytest.approx(1.0, abs=1e-4)
    assert -1 <= judge.ceiling() <= 1 and Identity(name, weights, held_out[:1], folder).ceiling() is None
    assert "held-out" in Identity(name, weights, [], folder).score(pictures(1))[0].reason
    assert judge.weights_hash == registry.DECLARED[weights].weights_hash


def test_identity_looks_at_the_mark_as_well(folder):
    from brandsmith.judges.detector import Detection

    class FindsTheMiddle:
        def detect(self, shown):
            return [[Detection((8.0, 8.0, 32.0, 30.0), 0.9)] if p.mean() > 1 else [] for p in shown]

    verify_weights([DINO], folder)
    judge = Identity("dinov2", DINO, pictures(4), folder, FindsTheMiddle())
    seen, blank = judge.score([pictures(1)[0], np.zeros((40, 48, 3), np.uint8)])
    assert -1 <= seen.details["crop"] <= 1 and blank.details["crop"] is None
