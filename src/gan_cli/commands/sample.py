"""`gan sample`: draw samples from a trained generator."""

import io
import logging
import sys
from pathlib import Path

import numpy as np
import torch
from omegaconf import DictConfig

from gan_cli import runs
from gan_cli.commands.build import build, build_generator, build_source, relative
from gan_cli.evaluation.sampling import draw_z, generate
from gan_cli.figures.grid import picture, save_png
from gan_cli.files import write_atomically
from gan_cli.training import checkpoints
from gan_cli.training.device import pick_device

log = logging.getLogger(__name__)


def run(cfg: DictConfig, out: Path) -> None:
    """Write a grid of `cfg.n` samples to `out`, and the samples themselves to `cfg.save`."""
    device = pick_device(cfg.device)
    if cfg.threads:
        torch.set_num_threads(cfg.threads)

    # The run's own config says what its generator is.
    trained = runs.find(cfg.run, cfg.outputs)
    config = trained.config()
    saved = checkpoints.load_newest(trained.checkpoints)
    source = build_source(config)
    generator = build_generator(config, source)
    which = {"raw": "generator", "ema": "average"}[cfg.weights]
    checkpoints.fit(generator, saved[which], trained.checkpoints)
    log.info(
        "Run %s, %s, step %d, %s weights.",
        relative(trained.path), trained.status(), saved["step"], cfg.weights,
    )  # fmt: skip

    z = draw_z(build(config, "prior"), cfg.n, cfg.seed)
    samples = generate(generator.to(device), z, device)

    if cfg.save is not None:
        buffer = io.BytesIO()
        np.save(buffer, samples.numpy())
        path = Path(cfg.save).with_suffix(".npy")
        write_atomically(path, buffer.getvalue())
        log.info("Samples %s of %s: %s", tuple(samples.shape), samples.dtype, relative(path))
    path = out / "samples.png"
    origin = {
        "run": trained.path.absolute(),
        "step": saved["step"],
        "weights": cfg.weights,
        "seed": cfg.seed,
    }
    image = picture(source.to_pixels(samples), cfg.columns)
    save_png(path, image, {**origin, "command": " ".join(sys.argv)})
    log.info("Picture: %s", relative(path))
