"""Trains the text tower to spell, so that the U-Net can.

A contrastive tower has no need to know which letter comes where: colour and object are enough to separate the
pictures of a batch. The U-Net would then have to infer from absolute positions which letter of a caption is a word's
third, and in 2.25 million pictures it did not (docs/log.md). So the tower is trained, on captions alone, to predict
what a picture of lettering needs: at each letter's token, which letter it is and its position in the word; at the end
of the text, the only place that the pooled text sees, every letter by position. Its former outputs are preserved: the
text's projection, which the image tower is matched with, and the states of all other words.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from transformers import CLIPModel, CLIPTokenizer

from brandsmith.pocket.marks import LETTERS
from brandsmith.pocket.stage import Stage, StageSettings, compute_device, fast_autocast, put_weights

MOST_LETTERS = 5
SPELLED = re.compile(r"(?<!\w)[A-Z](?: [A-Z]){2,4}(?!\w)")
NOT_HERE = -100
"""cross_entropy's own mark for places that do not count."""
PADDING = 6
"""End tokens behind the longest caption of a batch; the tower is causal, so what is left out changes nothing."""
TEXT_PRESERVATION, STATE_PRESERVATION = 20.0, 1.0
"""How much a change of the text's projection and of the other words' states costs, beside the letters'
cross-entropy.
"""


@dataclass(frozen=True)
class Spelled:
    """Captions as token ids (N, tokens), and what the tower shall predict of them."""

    ids: torch.Tensor
    letter: torch.Tensor  # (N, tokens) 0..25, or NOT_HERE
    place: torch.Tensor  # (N, tokens) 0..4, or NOT_HERE
    word: torch.Tensor  # (N, 5) 0..25, or 26 where the word has no such letter

    @property
    def end(self) -> torch.Tensor:
        """(N,) places of the ends of the texts: the first of the end tokens, which also pad."""
        return (self.ids == self.ids[:, -1:]).int().argmax(1)


def respelled(caption: str, rng: np.random.Generator) -> str:
    """The caption with other random letters where it spells; so a few thousand captions teach every word."""
    return SPELLED.sub(lambda found: " ".join(rng.choice(list(LETTERS), len(found[0].split()))), caption, count=1)


def labelled(captions: Sequence[str], tokenizer: CLIPTokenizer) -> Spelled:
    """Token ids with the letters of what each caption spells."""
    most = tokenizer.model_max_length - PADDING
    ids = tokenizer(list(captions), padding="longest", truncation=True, max_length=most, return_tensors="pt").input_ids
    ids = F.pad(ids, (0, PADDING), value=tokenizer.pad_token_id)
    letter, place = torch.full_like(ids, NOT_HERE), torch.full_like(ids, NOT_HERE)
    word = torch.full((len(ids), MOST_LETTERS), len(LETTERS))
    for row, caption in enumerate(captions):
        if found := SPELLED.search(caption):
            before = 1 + len(tokenizer(caption[: found.start()], add_special_tokens=False).input_ids)
            letters = torch.tensor([LETTERS.index(letter) for letter in found[0].split()])
            where = slice(before, before + len(letters))
            letter[row, where], place[row, where], word[row, : len(letters)] = (
                letters,
                torch.arange(len(letters)),
                letters,
            )
    return Spelled(ids, letter, place, word)


