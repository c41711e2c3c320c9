"""Runs of one recipe, which differ by their seeds, as a table of their log-likelihoods has them."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig

from gan_cli.config.differences import differences, flatten, is_one_of
from gan_cli.errors import UserError
from gan_cli.metrics.summary import summarise
from gan_cli.runs.aggregate import NOT_KINDS
from gan_cli.runs.collect import Job
from gan_cli.runs.directory import Run

# What no number of the table depends on.
NOT_RECIPE = (*NOT_KINDS, "log", "checkpoint", "dry_run")
NUMBERS = ("log_likelihood", "standard_error", "n", "sigma")


def finished_by_seed(jobs: Sequence[Job]) -> list[Job]:
    """Return the finished jobs in the order of their seeds.

    Raises UserError where there is none, one has no metrics, they differ by more than their seeds,
    or a seed is there twice.
    """
    finished = [job for job in jobs if job.status == "finished"]
    if empty := [job.name for job in finished if not job.rows]:
        raise UserError(f"{empty[0]} is finished, but its metrics.csv is missing or empty.")
    if not finished:
        raise UserError(f"None of the {len(jobs)} runs there is finished; `gan train` ends them.")
    finished.sort(key=seed_of)
    recipes = [recipe(Run(job.path).config()) for job in finished]
    for job, other in zip(finished, recipes, strict=True):
        if different := differences(recipes[0], other, ()):
            raise UserError(
                f"{finished[0].name} and {job.name} differ by more than their seeds "
                f"({'; '.join(different)}); a table is of one recipe, and `gan report` compares "
                "several."
            )
    seeds = [seed_of(job) for job in finished]
    if again := {seed for seed in seeds if seeds.count(seed) > 1}:
        raise UserError(f"runs has seed {min(again)} more than once; each counts as one run.")
    return finished


def seed_of(job: Job) -> int:
    """Return the seed that a run was trained with."""
    return int(job.settings["seed"])


def recipe(config: DictConfig) -> dict[str, Any]:
    """Return the settings of a run that make it one of its kind."""
    settings = flatten(config)
    # What is watched decides nothing, unless it ends the run.
    ended = settings.get("monitor.target") is not None
    free = NOT_RECIPE if ended else (*NOT_RECIPE, "monitor")
    return {k: v for k, v in settings.items() if not is_one_of(k, free)}


def row(job: Job, scores: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return a run's length, what it ran on, and its scores by the weights of G, for JSON."""
    sessions = [session for session in Run(job.path).sessions() if "versions" in session]
    return {
        "seed": seed_of(job),
        "epochs": job.rows[-1]["epoch"],
        "hours": job.seconds / 3600,
        "sessions": len(sessions),
        "commits": sorted({str(session["git_commit"]) for session in sessions}),
        "hardware": sorted({_hardware(session) for session in sessions}),
        "evaluated": scores["raw"]["git_commit"],
        "n_valid": scores["raw"]["n_valid"],
        **{which: numbers(score) for which, score in scores.items()},
    }


def numbers(score: Mapping[str, Any]) -> dict[str, float]:
    """Return the estimate of a score: nats, their standard error, test points and sigma."""
    return {name: score[name] for name in NUMBERS}


def median(rows: Sequence[Mapping[str, Any]]) -> int:
    """Return the index of the row whose log-likelihood by raw weights is the (lower) median."""
    values = [row["raw"]["log_likelihood"] for row in rows]
    return values.index(statistics.median_low(values))


def over_seeds(rows: Sequence[Mapping[str, Any]], which: str) -> dict[str, float | None]:
    """Return the summary of the rows' log-likelihoods (nats) by the weights `which`, for JSON.

    The standard error of a single row, NaN, is None there, as JSON has no NaN.
    """
    summary = summarise([row[which]["log_likelihood"] for row in rows])._asdict()
    return {**summary, "standard_error": summary["standard_error"] if len(rows) > 1 else None}


def _hardware(session: Mapping[str, Any]) -> str:
    what = session["processor"] if session["device"] == "cpu" else session["device"]
    torch_version = session["versions"]["torch"]
    return f"{what}, {session['threads']} threads, {session['precision']}, torch {torch_version}"
