"""A prompt inside a chat, as language models that draw are told it: a user's message, after a system's where the model
was trained with one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # prompts are checked without torch
    from transformers import PreTrainedTokenizerBase

SYSTEM_MARK = "[SYSTEM_PROMPT]"
"""In the template of Mistral's chats, whose one model here (FLUX.2 dev) is told how to read a prompt."""
PICTURE = "[IMG]"
"""Mistral's place of a picture. stock diffusers takes it out of prompts, since it counts pictures by it."""


def chat(tokenizer: PreTrainedTokenizerBase, prompt: str, *, thinking: bool = False) -> str:
    """A prompt as a user says it to a language model, up to where the model would answer."""
    if SYSTEM_MARK in str(tokenizer.chat_template):
        return str(tokenizer.apply_chat_template(_with_system(prompt), tokenize=False))
    return str(
        tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=thinking,
        )
    )


def _with_system(prompt: str) -> list[dict[str, Any]]:
    """diffusers' `format_input` of `Flux2Pipeline`, and its message."""
    from diffusers.pipelines.flux2.system_messages import SYSTEM_MESSAGE

    said = {"system": SYSTEM_MESSAGE, "user": prompt.replace(PICTURE, "")}
    return [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in said.items()]
