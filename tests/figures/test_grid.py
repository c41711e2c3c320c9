from pathlib import Path

import numpy as np
import torch
from PIL import Image

from gan_cli.figures.grid import picture, save_png


def test_images_stand_row_by_row() -> None:
    levels = torch.arange(6, dtype=torch.uint8) * 40 + 1
    images = levels.view(6, 1, 1, 1).expand(6, 1, 28, 28)
    grid = picture(images, columns=3)
    assert grid.shape == (2 * 58 + 2, 3 * 58 + 2, 3)
    centers = grid[30::58, 30::58]
    assert (centers[..., 0].flatten() == levels.numpy()).all()


def test_colours_stay() -> None:
    image = torch.tensor([250, 120, 7], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 32, 32)
    assert picture(image)[20, 20].tolist() == [250, 120, 7]


def test_points_are_drawn_where_they_are() -> None:
    def ink(x: float, y: float) -> np.ndarray:
        white = picture(torch.full((1, 2, 1, 1), 100.0))
        rows, columns = np.nonzero((picture(torch.tensor([x, y]).view(1, 2, 1, 1)) != white).any(2))
        return np.array([columns.mean(), -rows.mean()])

    assert (ink(2, 2) > ink(-2, -2)).all()


def test_a_png_says_where_it_comes_from(tmp_path: Path) -> None:
    image = picture(torch.zeros(1, 1, 8, 8, dtype=torch.uint8))
    save_png(tmp_path / "a.png", image, {"run": "outputs/train/x", "seed": 3})
    with Image.open(tmp_path / "a.png") as png:
        assert png.text == {"run": "outputs/train/x", "seed": "3"}
        assert (np.asarray(png) == image).all()
