"""Multi-vector tokens expand as in diffusers, and spans follow their words."""

from __future__ import annotations

import pytest
from bases import build_tiny
from diffusers.loaders import TextualInversionLoaderMixin

from brandsmith.base.prompt_tokens import expand_tokens, expand_with_spans


@pytest.fixture
def tokenizer():
    built = build_tiny().tokenizers[0]
    built.add_tokens(["tok", "tok_1", "tok_2", "lone"])
    return built


@pytest.mark.parametrize("prompt", ["a tok", "tok and a cat", "a cat", "lone tok, tok!", ""])
def test_expands_as_diffusers_does(tokenizer, prompt):
    assert expand_tokens(tokenizer, prompt) == TextualInversionLoaderMixin().maybe_convert_prompt(prompt, tokenizer)


def test_whole_words_only_and_once(tokenizer):
    assert expand_tokens(tokenizer, "a stock of tokens") == "a stock of tokens"
    once = expand_tokens(tokenizer, "a tok cup")
    assert once == "a tok tok_1 tok_2 cup"
    assert expand_tokens(tokenizer, once) == once


def test_spans_follow_their_words(tokenizer):
    prompt = "a tok cup and a tok by a cat"
    words = ["a", "tok", "tok cup", "cat"]
    spans = [(prompt.index(word), prompt.index(word) + len(word)) for word in words]
    text, moved = expand_with_spans(tokenizer, prompt, spans)
    assert [text[a:b] for a, b in moved] == ["a", "tok tok_1 tok_2", "tok tok_1 tok_2 cup", "cat"]
