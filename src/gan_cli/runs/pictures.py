"""What `gan sample` and `gan interpolate` show of a run: samples, and images along paths."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from omegaconf import DictConfig
from torch import Tensor

from gan_cli.errors import UserError
from gan_cli.figures.grid import SHOWN, Picture, picture
from gan_cli.figures.neighbors import Figure2, figure2, layout
from gan_cli.figures.titles import beside_rows, side_by_side
from gan_cli.game.priors import Uniform
from gan_cli.metrics.neighbors import COMPARED
from gan_cli.runs.load import Trained, load_data
from gan_cli.sampling import paths
from gan_cli.sampling.arrays import read_points
from gan_cli.sampling.samples import draw_z


class Drawn(NamedTuple):
    """A picture of the first `shown` of n samples of each of `labels`, None for those of the data.

    `figure2` is its source where it is Figure 2, and `lines` say what a reader has to know.
    """

    image: Picture
    n: int
    shown: int
    labels: Sequence[int | str | None]
    lines: Sequence[str] = ()
    figure2: Figure2 | None = None


def draw_samples(cfg: DictConfig, trained: Trained) -> Drawn:
    """Draw a grid of samples, beside one of training images if `cfg.real`.

    Raises UserError where there are fewer training images, and for a grid that is too large.
    """
    n, source = cfg.n or 100, trained.source
    real = trained.training_images(n, cfg.seed, cfg.data_dir, cfg.label) if cfg.real else None
    if real is not None and len(real) < n:
        if cfg.n is not None:
            raise UserError(
                f"n is {n}; with real=true it can be {len(real)} at most, the number of training "
                f"images{'' if cfg.label is None else ' of the class'}."
            )
        n = len(real)
    shown = min(n, SHOWN)
    samples = trained.samples(shown, cfg.seed, cfg.label)
    image = picture(samples, source, cfg.columns, cfg.scale)
    if real is not None:
        beside = picture(real[:shown], source, cfg.columns, cfg.scale)
        image = side_by_side({"samples": image, "training data": beside})
    return Drawn(image, n, shown, [cfg.label])


def draw_classes(cfg: DictConfig, trained: Trained) -> Drawn:
    """Draw a row of samples for each class, the same z in each, with the class's name.

    Raises UserError for an unconditional run, and for settings of other pictures.
    """
    if cfg.real or cfg.neighbors or cfg.columns is not None:
        raise UserError(
            "label is all, which draws a row of n samples for each class, without real=true, "
            "neighbors=true or columns=...; those go with label=CLASS."
        )
    names = trained.classes.names
    if not names:
        trained.classes.number(cfg.label)  # which raises UserError
    most = max(1, SHOWN // len(names))
    n = cfg.n or min(10, most)
    shown = min(n, most)
    samples = torch.cat([trained.samples(shown, cfg.seed, name) for name in names])
    image = picture(samples, trained.source, shown, cfg.scale)
    if trained.source.centers() is not None:  # Points make one plot of all.
        return Drawn(image, n, shown, names)
    lines = [f"Rows of the picture, from the top: {', '.join(names)}"]
    return Drawn(beside_rows(image, names), n, shown, names, lines)


def draw_neighbors(cfg: DictConfig, trained: Trained) -> Drawn:
    """Draw rows of samples, each beside the training image nearest to its last (Figure 2).

    Raises UserError as `layout` and `figure2`.
    """
    data = load_data(cfg.data_dir, trained.config)[0]
    rows, columns = layout(cfg.n, cfg.columns, data)
    n = rows * columns
    samples = trained.samples(max(n, COMPARED), cfg.seed, cfg.label)
    figure = figure2(samples, rows, columns, trained.source, data, cfg.scale)
    return Drawn(figure.image, n, n, [cfg.label], list(figure.table()), figure)


def images_through_z(cfg: DictConfig, trained: Trained) -> Tensor:
    """Return the images (frames, rows, C, H, W) on paths through z-space, each of one class.

    Raises UserError for arcs where there are none, and for points that can't be read.
    """
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
    return trained.images(z, cfg.seed, cfg.label)


def images_across_classes(cfg: DictConfig, trained: Trained) -> Tensor:
    """Return the images (frames, rows, C, H, W) from class to class, with a z for each row.

    Raises UserError for fewer than two classes, and for settings of paths through z-space.
    """
    if cfg.z is not None or cfg.path != "linear":
        raise UserError(
            f"label is {cfg.label}, z is {cfg.z or 'null'} and path is {cfg.path}; from class to "
            "class a path is straight and z is fixed, so z must be null and path linear."
        )
    if len(cfg.label) < 2:
        raise UserError(f"label is {cfg.label}; a path from class to class takes two or more.")
    corners = torch.stack([trained.classes.weights(label) for label in cfg.label])
    weights = paths.path(corners, cfg.steps, loop=cfg.loop)
    return trained.mixtures(draw_z(trained.prior, cfg.rows, cfg.seed), weights, cfg.seed)
