import math

import pytest
import torch

from gan_cli.metrics.modes import modes_of_classes, modes_of_points

CENTERS = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0], [4.0, 4.0]])


def test_points_at_all_centers() -> None:
    assert modes_of_points(CENTERS.repeat(5, 1), CENTERS, 0.1) == pytest.approx((4, 1, 0), abs=1e-6)


def test_points_between_modes_cover_none() -> None:
    """Two at a center, one within three standard deviations of another, one beyond."""
    points = torch.tensor([[0.0, 0.0], [0.0, 0.0], [4.0, 0.29], [0.0, 3.69]])
    found = modes_of_points(points, CENTERS, 0.1)
    # Shares 1/2, 1/4, 1/4 and 0 of the nearest centers.
    kl = 0.5 * math.log(2) + 2 * 0.25 * math.log(1)
    assert found == pytest.approx((2, 0.75, kl))


def test_classes_are_modes() -> None:
    assert modes_of_classes(torch.arange(1000), 1000) == pytest.approx((1000, 1, 0), abs=1e-6)
    found = modes_of_classes(torch.arange(250), 1000)
    assert found == pytest.approx((250, 1, math.log(4)))
