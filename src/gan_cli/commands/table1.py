"""`gan table1`: the log-likelihoods of a sweep's runs, beside those that the paper quotes."""

import json
import logging
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from hydra import compose
from omegaconf import DictConfig, OmegaConf

from gan_cli import sweeps
from gan_cli.commands import elsewhere, eval_parzen, interpolate, sample
from gan_cli.commands.build import relative
from gan_cli.commands.jobs import Job, find, kinds, missing
from gan_cli.commands.trained import Trained, load_data, load_trained
from gan_cli.errors import UserError
from gan_cli.evaluation.classifier import classify, histogram, total_variation, train_classifier
from gan_cli.evaluation.neighbors import nearest, quantiles
from gan_cli.evaluation.summary import summarise
from gan_cli.figures.table1 import markdown
from gan_cli.files import write_atomically
from gan_cli.runs import Run
from gan_cli.training.environment import git_commit

log = logging.getLogger(__name__)

# Which weights of G, and what of a seed that is.
WEIGHTS = {"raw": "", "ema": ", average"}
# Samples, and test images, whose distances to the training set are told.
COMPARED = 1000


def run(cfg: DictConfig, out: Path) -> None:
    """Evaluate runs that differ by their seeds, and write the table to `cfg.results`, or `out`."""
    jobs, absent = find(cfg)
    finished = [job for job in jobs if job.status == "finished"]
    finished.sort(key=lambda job: int(job.settings["seed"]))
    if not finished:
        raise UserError(f"None of the {len(jobs)} runs there is finished; `gan train` ends them.")
    if different := kinds(finished):
        raise UserError(
            f"The runs differ by more than their seeds ({', '.join(different)}); a table is of one "
            "recipe, and `gan report` compares several."
        )

    # Before anything is written, so that what can't be read leaves nothing half done.
    alike = {
        "recipe": elsewhere.recipe(Run(finished[0].path).config()),
        "protocol": {key: cfg[key] for key in ("n_samples", "valid_limit", "test_limit")},
    }
    others = elsewhere.read(cfg.others, alike, {int(job.settings["seed"]) for job in finished})
    loaded = {
        f"seed {job.settings['seed']}{of}": load_trained(
            _compose(cfg, "sample", job, f"weights={which}")
        )
        for job in finished
        for which, of in WEIGHTS.items()
    }

    # The paper's protocol: every run, references beside the first, more draws of the median one.
    first = _score(cfg, finished[0], "references=[train,kmeans]")
    scores = [
        {which: _score(cfg, job, f"weights={which}", "references=[]") for which in WEIGHTS}
        for job in finished
    ]
    rows = [_row(job, by) for job, by in zip(finished, scores, strict=True)]
    reached = [row["raw"]["log_likelihood"] for row in (*rows, *_runs_of(others))]
    middle = statistics.median_low(reached)
    _, median = min(
        zip(rows, finished, strict=True),
        key=lambda pair: abs(pair[0]["raw"]["log_likelihood"] - middle),
    )
    drawn = {
        which: _score(cfg, median, f"weights={which}", "references=[]", f"draws={cfg.draws}")
        for which in WEIGHTS
    }
    content = {
        "dataset": finished[0].settings["dataset._target_"],
        "train": finished[0].command,
        **alike,
        "runs": rows,
        "references": {name: _numbers(score) for name, score in first["references"].items()},
        "quoted": first["quoted"],
        "draws": {
            "seed": int(median.settings["seed"]),
            **{w: [draw["log_likelihood"] for draw in s["draws"]] for w, s in drawn.items()},
        },
        **_samples(cfg, loaded),
        "missing": missing(jobs, absent),
        "command": " ".join(sys.argv),
        "commit": git_commit(),
    }
    elsewhere.join(content, others)
    content["over_seeds"] = {
        which: summarise([row[which]["log_likelihood"] for row in content["runs"]])._asdict()
        for which in WEIGHTS
    }

    where = Path(cfg.results or out)
    where.mkdir(parents=True, exist_ok=True)
    text = markdown(content)
    for line in text.splitlines():
        log.info("%s", line)
    for which in WEIGHTS:
        pictures = where if which == "raw" else where / which
        pictures.mkdir(exist_ok=True)
        of = f"weights={which}"
        sample.run(_compose(cfg, "sample", median, of, "neighbors=true"), pictures)
        interpolate.run(_compose(cfg, "interpolate", median, of), pictures)
    write_atomically(where / "table1.json", json.dumps(content, indent=2).encode())
    write_atomically(where / "table1.md", text.encode())
    log.info("Results: %s, with table1.json and figures beside it.", relative(where / "table1.md"))


