"""A rendering as a picture, for recorders and viewers that want `rgb_array`.

Every picture has the same size and depends on the episode alone, not on the fonts of a machine:
the font is the one inside Pillow, of 6 x 11 pixels. It has the characters of Latin-1; any other
one is shown as its escape, for example `\\u4e2d`.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from rich.style import Style
from rich.terminal_theme import DIMMED_MONOKAI

from hrmgym.envs.rendering import laid_out
from hrmgym.envs.showing import showable
from hrmgym.envs.state import State

COLUMNS, PICTURE_ROWS = 100, 48
#: Pixels of one character's cell, and around the text. Width and height come out even: the usual
#: video codecs want that.
CELL_WIDTH, CELL_HEIGHT, MARGIN = 7, 12, 8
WIDTH = COLUMNS * CELL_WIDTH + 2 * MARGIN
HEIGHT = PICTURE_ROWS * CELL_HEIGHT + 2 * MARGIN

Colour = tuple[int, ...]
_PAPER: Colour = (24, 24, 24)
_INK: Colour = (220, 220, 220)


def picture(state: State, verdict: str = "") -> npt.NDArray[np.uint8]:
    """The episode as a picture: uint8 [HEIGHT, WIDTH, 3].

    Args:
        state: What to show.
        verdict: How the episode ended; empty while it goes on.
    """
    image = Image.new("RGB", (WIDTH, HEIGHT), _PAPER)
    draw = ImageDraw.Draw(image)
    font = _font()
    for row, line in enumerate(laid_out(state, verdict, COLUMNS, PICTURE_ROWS, drawable)):
        x, y = MARGIN, MARGIN + row * CELL_HEIGHT
        for text, style, _ in line:
            ink = _ink(style)
            for character in text.rstrip("\n"):
                if character != " ":  # its glyphs may be as wide as the cell: one by one
                    draw.text((x, y), character, font=font, fill=ink)
                x += CELL_WIDTH
    return np.asarray(image).copy()  # writable, as recorders expect


def drawable(text: str) -> str:
    """`text` in characters that the font has."""
    return showable(text).encode("latin-1", "backslashreplace").decode("latin-1")


@cache
def _font() -> ImageFont.ImageFont:
    return ImageFont.load_default_imagefont()


@cache
def _ink(style: Style | None) -> Colour:
    if style is None:
        return _INK
    colour = _INK
    if style.color is not None and not style.color.is_default:
        colour = tuple(style.color.get_truecolor(DIMMED_MONOKAI))
    if style.dim:
        colour = tuple((ink + paper) // 2 for ink, paper in zip(colour, _PAPER, strict=True))
    return colour
