"""How prompts become conditioning: long ones in chunks, and clip skip, beside stock diffusers and its text encoders."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from bases import build_tiny, save_as_diffusers_folder
from lessons import TOKEN, write_concept

from brandsmith.base.base import encode_prompts
from brandsmith.base.long_prompts import encode_long_prompts, num_chunks
from brandsmith.base.prompt_tokens import most_pieces
from brandsmith.base.stock import stock_pipeline
from brandsmith.core.errors import InvalidConfig
from brandsmith.draw.source import Source
from brandsmith.draw.to_folder import checked_settings
from brandsmith.guidance.batch import prepare_batch
from brandsmith.guidance.combiners import build_combiner
from brandsmith.guidance.sampling import sample
from brandsmith.guidance.schedulers import build_scheduler
from brandsmith.guidance.settings import DrawSettings
from brandsmith.methods.adapter import build_metadata
from brandsmith.methods.job import check_job
from brandsmith.methods.method import Words
from brandsmith.methods.prompt_encoder import PromptEncoder
from brandsmith.methods.registry import METHODS, build_config

PROMPT = "a red logo on a blue sweater"
LONG = "a red logo on a blue sweater, a cat and a bowl; the new fragrance! " * 3
SETTINGS = {"num_steps": 3, "guidance_scale": 4.0, "scheduler": "ddim"}
families = pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])


def stock_picture(base, **arguments):
    pipeline = stock_pipeline(base)
    pipeline.scheduler = type(build_scheduler(base, "ddim", 3)).from_config(base.scheduler.config)
    generator = torch.Generator("cpu").manual_seed(17)
    options = {"num_inference_steps": 3, "guidance_scale": 4.0, "output_type": "np"}
    return pipeline(**arguments, **options, generator=generator).images[0]


def chunks_by_hand(tokenizer, prompt):
    """Texts of whole words, filled up one after another."""
    texts, limit = [""], most_pieces(tokenizer)
    for word in prompt.split():
        longer = f"{texts[-1]} {word}".strip()
        if len(tokenizer(longer, add_special_tokens=False).input_ids) > limit:
            texts.append(word)
        else:
            texts[-1] = longer
    return texts


@families
@torch.no_grad()
def test_a_long_prompt_is_its_chunks_side_by_side(family):
    base = build_tiny(family)
    texts = chunks_by_hand(base.tokenizer, LONG)
    assert 3 <= len(texts) == num_chunks(base, [LONG])
    whole, alone = encode_long_prompts(base, [LONG]), encode_prompts(base, texts)
    assert whole.hidden.shape == (1, 24 * len(texts), alone.hidden.shape[-1])
    torch.testing.assert_close(whole.hidden[0], alone.hidden.flatten(0, 1), atol=1e-5, rtol=1e-4)
    if family == "sdxl":
        torch.testing.assert_close(whole.pooled[0], alone.pooled[0], atol=1e-5, rtol=1e-4)
    read = [token for own in base.tokenizer(texts, add_special_tokens=False).input_ids for token in own]
    assert read == base.tokenizer(LONG, add_special_tokens=False, verbose=False).input_ids, "nothing is lost"


@families
@torch.no_grad()
def test_the_picture_is_the_stock_pipelines_with_those_texts(family):
    base = build_tiny(family)
    texts = chunks_by_hand(base.tokenizer, LONG)
    chunks, blank = encode_prompts(base, texts), encode_prompts(base, [""])
    given = {
        "prompt_embeds": chunks.hidden.flatten(0, 1)[None],
        "negative_prompt_embeds": blank.hidden.repeat(1, len(texts), 1),
    }
    if family == "sdxl":
        given["negative_prompt_embeds"] *= 0  # as the stock pipeline does for an empty one
        given |= {"pooled_prompt_embeds": chunks.pooled[:1], "negative_pooled_prompt_embeds": blank.pooled * 0}
    ours = sample(base, [LONG], [17], DrawSettings(**SETTINGS))[0]
    assert np.abs(ours / 255 - stock_picture(base, **given)).max() <= 2 / 255
    cut = stock_picture(base, prompt=LONG)
    assert np.abs(ours / 255 - cut).max() > 4 / 255, "what stands behind the first chunk counts"


def test_neighbours_of_other_lengths_change_nothing():
    base = build_tiny()
    both = sample(base, [PROMPT, LONG, PROMPT], [1, 2, 3], DrawSettings(**SETTINGS, negative_prompt="a bowl"))
    for picture, prompt, seed in zip(both, (PROMPT, LONG, PROMPT), (1, 2, 3), strict=True):
        alone = sample(base, [prompt], [seed], DrawSettings(**SETTINGS, negative_prompt="a bowl"))[0]
        assert np.abs(picture.astype(int) - alone).max() <= 1


@torch.no_grad()
def test_words_and_a_tokens_vectors_stay_whole_and_what_is_no_word_is_split():
    base = build_tiny()
    names = [TOKEN, *(f"{TOKEN}_{number}" for number in range(1, 6))]
    base.tokenizer.add_tokens(names)
    base.text_encoders[0].resize_token_embeddings(len(base.tokenizer))
    vectors = " ".join(names)
    filler = "cat " * (most_pieces(base.tokenizer) - 3)
    hidden = encode_long_prompts(base, [f"{filler}{vectors}, a bowl"]).hidden[0].unflatten(0, (2, 24))
    expected = encode_prompts(base, [filler, f"{vectors}, a bowl"]).hidden
    torch.testing.assert_close(hidden, expected, atol=1e-5, rtol=1e-4)
    assert num_chunks(base, ["q" * 4 * most_pieces(base.tokenizer)]) > 1 and num_chunks(base, [""]) == 1


@torch.no_grad()
def test_guidance_reads_the_same_places_of_a_long_prompt():
    """What looks at attention counts tokens of the first chunk as before."""
    base = build_tiny()
    settings = DrawSettings(**SETTINGS, refiner="attend_excite")
    assert sample(base, [LONG], [1], settings)[0].std() > 0
    branches = [build_combiner("cfg").branches(LONG, 4.0)]
    batch = prepare_batch(base, build_scheduler(base, "ddim", 3), branches, [1], settings, (64, 64), slice(0, 1))
    first = encode_prompts(base, [chunks_by_hand(base.tokenizer, LONG)[0]]).hidden[0]
    torch.testing.assert_close(batch.conditioning.hidden[1, :24], first, atol=1e-5, rtol=1e-4)


def test_a_family_that_reads_no_chunks_says_what_is_cut(tmp_path, capsys):
    base = build_tiny("sd3")
    assert num_chunks(base, [LONG]) == 1
    save_as_diffusers_folder(base, tmp_path / "sd3")
    save_as_diffusers_folder(build_tiny(), tmp_path / "sd1")
    for folder, settings, said in (
        ("sd3", DrawSettings(scheduler="euler"), "its end is cut"),
        ("sd1", DrawSettings(refiner="attend_excite"), "sees the first 22 alone"),
        ("sd1", DrawSettings(), ""),
    ):
        checked_settings([f"{LONG} {folder} {said}"], settings, Source(str(tmp_path / folder)))
        told = capsys.readouterr().err
        assert said in told and (said or not told)


@families
def test_clip_skip_is_diffusers(family):
    base = build_tiny(family)
    if family != "sdxl":  # this diffusers looks where transformers 5 has nothing
        vars(base.text_encoders[0])["text_model"] = base.text_encoders[0]
    options = {"prompt": PROMPT, "negative_prompt": "a bowl"}
    for skip in (0, 1):
        settings = DrawSettings(**SETTINGS, negative_prompt="a bowl", clip_skip=skip)
        ours = sample(base, [PROMPT], [17], settings)[0] / 255
        assert np.abs(ours - stock_picture(base, **options, clip_skip=skip or None)).max() <= 2 / 255
    assert np.abs(ours - stock_picture(base, **options)).max() > 4 / 255


@torch.no_grad()
def test_clip_skip_of_a_training_is_drawn_with_and_too_much_is_refused(tmp_path):
    base = build_tiny()
    save_as_diffusers_folder(base, tmp_path / "base")
    encode = PromptEncoder(base, [PROMPT], trains_text=False, size=(64, 64), clip_skip=1)
    skipped, other = encode([PROMPT]), "a bowl and a cat"
    assert torch.equal(encode([other]).hidden, encode_prompts(base, [other], clip_skip=1).hidden), "not made for it"
    assert torch.equal(skipped.hidden, encode_prompts(base, [PROMPT], clip_skip=1).hidden)
    assert not torch.allclose(skipped.hidden, encode_prompts(base, [PROMPT]).hidden, atol=1e-2)
    config, words = build_config("lora", clip_skip=1), Words(TOKEN, "logo")
    attached = METHODS["lora"].attach(base, config, words)
    (tmp_path / "adapter").mkdir()
    base.name = str(tmp_path / "base")
    attached.write(tmp_path / "adapter", build_metadata(config, base, words, 1))
    attached.detach()
    taught = Source(base.name, tmp_path / "adapter")
    assert taught.resolved(DrawSettings()).clip_skip == 1 and Source(base.name).resolved(DrawSettings()).clip_skip == 0
    concept = write_concept(tmp_path / "concept")
    for check in (
        lambda: taught.resolved(DrawSettings(clip_skip=2)),
        lambda: check_job(build_config("lora", clip_skip=2), concept, base.name, tmp_path / "run"),
    ):
        with pytest.raises(InvalidConfig, match="clip_skip is 2") as raised:
            check()
        assert "0 to 1" in raised.value.hint
