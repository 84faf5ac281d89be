"""Letters, signs and digits of handwriting fonts, as pictures. Knows fonts; knows nothing of training.

``glyphs.npz`` beside this file holds them, ``GLYPHS.md`` names the fonts, their authors and their licences. Made by

    python -m zeronine.train.glyphs FOLDER

from a folder of font files, as npm's ``@fontsource/NAME`` packages hold them, each with its ``package.json`` beside it
under the name ``NAME.json``. Fonts whose glyphs are all like those of one before are left out.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from zeronine.files import replaced

LETTERS = "ACEFHKMNPRUVWXYacdefhkmnpuvwx"
"""Those that are not written like a digit. Left out: BDGIJLOQSTZ bgijloqrstyz."""

SIGNS = "+*=?#%@<>^~"
"""Likewise: a slash, a bracket or an exclamation mark is a one to most writers."""

SIDE = 32
"""Pixels of a glyph's longer side."""

ALIKE, MOST = 0.85, 120
"""Mean cosine of two fonts' glyphs above which the second is left out. Fonts at most, evenly out of the rest."""

PLACE = Path(__file__).with_name("glyphs.npz")


@cache
def glyphs() -> NDArray[np.uint8]:
    """Glyphs (fonts, letters and signs, 32, 32), 0 or 255, white on black, in the order of LETTERS + SIGNS."""
    return _stored("bits")


@cache
def digits() -> NDArray[np.uint8]:
    """Digits (fonts, 10, 32, 32) in the same way: hands that no network has learned from, to calibrate with."""
    return _stored("digits")


def _stored(name: str) -> NDArray[np.uint8]:
    with np.load(PLACE) as arrays:
        bits = np.unpackbits(arrays[name], axis=-1)
    pixels: NDArray[np.uint8] = bits * np.uint8(255)
    return pixels


def main(folder: Path) -> None:
    """Write ``glyphs.npz`` and ``GLYPHS.md`` from a folder of font files."""
    kept: dict[str, NDArray[np.uint8]] = {}
    numerals: dict[str, NDArray[np.uint8]] = {}
    unit: list[NDArray[np.float32]] = []
    for path in sorted(folder.glob("*.woff2")):
        drawn = np.stack([_glyph(path, letter) for letter in LETTERS + SIGNS])
        flat = drawn.reshape(len(drawn), -1).astype(np.float32)
        flat /= np.linalg.norm(flat, axis=1, keepdims=True) + 1e-6
        if all((flat * other).sum(axis=1).mean() < ALIKE for other in unit):
            kept[path.stem] = drawn
            numerals[path.stem] = np.stack([_glyph(path, digit) for digit in "0123456789"])
            unit.append(flat)
    chosen = sorted(kept)[:: -(-len(kept) // MOST)]
    with replaced(PLACE) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, bits=_packed(kept, chosen), digits=_packed(numerals, chosen))
    lines = [_credit(json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))) for name in chosen]
    text = "# Fonts\n\n`glyphs.npz` holds pictures of letters, signs and digits in these fonts; see `glyphs.py`.\n\n"
    text += "| font | version | licence |\n|---|---|---|\n" + "\n".join(lines) + "\n"
    with replaced(PLACE.with_name("GLYPHS.md")) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _packed(drawn: Mapping[str, NDArray[np.uint8]], fonts: Sequence[str]) -> NDArray[np.uint8]:
    return np.packbits(np.stack([drawn[name] for name in fonts]) > 60, axis=-1)


def _credit(package: dict[str, str]) -> str:
    return f"| {package['name'].removeprefix('@fontsource/')} | {package['version']} | {package['license']} |"


def _glyph(path: Path, letter: str) -> NDArray[np.uint8]:
    """One glyph (32, 32), as large as fits, in the middle."""
    canvas = Image.new("L", (320, 320))
    ImageDraw.Draw(canvas).text((160, 160), letter, font=ImageFont.truetype(str(path), 90), fill=255, anchor="mm")
    box = canvas.getbbox()
    ink = canvas.crop(box) if box else canvas
    ink.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    whole = Image.new("L", (SIDE, SIDE))
    whole.paste(ink, ((SIDE - ink.width) // 2, (SIDE - ink.height) // 2))
    return np.asarray(whole)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
