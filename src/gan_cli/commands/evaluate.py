"""`gan evaluate`: how good samples are, in the features of a classifier of the data."""

import logging
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from omegaconf import DictConfig, OmegaConf

from gan_cli.config.settings import Node, TrainedSettings
from gan_cli.errors import UserError
from gan_cli.figures.quality import draw_quality
from gan_cli.files import relative
from gan_cli.metrics.quality import QualityProtocol, measure
from gan_cli.ranges import Count
from gan_cli.runs.quality import (
    errors_on_test,
    pick_space,
    record,
    refuse_conflicts,
    set_of_file,
    sets_of_runs,
)
from gan_cli.runs.results import write_results
from gan_cli.training.device import pick_device

log = logging.getLogger(__name__)


@dataclass
class Settings(TrainedSettings, QualityProtocol):
    """Types and ranges of `gan evaluate`."""

    runs: str | list[str] | None
    samples: str | None
    dataset: Node
    features: Literal["own", "inception"]
    path: str | None
    draws: Count


def run(cfg: DictConfig, out: Path) -> None:
    """Measure runs' generators, or the samples of a file, and the references beside them."""
    refuse_conflicts(cfg)
    device = pick_device(cfg.device)
    sets = sets_of_runs(cfg, device) if cfg.samples is None else set_of_file(cfg)
    space = pick_space(cfg, sets.source, sets.data, device)
    protocol = QualityProtocol(**{field.name: cfg[field.name] for field in fields(QualityProtocol)})
    quality = measure(
        sets.draws, sets.source, sets.data, space, protocol, Path(cfg.outputs) / "cache",
        bootstrap=cfg.samples is not None, test_errors=errors_on_test(sets, device, cfg.checkpoint),
    )  # fmt: skip
    log.info("Against %d training images, in %s.", quality.n_reference, quality.space)
    lines = [*quality.table(), "", *(f"- {line}" for line in quality.legend())]
    for line in lines:
        log.info("%s", line)

    settings: Any = OmegaConf.to_container(cfg, resolve=True)
    write_results(
        out / "evaluation.json", quality.content(), draw_quality(quality), sets.origin, settings,
        lines,
    )  # fmt: skip
    for row, one in zip(sets.draws, sets.trained, strict=False):
        try:
            record(one, quality, row, settings)
        except UserError as error:
            log.warning("gan report won't have %s: %s", row, error)
    where = relative(out / "evaluation.png")
    log.info("Results: %s, with evaluation.json and evaluation.md beside it.", where)
