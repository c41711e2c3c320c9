"""The monitor: a small Parzen estimate on validation, and how varied samples are."""

from collections.abc import Callable
from typing import Any

from omegaconf import DictConfig
from torch import Tensor

from gan_cli.data.source import Data
from gan_cli.metrics.diversity import reached, spread
from gan_cli.metrics.parzen import log_likelihood
from gan_cli.sampling.samples import draw_z, generate
from gan_cli.training.averaging import current_average
from gan_cli.training.trainer import BEST_BY, Training

# Points whose mean distance is taken: 1000 tell it to a percent, at a cost that goes by the square.
DISTANT = 1000


def build_monitor(
    cfg: DictConfig, training: Training, source: Any, data: Data
) -> Callable[[], dict[str, float]]:
    """Return what measures samples of G, or of its average, each time from the same z."""
    state, device = training.state, training.state.rng.device
    z = draw_z(training.game.prior, cfg.monitor.samples, cfg.seed)

    def measured(x: Tensor) -> Tensor:
        return source.to_measure(x).to(device)

    points = measured(source.to_model(data.valid.x[: cfg.monitor.valid]))
    among = reached(measured(source.to_model(data.train.x[: cfg.monitor.samples])), points)

    def monitor() -> dict[str, float]:
        network = state.generator
        if cfg.monitor.weights == "ema":
            network = current_average(
                state.average, network, state.step, cfg.ema_decay, cfg.ema_power
            )
        samples = measured(generate(network, z, cfg.seed, device))
        likelihoods = log_likelihood(points, samples, list(cfg.monitor.sigmas))
        return {
            BEST_BY: likelihoods.mean(1).max().item(),
            "spread": spread(samples[: len(points)][:DISTANT], points[:DISTANT]),
            "coverage": reached(samples, points) / among,
        }

    return monitor
