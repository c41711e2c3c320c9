"""The monitor: grids of samples, a small Parzen estimate on validation, and mode collapse."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from gan_cli.data.source import Data, Source, Split
from gan_cli.errors import UserError
from gan_cli.figures.grid import Picture, picture
from gan_cli.game.semi_supervised import classes
from gan_cli.game.state import State
from gan_cli.metrics.registry import CRITERIA, METRICS, Metric, Reference, Samples
from gan_cli.metrics.views import Space
from gan_cli.networks.classifier import Classifier
from gan_cli.ranges import AtLeastTwo, Fraction, Number, Positive, Sigmas
from gan_cli.sampling.samples import generate

log = logging.getLogger(__name__)

# Measures of samples' diversity; each is 1 for samples as diverse as the data.
DIVERSITY = ("spread", "coverage")
# A G whose samples were never more diverse than this has not learned yet: it can't collapse.
MIN_DIVERSITY = 0.1


@dataclass
class MonitorSettings:
    """What is measured while a run trains, and what follows from it.

    Every `every_epochs`, None for never, `samples` of G, or with `weights` "ema" of its average,
    are measured against `valid` points of the validation set, in the space that the paper measures
    in; `sigmas` are the widths that Parzen windows try. With `metric` "frechet" they are also
    compared with the whole validation set in the feature space of `gan evaluate`. The best
    checkpoint is that of the best estimate by `metric`, and the run ends where it is as good as
    `target`. G has collapsed where its diversity is below `collapse` of the running maximum.
    """

    every_epochs: Positive | None
    metric: Literal["parzen", "frechet", "error"]
    weights: Literal["raw", "ema"]
    samples: AtLeastTwo
    valid: AtLeastTwo
    sigmas: Sigmas
    target: Number | None
    collapse: Fraction

    @property
    def criterion(self) -> Metric:
        """The metric by which one estimate is better than another."""
        return CRITERIA[self.metric]

    def is_reached(self, best: float) -> bool:
        """Return whether the best estimate, NaN where there is none, is as good as the target."""
        return self.target is not None and self.criterion.best(best, self.target) == best


def reference_of(
    source: Source, data: Data, settings: MonitorSettings, space: Space | None, state: State
) -> Reference:
    """Return what samples are measured against, on the state's device, and in `space` if given.

    Raises UserError where samples or validation images are too few for a Fréchet distance in it.
    """
    view, n, device = None, len(data.valid.x), state.rng.device
    if space is not None:
        view = space(source.to_pixels(source.to_model(data.valid.x)))
        if min(settings.samples, n) <= (d := view.features.shape[1]):
            raise UserError(
                f"monitor.metric is {settings.metric}, which in {d} features takes at least "
                f"{d + 1} samples and validation images; monitor.samples is {settings.samples}, "
                f"and there are {n} validation images."
            )
    points, train = (
        source.to_measure(source.to_model(x)).to(device)
        for x in (data.valid.x[: settings.valid], data.train.x[: settings.samples])
    )
    labelled = None
    if isinstance(state.discriminator, Classifier) and data.valid.y is not None:
        labelled = Split(source.to_model(data.valid.x).to(device), data.valid.y.to(device))
    return Reference(points, train, settings.sigmas, space, view, labelled)


@dataclass(frozen=True)
class Monitor:
    """Looks at samples of G from the same z each time, so that progress can be watched.

    `samples` and `grid` are G's inputs, (z, *c). It measures samples of `watched()`, G or its
    average, every `every` iterations, if that is not None, and after the last; and it draws a grid
    of G's. G has collapsed, into what the paper calls the Helvetica scenario (section 6), where a
    measure of DIVERSITY is below `settings.collapse` of its running maximum; with
    `stop_on_collapse` the run ends.
    """

    state: State
    samples: Sequence[Tensor]
    grid: Sequence[Tensor]
    source: Source
    reference: Reference
    seed: int
    settings: MonitorSettings
    watched: Callable[[], nn.Module]
    every: int | None
    stop_on_collapse: bool

    def is_due(self, last: bool) -> bool:
        """Return whether to measure samples now, after this iteration, which may be the last."""
        return self.every is not None and (last or self.state.step % self.every == 0)

    def number(self) -> int:
        """Return how many estimates there are up to this iteration."""
        return self.state.step // self.every if self.every else 0

    def draw(self) -> Picture:
        """Return a picture of a grid of samples, of G itself."""
        return picture(self._images(self.state.generator, self.grid), self.source)

    def estimate(self) -> dict[str, float]:
        """Return the value of each of METRICS by its name, NaN of those in features without them.

        The state has the best so far, the running maxima of DIVERSITY, and whether G has collapsed.
        """
        state, criterion = self.state, self.settings.criterion
        samples = self._samples()
        estimates = {metric.name: metric.measure(samples, self.reference) for metric in METRICS}
        state.best = criterion.best(state.best, estimates[criterion.name])
        for name in DIVERSITY:
            # More diversity than the data's is no virtue.
            state.maxima[name] = max(state.maxima.get(name, 0.0), min(estimates[name], 1.0))
        state.collapsed = bool(self._collapsed_measures(estimates))
        return estimates

    def report_collapse(self, estimates: Mapping[str, float]) -> None:
        """Warn that G has collapsed, or raise UserError where the run is to stop."""
        fallen = " and ".join(
            f"their {name} is {estimates[name]:.3f} of the data's, down from "
            f"{self.state.maxima[name]:.3f}"
            for name in self._collapsed_measures(estimates)
        )
        sentence = (
            f"G's samples have collapsed at step {self.state.step}: {fallen}. "
            "An earlier checkpoint may be of more use; a smaller optimizer.lr or another seed may "
            "prevent it."
        )
        if self.stop_on_collapse:
            raise UserError(sentence)
        log.warning("%s", sentence)

    def _collapsed_measures(self, estimates: Mapping[str, float]) -> list[str]:
        maxima = self.state.maxima
        return [
            name
            for name in DIVERSITY
            if maxima[name] > MIN_DIVERSITY
            and estimates[name] < self.settings.collapse * maxima[name]
        ]

    def _samples(self) -> Samples:
        x = self._images(self.watched(), self.samples)
        space = self.reference.space
        view = None if space is None else space(self.source.to_pixels(x))
        discriminator, labelled = self.state.discriminator, self.reference.labelled
        found = (
            classes(discriminator, labelled.x)
            if labelled and isinstance(discriminator, Classifier)
            else None
        )
        return Samples(self.source.to_measure(x), view, found)

    def _images(self, generator: nn.Module, inputs: Sequence[Tensor]) -> Tensor:
        z, *c = inputs
        return generate(generator, z, self.seed, self.state.rng.device, c)
