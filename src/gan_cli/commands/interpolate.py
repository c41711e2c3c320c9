"""`gan interpolate`: images along paths through z-space (Figure 3)."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Interval
from omegaconf import DictConfig

from gan_cli.config.settings import TrainedSettings
from gan_cli.errors import UserError
from gan_cli.figures.interpolation import save_interpolation
from gan_cli.files import relative
from gan_cli.game.priors import Uniform
from gan_cli.ranges import Count
from gan_cli.runs.load import load_trained
from gan_cli.sampling import paths
from gan_cli.sampling.arrays import read_points

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
    scale: Count | None


def run(cfg: DictConfig, out: Path) -> None:
    """Draw `cfg.rows` paths, or the one through the points of `cfg.z`, into `out`."""
    trained = load_trained(cfg)
    if cfg.path == "slerp" and isinstance(trained.prior, Uniform):
        raise UserError(
            "path is slerp, but this run's prior is uniform on a cube, which has no arcs; use "
            "path=linear, or a run that was trained with prior=gaussian or prior=spherical."
        )
    if cfg.z is None:
        points = paths.random_points(trained.prior, cfg.points, cfg.rows, cfg.seed)
    else:
        points = read_points(Path(cfg.z), trained.prior.dim)[:, None]
        if cfg.path == "slerp" and not points.norm(dim=-1).all():
            raise UserError(f"z is {cfg.z}, where a point is 0, which has no direction for slerp.")
    between = {"linear": paths.linear, "slerp": paths.slerp}[cfg.path]
    z = paths.path(points, cfg.steps, between, cfg.loop)
    shown = out / f"interpolation.{cfg.format}"
    images, origin = trained.images(z, cfg.seed), trained.origin(cfg.seed)
    save_interpolation(shown, images, trained.source, cfg.steps, origin, cfg.scale)
    log.info("Picture, with the points of each path marked: %s", relative(shown))
