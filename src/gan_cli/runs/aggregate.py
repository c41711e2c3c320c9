"""Runs that differ by the seed alone, and what they came to."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from gan_cli.config.differences import is_one_of
from gan_cli.metrics.summary import Summary, summarise
from gan_cli.runs.collect import LEAST_FIRST, METRICS, Job

# In which runs differ without being of different kinds.
NOT_KINDS = (
    "seed",
    "outputs",
    "resume",
    "data_dir",
    "dataset.data_dir",
    "dataset.cache",
    "device",
    "log",
    "threads",
    "cuda_graph",
    "compile",
)


class Group(NamedTuple):
    """Runs that differ by the seed, in its order, and what their metrics came to.

    `key` has their value of each setting by which groups differ.
    """

    key: tuple[str, ...]
    jobs: list[Job]
    summaries: dict[str, Summary]


def different(jobs: Sequence[Job]) -> dict[str, list[str]]:
    """Return the settings in which jobs differ, each with its value in every job.

    What was given on the command line comes first.
    """
    names = dict.fromkeys(name for job in jobs for name in job.settings)
    values = {name: [str(job.settings.get(name, "default")) for job in jobs] for name in names}
    return {name: some for name, some in values.items() if len(set(some)) > 1}


def kinds(jobs: Sequence[Job]) -> list[str]:
    """Return the settings in which jobs differ but for the seed.

    Of those that always differ together all that were given on a command line, or else the first: a
    group's option brings many. An option that one run was given, and another had anyhow, is no
    difference.
    """
    varied = {k: v for k, v in different(jobs).items() if not is_one_of(k, NOT_KINDS)}
    options = {option for job in jobs for option in job.options}
    given = {name for job in jobs for name in job.given}
    columns = [values for name, values in varied.items() if name not in options]
    resolved = [tuple(values[i] for values in columns) for i in range(len(jobs))]
    kept: dict[str, list[int]] = {}
    for name, values in varied.items():
        pattern = _pattern(values)
        told_alone = len(set(zip(resolved, values, strict=True))) > len(set(resolved))
        if not (name in options and told_alone) and (name in given or pattern not in kept.values()):
            kept[name] = pattern
    return list(kept)


def confounded(jobs: Sequence[Job], names: Sequence[str]) -> list[list[str]]:
    """Return the settings among `names` that differ together in all jobs, each such set a list.

    Which setting of a set makes the difference these jobs can't show.
    """
    values = different(jobs)
    together: dict[tuple[int, ...], list[str]] = {}
    for name in names:
        together.setdefault(tuple(_pattern(values[name])), []).append(name)
    return [sorted(some) for some in together.values() if len(some) > 1]


def _pattern(values: Sequence[str]) -> list[int]:
    return [values.index(value) for value in values]


def best_first(jobs: Sequence[Job], names: Sequence[str], by: str) -> list[Group]:
    """Return the groups of jobs with the same values of the settings `names`.

    The one with the best mean of the metric `by` comes first, those without it last.
    """
    members: dict[tuple[str, ...], list[Job]] = {}
    for job in sorted(jobs, key=lambda job: int(job.settings["seed"])):
        key = tuple(str(job.settings.get(name, "default")) for name in names)
        members.setdefault(key, []).append(job)
    groups = [Group(key, some, _summaries(some)) for key, some in members.items()]

    def order(group: Group) -> float:
        sign = 1 if by in LEAST_FIRST else -1
        return sign * group.summaries[by].mean if by in group.summaries else math.inf

    return sorted(groups, key=order)


def repeated(groups: Sequence[Group]) -> list[str]:
    """Return a line for each run that has its group's settings and another's seed as well."""
    lines = []
    for group in groups:
        named: dict[int, str] = {}
        for job in group.jobs:
            first = named.setdefault(int(job.settings["seed"]), job.name)
            if first != job.name:
                lines.append(
                    f"{job.name} has the settings and the seed of {first}; standard errors take it "
                    "for a run of its own"
                )
    return lines


def _summaries(jobs: Sequence[Job]) -> dict[str, Summary]:
    measured = [job.metrics for job in jobs]
    values = {metric: [m[metric] for m in measured if metric in m] for metric in METRICS}
    return {metric: summarise(some) for metric, some in values.items() if some}
