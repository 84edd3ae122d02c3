"""The raw material of pocket's pictures: openly licensed 3-D art, drawn shapes, colours.

Artwork is fetched, never committed: `fetch_artwork` asks the user's own `npm` client for
`@lobehub/fluent-emoji-3d` (MIT, art by Microsoft) and checks its digest. Three things the set does not
hold (a sweater, a perfume bottle, a billboard) are drawn here as silhouettes and *inflated* into the same
soft-shaded look.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw

from brandsmith.core.errors import MissingResource

ARTWORK_PACKAGE = "@lobehub/fluent-emoji-3d"
ARTWORK_VERSION = "1.1.0"
ARTWORK_SHA1 = "ff0679b2bbbf6100dd9709d8952498f08f364ac6"

# Ramps run from shade over the named colour to highlight; a tinted object keeps its own light and dark.
COLOURS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "red": ((110, 8, 20), (222, 38, 48), (255, 150, 140)),
    "orange": ((150, 60, 0), (250, 132, 22), (255, 205, 140)),
    "yellow": ((170, 120, 0), (252, 212, 40), (255, 246, 170)),
    "green": ((10, 80, 30), (48, 168, 72), (165, 232, 160)),
    "teal": ((0, 85, 90), (22, 176, 176), (160, 238, 232)),
    "blue": ((12, 40, 130), (44, 104, 226), (150, 200, 255)),
    "purple": ((60, 20, 110), (136, 66, 204), (210, 170, 250)),
    "pink": ((170, 40, 110), (246, 120, 180), (255, 205, 230)),
    "brown": ((58, 30, 14), (134, 84, 48), (205, 160, 120)),
    "black": ((8, 8, 10), (40, 40, 46), (120, 120, 130)),
    "gray": ((70, 72, 78), (140, 142, 150), (205, 208, 214)),
    "white": ((150, 154, 166), (236, 238, 244), (255, 255, 255)),
}

# word -> file stem of the artwork set. One picture each: the point of pocket is a world it can learn whole.
ARTWORK_FILES: dict[str, str] = {
    "cat": "1f408",
    "dog": "1f415",
    "rabbit": "1f407",
    "bird": "1f426",
    "duck": "1f986",
    "fish": "1f41f",
    "frog": "1f438",
    "turtle": "1f422",
    "elephant": "1f418",
    "bear": "1f43b",
    "horse": "1f40e",
    "cow": "1f404",
    "pig": "1f416",
    "owl": "1f989",
    "penguin": "1f427",
    "whale": "1f433",
    "octopus": "1f419",
    "crab": "1f980",
    "apple": "1f34e",
    "banana": "1f34c",
    "lemon": "1f34b",
    "pear": "1f350",
    "strawberry": "1f353",
    "carrot": "1f955",
    "mushroom": "1f344",
    "cupcake": "1f9c1",
    "bread": "1f35e",
    "cheese": "1f9c0",
    "bowl": "1f963",
    "cup": "2615",
    "teapot": "1fad6",
    "vase": "1f3fa",
    "bottle": "1f9f4",
    "car": "1f697",
    "bus": "1f68c",
    "truck": "1f69a",
    "rocket": "1f680",
    "bicycle": "1f6b2",
    "house": "1f3e0",
    "tree": "1f333",
    "flower": "1f337",
    "cactus": "1f335",
    "balloon": "1f388",
    "ball": "26bd",
    "gift": "1f381",
    "crown": "1f451",
    "key": "1f511",
    "bell": "1f514",
    "clock": "23f0",
    "camera": "1f4f7",
    "guitar": "1f3b8",
    "book": "1f4d5",
    "chair": "1fa91",
    "star": "2b50",
    "ring": "1f48d",
    "trophy": "1f3c6",
    "drum": "1f941",
    "t shirt": "1f45a",
    "pants": "1f456",
    "dress": "1f457",
    "coat": "1f9e5",
    "shorts": "1fa73",
    "cap": "1f9e2",
    "hat": "1f3a9",
    "shoe": "1f45f",
    "boot": "1f462",
    "bag": "1f45c",
    "backpack": "1f392",
    "scarf": "1f9e3",
    "socks": "1f9e6",
    "box": "1f4e6",
}
DRAWN_WORDS = ("sweater", "fragrance", "billboard")
OBJECT_WORDS: tuple[str, ...] = (*ARTWORK_FILES, *DRAWN_WORDS)

_BY_THEMSELVES = ("cheese", "bread", "fish", "pants", "shorts", "socks", "billboard")
_ODD_PLURALS = {"strawberry": "strawberries", "trophy": "trophies", "scarf": "scarves"}
PLURALS: dict[str, str] = {
    word: _ODD_PLURALS.get(word, word + ("es" if word.endswith(("s", "x")) else "s"))
    for word in OBJECT_WORDS
    if word not in _BY_THEMSELVES
}
"""Of the words that can be counted."""

HEADS = {
    "male": ["1f468", "1f468-1f3fb", "1f468-1f3fc", "1f468-1f3fd", "1f468-1f3ff"],
    "female": ["1f469", "1f469-1f3fb", "1f469-1f3fc", "1f469-1f3fd", "1f469-1f3ff"],
}


def fetch_artwork(folder: Path) -> Path:
    """Download and unpack the artwork package below `folder` once; returns the folder of .webp files."""
    return fetch_package(folder, ARTWORK_PACKAGE, ARTWORK_VERSION, ARTWORK_SHA1) / "assets"


def fetch_package(folder: Path, name: str, version: str, sha1: str) -> Path:
    """Download an npm package and unpack it below `folder` once; returns the folder `package`.

    Raises MissingResource when there is no npm client, no network, or the digest differs.
    """
    package = folder / "package"
    if package.is_dir():
        return package
    npm = shutil.which("npm")  # its path, since Windows calls it npm.cmd
    spec = f"{name}@{version}"
    if npm is None:
        raise MissingResource(
            f"pocket's artwork is not in {folder} and there is no `npm` to fetch it",
            hint=f"install Node.js, or unpack {spec} into {folder}",
        )
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([npm, "pack", "--silent", spec], cwd=folder, capture_output=True, encoding="utf-8")
    if done.returncode != 0:
        raise MissingResource(f"`npm pack {spec}` failed: {done.stderr.strip()[-200:]}", hint="check the network")
    archive = folder / done.stdout.strip().splitlines()[-1]
    digest = hashlib.sha1(archive.read_bytes()).hexdigest()
    if digest != sha1:
        raise MissingResource(f"{archive} has SHA-1 {digest}, expected {sha1}", hint="delete it, try again")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return package


def inflate(mask: np.ndarray, puff: float = 1.0, detail: np.ndarray | None = None) -> Image.Image:
    """Turn a silhouette (H, W) in [0, 1] into soft-shaded grey 3-D art (RGBA) lit from the upper left."""
    solid = (mask > 0.5).astype(np.uint8)
    depth = cv2.distanceTransform(solid, cv2.DIST_L2, 5)
    radius = max(mask.shape) * 0.10
    height = np.sqrt(np.clip(1 - (1 - np.clip(depth / radius, 0, 1)) ** 2, 0, 1)) * radius * puff
    height = cv2.GaussianBlur(height, (0, 0), 2.5)
    if detail is not None:
        height = height + detail
    slope_y, slope_x = np.gradient(height)
    normal = np.dstack([-slope_x, -slope_y, np.ones_like(height)])
    normal /= np.linalg.norm(normal, axis=2, keepdims=True)
    light = np.array([-0.45, -0.6, 0.66])
    shade = np.clip(normal @ light, 0, 1) * 0.75 + 0.2
    grey = (np.clip(shade, 0, 1) * 255).astype(np.uint8)
    alpha = (cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.7) * 255).astype(np.uint8)
    return Image.merge("RGBA", [Image.fromarray(c) for c in (grey, grey, grey, alpha)])


def _silhouette(draw_on) -> np.ndarray:
    canvas = Image.new("L", (512, 512), 0)
    draw_on(ImageDraw.Draw(canvas))
    return np.asarray(canvas.resize((256, 256), Image.Resampling.LANCZOS), dtype=np.float32) / 255


def _draw_sweater() -> Image.Image:
    def outline(d: ImageDraw.ImageDraw) -> None:
        d.rounded_rectangle((130, 90, 382, 450), 40, fill=255)
        d.polygon([(150, 92), (240, 70), (272, 70), (362, 92), (362, 160), (150, 160)], fill=255)
        d.polygon([(170, 92), (60, 210), (26, 390), (100, 410), (124, 270), (180, 220)], fill=255)
        d.polygon([(342, 92), (452, 210), (486, 390), (412, 410), (388, 270), (332, 220)], fill=255)
        d.ellipse((205, 40, 307, 122), fill=0)

    rib = np.zeros((256, 256), np.float32)
    columns = np.sin(np.arange(256) * 0.9) * 1.2
    rib[200:226] += columns
    rib[188:210, :62] += columns[:62]
    rib[188:210, 194:] += columns[194:]
    seam = np.zeros((256, 256), np.float32)
    seam[60:200, 66] -= 3
    seam[60:200, 190] -= 3
    return inflate(_silhouette(outline), detail=rib + cv2.GaussianBlur(seam, (0, 0), 1.2))


def _draw_fragrance() -> Image.Image:
    def glass(d: ImageDraw.ImageDraw) -> None:
        d.rounded_rectangle((110, 200, 402, 490), 50, fill=255)

    def cap(d: ImageDraw.ImageDraw) -> None:
        d.rounded_rectangle((196, 26, 316, 140), 22, fill=255)
        d.rectangle((222, 136, 290, 206), fill=255)

    bottle = inflate(_silhouette(glass), puff=0.7)
    top = np.asarray(inflate(_silhouette(cap), puff=0.6)).copy()
    top[..., :3] = (top[..., :3] * 0.45).astype(np.uint8)  # a dark cap stays a cap in every colour
    return Image.alpha_composite(bottle, Image.fromarray(top, "RGBA"))


def _draw_billboard() -> Image.Image:
    def posts(d: ImageDraw.ImageDraw) -> None:
        d.rectangle((120, 300, 150, 500), fill=255)
        d.rectangle((362, 300, 392, 500), fill=255)

    def panel(d: ImageDraw.ImageDraw) -> None:
        d.rounded_rectangle((8, 40, 504, 350), 16, fill=255)

    def face(d: ImageDraw.ImageDraw) -> None:
        d.rectangle((30, 62, 482, 328), fill=255)

    legs = np.asarray(inflate(_silhouette(posts), puff=0.5)).copy()
    legs[..., :3] = (legs[..., :3] * 0.4).astype(np.uint8)
    frame = np.asarray(inflate(_silhouette(panel), puff=0.3)).copy()
    frame[..., :3] = (frame[..., :3] * 0.45).astype(np.uint8)
    board = Image.alpha_composite(Image.fromarray(legs, "RGBA"), Image.fromarray(frame, "RGBA"))
    light = np.full((256, 256, 3), 205, np.float32) + np.linspace(25, -25, 256)[:, None, None]
    flat = np.dstack([light, _silhouette(face) * 255]).clip(0, 255).astype(np.uint8)
    return Image.alpha_composite(board, Image.fromarray(flat, "RGBA"))


class Artwork:
    """Sprites by word, cropped to their own outline, in their natural colours or re-tinted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sprite = lru_cache(maxsize=None)(self._load_sprite)
        self.tinted = lru_cache(maxsize=2048)(self._tint_word)

    def _load_file(self, stem: str) -> Image.Image:
        for name in (f"{stem}.webp", f"{stem}-fe0f.webp"):
            if (self.folder / name).is_file():
                art = Image.open(self.folder / name).convert("RGBA")
                return art.crop(art.getchannel("A").getbbox())
        raise MissingResource(f"{stem}.webp is not in {self.folder}", hint="delete the folder and fetch it again")

    def _load_sprite(self, word: str) -> Image.Image:
        drawn = {"sweater": _draw_sweater, "fragrance": _draw_fragrance, "billboard": _draw_billboard}
        if word in drawn:
            art = drawn[word]()
            return art.crop(art.getchannel("A").getbbox())
        return self._load_file(ARTWORK_FILES.get(word, word))

    def _tint_word(self, word: str, colour: str) -> Image.Image:
        return tint(self.sprite(word), colour)


def tint(art: Image.Image, colour: str) -> Image.Image:
    """Repaint RGBA art in one colour word, keeping its light and shade."""
    pixels = np.asarray(art, dtype=np.float32)
    light = pixels[..., :3] @ np.array([0.299, 0.587, 0.114], np.float32)
    visible = light[pixels[..., 3] > 128]
    low, high = np.percentile(visible, [3, 97]) if visible.size else (0, 255)
    level = np.clip((light - low) / max(high - low, 30.0), 0, 1)
    level = 0.12 + 0.80 * level  # away from the ramp's ends, so that the named colour dominates
    ramp = np.array(COLOURS[colour], np.float32)
    stops = np.array([0.0, 0.5, 1.0], np.float32)
    painted = np.dstack([np.interp(level, stops, ramp[:, c]) for c in range(3)])
    return Image.fromarray(np.dstack([painted, pixels[..., 3]]).clip(0, 255).astype(np.uint8), "RGBA")
