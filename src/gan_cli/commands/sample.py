"""`gan sample`: draw samples from a trained generator."""

import json
import logging
from pathlib import Path

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor

from gan_cli.errors import UserError
from gan_cli.figures.grid import picture, picture_with_neighbors, save_png, side_by_side
from gan_cli.files import relative, replacing, write_atomically
from gan_cli.metrics.neighbors import nearest, quantiles
from gan_cli.rng import stream
from gan_cli.runs.load import Trained, load_data, load_trained

log = logging.getLogger(__name__)

# Test images whose distances to the training set stand beside the samples'.
COMPARED = 1000
# The samples that a picture shows at most.
SHOWN = 1024


def run(cfg: DictConfig, out: Path) -> None:
    """Write a grid of `cfg.n` samples to `out`, and the samples themselves to `cfg.save`."""
    if cfg.neighbors and cfg.real:
        raise UserError("real is true with neighbors=true; a picture shows one of them at a time.")
    if cfg.save is not None and (not cfg.save or cfg.save.endswith("/")):
        raise UserError(f"save is {cfg.save!r}; it must be the path of a .npy file.")
    trained = load_trained(cfg)
    if cfg.neighbors:
        _figure_2(cfg, out, trained)
        return
    n = cfg.n or 100
    # First what may be refused: `save` may name a file that is there.
    real = picture(_real(cfg, trained, n)[:SHOWN], cfg.columns) if cfg.real else None
    if cfg.save is not None:
        _save(cfg, n, trained)
    shown = min(n, SHOWN)
    image = picture(trained.source.to_pixels(trained.samples(shown, cfg.seed)), cfg.columns)
    if real is not None:
        image = side_by_side(image, real)
    save_png(out / "samples.png", image, trained.origin(cfg.seed))
    of = "" if shown == n else f" of the first {shown} of {n} samples"
    log.info("Picture%s: %s", of, relative(out / "samples.png"))


def _save(cfg: DictConfig, n: int, trained: Trained) -> None:
    """Write n samples to `cfg.save` as .npy, block by block: they need not fit into memory."""
    path = Path(cfg.save if cfg.save.endswith(".npy") else f"{cfg.save}.npy")
    shape = (n, *trained.source.shape)
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for block in trained.blocks(n, cfg.seed):
            file.write(block.numpy().astype("<f4", copy=False).tobytes())
    log.info("Samples %s of float32: %s", shape, relative(path))


def _real(cfg: DictConfig, trained: Trained, n: int) -> Tensor:
    """Return n training images, none twice, as samples are shown."""
    source, x = trained.source, load_data(cfg, trained)[0].train.x
    if n > len(x):
        raise UserError(f"n is {n}; with real=true it can be {len(x)} at most, the training set.")
    index = torch.randperm(len(x), generator=stream(cfg.seed, "real"))[:n]
    shown: Tensor = source.to_pixels(source.to_model(x[index]))
    return shown


def _figure_2(cfg: DictConfig, out: Path, trained: Trained) -> None:
    """Draw rows of samples, each with the training image nearest to its last one (Figure 2).

    Beside it: how far samples are from their nearest training image, against test images.
    """
    columns = cfg.columns or 5
    rows, odd = divmod(cfg.n or 4 * columns, columns)
    if odd:
        raise UserError(
            f"n is {cfg.n}; with neighbors=true it must be a multiple of columns, {columns}."
        )
    if rows * columns > SHOWN:
        raise UserError(
            f"n is {cfg.n}; with neighbors=true, which draws them all, it can be {SHOWN} at most."
        )
    source, data = trained.source, load_data(cfg, trained)[0]
    if data.train.x.dtype != torch.uint8:
        raise UserError("neighbors is true, but this run's data are no images.")
    train, test = source.to_model(data.train.x), source.to_model(data.test.x[:COMPARED])
    samples = trained.samples(max(rows * columns, COMPARED), cfg.seed)

    if cfg.save is not None:
        _save(cfg, rows * columns, trained)
    shown = samples[: rows * columns].view(rows, columns, *source.shape)
    _, index = nearest(shown[:, -1], train)
    pixels = source.to_pixels(torch.cat([shown.flatten(0, 1), train[index]]))
    image = picture_with_neighbors(*pixels.split([rows * columns, rows]))
    save_png(out / "figure2.png", image, trained.origin(cfg.seed))

    distances = {
        "samples": quantiles(nearest(samples[:COMPARED], train)[0]),
        "test images": quantiles(nearest(test, train)[0]),
    }
    log.info("Distance to the nearest of %d training images, quantiles:", len(train))
    log.info("  %-24s %s", "", "  ".join(f"{name:>6}" for name in distances["samples"]))
    for name, values in distances.items():
        n = COMPARED if name == "samples" else len(test)
        log.info("  %-24s %s", f"{n} {name}", "  ".join(f"{v:6.3f}" for v in values.values()))
    content = {"origin": {k: str(v) for k, v in trained.origin(cfg.seed).items()}, **distances}
    write_atomically(out / "neighbors.json", json.dumps(content, indent=2).encode())
    log.info("Picture: %s", relative(out / "figure2.png"))
