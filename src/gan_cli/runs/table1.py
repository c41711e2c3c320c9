"""Table 1 of runs that differ by their seeds alone, and Figures 2 and 3 of one of them."""

import itertools
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Interval
from omegaconf import DictConfig

from gan_cli.config.differences import differences
from gan_cli.data.source import Data
from gan_cli.errors import UserError
from gan_cli.figures.interpolation import save_interpolation
from gan_cli.figures.neighbors import figure2
from gan_cli.metrics.features import feature_space
from gan_cli.metrics.neighbors import COMPARED, distance_quantiles
from gan_cli.metrics.quality import TITLES, Quality, QualityProtocol, measure
from gan_cli.metrics.summary import summarise
from gan_cli.runs.aggregate import recipe
from gan_cli.runs.collect import Job
from gan_cli.runs.directory import Run
from gan_cli.runs.evaluation import evaluated
from gan_cli.runs.load import Trained
from gan_cli.sampling.paths import path, random_points

# Which weights of G, and what the table calls those of a seed.
WEIGHTS = {"raw": "", "ema": ", average"}
PROTOCOL = ("seed", "n_samples", "valid_limit", "test_limit")
NUMBERS = ("log_likelihood", "standard_error", "n", "sigma")


@dataclass
class Figure2:
    """The layout of samples beside their nearest training images."""

    rows: Annotated[int, Interval(ge=1, le=32)]
    columns: Annotated[int, Interval(ge=1, le=32)]


@dataclass
class Figure3:
    """The layout of paths through z-space."""

    rows: Annotated[int, Interval(ge=1, le=1000)]
    points: Annotated[int, Interval(ge=2, le=1000)]
    steps: Annotated[int, Interval(ge=1, le=1000)]


def finished_by_seed(jobs: Sequence[Job]) -> list[Job]:
    """Return the finished jobs in the order of their seeds.

    Raises UserError where there is none, one has no metrics, they differ by more than their seeds,
    or a seed is there twice.
    """
    finished = [job for job in jobs if job.status == "finished"]
    if empty := [job.name for job in finished if not job.rows]:
        raise UserError(f"{empty[0]} is finished, but its metrics.csv is missing or empty.")
    if not finished:
        raise UserError(
            f"None of the {len(jobs)} runs there is finished; `gan train resume=...` finishes one."
        )
    finished.sort(key=lambda job: job.seed)
    for job, other in itertools.pairwise(finished):
        if different := differences(recipe(job), recipe(other), (), ("in one", "in the other")):
            raise UserError(
                f"{job.name} and {other.name} differ by more than their seeds "
                f"({'; '.join(different)}); a table is of one recipe, and `gan report` compares "
                "several."
            )
        if job.seed == other.seed:
            raise UserError(f"runs has seed {job.seed} more than once; give one run of each seed.")
    return finished


