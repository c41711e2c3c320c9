"""`gan train dry_run=true`: what would be trained, by shapes alone."""

import logging

import torch
from omegaconf import DictConfig

from gan_cli.config.build import (
    build_networks,
    build_optimizers,
    refuse_conflicts,
    some_condition,
    total_steps,
)
from gan_cli.config.instantiate import build
from gan_cli.data.minibatches import Minibatches
from gan_cli.data.source import Data, Source, Split
from gan_cli.errors import UserError
from gan_cli.training import summary
from gan_cli.training.device import autocast_type, pick_device

log = logging.getLogger(__name__)

META = torch.device("meta")


def show_plan(cfg: DictConfig, source: Source, data: Data | None) -> None:
    """Log the data, both networks layer by layer, the total_steps of the run and its memory.

    The networks are built on the device `meta`, which has sizes and no numbers: the plan of a run
    that needs more memory than there is takes none. Raises UserError for all that `gan train` would
    refuse, and for a network that can't do without numbers.
    """
    refuse_conflicts(cfg)
    device = pick_device(cfg.device)
    autocast_type(cfg.precision, device)  # which refuses tf32 on a CPU
    m, k = cfg.schedule.batch_size, cfg.schedule.k
    train = data.train if data else Split(torch.zeros(m, *source.shape, dtype=torch.uint8), None)
    minibatches = Minibatches(train, m, cfg.seed, source.to_model, META)
    steps = total_steps(cfg, minibatches.per_epoch / k)
    build(cfg, "objective")
    for name, part in (data._asdict() if data else {}).items():
        labels = "no labels" if part.y is None else f"{len(part.y.unique())} classes"
        log.info("%-6s %s %s, %s", name, tuple(part.x.shape), part.x.dtype, labels)
    try:
        generator, discriminator = build_networks(
            cfg, source, torch.empty(min(m, 8), *source.shape, device=META)
        )
        z = build(cfg, "prior")(m, torch.Generator()).to(META)
        g_rows = summary.layers(generator, z, *some_condition(cfg, m, META))
        x = torch.empty(2 * m, *source.shape, device=META)
        d_rows = summary.layers(discriminator, x, *some_condition(cfg, 2 * m, META))
    except (NotImplementedError, RuntimeError) as error:
        if "meta" not in str(error):
            raise
        raise UserError(
            "dry_run is true, which runs the networks on tensors without values, and one of them "
            f"reads values ({str(error).splitlines()[0]}); it can be trained, without dry_run."
        ) from error
    for line in [*summary.table("Generator", g_rows), *summary.table("Discriminator", d_rows)]:
        log.info("%s", line)
    if data:
        log.info(
            "%d steps, %s, with %d x %d training images each: %.4g epochs of %d minibatches.",
            steps, cfg.schedule.updates, k, m, steps * k / minibatches.per_epoch,
            minibatches.per_epoch,
        )  # fmt: skip
    activations = sum(row[-1] for row in g_rows + d_rows)
    slots = max(rule.slots for rule in build_optimizers(cfg))
    size = summary.memory(generator, discriminator, slots, activations, minibatches.x.nbytes)
    log.info("Estimated memory: %.0f MB on %s, beside PyTorch's own.", size / 1e6, device)