def _compose(cfg: DictConfig, command: str, job: Job, *more: str) -> DictConfig:
    """Return the config of another command on a run."""
    threads = [f"threads={cfg.threads}"] if cfg.threads else []
    told = {"run": job.path, **{key: cfg[key] for key in ("outputs", "device", "data_dir")}}
    same = [f"{key}={sweeps.quoted(str(value))}" for key, value in told.items()]
    return compose(command, [*same, *threads, *more])


def _score(cfg: DictConfig, job: Job, *more: str) -> dict[str, Any]:
    """Return what `gan eval-parzen` says of a run; if it was asked before, from the run itself."""
    limits = [f"{k}={cfg[k]}" for k in ("n_samples", "valid_limit", "test_limit") if cfg[k]]
    asked = _compose(cfg, "eval-parzen", job, *limits, *more)
    directory = Run(job.path).evaluation("-".join(more))
    path = directory / "parzen.json"
    step = str(int(job.rows[-1]["step"]))
    if path.is_file():
        known: dict[str, Any] = json.loads(path.read_text())
        same = known["settings"] == OmegaConf.to_container(asked, resolve=True)
        if same and known["origin"]["step"] == step:
            return known
    directory.mkdir(parents=True, exist_ok=True)
    eval_parzen.run(asked, directory)
    score: dict[str, Any] = json.loads(path.read_text())
    return score


def _runs_of(tables: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for table in tables for row in table["runs"]]


def _numbers(score: dict[str, Any]) -> dict[str, float]:
    return {name: score[name] for name in ("log_likelihood", "standard_error", "n", "sigma")}


def _row(job: Job, scores: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return what is told of a run: its length, what it ran on, and its scores."""
    sessions = Run(job.path).sessions()
    return {
        "seed": int(job.settings["seed"]),
        "epochs": job.rows[-1]["epoch"],
        "hours": job.seconds / 3600,
        "sessions": len(sessions),
        "commits": sorted({str(session["git_commit"]) for session in sessions}),
        "hardware": sorted({_hardware(session) for session in sessions}),
        **{which: _numbers(score) for which, score in scores.items()},
    }


def _hardware(session: dict[str, Any]) -> str:
    what = session["processor"] if session["device"] == "cpu" else session["device"]
    torch_version = session["versions"]["torch"]
    return f"{what}, {session['threads']} threads, {session['precision']}, torch {torch_version}"


def _samples(cfg: DictConfig, loaded: dict[str, Trained]) -> dict[str, Any]:
    """Return how far samples are from training images, and which classes they fall into."""
    first = next(iter(loaded.values()))
    source, data, device = first.source, load_data(cfg, first)[0], first.device
    train, test = (source.to_model(part.x).to(device) for part in (data.train, data.test))
    drawn = {name: _draw(trained, cfg) for name, trained in loaded.items()}
    compared = {"test images": test, **drawn}
    near = {name: quantiles(nearest(x[:COMPARED], train)[0]) for name, x in compared.items()}
    if data.train.y is None or data.test.y is None:
        return {"neighbors": near}
    labels = data.test.y.to(device)
    classifier = train_classifier(train, data.train.y.to(device), cfg.seed)
    classes = int(data.train.y.max()) + 1
    truth = histogram(labels, classes)
    shares = {name: histogram(classify(classifier, x), classes) for name, x in drawn.items()}
    return {
        "neighbors": near,
        "classes": {
            "accuracy": (classify(classifier, test) == labels).float().mean().item(),
            "test images": truth,
            "samples": {
                name: {"shares": share, "total_variation": total_variation(share, truth)}
                for name, share in shares.items()
            },
        },
    }


def _draw(trained: Trained, cfg: DictConfig) -> torch.Tensor:
    return trained.samples(cfg.n_samples, cfg.seed).to(trained.device)
