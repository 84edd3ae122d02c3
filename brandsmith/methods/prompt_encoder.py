"""Captions as conditioning, computed once where no text encoder trains."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from brandsmith.base.base import Base, Conditioning, encode_ids, tokenize
from brandsmith.base.prompt_tokens import expand_prompts

REMEMBERED = 512
"""Captions in a new order whose encoding is kept at most."""


class PromptEncoder:
    """Prompts to conditioning: from a table where the text encoder is frozen, computed with gradients where it
    trains.
    """

    def __init__(
        self, base: Base, prompts: Sequence[str], *, trains_text: bool, size: tuple[int, int], clip_skip: int = 0
    ) -> None:
        self.base, self.size, self.trains_text, self.clip_skip = base, size, trains_text, clip_skip
        self.met: dict[str, Conditioning] = {}
        self.known = {prompt: row for row, prompt in enumerate(dict.fromkeys(prompts))}
        expanded = expand_prompts(base.tokenizer, list(self.known))
        self.ids = tokenize(base, expanded)
        if not trains_text:
            with torch.no_grad():
                blocks = [
                    encode_ids(base, [ids[i : i + 16] for ids in self.ids], size, clip_skip)
                    for i in range(0, len(expanded), 16)
                ]
                self.table = Conditioning.cat(blocks)

    def token_ids(self, prompts: Sequence[str]) -> list[torch.Tensor]:
        """(N, max length) per text encoder, by the tokenizers that the base had when this was made; of prompts that it
        was not made for, by those that the base has now.
        """
        if not self._knows(prompts):
            return tokenize(self.base, expand_prompts(self.base.tokenizer, list(prompts)))
        return [ids[self._rows(prompts)] for ids in self.ids]

    def _knows(self, prompts: Sequence[str]) -> bool:
        return all(prompt in self.known for prompt in prompts)

    def _rows(self, prompts: Sequence[str]) -> torch.Tensor:
        return torch.tensor([self.known[prompt] for prompt in prompts], device=self.base.device)

    def __call__(self, prompts: Sequence[str]) -> Conditioning:
        if self.trains_text:
            return encode_ids(self.base, self.token_ids(prompts), self.size, self.clip_skip)
        if not self._knows(prompts):
            return Conditioning.cat([self._encoded(prompt) for prompt in prompts])
        return self.table.rows(self._rows(prompts))

    @torch.no_grad()
    def _encoded(self, prompt: str) -> Conditioning:
        """Of one prompt, also one that this was not made for. Each by itself: so company changes no bit of it."""
        if prompt in self.known:
            return self.table.rows(self._rows([prompt]))
        if prompt not in self.met:
            if len(self.met) >= REMEMBERED:
                self.met.clear()
            self.met[prompt] = encode_ids(self.base, self.token_ids([prompt]), self.size, self.clip_skip)
        return self.met[prompt]
