"""Small flow transformers with random weights, one per family (`random_small.py` has the others): stock classes, 64-px
pictures, a text encoder of a few layers and a tokenizer of single bytes.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLFlux2,
    AutoencoderKLQwenImage,
    FlowMatchEulerDiscreteScheduler,
    Flux2Transformer2DModel,
    FluxTransformer2DModel,
    ModelMixin,
    QwenImageTransformer2DModel,
    SD3Transformer2DModel,
    ZImageTransformer2DModel,
)
from diffusers.pipelines.flux2.system_messages import SYSTEM_MESSAGE
from tokenizers import Tokenizer, models
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    Mistral3Config,
    Mistral3ForConditionalGeneration,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Tokenizer,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3Model,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

from brandsmith.base.base import Base
from brandsmith.base.families.registry import FAMILIES
from brandsmith.base.random_sd15 import CORPUS
from brandsmith.base.tokenizer import train_clip_tokenizer

CONTEXT = 64
"""Pieces that the small tokenizers take."""
_SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>")
_CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'][0] }} {{ m['content'] }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>{% if enable_thinking is false %}-{% endif %}{% endif %}"
)
"""Shorter than the real one: a byte is a piece here."""
DYNAMIC = {"use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15}


def byte_tokenizer(context: int = CONTEXT) -> Qwen2Tokenizer:
    """Every byte a piece, and a short chat."""
    pieces = {byte: number for number, byte in enumerate(sorted(ByteLevel.alphabet()))}
    made = Qwen2Tokenizer(vocab=pieces, merges=[], padding_side="right", model_max_length=context)
    made.add_special_tokens({"additional_special_tokens": list(_SPECIAL), "pad_token": "<|endoftext|>"})
    made.eos_token = "<|im_end|>"
    made.chat_template = _CHAT
    return made


def qwen3_config(tokenizer: Qwen2Tokenizer, layers: int) -> Qwen3Config:
    return Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.eos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _flux2() -> Base:
    tokenizer = byte_tokenizer()
    encoder, scheduler = Qwen3ForCausalLM(qwen3_config(tokenizer, 3)), FlowMatchEulerDiscreteScheduler(**DYNAMIC)
    transformer, vae = _flux2_transformer(False), _flux2_vae()
    return _base("flux2", transformer, vae, [encoder], [tokenizer], scheduler)


def _flux2_transformer(told_guidance: bool) -> Flux2Transformer2DModel:
    return Flux2Transformer2DModel(
        in_channels=128,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=48,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=told_guidance,
    )


def _flux2_vae() -> AutoencoderKLFlux2:
    vae = AutoencoderKLFlux2(**_vae_sizes(), latent_channels=32)
    vae.bn.running_mean.normal_()
    vae.bn.running_var.uniform_(0.5, 2.0)
    return vae


_MISTRAL = ("<s>", "</s>", "<pad>", "<unk>", "[IMG]", "[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]")
_MISTRAL_CHAT = (
    "<s>{% for m in messages %}{% set text = m['content'][0]['text'] %}{% if m['role'] == 'system' %}"
    "[SYSTEM_PROMPT]{{ text }}[/SYSTEM_PROMPT]{% else %}[INST]{{ text }}[/INST]{% endif %}{% endfor %}"
)


def mistral_tokenizer(context: int = CONTEXT) -> PreTrainedTokenizerFast:
    """Every byte a piece, what the system says one more; padding first."""
    engine = Tokenizer(models.BPE({byte: number for number, byte in enumerate(sorted(ByteLevel.alphabet()))}, []))
    engine.pre_tokenizer = ByteLevel(add_prefix_space=False, use_regex=False)
    made = PreTrainedTokenizerFast(
        tokenizer_object=engine, padding_side="left", model_max_length=context, bos_token="<s>", eos_token="</s>"
    )
    made.add_special_tokens({"additional_special_tokens": [*_MISTRAL, SYSTEM_MESSAGE], "pad_token": "<pad>"})
    made.chat_template = _MISTRAL_CHAT
    return made


def _flux2dev() -> Base:
    tokenizer = mistral_tokenizer()
    text = {
        "model_type": "mistral",
        "vocab_size": len(tokenizer),
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 8,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    vision = {
        "model_type": "pixtral",
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "head_dim": 8,
        "image_size": 8,
        "patch_size": 4,
    }
    pictures = tokenizer.convert_tokens_to_ids("[IMG]")
    encoder = Mistral3ForConditionalGeneration(
        Mistral3Config(text_config=text, vision_config=vision, image_token_index=pictures)
    )
    scheduler = FlowMatchEulerDiscreteScheduler(**DYNAMIC)
    return _base("flux2dev", _flux2_transformer(True), _flux2_vae(), [encoder], [tokenizer], scheduler)


def _zimage() -> Base:
    tokenizer = byte_tokenizer()
    transformer = ZImageTransformer2DModel(
        in_channels=16,
        dim=32,
        n_layers=1,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=16,
        axes_dims=[8, 4, 4],
        axes_lens=[256, 32, 32],
    )
    encoder = Qwen3Model(qwen3_config(tokenizer, 2))
    scheduler = FlowMatchEulerDiscreteScheduler(shift=6.0)
    return _base("zimage", transformer, _autoencoder(), [encoder], [tokenizer], scheduler)


def _sd3() -> Base:
    clip, t5 = _clip_tokenizer(), t5_tokenizer()
    transformer = SD3Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=16,
        out_channels=16,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=4,
        joint_attention_dim=48,
        caption_projection_dim=32,
        pooled_projection_dim=16 + 24,
        pos_embed_max_size=16,
        dual_attention_layers=(0,),
        qk_norm="rms_norm",
    )
    encoders = [*(_clip(clip, width, CLIPTextModelWithProjection) for width in (16, 24)), _t5(t5, 48)]
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    return _base("sd3", transformer, _autoencoder(), encoders, [clip, clip, t5], scheduler)


def _flux1() -> Base:
    clip, t5 = _clip_tokenizer(), t5_tokenizer()
    transformer = FluxTransformer2DModel(
        in_channels=64,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=16,
        axes_dims_rope=(4, 6, 6),
        guidance_embeds=True,
    )
    encoders = [_clip(clip, 16, CLIPTextModel), _t5(t5, 32)]
    scheduler = FlowMatchEulerDiscreteScheduler(**DYNAMIC)
    return _base("flux1", transformer, _autoencoder(), encoders, [clip, t5], scheduler)


def _qwen() -> Base:
    tokenizer = byte_tokenizer()
    transformer = QwenImageTransformer2DModel(
        patch_size=2,
        in_channels=64,
        out_channels=16,
        num_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        axes_dims_rope=(4, 6, 6),
    )
    vae = AutoencoderKLQwenImage(
        base_dim=8, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
    )
    vae.register_to_config(sample_size=64)
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 512,
        "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10_000.0},
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.eos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    vision = {"depth": 1, "hidden_size": 16, "num_heads": 2, "intermediate_size": 16, "out_hidden_size": 16}
    encoder = Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(text_config=text, vision_config=vision))
    scheduler = FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True, base_shift=0.5, max_shift=0.9, max_image_seq_len=8192, shift_terminal=0.02
    )
    return _base("qwen", transformer, vae, [encoder], [tokenizer], scheduler)


# ----------------------------------------------------------------------------- parts


def t5_tokenizer(context: int = CONTEXT) -> T5Tokenizer:
    """Every printable letter a piece."""
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    letters = [(chr(code), -3.0) for code in range(33, 127)]
    return T5Tokenizer(vocab=special + letters, extra_ids=0, model_max_length=context)


def _t5(tokenizer: T5Tokenizer, width: int) -> T5EncoderModel:
    return T5EncoderModel(
        T5Config(
            vocab_size=len(tokenizer),
            d_model=width,
            d_kv=8,
            d_ff=64,
            num_layers=2,
            num_heads=4,
            feed_forward_proj="gated-gelu",
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


def _clip_tokenizer() -> CLIPTokenizer:
    return train_clip_tokenizer(CORPUS, vocab_size=620, max_length=24)


def _clip(tokenizer: CLIPTokenizer, width: int, kind: type[CLIPTextModel]) -> CLIPTextModel:
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=tokenizer.model_max_length,
        projection_dim=width,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return kind(config)


def _autoencoder() -> AutoencoderKL:
    return AutoencoderKL(**_vae_sizes(), latent_channels=16, scaling_factor=0.3611, shift_factor=0.1159)


def _vae_sizes() -> dict[str, object]:
    return {
        "block_out_channels": (8, 8, 8, 8),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "sample_size": 64,
        "mid_block_add_attention": False,
        "use_quant_conv": False,
        "use_post_quant_conv": False,
    }


def _base(
    family: str,
    transformer: ModelMixin,
    vae: ModelMixin,
    encoders: list[PreTrainedModel],
    tokenizers: list[PreTrainedTokenizerBase],
    scheduler: FlowMatchEulerDiscreteScheduler,
) -> Base:
    _wake(transformer, 3.0 if family == "qwen" else 2.0)
    return Base(f"tiny-{family}", FAMILIES[family], transformer, vae, encoders, tokenizers, scheduler).freeze()


@torch.no_grad()
def _wake(transformer: torch.nn.Module, factor: float) -> None:
    """Fresh padding tokens, gates and last layers are zeros in some families, and small in others: then text or time
    would hardly count.
    """
    for weights in transformer.parameters():
        if not weights.any():
            weights.normal_(std=0.2)
        elif weights.dim() == 2:
            weights.mul_(factor)


def _pocketflow() -> Base:
    clip = _clip_tokenizer()
    transformer = Flux2Transformer2DModel(
        in_channels=64,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=24,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=False,
    )
    encoder = _clip(clip, 24, CLIPTextModel)
    scheduler = FlowMatchEulerDiscreteScheduler(shift=2.0)
    return _base("pocketflow", transformer, _autoencoder(), [encoder], [clip], scheduler)


BUILDERS: dict[str, Callable[[], Base]] = {
    "sd3": _sd3,
    "flux1": _flux1,
    "flux2": _flux2,
    "flux2dev": _flux2dev,
    "zimage": _zimage,
    "qwen": _qwen,
    "pocketflow": _pocketflow,
}


def build_tiny_flow(family: str, seed: int = 0) -> Base:
    """Latents of 8 x 8 cells of 8 pixels, or of 4 x 4 where a cell is 16."""
    torch.manual_seed(seed)
    return BUILDERS[family]()