class SpellingHeads(nn.Module):
    """The text tower with the heads that predict letters from its states; the heads are dropped afterwards."""

    def __init__(self, clip: CLIPModel) -> None:
        super().__init__()
        self.tower = clip.text_model
        width = clip.config.text_config.hidden_size
        self.letter, self.place = nn.Linear(width, len(LETTERS)), nn.Linear(width, MOST_LETTERS)
        self.word = nn.Linear(width, MOST_LETTERS * (len(LETTERS) + 1))

    def predict(self, states: torch.Tensor, spelled: Spelled) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Logits of `letter` (N, tokens, 26), of `place` (N, tokens, 5), and of `word` at the end and in the padding
        (2, N, 5, 27).
        """
        rows = torch.arange(len(states), device=states.device)
        last = torch.full_like(rows, states.shape[1] - 1)
        ends = torch.stack([states[rows, spelled.end], states[rows, (spelled.end + last) // 2]])
        return self.letter(states), self.place(states), self.word(ends).unflatten(-1, (MOST_LETTERS, len(LETTERS) + 1))


def spelling_loss(model: SpellingHeads, states: torch.Tensor, spelled: Spelled) -> torch.Tensor:
    letter, place, word = model.predict(states, spelled)
    both_ends = spelled.word.expand(2, -1, -1)
    return (
        F.cross_entropy(letter.flatten(0, 1), spelled.letter.flatten())
        + F.cross_entropy(place.flatten(0, 1), spelled.place.flatten())
        + F.cross_entropy(word.flatten(0, 2), both_ends.flatten())
    )


def preservation_loss(
    states: torch.Tensor, before: torch.Tensor, spelled: Spelled, projection: nn.Linear
) -> torch.Tensor:
    """What has changed of the text's direction (one minus cosine) and of the states of words that are no letters (share
    of their variance).
    """
    rows, inside = (
        torch.arange(len(states), device=states.device),
        torch.arange(states.shape[1], device=states.device) < spelled.end[:, None],
    )
    text = F.cosine_similarity(projection(states[rows, spelled.end]), projection(before[rows, spelled.end]), dim=-1)
    words = inside & (spelled.letter == NOT_HERE)
    return (
        TEXT_PRESERVATION * (1 - text).mean()
        + STATE_PRESERVATION * F.mse_loss(states[words], before[words]) / before[words].var()
    )


@torch.no_grad()
def spelling_accuracy(model: SpellingHeads, spelled: Spelled) -> dict[str, float]:
    """Shares of letters predicted right at their tokens, of places, and of whole words at the end of the text."""
    letter, place, word = model.predict(model.tower(spelled.ids)[0], spelled)
    here, has_word = spelled.letter != NOT_HERE, spelled.word[:, 0] < len(LETTERS)
    right = (word[0].argmax(-1) == spelled.word).all(1)
    right_letter, right_place = (
        (guess.argmax(-1) == true)[here].float().mean()
        for guess, true in ((letter, spelled.letter), (place, spelled.place))
    )
    return {"letter": float(right_letter), "place": float(right_place), "word": float(right[has_word].float().mean())}


def train_spelling(
    captions: Sequence[str],
    clip: CLIPModel,
    tokenizer: CLIPTokenizer,
    work: Path,
    *,
    num_steps: int,
    seed: int,
    batch: int = 64,
    limit_sec: float | None = None,
) -> CLIPModel:
    """Train the text tower of `clip` further, resumably; its checkpoint is handed over to the stage `clip`.

    Half of a batch spells, the other half is any captions.
    """
    device = compute_device()
    clip = clip.to(device)
    before = copy.deepcopy(clip.text_model).eval().requires_grad_(False)
    torch.manual_seed(seed)
    model = SpellingHeads(clip).to(device)
    projection = copy.deepcopy(clip.text_projection).requires_grad_(False)
    stage = Stage(
        "spelling",
        work,
        model,
        StageSettings(
            num_steps=num_steps,
            learning_rate=1e-3,
            ema_decay=0.99,
            fall=0.5,
            weight_decay=0.01,
            muon=True,
            limit_sec=limit_sec,
        ),
        seed=seed,
    )
    spell = [caption for caption in captions if SPELLED.search(caption)]

    def drawn(rng: np.random.Generator) -> Spelled:
        chosen = [respelled(spell[i], rng) for i in rng.integers(len(spell), size=batch // 2)]
        chosen += [respelled(captions[i], rng) for i in rng.integers(len(captions), size=batch - batch // 2)]
        spelled = labelled(chosen, tokenizer)
        return Spelled(*(tensor.to(device) for tensor in (spelled.ids, spelled.letter, spelled.place, spelled.word)))

    def loss_of(step: int, rng: np.random.Generator):
        spelled = drawn(rng)
        with torch.no_grad():
            former_states = before(spelled.ids)[0]
        with fast_autocast(device):
            states = model.tower(spelled.ids)[0]
        held = preservation_loss(states.float(), former_states.float(), spelled, projection)
        loss = spelling_loss(model, states.float(), spelled) + held
        return loss, {"held": round(float(held.detach()), 4), **spelling_accuracy(model, spelled)} if (
            step + 1
        ) % 50 == 0 else {}

    stage.run(loss_of)
    stage.averaged_model()
    if stage.progress() >= 1:  # stopped half way, it resumes, and preserves the outputs of before the first step
        kept = {name: tensor.detach().float().cpu().clone() for name, tensor in clip.state_dict().items()}
        put_weights(work / "clip.pt", kept)
    return clip.eval()
