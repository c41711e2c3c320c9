"""`gan interpolate`: images along paths through z-space (Figure 3)."""

import logging
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import Tensor

from gan_cli.errors import UserError
from gan_cli.figures.grid import picture, save_gif, save_png
from gan_cli.files import relative
from gan_cli.game.priors import Uniform
from gan_cli.runs.load import Trained, load_trained
from gan_cli.sampling import paths
from gan_cli.sampling.arrays import read_array
from gan_cli.sampling.samples import draw_z, generate

log = logging.getLogger(__name__)


def run(cfg: DictConfig, out: Path) -> None:
    """Draw `cfg.rows` paths, or the one through the points of `cfg.z`, into `out`."""
    trained = load_trained(cfg)
    if cfg.path == "slerp" and isinstance(trained.prior, Uniform):
        raise UserError(
            "path is slerp, but this run's prior is uniform on a cube, which has no arcs; slerp is "
            "for gaussian and spherical priors, path=linear for any."
        )
    between = {"linear": paths.linear, "slerp": paths.slerp}[cfg.path]
    z = paths.path(_points(cfg, trained), cfg.steps, between, cfg.loop)
    frames, rows, _ = z.shape
    samples = generate(trained.generator, z.flatten(0, 1), cfg.seed, trained.device)
    pixels = trained.source.to_pixels(samples)
    origin = trained.origin(cfg.seed)
    if cfg.format == "gif":
        shown = out / "interpolation.gif"
        images = [picture(frame) for frame in pixels.unflatten(0, (frames, rows))]
        save_gif(shown, images, origin)
    else:
        shown = out / "interpolation.png"
        table = pixels.unflatten(0, (frames, rows)).transpose(0, 1).flatten(0, 1)
        save_png(shown, picture(table, columns=frames), origin)
    log.info("Picture: %s", relative(shown))


def _points(cfg: DictConfig, trained: Trained) -> Tensor:
    """Return the paths' points, (points, rows, dim)."""
    dim: int = trained.prior.dim
    if cfg.z is None:
        z = draw_z(trained.prior, cfg.points * cfg.rows, cfg.seed)
        return z.view(cfg.rows, cfg.points, dim).transpose(0, 1)
    z = read_array("z", Path(cfg.z))
    if z.dim() != 2 or z.shape[1] != dim or len(z) < 2:
        raise UserError(
            f"z is {cfg.z} of shape {tuple(z.shape)}; it must be (points, {dim}), with at least 2 "
            "points."
        )
    if cfg.path == "slerp" and not torch.all(z.norm(dim=1) > 0):
        raise UserError(f"z is {cfg.z}, where a point is 0, which has no direction for slerp.")
    return z[:, None]
