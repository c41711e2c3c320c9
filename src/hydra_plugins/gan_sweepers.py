"""Hydra's plugins of gan: which jobs `-m` has, and what becomes of those that fail.

Hydra looks for plugins in this package, to which other distributions add.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from hydra.core.config_loader import ConfigLoader
from hydra.core.plugins import Plugins
from hydra.errors import CompactHydraException, HydraException
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from gan_cli import interrupts
from gan_cli.config.validate import explain
from gan_cli.errors import NotBegunError, PrunedError, UserError
from gan_cli.files import write_atomically
from gan_cli.runs import resolvers, sweeps

# A launcher's worker on another machine has this module first: its configs need the resolvers.
resolvers.register()

log = logging.getLogger("gan_cli.sweep")


class Jobs(Sweeper):
    """Has jobs run by a launcher; one that fails is reported at once.

    It leaves the others alone or, with `sweep.fail_fast`, is the last that is begun. `params` are
    overrides that a sweep's config brings.
    """

    config: DictConfig
    directory: Path
    launcher: Launcher
    loader: ConfigLoader

    def __init__(self, params: Mapping[str, str] | None) -> None:
        self.params = params or {}
        self.given = self.not_begun = 0
        self.failures: list[str] = []

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Take what Hydra gives."""
        interrupts.unwind()  # which a launcher needs, to end its workers
        self.config, self.loader = config, hydra_context.config_loader
        self.directory = Path(config.hydra.sweep.dir)
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def begin(self) -> None:
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
        fail_fast = OmegaConf.select(self.config, "sweep.fail_fast", default=False)
        if not isinstance(fail_fast, bool):
            raise UserError(f"sweep.fail_fast is {fail_fast}; it must be true or false.")
        self.directory.mkdir(parents=True, exist_ok=True)
        sweeps.set_fail_fast(self.directory, fail_fast)
        write_atomically(self.directory / sweeps.RECORD, OmegaConf.to_yaml(self.config).encode())

    def launch(self, jobs: Mapping[str, Sequence[str]]) -> dict[str, object]:
        """Run jobs, given as their overrides by their names.

        Returns what each returned or raised, a NotBegunError where another had failed; what could
        not even be composed is left out.
        """
        batch = {}
        for name, overrides in jobs.items():
            place = {"hydra.sweep.dir": str(self.directory), "hydra.sweep.subdir": name}
            own = [*overrides, *(f"{key}={sweeps.quoted(path)}" for key, path in place.items())]
            try:
                self.loader.load_sweep_config(self.config, own)
                batch[name] = own
            except HydraException as error:
                self.refuse(name, explain(error, self.config.hydra.job.name))
        number, self.given = self.given, self.given + len(jobs)
        if self.stopped or not batch:
            self.not_begun += len(batch)
            return dict.fromkeys(batch, NotBegunError())
        try:
            returned = self.launcher.launch(list(batch.values()), initial_job_idx=number)
        except OSError as error:  # a job's own are in what it returned; these are Hydra's
            raise UserError(
                f"The jobs in {self.directory} can't continue: {error.strerror or error}. Once "
                "that is mended, the same command runs those that have not finished."
            ) from error
        outcomes = [one._return_value for one in returned]
        failed = [one for one in outcomes if isinstance(one, Exception)]
        self.not_begun += sum(isinstance(error, NotBegunError) for error in failed)
        unfailed = PrunedError | NotBegunError
        self.failures += [str(error) for error in failed if not isinstance(error, unfailed)]
        return dict(zip(batch, outcomes, strict=True))

    @property
    def stopped(self) -> bool:
        """Whether no more jobs are to begin, as one has failed."""
        return bool(sweeps.failed_fast(self.directory))

    def refuse(self, name: str, reason: str) -> None:
        """Report a job that has no config, and so none of Hydra's logs."""
        log.error("%s: %s", name, reason)
        sweeps.note(self.directory / name, f"failed: {reason}")
        (self.directory / name).mkdir(exist_ok=True)
        with (self.directory / name / f"{self.config.hydra.job.name}.log").open("a") as file:
            file.write(f"{reason}\n")
        self.failures.append(f"{name}: {reason}")

    def end(self) -> None:
        """Raise CompactHydraException, which says how many jobs failed and why, if any did."""
        if self.failures:
            summary = f"{len(self.failures)} of {self.given} jobs failed"
            if self.not_begun:
                summary += f"; not begun, as sweep.fail_fast is true: {self.not_begun}"
            raise CompactHydraException("\n".join([f"{summary}.", *self.failures]))


class GridSweeper(Jobs):
    """Runs every combination of the values that are listed."""

    def sweep(self, arguments: list[str]) -> list[object]:
        """Run what the command line's overrides, and `params`, come to."""
        jobs = sweeps.combinations(self.params, arguments)
        name = self.config.hydra.runtime.choices.get("sweep")
        if name is not None and list(jobs) == [sweeps.ALONE]:
            presets = self.loader.get_group_options("sweep")
            raise UserError(
                f"sweep is {name}, which is none of {', '.join(presets)}, and nothing else gives a "
                "setting several values, as seed=range(5) does."
            )
        self.begin()
        log.info("The outcome of each job is in %s.", self.directory / sweeps.LOG)
        outcomes = self.launch(jobs)
        self.end()
        return list(outcomes.values())
