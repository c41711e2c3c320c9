"""Hydra's plugins of gan: which jobs `-m` has, and what becomes of those that fail.

They are looked for in this package; it is one that other distributions add to.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from hydra.core.config_loader import ConfigLoader
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import CompactHydraException, HydraException
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from gan_cli import interrupts
from gan_cli.config.validate import complaint
from gan_cli.errors import PrunedError, UserError
from gan_cli.files import write_atomically
from gan_cli.runs import resolvers, sweeps

# A launcher's worker on another machine has this module first: its configs need the resolvers.
resolvers.register()

log = logging.getLogger("gan_cli.sweep")


class Jobs(Sweeper):
    """Has jobs run by a launcher; one that fails leaves the others alone, and is reported at once.

    `params` are overrides that a sweep's config brings.
    """

    config: DictConfig
    launcher: Launcher
    loader: ConfigLoader

    def __init__(self, params: Mapping[str, str] | None) -> None:
        self.params = params or {}
        self.begun = 0
        self.failures: list[str] = []

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Take what Hydra gives."""
        interrupts.unwind()  # which a launcher needs, to end its workers
        self.config, self.loader = config, hydra_context.config_loader
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def begin(self) -> Path:
        """Make the sweep's directory, with the record of its command.

        Raises UserError where it can't be written, or its name isn't one: runs are looked for in
        one place alone.
        """
        name = self.config.hydra.runtime.choices.get("sweep")
        if name is not None and (name == ".." or Path(name).name != name):
            raise UserError(
                f"sweep is {name}; it must be a name without /, and outputs=DIRECTORY says where "
                "sweeps are."
            )
        directory = Path(self.config.hydra.sweep.dir)
        directory.mkdir(parents=True, exist_ok=True)
        write_atomically(directory / sweeps.RECORD, OmegaConf.to_yaml(self.config).encode())
        return directory

    def launch(self, jobs: Mapping[str, Sequence[str]]) -> dict[str, JobReturn]:
        """Run jobs, given as their overrides by their names, and return what came of each."""
        directory = Path(self.config.hydra.sweep.dir)
        batch = {}
        for name, overrides in jobs.items():
            place = {"hydra.sweep.dir": str(directory), "hydra.sweep.subdir": name}
            batch[name] = [
                *overrides,
                *(f"{key}={sweeps.quoted(path)}" for key, path in place.items()),
            ]
            try:
                self.loader.load_sweep_config(self.config, batch[name])
            except HydraException as error:
                del batch[name]
                reason = complaint(error, self.config.hydra.job.name)
                log.error("%s: %s", name, reason)
                sweeps.note(directory / name, f"failed: {reason}")
                # Hydra gives a log to those jobs only that have a config.
                (directory / name).mkdir(exist_ok=True)
                with (directory / name / f"{self.config.hydra.job.name}.log").open("a") as file:
                    file.write(f"{reason}\n")
                self.failures.append(f"{name}: {reason}")
        number, self.begun = self.begun, self.begun + len(jobs)
        if not batch:
            return {}
        try:
            returned = self.launcher.launch(list(batch.values()), initial_job_idx=number)
        except OSError as error:  # a job's own are in what it returned; these are Hydra's
            raise UserError(
                f"The jobs in {directory} can't go on: {error.strerror or error}. Once that is "
                "mended, the same command runs those that have not finished."
            ) from error
        outcomes = dict(zip(batch, returned, strict=True))
        self.failures += [
            str(outcome._return_value)
            for outcome in outcomes.values()
            if outcome.status == JobStatus.FAILED
            and not isinstance(outcome._return_value, PrunedError)
        ]
        return outcomes

    def end(self) -> None:
        """Raise CompactHydraException, which says how many jobs failed and why, if any did."""
        if self.failures:
            summary = f"{len(self.failures)} of {self.begun} jobs failed:"
            raise CompactHydraException("\n".join([summary, *self.failures]))


class GridSweeper(Jobs):
    """Runs every combination of the values that are listed."""

    def sweep(self, arguments: list[str]) -> list[JobReturn]:
        """Run what the command line's overrides, and `params`, come to."""
        jobs = sweeps.combinations(self.params, arguments)
        name = self.config.hydra.runtime.choices.get("sweep")
        if name is not None and list(jobs) == [sweeps.ALONE]:
            presets = self.loader.get_group_options("sweep")
            raise UserError(
                f"sweep is {name}, which is none of {', '.join(presets)}, and nothing else gives a "
                "setting several values, as seed=range(5) does."
            )
        log.info("What becomes of each job is in %s.", self.begin() / sweeps.LOG)
        outcomes = self.launch(jobs)
        self.end()
        return list(outcomes.values())
