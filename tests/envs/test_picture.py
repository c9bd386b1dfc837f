"""Tests of renderings as pictures: they are read back, character by character."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from hrmgym.envs import picture as pictures
from hrmgym.envs.picture import CELL_HEIGHT, CELL_WIDTH, COLUMNS, MARGIN, PICTURE_ROWS, picture
from hrmgym.envs.rendering import render
from hrmgym.envs.software import SoftwareEnv
from hrmgym.envs.task import Outcome, Status
from hrmgym.tests.tiny import Tiny, double_task, state_of


def _glyphs() -> dict[bytes, str]:
    found: dict[bytes, str] = {}
    for code in [*range(0xFF, 0xA0, -1), *range(0x7E, 0x1F, -1)]:
        cell = Image.new("L", (CELL_WIDTH, CELL_HEIGHT))
        ImageDraw.Draw(cell).text((0, 0), chr(code), font=pictures._font(), fill=255)
        found[(np.asarray(cell) > 127).tobytes()] = chr(code)
    return found


GLYPHS = _glyphs()


def read(image: npt.NDArray[np.uint8]) -> str:
    """The text in a picture, cell by cell."""
    ink = (image != image[0, 0]).any(axis=-1)
    rows = []
    for row in range(PICTURE_ROWS):
        y = MARGIN + row * CELL_HEIGHT
        cells = (
            ink[y : y + CELL_HEIGHT, x : x + CELL_WIDTH]
            for x in range(MARGIN, MARGIN + COLUMNS * CELL_WIDTH, CELL_WIDTH)
        )
        rows.append("".join(GLYPHS.get(cell.tobytes(), "\0") for cell in cells).rstrip())
    return "\n".join(rows).rstrip()


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_a_picture_says_what_the_text_says() -> None:
    outcome = Outcome(tests={"one": Status.PASSED, "two": Status.TIMEOUT}, message="two hangs")
    files = {"double.py": "def double(x):\n\treturn [x, {'a': 'é'}] # ~^`|\\ $%&?!\n"}
    for state, verdict in (
        (state_of(double_task()), ""),
        (state_of(double_task(), files=files, outcome=outcome, output="hi"), "not solved"),
    ):
        shown = plain(render(state, verdict, COLUMNS, PICTURE_ROWS))
        assert read(picture(state, verdict)) == "\n".join(
            line.rstrip() for line in shown.rstrip().splitlines()
        )


def test_what_the_font_lacks_is_escaped() -> None:
    shown = read(picture(state_of(double_task(), output="漢 and 😀 and \x1b[2J and \udcff")))
    assert "\\u6f22 and \\U0001f600 and \\x1b[2J and \\xff" in shown


def test_every_picture_has_one_size_whatever_it_shows() -> None:
    small = picture(state_of(double_task()))
    large = picture(
        state_of(
            double_task(),
            files={"double.py": "x = 1\n" * 3000 + "y" * 9000},
            output="word " * 5000,
            outcome=Outcome(tests={f"t{n}": Status.FAILED for n in range(999)}, message="m" * 9999),
        ),
        "not solved",
    )
    assert small.shape == large.shape == (pictures.HEIGHT, pictures.WIDTH, 3)
    assert small.dtype == np.uint8
    assert small.flags.writeable
    assert pictures.HEIGHT % 2 == pictures.WIDTH % 2 == 0, "video codecs want even sides"
    assert read(large).endswith("not solved")


def test_colours_tell_what_went_and_what_came() -> None:
    image = picture(state_of(double_task(), files={"double.py": "def double(x):\n    return x\n"}))
    lines = read(image).splitlines()

    def colour(mark: str) -> tuple[int, ...]:
        row = next(n for n, line in enumerate(lines) if line.startswith(mark))
        strip = image[MARGIN + row * CELL_HEIGHT :][:CELL_HEIGHT].reshape(-1, 3)
        return tuple(strip[(strip != image[0, 0]).any(axis=1)].mean(axis=0).astype(int))

    red, green = colour("-    return"), colour("+    return")
    assert red[0] > red[1] + 50
    assert green[1] > green[0] + 50


def test_the_environment_gives_pictures_that_follow_the_episode() -> None:
    env = SoftwareEnv(Tiny(), task="double", render_mode="rgb_array")
    env.reset(seed=0)
    assert "return x + 2" in read(env.render())
    env.step(env.interface.toward(env.state, env.task.reference))
    shown = read(env.render())
    env.close()
    assert "-    return x + 2" in shown
    assert "+    return x * 2" in shown
    assert shown.endswith("solved")
