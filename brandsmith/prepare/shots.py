"""What is drawn for a mark to be printed on: products in colours, on grounds, some of them worn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

PRODUCTS = (
    "t shirt",
    "sweater",
    "coat",
    "dress",
    "shorts",
    "cap",
    "hat",
    "bag",
    "backpack",
    "cup",
    "bottle",
    "box",
    "billboard",
    "fragrance",
)
"""What brand teams print on, where nobody says what theirs are."""
WORN = frozenset({"t shirt", "sweater", "coat", "dress", "hoodie", "jacket", "shirt"})
PEOPLE = ("male model", "female model", "man", "woman")
COLOURS = ("red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "brown", "black", "gray", "white")
GROUNDS = ("white", "gray", "blue", "pink", "yellow", "green", "purple", "orange", "black", "beige")
FORMS = (
    "{a_colour} {product} with a {token}",
    "a {token} on {a_colour} {product}",
    "{a_colour} {token} {product}",
    "{a_colour} {product} showing the {token}",
    "the new {colour} {token} {product}",
    "{a_colour} {product} with the latest {token} products",
)
WORN_FORMS = (
    "a {person} wearing {a_colour} {token} {product}",
    "a {person} in {a_colour} {product} with a {token}",
    "a {person} wearing {a_colour} {product} with a {token}",
)


@dataclass(frozen=True)
class Shot:
    """One picture to draw; `person` wears the product where one is named."""

    product: str
    colour: str
    ground: str
    person: str = ""
    form: str = FORMS[0]
    patch: str = ""
    """The mark's own colour, where it has one: the base then draws a mark of that colour, where it would put one."""
    class_word: str = "logo"

    def prompt(self) -> str:
        """For the base to draw: without a mark, or with one that only has the mark's colour."""
        if self.patch:
            return self.caption(f"{self.patch} {self.class_word}")
        worn = f"a {self.person} wearing " if self.person else ""
        return f"{worn}{article(self.colour)} {self.product}{self._setting()}"

    def caption(self, token: str) -> str:
        """The prompt with the mark, naming everything that is not the mark."""
        filled = self.form.format(
            a_colour=article(self.colour), colour=self.colour, product=self.product, person=self.person, token=token
        )
        return filled + self._setting()

    def _setting(self) -> str:
        return f" on {article(self.ground)} background"


def article(phrase: str) -> str:
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def plan_shots(
    number: int,
    rng: np.random.Generator,
    products: Sequence[str] = PRODUCTS,
    *,
    avoid: Sequence[str] = (),
    patch: str = "",
    class_word: str = "logo",
) -> list[Shot]:
    """`number` shots with every product equally often; no product in a colour of `avoid`, no ground in its product's
    colour. `patch` and `class_word`: see `Shot`.
    """
    colours = [colour for colour in COLOURS if colour not in avoid]
    shots = []
    for i in range(number):
        product, colour = products[i % len(products)], str(rng.choice(colours))
        ground = str(rng.choice([g for g in GROUNDS if g != colour and {g, colour} != {"white", "gray"}]))
        worn = product in WORN and rng.random() < 0.5
        person = str(rng.choice(PEOPLE)) if worn else ""
        form = str(rng.choice(WORN_FORMS if worn else FORMS))
        shots.append(Shot(product, colour, ground, person, form, patch, class_word))
    return shots