def table(
    cfg: DictConfig,
    jobs: Sequence[Job],
    trained: Sequence[Mapping[str, Trained]],
    folds: Sequence[Data],
    missing: Sequence[str],
) -> tuple[dict[str, Any], int]:
    """Return the table of jobs by seed, for JSON, and the index of the median one by raw weights.

    Every run is scored by the paper's protocol, the references beside the first one, and more draws
    of the median one; evaluations kept with the runs are used again. All are measured in features,
    and by their distances in model space to training images. trained: each job's generators by
    their weights. missing: what is not in the table and why. Log-likelihoods are in nats, times in
    hours. Raises UserError for fewer samples than `measure` needs.
    """
    first = trained[0]["raw"]
    samples = {
        f"seed {job.seed}{of}": one[w].labelled(cfg.n_samples, cfg.seed)
        for job, one in zip(jobs, trained, strict=True)
        for w, of in WEIGHTS.items()
    }
    cache = Path(cfg.outputs) / "cache"
    protocol = QualityProtocol(cfg.n_samples, cfg.seed, list(TITLES), cfg.sigmas, False)
    quality = measure(
        {name: [drawn] for name, drawn in samples.items()}, first.source, folds[0],
        feature_space(first.source, folds[0], cache), protocol, cache,
    )  # fmt: skip
    train, test = (first.source.to_model(part.x) for part in (folds[0].train, folds[0].test))
    points = train.to(first.device)
    beside = evaluated(cfg, first, folds, references=["train", "kmeans"])
    scores = [{w: evaluated(cfg, one[w], folds) for w in WEIGHTS} for one in trained]
    rows = [_row(job, by) for job, by in zip(jobs, scores, strict=True)]
    values = {w: [row[w]["log_likelihood"] for row in rows] for w in WEIGHTS}
    middle = values["raw"].index(statistics.median_low(values["raw"]))
    drawn = {w: evaluated(cfg, trained[middle][w], folds, draws=cfg.draws) for w in WEIGHTS}
    content = {
        "dataset": jobs[0].settings["dataset._target_"],
        "train": jobs[0].command,
        "recipe": recipe(jobs[0]),
        "protocol": {key: cfg[key] for key in PROTOCOL},
        "runs": rows,
        "references": {name: _numbers(score) for name, score in beside["references"].items()},
        "quoted": beside["quoted"],
        "draws": {
            "seed": rows[middle]["seed"],
            **{w: [draw["log_likelihood"] for draw in drawn[w]["draws"]] for w in WEIGHTS},
        },
        "quality": {
            **quality.content(),
            "over_seeds": {w: _quality_over_seeds(quality, jobs, of) for w, of in WEIGHTS.items()},
        },
        "neighbors": {
            name: distance_quantiles(x.to(first.device), points)
            for name, x in {"test images": test, **{k: s.x for k, s in samples.items()}}.items()
        },
        "missing": missing,
        "command": " ".join(sys.argv),
        "over_seeds": {w: _over_seeds(values[w]) for w in WEIGHTS},
    }
    return content, middle


def draw_figures(cfg: DictConfig, trained: Trained, data: Data, out: Path) -> None:
    """Write Figures 2 and 3 of a run's generator to `out`."""
    origin, rows, columns = trained.origin(cfg.seed), cfg.figure2.rows, cfg.figure2.columns
    samples = trained.samples(max(rows * columns, COMPARED), cfg.seed)
    figure2(samples, rows, columns, trained.source, data).save(out, origin)
    points = random_points(trained.prior, cfg.figure3.points, cfg.figure3.rows, cfg.seed)
    images = trained.images(path(points, cfg.figure3.steps), cfg.seed)
    save_interpolation(out / "interpolation.png", images, trained.source, cfg.figure3.steps, origin)


def _row(job: Job, scores: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return a run's duration, what it ran on, and its scores by the weights of G."""
    sessions = Run(job.path).sessions()
    return {
        "seed": job.seed,
        "epochs": job.rows[-1]["epoch"],
        "hours": job.seconds / 3600,
        "sessions": len(sessions),
        "commits": sorted({str(session["git_commit"]) for session in sessions}),
        "hardware": sorted({_hardware(session) for session in sessions}),
        "evaluated": scores["raw"]["git_commit"],
        "n_valid": scores["raw"]["n_valid"],
        **{which: _numbers(score) for which, score in scores.items()},
    }


def _hardware(session: Mapping[str, Any]) -> str:
    what = session["processor"] if session["device"] == "cpu" else session["device"]
    torch_version = session["versions"]["torch"]
    return f"{what}, {session['threads']} threads, {session['precision']}, torch {torch_version}"


def _numbers(score: Mapping[str, Any]) -> dict[str, float]:
    return {name: score[name] for name in NUMBERS}


def _quality_over_seeds(
    quality: Quality, jobs: Sequence[Job], of: str
) -> dict[str, dict[str, float | None]]:
    rows = [quality.rows[f"seed {job.seed}{of}"] for job in jobs]
    return {
        name: _over_seeds([row[name].mean for row in rows])
        for name in quality.metrics
        if all(name in row for row in rows)
    }


def _over_seeds(values: Sequence[float]) -> dict[str, float | None]:
    """Return the summary; a single run's standard error, NaN, is None, as JSON has no NaN."""
    summary = summarise(values)._asdict()
    return {**summary, "standard_error": summary["standard_error"] if len(values) > 1 else None}
