"""How much true clips move and flicker: scenes and animations that no training saw.

    python -m brandsmith.pocket.motion_truth build/motion

prints mean movement and flicker (`judges/movement.py`, `judges/flicker.py`) of 100 scenes and of as many animations.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from brandsmith.judges.flicker import flicker
from brandsmith.judges.movement import movement
from brandsmith.pocket.artwork import Artwork, fetch_artwork
from brandsmith.pocket.motion import NUM_FRAMES
from brandsmith.pocket.motion_art import animation_frames, fetch_animations
from brandsmith.pocket.motion_scenes import World, moving_scene

UNSEEN_SEED = 900_023
COUNT = 100


def true_clips(work: Path) -> dict[str, list[np.ndarray]]:
    """Frames (F, 128, 128, 3) of scenes of another seed than training's, and of animations on other grounds."""
    world = World(Artwork(fetch_artwork(work / "artwork")))
    scenes = [moving_scene(world, np.random.default_rng([UNSEEN_SEED, i]), NUM_FRAMES).pixels for i in range(COUNT)]
    art, _ = fetch_animations(work)
    animations: list[np.ndarray] = []
    for number, file in enumerate(sorted(art.glob("*.webp"))):
        frames = animation_frames(file, np.random.default_rng([UNSEEN_SEED, number]))
        if frames is not None and len(animations) < COUNT:
            animations.append(frames[:NUM_FRAMES])
    return {"scenes": scenes, "animations": animations}


def main(work: Path) -> None:
    for name, clips in true_clips(work).items():
        moves, flickers = ([own(list(clip)) for clip in clips] for own in (movement, flicker))
        print(f"{name}: movement {np.mean(moves):.4f} px a frame, flicker {np.mean(flickers):.4f}, n {len(clips)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
