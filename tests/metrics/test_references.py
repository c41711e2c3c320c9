from pathlib import Path

import torch

from gan_cli.metrics.references import centroids


def test_centroids_of_fewer_different_images_than_there_are_to_be(tmp_path: Path) -> None:
    """Without scikit-learn's warning of it."""
    images = torch.tensor([0.0, 0.5, 1.0]).repeat(10).view(30, 1, 1, 1).expand(30, 1, 2, 2)
    found = centroids(images, 5, 0, tmp_path)
    assert found.shape == (5, 1, 2, 2)
    assert set(found.unique().tolist()) == {0.0, 0.5, 1.0}
