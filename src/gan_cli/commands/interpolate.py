"""`gan interpolate`: images along paths through z-space (Figure 3)."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch
from annotated_types import Interval
from omegaconf import DictConfig
from torch import Tensor

from gan_cli.config.settings import TrainedSettings
from gan_cli.errors import UserError
from gan_cli.figures.grid import save_interpolation
from gan_cli.files import relative
from gan_cli.game.priors import Uniform
from gan_cli.runs.load import Trained, load_trained
from gan_cli.sampling import paths
from gan_cli.sampling.arrays import read_array

log = logging.getLogger(__name__)


@dataclass
class Settings(TrainedSettings):
    """Types and ranges of `gan interpolate`."""

    rows: Annotated[int, Interval(ge=1, le=1000)]
    points: Annotated[int, Interval(ge=2, le=1000)]
    steps: Annotated[int, Interval(ge=1, le=1000)]
    path: Literal["linear", "slerp"]
    loop: bool
    z: str | None
    format: Literal["png", "gif"]


def run(cfg: DictConfig, out: Path) -> None:
    """Draw `cfg.rows` paths, or the one through the points of `cfg.z`, into `out`."""
    trained = load_trained(cfg)
    if cfg.path == "slerp" and isinstance(trained.prior, Uniform):
        raise UserError(
            "path is slerp, but this run's prior is uniform on a cube, which has no arcs; use "
            "path=linear, or a run that was trained with prior=gaussian or prior=spherical."
        )
    between = {"linear": paths.linear, "slerp": paths.slerp}[cfg.path]
    if cfg.z is None:
        points = paths.random_points(trained.prior, cfg.points, cfg.rows, cfg.seed)
    else:
        points = _read_points(cfg, trained)
    z = paths.path(points, cfg.steps, between, cfg.loop)
    shown = out / f"interpolation.{cfg.format}"
    save_interpolation(shown, trained.pixels(z, cfg.seed), trained.origin(cfg.seed))
    log.info("Picture: %s", relative(shown))


def _read_points(cfg: DictConfig, trained: Trained) -> Tensor:
    """Return the points of one path from the file `cfg.z`, (points, 1, dim)."""
    z, dim = read_array("z", Path(cfg.z)), trained.prior.dim
    if z.dim() != 2 or z.shape[1] != dim or len(z) < 2:
        raise UserError(
            f"z is {cfg.z} of shape {tuple(z.shape)}; it must be (points, {dim}), with at least 2 "
            "points."
        )
    if cfg.path == "slerp" and not torch.all(z.norm(dim=1) > 0):
        raise UserError(f"z is {cfg.z}, where a point is 0, which has no direction for slerp.")
    return z[:, None]
