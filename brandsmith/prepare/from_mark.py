"""Training pictures from the mark alone: the base draws the products, the mark is printed on them.

What the base draws by itself is what it will draw again: an adapter that learns from these pictures learns the mark and
little else, because nothing else in them is new to the base.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np

from brandsmith.base.base import Base
from brandsmith.core.errors import InvalidConcept
from brandsmith.guidance.sampling import sample
from brandsmith.guidance.settings import DrawSettings
from brandsmith.judges.boxes import Box
from brandsmith.prepare.colours import NAMES, PROTOTYPES, lab, name_indices
from brandsmith.prepare.made import Made
from brandsmith.prepare.printing import Print, print_on
from brandsmith.prepare.shots import GROUNDS, PRODUCTS, Shot, article, plan_shots
from brandsmith.prepare.surface import find_patch, find_surface, thing_mask

WIDTH = 0.375
"""Of the picture: how wide every mark is. A narrower one could not be read, and one size is learnt in fewer steps than
several."""
CELLS = 2
"""Marks lie so many cells of the latents apart from the middle, or from one another: the same mark is then the same
latents everywhere, which a model learns long before it learns every offset, and it is seldom of two minds where a mark
goes."""
MOSTLY_GROUND = 0.25
"""Of what surrounds a patch: with no more product than that, it lies on no product."""
ENOUGH_ROOM = 0.8
"""Of a mark's width: a product, or a patch that the base drew on it, must be so wide."""
ALONE = 0.12
"""Share of pictures that show the mark on a plain ground."""
DRAWN_FOR_ONE = 8
"""At most so many pictures are drawn for one that can be used."""
FIRST_SEED = 500_000
"""Of the drawn products; far from the seeds that pictures are usually judged on."""
BATCH = 8
Progress = Callable[[str, int, int, str], None]


def compose(
    base: Base,
    mark: np.ndarray,
    token: str,
    class_word: str,
    number: int,
    *,
    seed: int = 0,
    products: Sequence[str] = PRODUCTS,
    settings: DrawSettings | None = None,
    progress: Progress = lambda *_: None,
) -> Iterator[Made]:
    """`number` pictures of `mark` (h, w, 4) uint8 on what `base` draws, ALONE of them on a plain ground.

    Raises InvalidConcept when the base draws hardly anything that a mark can be printed on.
    """
    rng = np.random.default_rng([seed, 1])
    num_alone = round(ALONE * number)
    cell, own = base.vae_scale, colours_of(mark)
    grounds = [ground for ground in GROUNDS if ground not in own]
    yield from (mark_alone(mark, token, base.image_px, cell, grounds, rng) for _ in range(num_alone))
    wanted, made, drawn = number - num_alone, 0, 0
    settings = settings or DrawSettings(num_steps=20, batch_size=BATCH)
    shots = plan_shots(
        DRAWN_FOR_ONE * wanted, rng, products, avoid=own, patch=own[0] if own else "", class_word=class_word
    )
    while made < wanted and drawn < len(shots):
        batch = shots[drawn : drawn + BATCH]
        seeds = [FIRST_SEED + drawn + i for i in range(len(batch))]
        pictures = sample(base, [shot.prompt() for shot in batch], seeds, settings)
        for shot, picture, own_seed in zip(batch, pictures, seeds, strict=True):
            printed = print_shot(picture, shot, mark, token, cell, rng, own_seed)
            if printed and made < wanted:
                made += 1
                yield printed
        drawn += len(batch)
        progress("draw products", made, wanted, f"{drawn} drawn")
    if made < wanted:
        raise InvalidConcept(
            f"the mark could be printed on {made} of {drawn} pictures that '{base.name}' drew, {wanted} are wanted",
            hint=f"name products that the base draws well and that have room for a mark, not: {', '.join(products)}",
        )


def colours_of(mark: np.ndarray) -> list[str]:
    """The names of the colours that fill a quarter or more of a mark (h, w, 4), the commonest first: on products in
    these it would not show.
    """
    opaque = mark[mark[..., 3] > 127][:, :3]
    shares = np.bincount(name_indices(lab(opaque)), minlength=len(NAMES)) / max(1, len(opaque))
    return [NAMES[i] for i in np.argsort(-shares, kind="stable") if shares[i] >= 0.25]


def print_shot(
    picture: np.ndarray, shot: Shot, mark: np.ndarray, token: str, cell: int, rng: np.random.Generator, seed: int
) -> Made | None:
    """The mark on the product in a drawn picture; None where there is no place for it that is wide enough."""
    aspect = mark.shape[1] / mark.shape[0]
    patch = find_patch(picture, shot.patch, aspect) if shot.patch else None
    if shot.patch and not patch:
        picture = without_colour(picture, shot.patch)
    place = _over(patch, aspect) if patch else _on_surface(picture, shot, aspect)
    width = WIDTH * picture.shape[1]
    if place is None or place[2] < ENOUGH_ROOM * width:
        return None
    if patch:
        picture = without_patch(picture, patch)
    centre = on_grid(place[:2], width, aspect, _side(picture), cell)
    done = print_on(picture, mark, centre, width, rng, bend=0)
    return Made(done.picture, shot.caption(token), done.box, {"drawn from": shot.prompt(), "seed": seed})


