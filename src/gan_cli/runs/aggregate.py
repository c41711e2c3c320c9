"""Which runs go together, and what they came to."""

import math
import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

from gan_cli.config.differences import is_one_of
from gan_cli.metrics.summary import Summary, summarise
from gan_cli.runs.collect import EVALUATED, LEAST_FIRST, METRICS, TO_TARGET, Job, missing
from gan_cli.runs.resume import MACHINE

# In which runs of one recipe may differ.
NOT_RECIPE = ("seed", *MACHINE)


class Group(NamedTuple):
    """Runs of one recipe, in the order of their seeds, and what their metrics came to.

    `key` has the settings by which the groups of a report differ.
    """

    key: dict[str, str]
    jobs: list[Job]
    summaries: dict[str, Summary]

    @property
    def title(self) -> str:
        """The group's settings in a line."""
        return ", ".join(f"{name}={value}" for name, value in self.key.items()) or "all"


def recipe(job: Job) -> dict[str, Any]:
    """Return the settings of a run on which its results depend, but for the seed."""
    return {k: v for k, v in job.settings.items() if not is_one_of(k, NOT_RECIPE)}


def different(jobs: Sequence[Job]) -> dict[str, list[str]]:
    """Return the settings in which jobs differ, each with its value in every job.

    Those given on the command line, which have options of groups too, come first.
    """
    given = [name for job in jobs for name in job.given]
    names = dict.fromkeys([*given, *(name for job in jobs for name in job.settings)])
    columns = {
        name: [str(job.settings.get(name, job.given.get(name, "default"))) for job in jobs]
        for name in names
    }
    return {name: values for name, values in columns.items() if len(set(values)) > 1}


def best_first(jobs: Sequence[Job], by: str) -> list[Group]:
    """Return the groups of finished jobs that differ by their seeds alone.

    The one with the best mean of the metric `by` comes first, those without it last.
    """
    members: list[list[Job]] = []
    for job in sorted(jobs, key=lambda job: job.seed):
        same = [some for some in members if recipe(some[0]) == recipe(job)]
        if same:
            same[0].append(job)
        else:
            members.append([job])
    columns = _columns([some[0] for some in members])
    groups = [
        Group({name: values[i] for name, values in columns.items()}, some, _summaries(some))
        for i, some in enumerate(members)
    ]

    def order(group: Group) -> float:
        sign = 1 if by in LEAST_FIRST else -1
        return sign * group.summaries[by].mean if by in group.summaries else math.inf

    return sorted(groups, key=order)


def _columns(jobs: Sequence[Job]) -> dict[str, list[str]]:
    """Return the settings by which jobs of different recipes are known, each with its values.

    All that were given on a command line, and as many others as it takes to distinguish the jobs.
    """
    given = {name for job in jobs for name in job.given}
    varied = {k: v for k, v in different(jobs).items() if not is_one_of(k, NOT_RECIPE)}
    columns = {name: values for name, values in varied.items() if name in given}
    for name, values in varied.items():
        apart = len(set(zip(*columns.values(), strict=True)))
        if len(set(zip(*columns.values(), values, strict=True))) > apart:
            columns[name] = values
    return columns


def _summaries(jobs: Sequence[Job]) -> dict[str, Summary]:
    measured = [job.metrics for job in jobs]
    names = (*METRICS, *EVALUATED)
    values = {metric: [m[metric] for m in measured if metric in m] for metric in names}
    return {metric: summarise(some) for metric, some in values.items() if some}


def by_seed(group: Group, metric: str) -> dict[int, float]:
    """Return the metric of each seed that has it; of several runs with one seed the mean."""
    values: dict[int, list[float]] = {}
    for job in group.jobs:
        if metric in (metrics := job.metrics):
            values.setdefault(job.seed, []).append(metrics[metric])
    return {seed: statistics.fmean(some) for seed, some in values.items()}


def remarks(jobs: Sequence[Job], absent: Sequence[str], groups: Sequence[Group]) -> list[str]:
    """Return a line for all that a table of groups does not show, or that limits what it says.

    absent: the names of jobs that are not begun.
    """
    lines = missing(jobs, absent)
    to_target = " and ".join(TO_TARGET)
    lines += [
        f"{job.name} has no {to_target} to its target: {job.missed}" for job in jobs if job.missed
    ]
    evaluations = [(job, *item) for job in jobs for item in job.evaluations.items()]
    lines += [
        f"{job.name} had its {weights} weights evaluated at step {evaluation['step']}, and has "
        f"trained to step {job.rows[-1]['step']:.0f}"
        for job, weights, evaluation in evaluations
        if job.rows and evaluation["step"] != job.rows[-1]["step"]
    ]
    conditions = dict.fromkeys(evaluation["conditions"] for *_, evaluation in evaluations)
    if len(conditions) > 1:
        lines.append(f"evaluations don't compare: some are of {', others of '.join(conditions)}")
    for group in groups:
        seeds = [job.seed for job in group.jobs]
        lines += [
            f"{group.title} has seed {seed} {seeds.count(seed)} times; standard errors take them "
            "for independent runs"
            for seed in dict.fromkeys(seeds)
            if seeds.count(seed) > 1
        ]
    lines += [
        f"{' and '.join(names)} are confounded: they differ together in all runs, so which of them "
        "makes a difference can't be seen here"
        for names in _confounded(groups)
    ]
    return lines


def _confounded(groups: Sequence[Group]) -> list[list[str]]:
    """Return the sets of settings that differ together in all groups."""
    together: dict[tuple[int, ...], list[str]] = {}
    for name in groups[0].key:
        values = [group.key[name] for group in groups]
        together.setdefault(tuple(map(values.index, values)), []).append(name)
    return [sorted(names) for names in together.values() if len(names) > 1]
