"""The monitor: a small Parzen estimate on validation, and how diverse samples are."""

from collections.abc import Sequence

from torch import Tensor

from gan_cli.data.source import Data, Source
from gan_cli.game.priors import Prior
from gan_cli.game.state import State
from gan_cli.metrics.registry import METRICS, Reference
from gan_cli.sampling.samples import draw_z, generate
from gan_cli.training.averaging import current_average


class Monitor:
    """Measures samples of G, or with `weights` "ema" of its average, each time from the same z.

    `samples` of them, against `valid` points of the validation set, in the space that the paper
    measures in; `sigmas` are the widths that Parzen windows try.
    """

    def __init__(
        self,
        state: State,
        prior: Prior,
        source: Source,
        data: Data,
        seed: int,
        weights: str,
        samples: int,
        valid: int,
        sigmas: Sequence[float],
        ema_decay: float,
        ema_power: float,
    ) -> None:
        self.state, self.source, self.seed, self.weights = state, source, seed, weights
        self.ema = ema_decay, ema_power
        self.z = draw_z(prior, samples, seed)
        points = self._measured(source.to_model(data.valid.x[:valid]))
        train = self._measured(source.to_model(data.train.x[:samples]))
        self.reference = Reference(points, train, sigmas)

    def __call__(self) -> dict[str, float]:
        """Return the value of each of METRICS by its name."""
        network, step = self.state.generator, self.state.step
        if self.weights == "ema":
            network = current_average(self.state.average, network, step, *self.ema)
        samples = self._measured(generate(network, self.z, self.seed, self.state.rng.device))
        return {metric.name: metric.measure(samples, self.reference) for metric in METRICS}

    def _measured(self, x: Tensor) -> Tensor:
        return self.source.to_measure(x).to(self.state.rng.device)
