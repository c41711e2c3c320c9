"""Figure 2: each row's last sample beside its nearest training image."""

import numpy as np

from gan_cli.data.digits import Digits
from gan_cli.figures.grid import YELLOW
from gan_cli.figures.neighbors import figure2


def test_each_row_has_its_last_sample_s_neighbor_and_their_distance() -> None:
    """Copies of training images are their own neighbours, at distance 0; one is disturbed."""
    source = Digits((1, 8, 8))
    data = source.load()
    samples = source.to_model(data.train.x[:12])
    samples[11, 0, 0, 0] += 0.5
    image = figure2(samples, 3, 4, source, data, scale=7).image[-(3 * 58 + 2) :]

    rows = [image[row * 58 + 2 : row * 58 + 58] for row in range(3)]
    # The frames of the last samples, of 2 pixels each, and those of the neighbours.
    neighbors = np.flatnonzero((image == YELLOW).all(2).all(0))[4]
    for row in rows[:2]:
        last = row[:, 3 * 58 + 2 : 4 * 58]
        np.testing.assert_array_equal(row[:, neighbors + 2 : neighbors + 58], last)
    distances = [row[:, neighbors + 60 :] for row in rows]
    assert (distances[0] < 128).any()
    assert np.array_equal(distances[0], distances[1])
    assert not np.array_equal(distances[0], distances[2])
