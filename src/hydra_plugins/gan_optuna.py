"""Hydra's plugin of gan for searches: Optuna proposes, the launcher runs, Optuna gets the results.

Its settings are named as in hydra-optuna-sweeper, which can take its place once it works with a
current Optuna.
"""

import logging
import math
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import Override
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from gan_cli.errors import NotBegunError, PrunedError, UserError
from gan_cli.runs import sweeps
from gan_cli.runs.search import chosen, job_name, open_study
from hydra_plugins.gan_sweepers import Jobs

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

log = logging.getLogger("gan_cli.sweep")


class OptunaSweeper(Jobs):
    """Runs `n_trials` trials in all, `n_jobs` at once, for the best of what jobs return.

    `sampler` and `pruner` are configs of Optuna's classes. What trial i is does not depend on where
    a search was stopped, if `n_jobs` is 1.
    """

    def __init__(
        self, n_trials: int, n_jobs: int, seed: int, sampler: DictConfig,
        pruner: DictConfig | None, params: Mapping[str, str] | None,
    ) -> None:  # fmt: skip
        super().__init__(params)
        self.n_trials, self.n_jobs, self.seed = n_trials, n_jobs, seed
        self.sampler, self.pruner = sampler, pruner

    def sweep(self, arguments: list[str]) -> float:
        """Search, and return the best value.

        Raises UserError for what can't be searched, and CompactHydraException where trials failed.
        """
        from optuna.trial import TrialState

        # Of the same setting the command line's, which comes last, is the one that counts.
        last = {o.get_key_element(): o for o in sweeps.parse(self.params, arguments)}
        space = {key: distribution(o) for key, o in last.items() if o.is_sweep_override()}
        same = [str(o.input_line) for key, o in last.items() if key not in space]
        if not space:
            raise UserError(
                "hydra/sweeper=optuna has nothing to search; sweep=search names a space, or give "
                "one, as optimizer.lr='tag(log, interval(0.01, 1))'."
            )
        if OmegaConf.select(self.config, "monitor.every_epochs") is None:
            raise UserError(
                "hydra/sweeper=optuna is after the monitor's best estimate on validation; "
                "monitor.every_epochs must say how often to make one."
            )
        self.begin()
        study = open_study(self.config, self.directory, self.pruner)
        before = study.user_attrs.get("settings", sorted(same))
        if before != sorted(same):
            raise UserError(
                f"The search in {self.directory} is one with other settings ({' '.join(before)}); "
                "name this one with another sweep=..."
            )
        study.set_user_attr("settings", before)
        self.search(study, space, same)
        states = Counter(trial.state for trial in study.trials)
        if not states[TrialState.COMPLETE]:
            self.end()
            raise UserError("No trial has finished, so there is no best one.")
        log.info(
            "Best of %d trials, %d pruned and %d failed: %s (%s) with %g.",
            len(study.trials), states[TrialState.PRUNED], states[TrialState.FAIL],
            job_name(study.best_trial, study.trials), " ".join(chosen(study.best_trial)),
            study.best_value,
        )  # fmt: skip
        self.end()
        return study.best_value

    def search(
        self, study: "optuna.Study", space: "dict[str, BaseDistribution]", same: list[str]
    ) -> None:
        """Have trials run until there are enough, first those that a killed session left."""
        from optuna.trial import TrialState

        left = study.get_trials(states=[TrialState.RUNNING])
        for trial in left:
            if trial.params.keys() != space.keys():  # killed while it was being asked for
                study.tell(trial.number, state=TrialState.FAIL)
        left = [trial for trial in left if trial.params.keys() == space.keys()]
        while not self.stopped and (batch := left[: self.n_jobs] or self.ask(study, space)):
            left = left[self.n_jobs :]
            names = {trial.number: job_name(trial, study.trials) for trial in batch}
            outcomes = self.launch(
                {names[trial.number]: [*same, *chosen(trial)] for trial in batch}
            )
            for number, name in names.items():
                outcome = outcomes.get(name)
                if isinstance(outcome, NotBegunError):
                    continue  # the same command begins it
                if isinstance(outcome, PrunedError):
                    study.tell(number, state=TrialState.PRUNED)
                elif isinstance(outcome, float) and math.isfinite(outcome):
                    study.tell(number, outcome)
                else:
                    study.tell(number, state=TrialState.FAIL)

    def ask(
        self, study: "optuna.Study", space: "dict[str, BaseDistribution]"
    ) -> "list[FrozenTrial]":
        """Return as many new trials as are run at once, and none where there are enough."""
        asked = []
        for number in range(len(study.trials), self.n_trials)[: self.n_jobs]:
            # Its random numbers are the trial's own, or a second session would draw the first's.
            study.sampler = instantiate(self.sampler, seed=self.seed + number)
            new = study.ask(space).number
            asked.append(study.trials[new])
        return asked


def distribution(override: Override) -> "BaseDistribution":
    """Return Optuna's distribution of what an override lists, or gives the ends of.

    Raises UserError where Optuna refuses it.
    """
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    values: Any = override.value()
    try:
        if override.is_interval_sweep():
            whole = isinstance(values.start, int) and isinstance(values.end, int)
            kind = IntDistribution if whole else FloatDistribution
            return kind(values.start, values.end, log="log" in values.tags)
        if override.is_range_sweep():
            ends = values.start, values.stop, values.step
            if all(isinstance(end, int) for end in ends):
                return IntDistribution(min(range(*ends)), max(range(*ends)), step=abs(ends[2]))
        return CategoricalDistribution(list(override.sweep_string_iterator()))
    except ValueError as error:
        raise UserError(f"{override.input_line} can't be searched: {error}.") from error
