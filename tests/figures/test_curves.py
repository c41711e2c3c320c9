import io
import math

import numpy as np
import pytest
from PIL import Image

from gan_cli.figures.curves import AXES, OPACITY, STYLES, Curve, draw, draw_run, over_seeds


def pixels(png: bytes, colour: str, opacity: float = 1.0) -> np.ndarray:
    """Return where a picture has a colour, mixed with white."""
    image = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return (abs(image - (opacity * rgb + (1 - opacity) * 255)) <= 2).all(2)


def flat(level: float, width: float = 0.0) -> Curve:
    epochs, mean = np.arange(5.0), np.full(5, level)
    return Curve(epochs, mean, mean - width, mean + width)


def test_a_curve_is_taken_over_the_steps_that_all_seeds_have() -> None:
    runs = [
        {10: (0.5, 1.0), 20: (1.0, 2.0), 30: (1.5, 9.0)},
        {20: (1.0, 5.0), 10: (0.5, -3.0)},
        {10: (0.5, 8.0), 15: (0.75, 0.0), 20: (1.0, 2.0), 30: (1.5, 0.0)},
    ]
    curve = over_seeds(runs)
    assert curve.epochs.tolist() == [0.5, 1.0]
    assert curve.mean.tolist() == [2.0, 3.0]
    assert curve.least.tolist() == [-3.0, 2.0]
    assert curve.most.tolist() == [8.0, 5.0]
    alone = over_seeds(runs[:1])
    assert alone.mean.tolist() == alone.least.tolist() == alone.most.tolist() == [1.0, 2.0, 9.0]
    assert over_seeds([{1: (0.1, 2.0)}, {2: (0.2, 2.0)}]).mean.tolist() == []


@pytest.mark.parametrize("number", range(len(STYLES)))
def test_a_band_is_drawn_where_seeds_differ(number: int) -> None:
    colour = STYLES[number][0]
    wide, narrow = (draw(AXES["spread"], {number: flat(2.0, width)}) for width in (0.5, 0.0))
    assert pixels(wide, colour).sum() > 100
    assert pixels(narrow, colour).sum() > 100
    # The axes' own lines are grey too.
    band, lines = (pixels(png, colour, OPACITY).sum() for png in (wide, narrow))
    assert band > lines + 50000
    assert lines < 100 or len({colour[i : i + 2] for i in (1, 3, 5)}) == 1


def test_curves_stand_by_their_values() -> None:
    png = draw(AXES["parzen_valid"], {0: flat(3.0), 1: flat(1.0)})
    upper, lower = (np.nonzero(pixels(png, STYLES[i][0]))[0].mean() for i in range(2))
    assert upper < lower


def test_the_better_one_is_on_top() -> None:
    png = draw(AXES["parzen_valid"], {0: flat(1.0), 1: flat(1.0)})
    assert pixels(png, STYLES[0][0]).sum() > 100
    assert pixels(png, STYLES[1][0]).sum() == 0


def test_one_point_is_seen() -> None:
    one = np.ones(1)
    assert pixels(draw(AXES["value"], {0: Curve(one, one, one, one)}), STYLES[0][0]).sum() > 50


def test_the_game_s_solution_is_marked() -> None:
    assert AXES["value"].level == pytest.approx(2 * math.log(1 / 2))
    curves = {0: flat(-1.0)}
    marked = draw(AXES["value"], curves)
    bare = draw(AXES["value"]._replace(level=None), curves)
    # The axis reaches down to the mark: the curve, now its highest point, has gone up.
    heights = [np.nonzero(pixels(png, STYLES[0][0]))[0].mean() for png in (marked, bare)]
    assert heights[0] < heights[1] - 100


def test_the_panels_of_a_run_have_one_scale_of_epochs() -> None:
    losses = {"d_loss": 1.0, "g_loss": 0.5}
    rows = [{"epoch": float(n), **losses} for n in range(1, 9)]
    rows[5]["parzen_valid"] = rows[7]["parzen_valid"] = 2.0
    panels = [axes for axes in draw_run(rows).axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == ["Losses", "Parzen estimate on validation"]
    assert len({axes.get_xlim() for axes in panels}) == 1
    assert panels[1].get_xlim()[0] == 0
