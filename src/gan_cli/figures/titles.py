"""Texts above and beside pictures."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gan_cli.figures.grid import Picture

# Pixels: a text's size, the height of its lines, and the space between pictures.
SIZE = 18
LINE = 24
SPACE = 24


def side_by_side(parts: Mapping[str, Picture]) -> Picture:
    """Return pictures of one height (H, W, 3), each below its title, with white between them."""
    font = ImageFont.load_default(SIZE)
    lines = {title: title.split("\n") for title in parts}
    widths = [
        max(part.shape[1], *(math.ceil(font.getlength(line)) for line in lines[title]))
        for title, part in parts.items()
    ]
    top = LINE * max(map(len, lines.values()))
    height = top + max(part.shape[0] for part in parts.values())
    canvas = Image.new("RGB", (sum(widths) + SPACE * (len(parts) - 1), height), "white")
    left = 0
    for (title, part), width in zip(parts.items(), widths, strict=True):
        ImageDraw.Draw(canvas).text((left, top), title, "black", font, "ld")
        canvas.paste(Image.fromarray(part), (left, top))
        left += width + SPACE
    return np.array(canvas)


def beside_rows(image: Picture, texts: Sequence[str]) -> Picture:
    """Return a picture of as many rows as there are texts, with each at the right of its row."""
    height, width, row = *image.shape[:2], image.shape[0] // len(texts)
    font = ImageFont.load_default(min(SIZE, row))
    margin = SPACE // 3
    right = width + math.ceil(max(map(font.getlength, texts))) + 2 * margin
    canvas = Image.new("RGB", (right, height), "white")
    canvas.paste(Image.fromarray(image), (0, 0))
    for i, text in enumerate(texts):
        place = (width + margin, i * row + row // 2)
        ImageDraw.Draw(canvas).text(place, text, "black", font, anchor="lm")
    return np.array(canvas)
