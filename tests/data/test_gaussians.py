from pathlib import Path

import numpy as np
import pytest
from helpers.command import run_gan

from gan_cli.data.gaussians import Ring


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_all_eight_modes_are_found(seed: int, tmp_path: Path) -> None:
    assert run_gan("train", "experiment=ring", f"seed={seed}", cwd=tmp_path).code == 0
    assert run_gan("sample", "n=4000", "save=points.npy", cwd=tmp_path).code == 0
    points = np.load(tmp_path / "points.npy").reshape(-1, 2)
    away = np.linalg.norm(points[:, None] - Ring().centers().numpy(), axis=2)
    # A point counts for a mode within four of the data's standard deviations, 0.05.
    near = away.min(1) < 4 * 0.05
    shares = np.bincount(away.argmin(1)[near], minlength=8) / len(points)
    assert near.mean() > 0.5
    assert (shares > 0.02).all(), shares
