import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gan_cli.data.digits import Digits
from gan_cli.data.gaussians import Ring
from gan_cli.errors import UserError
from gan_cli.figures.grid import MAX_AREA, MAX_SIDE, WIDTH, grid, picture, save_png
from gan_cli.figures.titles import side_by_side


def test_images_stand_row_by_row() -> None:
    levels = torch.arange(6, dtype=torch.uint8) * 40 + 1
    images = levels.view(6, 1, 1, 1).expand(6, 1, 28, 28)
    drawn = grid(images, columns=3, scale=2)
    assert drawn.shape == (2 * 58 + 2, 3 * 58 + 2, 3)
    centers = drawn[30::58, 30::58]
    assert (centers[..., 0].flatten() == levels.numpy()).all()


def test_colours_stay() -> None:
    image = torch.tensor([250, 120, 7], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 32, 32)
    assert grid(image)[20, 20].tolist() == [250, 120, 7]


@pytest.mark.parametrize("side", [8, 28, 32, 44, 64, 300])
def test_a_grid_is_about_as_wide_as_a_page(side: int) -> None:
    """The nearest to it that a whole factor gives, but for the gaps, and never smaller images."""
    images = torch.randint(256, (12, 1, side, side), dtype=torch.uint8)
    drawn = grid(images, columns=4)
    scale = (drawn.shape[1] - 5 * 2) // (4 * side)
    assert scale == 1 or abs(4 * side * scale - WIDTH) <= 2 * side
    # Every pixel is a square of `scale`, with no colour between two of them.
    first = drawn[2 : 2 + side * scale, 2 : 2 + side * scale, 0]
    assert (first == images[0, 0].numpy().repeat(scale, 0).repeat(scale, 1)).all()
    tall = grid(images[:, :, :8, :8].repeat(200, 1, 1, 1), columns=1)
    assert 8 * 2400 <= tall.shape[0] < 8 * 2400 + 2 * 2402 < 1.3 * MAX_SIDE


def test_a_scale_that_makes_a_picture_too_large_is_refused() -> None:
    images = torch.zeros(6, 1, 10, 20, dtype=torch.uint8)
    largest = math.isqrt(MAX_AREA // (6 * 200))
    assert grid(images, 3, largest).shape[1] == 3 * 20 * largest + 8
    with pytest.raises(UserError, match=f"{largest} at most"):
        grid(images, 3, largest + 1)
    # Larger ones are drawn as they are.
    assert grid(torch.zeros(1, 1, 1, MAX_SIDE + 1, dtype=torch.uint8)).shape[1] == MAX_SIDE + 5


def test_frames_are_around_what_is_marked() -> None:
    drawn = grid(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), scale=1, marked=[3])
    yellow = (drawn == (255, 210, 0)).all(2)
    assert yellow.sum() == 12**2 - 8**2
    assert yellow[10:, 10:].sum() == yellow.sum()


def test_pictures_side_by_side_have_room_for_their_titles() -> None:
    red, blue = (np.full((30, 10, 3), colour, np.uint8) for colour in ((255, 0, 0), (0, 0, 255)))
    both = side_by_side({"a long title\nof two lines": red, "b": blue})
    columns = [np.nonzero((both[-30:] == part[0, 0]).all(2).all(0))[0] for part in (red, blue)]
    assert [len(x) for x in columns] == [10, 10]
    ink = np.nonzero((both[:-30] < 128).all(2).any(0))[0]
    assert ink.max() >= columns[1][0]
    # The longer title ends before the next picture, above which is only its own.
    gap = np.diff(ink).max()
    assert gap > 15


def points_of(values: torch.Tensor) -> torch.Tensor:
    return values.view(-1, 2, 1, 1)


def test_points_are_drawn_where_they_are() -> None:
    def ink(x: float, y: float) -> np.ndarray:
        empty, drawn = (
            picture(points_of(torch.tensor(points)), Ring())
            for points in ([0.0, 0.0, 0.0, 0.0], [0.0, 0.0, x, y])
        )
        rows, columns = np.nonzero((drawn != empty).any(2))
        return np.array([columns.mean(), -rows.mean()])

    assert (ink(2, 2) > ink(-2, -2) + 200).all()


def test_points_are_drawn_with_the_true_modes() -> None:
    class Unknown(Ring):
        def centers(self) -> None:
            return None

    points = points_of(torch.zeros(2, 2))
    black = [(picture(points, source) < 60).all(2).sum() for source in (Ring(), Unknown())]
    assert black[0] > black[1] + 8 * 20
    # Axes hold all that there is to be seen, and are the same for pictures that are alike.
    wide = [picture(points_of(torch.full((2, 2), far)), Unknown()) for far in (0.0, 2.0, 40.0)]
    frames = [(image[:, 100:] < 60).all(2).sum(0) for image in wide]
    assert np.array_equal(frames[0], frames[1])
    assert not np.array_equal(wide[1], wide[2])


def test_a_png_says_where_it_comes_from(tmp_path: Path) -> None:
    image = picture(torch.zeros(1, 1, 8, 8), Digits((1, 8, 8)))
    save_png(tmp_path / "a.png", image, {"run": "outputs/train/x", "seed": 3})
    with Image.open(tmp_path / "a.png") as png:
        assert png.text == {"run": "outputs/train/x", "seed": "3"}
        assert (np.asarray(png) == image).all()
