"""`gan train dry_run=true`: what would be trained."""

import logging
from typing import Any

import torch
from omegaconf import DictConfig

from gan_cli.data.sources import Data, Split
from gan_cli.errors import MissingDataError
from gan_cli.training import plan
from gan_cli.training.loop import Training

log = logging.getLogger(__name__)


def stand_in(cfg: DictConfig, source: Any) -> Data:
    """Return data of the right shape, all zero, for networks to be built on."""
    part = Split(torch.zeros(cfg.schedule.batch_size, *source.shape, dtype=torch.uint8), None)
    return Data(part, part, part)


def show_plan(training: Training, steps: int, data: Data | None) -> None:
    """Log the data, both networks layer by layer, the length of the run and its memory."""
    state, minibatches, k = training.state, training.minibatches, training.k
    m = minibatches.batch_size
    for name, part in (data._asdict() if data else {}).items():
        labels = "no labels" if part.y is None else f"{len(part.y.unique())} classes"
        log.info("%-6s %s %s, %s", name, tuple(part.x.shape), part.x.dtype, labels)
    real = minibatches[0]
    g_rows = plan.layers(state.generator, training.game.prior(m, state.rng))
    d_rows = plan.layers(state.discriminator, torch.cat([real, real]))
    for line in [*plan.table("Generator", g_rows), *plan.table("Discriminator", d_rows)]:
        log.info("%s", line)
    if data:
        log.info(
            "%d steps, %s, with %d x %d training images each: %.4g epochs of %d minibatches.",
            steps, training.update.__name__, k, m, steps * k / minibatches.per_epoch,
            minibatches.per_epoch,
        )  # fmt: skip
    activations = sum(row[-1] for row in g_rows + d_rows)
    size = plan.memory(
        state.generator, state.discriminator, training.optimizer.slots, activations,
        minibatches.x.nbytes,
    )  # fmt: skip
    log.info("About %.0f MB on %s beside PyTorch itself.", size / 1e6, state.rng.device)


def load(cfg: DictConfig, source: Any) -> Data | None:
    """Return the data, or None where a dry run finds them missing: it shows the networks still."""
    try:
        data: Data = source.load()
    except MissingDataError as error:
        if not (cfg.dry_run and source.shape):
            raise
        log.warning("%s Until then, the plan is without data.", error)
        return None
    return data
