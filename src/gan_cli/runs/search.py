"""The study of a search by Optuna: what its sweeper and its jobs share."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig

from gan_cli.errors import PrunedError, UserError
from gan_cli.runs import sweeps

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

    from gan_cli.metrics.registry import Metric

STUDY = "study.db"


def open_study(cfg: DictConfig, sweep: Path, pruner: DictConfig | None) -> "optuna.Study":
    """Return the study in a sweep's directory, after the best by `cfg.monitor.metric`.

    It is made where there is none yet.

    Raises UserError where Optuna is missing, or can't read it.
    """
    try:
        import optuna
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError as error:
        raise UserError(
            "hydra/sweeper=optuna needs Optuna, which is not installed; "
            "`pip install -e '.[search]'` brings it."
        ) from error
    criterion = _criterion(cfg)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.create_study(
            storage=f"sqlite:///{sweep / STUDY}",
            study_name="search",
            load_if_exists=True,
            direction="maximize" if criterion.higher_is_better else "minimize",
            pruner=instantiate(pruner) if pruner else optuna.pruners.NopPruner(),
        )
    except SQLAlchemyError as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"Cannot open the study {sweep / STUDY}: {reason}") from error


def chosen(trial: "FrozenTrial") -> list[str]:
    """Return the overrides that a trial stands for."""
    return [f"{key}={value}" for key, value in sorted(trial.params.items())]


def job_name(trial: "FrozenTrial", trials: "Sequence[FrozenTrial]") -> str:
    """Return the name of a trial's job: the number of the first of `trials` with its values.

    Trials of the same values are one job.
    """
    first = next(one for one in trials if one.params == trial.params)
    return f"trial-{first.number:03}"


def pruner(cfg: DictConfig, job: Path) -> Callable[[int, float], None]:
    """Return what reports a run's estimates, by their number from 1, to its search if it has one.

    By that number, and not by the step, trials of other batch sizes can be compared. The function
    raises PrunedError where the search gives the run up.
    """
    hydra = HydraConfig.get()
    if not sweeps.is_job() or not hydra.sweeper.get("pruner"):
        return lambda _number, _estimate: None
    import optuna

    study = open_study(cfg, job.parent, hydra.sweeper.pruner)
    trials = study.trials
    running = [trial for trial in trials if trial.state == optuna.trial.TrialState.RUNNING]
    found = next(trial for trial in running if job_name(trial, trials) == job.name)
    trial = optuna.Trial(study, found._trial_id)
    # A run that was killed measures again what it had reported before.
    reported = set(found.intermediate_values)

    def report(number: int, estimate: float) -> None:
        if number not in reported:
            trial.report(estimate, number)
        if trial.should_prune():
            shown = _criterion(cfg).shown(estimate)
            raise PrunedError(f"pruned by the search at estimate {number}, {shown}")

    return report


def _criterion(cfg: DictConfig) -> "Metric":
    # Imported here: it takes PyTorch, and the sweeper is found by every command.
    from gan_cli.metrics.registry import CRITERIA

    return CRITERIA[cfg.monitor.metric]
