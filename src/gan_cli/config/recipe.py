"""Recipes on noise, for timing: a recipe's trainer, and the plain loop over its networks."""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from hydra import compose
from omegaconf import DictConfig

from gan_cli.benchmark.plain_loop import Images, plain_loop, to_standard_layers
from gan_cli.config.build import build_optimizers, build_source, build_trainer
from gan_cli.config.instantiate import build
from gan_cli.data.source import Data, Split
from gan_cli.training.trainer import Trainer

IMAGES = 10000  # of noise, which stand in for data: speed does not depend on what they show
CLASSES = 10  # of their labels
# Networks of tutorials, whose loops use the same samples in both updates.
TUTORIALS = ("tutorial", "dcgan")


def new_trainer(cfg: DictConfig, recipe: str, **settings: object) -> Trainer:
    """Return the trainer of `gan train experiment=recipe` with the settings, on noise.

    `cfg` has device and threads. Raises UserError for settings that exclude each other.
    """
    composed = _compose(cfg, recipe, **settings)
    source = build_source(composed)
    part = Split(_noise(source.shape), _labels())
    return build_trainer(composed, source, Data(part, part, part))


def start_of_plain_loop(
    cfg: DictConfig, recipe: str, device: torch.device
) -> Callable[[], Iterator[None]]:
    """Return a function that starts the plain loop over a recipe's networks, on noise.

    It can be called in another process.
    """
    return partial(_plain_loop, _compose(cfg, recipe), recipe not in TUTORIALS, device)


def _compose(cfg: DictConfig, recipe: str, **settings: object) -> DictConfig:
    given = {"experiment": recipe, **settings, "device": cfg.device}
    if cfg.threads:
        given["threads"] = cfg.threads
    composed = compose("train", [f"{name}={value}" for name, value in given.items()])
    if composed.condition is not None:
        composed.classes = CLASSES
    return composed


def _noise(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.randint(0, 256, (IMAGES, *shape), dtype=torch.uint8)


def _labels() -> torch.Tensor:
    return torch.arange(IMAGES) % CLASSES


def _plain_loop(cfg: DictConfig, fresh_z: bool, device: torch.device) -> Iterator[None]:
    source = build_source(cfg)
    generator, discriminator = (
        to_standard_layers(build(cfg, f"network.{player}")).to(device)
        for player in ("generator", "discriminator")
    )
    g_optimizer, d_optimizer = build_optimizers(cfg)
    return plain_loop(
        generator, discriminator, g_optimizer.build(generator.parameters()),
        d_optimizer.build(discriminator.parameters()),
        Images(_noise(source.shape), _labels(), source.low < 0),
        cfg.schedule.batch_size, cfg.prior.dim, fresh_z, cfg.condition is not None, device,
    )  # fmt: skip