def on_grid(
    centre: tuple[float, float], width: float, aspect: float, side: tuple[int, int], cell: int
) -> tuple[float, float]:
    """The centre nearest to `centre` at which the mark's upper left corner lies on a cell of the latents, some times
    CELLS away from where it lies in the middle of a picture of (width, height) `side`.
    """
    half = np.array([width, width / aspect]) / 2
    middle = np.round((np.array(side) / 2 - half) / cell) * cell
    x, y = middle + np.round((np.array(centre) - half - middle) / (CELLS * cell)) * CELLS * cell + half
    return float(x), float(y)


def _side(picture: np.ndarray) -> tuple[int, int]:
    return picture.shape[1], picture.shape[0]


def _over(patch: Box, aspect: float) -> tuple[float, float, float]:
    """(x, y, width) of a mark in a patch's place."""
    x0, y0, x1, y1 = patch
    return (x0 + x1) / 2, (y0 + y1) / 2, 0.5 * ((x1 - x0) + (y1 - y0) * aspect)


def _on_surface(picture: np.ndarray, shot: Shot, aspect: float) -> tuple[float, float, float] | None:
    """(x, y, width) of a mark on the product, where it has room."""
    surface = find_surface(picture, shot.colour)
    return surface.room(aspect) if surface else None


def without_patch(picture: np.ndarray, patch: Box) -> np.ndarray:
    """The picture with the product that surrounds a patch in its place (Telea 2004).

    The ground is neither changed nor filled in: a product that is hardly wider than the patch keeps its sides. A patch
    that lies on the ground itself is filled with ground.
    """
    rim = 0.04 * picture.shape[1]
    near = np.zeros(picture.shape[:2], bool)
    x0, y0, x1, y1 = patch
    near[max(0, int(y0 - rim)) : int(y1 + rim) + 1, max(0, int(x0 - rim)) : int(x1 + rim) + 1] = True
    things = thing_mask(lab(picture))
    around = cv2.dilate(near.astype(np.uint8), np.ones((7, 7), np.uint8)).astype(bool) & ~near
    product = things if things[around].mean() > MOSTLY_GROUND else np.ones_like(things)
    filled = cv2.inpaint(picture, (near | ~product).astype(np.uint8), 3, cv2.INPAINT_TELEA)
    return np.where((near & product)[..., None], filled, picture)


def without_colour(picture: np.ndarray, colour: str) -> np.ndarray:
    """The picture without what a base drew in a colour and not as a patch, such as letters round a fold."""
    own = (name_indices(lab(picture)) == NAMES.index(colour)).astype(np.uint8)
    closed = cv2.morphologyEx(own, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    return cv2.inpaint(picture, cv2.dilate(closed, np.ones((5, 5), np.uint8)), 3, cv2.INPAINT_TELEA)


def lay_anew(picture: np.ndarray, box: Box, mark: np.ndarray, cell: int) -> Print | None:
    """A true picture with its mark, which is in `box`, laid anew: flat, of one WIDTH, on the latents' cells.

    None where the mark is too small for that.
    """
    aspect = mark.shape[1] / mark.shape[0]
    x, y, room = _over(box, aspect)
    width = WIDTH * picture.shape[1]
    if room < ENOUGH_ROOM * width:
        return None
    centre = on_grid((x, y), width, aspect, _side(picture), cell)
    return print_on(without_patch(picture, box), mark, centre, width, np.random.default_rng(0), bend=0)


def mark_alone(
    mark: np.ndarray,
    token: str,
    size_px: tuple[int, int],
    cell: int,
    grounds: Sequence[str],
    rng: np.random.Generator,
) -> Made:
    """The mark on a plain ground, one of `grounds`, with a slight fall of light."""
    high, wide = size_px
    name = str(rng.choice(grounds))
    ground = np.array(PROTOTYPES[name][-1]) + rng.normal(0, 5, 3)
    fall = (0.5 - np.linspace(0, 1, high))[:, None, None] * rng.uniform(0, 24)
    picture = np.broadcast_to(ground + fall, (high, wide, 3)).clip(0, 255).astype(np.uint8)
    aspect = mark.shape[1] / mark.shape[0]
    width = min(WIDTH * wide, 0.75 * high * aspect)
    middle = on_grid((wide / 2, high / 2), width, aspect, (wide, high), cell)
    done = print_on(picture, mark, middle, width, rng, bend=0)
    form = str(rng.choice(["a {token}", "the {token}"])).format(token=token)
    return Made(done.picture, f"{form} on {article(name)} background", done.box, {"drawn from": f"{name} ground"})
