"""`gan table1`: the log-likelihoods of a sweep's runs, beside those that the paper quotes."""

import json
import logging
import statistics
import sys
from pathlib import Path
from typing import Any

import torch
from hydra import compose
from omegaconf import DictConfig, OmegaConf

from gan_cli.commands import eval_parzen, interpolate, sample
from gan_cli.config.differences import differences, flatten, is_one_of
from gan_cli.errors import UserError
from gan_cli.figures.table1 import markdown
from gan_cli.files import relative, write_atomically
from gan_cli.metrics.likeness import compare
from gan_cli.metrics.summary import summarise
from gan_cli.runs.aggregate import NOT_KINDS
from gan_cli.runs.collect import Job, find, missing
from gan_cli.runs.directory import Run, read_json
from gan_cli.runs.environment import git_commit
from gan_cli.runs.load import load_data, load_trained

log = logging.getLogger(__name__)

# Which weights of G, and what of a seed that is.
WEIGHTS = {"raw": "", "ema": ", average"}
LIMITS = ("n_samples", "valid_limit", "test_limit")
# What tables of the same recipe have to have in common.
PROTOCOL = ("seed", *LIMITS)
# What the commands that are asked of a run have in common with this one.
COMMON = ("outputs", "device", "threads", "data_dir", "seed")

# What no number of the table depends on.
NOT_RECIPE = (*NOT_KINDS, "log", "checkpoint", "dry_run")
NUMBERS = ("log_likelihood", "standard_error", "n", "sigma")


def run(cfg: DictConfig, out: Path) -> None:
    """Evaluate runs that differ by their seeds, and write the table to `cfg.results`, or `out`."""
    jobs, absent = find(cfg)
    finished = [job for job in jobs if job.status == "finished"]
    if empty := [job.name for job in finished if not job.rows]:
        raise UserError(f"{empty[0]} is finished, but its metrics.csv is missing or empty.")
    finished.sort(key=lambda job: int(job.settings["seed"]))
    if not finished:
        raise UserError(f"None of the {len(jobs)} runs there is finished; `gan train` ends them.")
    recipes = [recipe(Run(job.path).config()) for job in finished]
    for job, other in zip(finished, recipes, strict=True):
        if different := differences(recipes[0], other, ()):
            raise UserError(
                f"{finished[0].name} and {job.name} differ by more than their seeds "
                f"({'; '.join(different)}); a table is of one recipe, and `gan report` compares "
                "several."
            )
    seeds = [int(job.settings["seed"]) for job in finished]
    if again := {seed for seed in seeds if seeds.count(seed) > 1}:
        raise UserError(f"runs has seed {min(again)} more than once; each counts as one run.")
    # Before anything is written, so that what can't be read leaves nothing half done.
    alike = {"recipe": recipes[0], "protocol": {key: cfg[key] for key in PROTOCOL}}
    parzen = _defaults(cfg, "eval-parzen", *LIMITS)
    samples = _defaults(cfg, "sample")
    generators = {
        f"seed {job.settings['seed']}{of}": _on(job, samples, f"weights={which}")
        for job in finished
        for which, of in WEIGHTS.items()
    }
    for asked in generators.values():
        trained = load_trained(asked)
    data = load_data(cfg, trained)[0]
    if data.train.x.dtype != torch.uint8:
        raise UserError("gan table1 is of images, and these runs' data are none.")
    where = Path(cfg.results or out)
    pictures = {"raw": where, "ema": where / "ema"}
    try:
        for path in pictures.values():
            path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"results is {cfg.results}, but {error.filename} can't be made a directory "
            f"({error.strerror}); the table goes into one."
        ) from error

    # The paper's protocol: every run, references beside the first, more draws of the median one.
    first = _score(finished[0], parzen, "references=[train,kmeans]")
    scores = [
        {which: _score(job, parzen, f"weights={which}", "references=[]") for which in WEIGHTS}
        for job in finished
    ]
    rows = [_row(job, by) for job, by in zip(finished, scores, strict=True)]
    reached = [row["raw"]["log_likelihood"] for row in rows]
    middle = statistics.median_low(reached)
    _, median = min(
        zip(rows, finished, strict=True),
        key=lambda pair: abs(pair[0]["raw"]["log_likelihood"] - middle),
    )
    drawn = {
        which: _score(median, parzen, f"weights={which}", "references=[]", f"draws={cfg.draws}")
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
        **compare(cfg, trained.source, data, generators),
        "missing": missing(jobs, absent),
        "command": " ".join(sys.argv),
    }
    content["over_seeds"] = {
        which: summarise([row[which]["log_likelihood"] for row in content["runs"]])._asdict()
        for which in WEIGHTS
    }
    if len(content["runs"]) == 1:  # whose standard error is NaN, which JSON does not have
        for summary in content["over_seeds"].values():
            summary["standard_error"] = None

    text = markdown(content)
    for line in text.splitlines():
        log.info("%s", line)
    lines = _defaults(cfg, "interpolate")
    for which in WEIGHTS:
        of = f"weights={which}"
        sample.run(_on(median, samples, of, "neighbors=true"), pictures[which])
        interpolate.run(_on(median, lines, of), pictures[which])
    write_atomically(where / "table1.json", json.dumps(content, indent=2).encode())
    write_atomically(where / "table1.md", text.encode())
    log.info("Results: %s, with table1.json and figures beside it.", relative(where / "table1.md"))


def _defaults(cfg: DictConfig, command: str, *more: str) -> Any:
    """Return the config of another command, with `more` of its settings as they are here."""
    # Once for all runs: to compose it takes longer than to read a generator.
    return OmegaConf.merge(compose(command), {key: cfg[key] for key in (*COMMON, *more)})


def _on(job: Job, defaults: DictConfig, *more: str) -> Any:
    """Return a command's config for a run."""
    return OmegaConf.merge(defaults, {"run": str(job.path)}, OmegaConf.from_dotlist(list(more)))


def _score(job: Job, defaults: DictConfig, *more: str) -> dict[str, Any]:
    """Return what `gan eval-parzen` says of a run; if it was asked before, from the run itself."""
    asked = _on(job, defaults, *more)
    directory = Run(job.path).evaluation("-".join(more))
    path = directory / "parzen.json"
    step = str(int(job.rows[-1]["step"]))
    known = read_json(path, dict)
    same = known.get("settings") == OmegaConf.to_container(asked, resolve=True)
    if same and known["origin"]["step"] == step and known["git_commit"] == git_commit():
        return known
    directory.mkdir(parents=True, exist_ok=True)
    eval_parzen.run(asked, directory)
    score: dict[str, Any] = json.loads(path.read_text())
    return score


def _numbers(score: dict[str, Any]) -> dict[str, float]:
    return {name: score[name] for name in NUMBERS}


def _row(job: Job, scores: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return what is told of a run: its length, what it ran on, and its scores."""
    sessions = [session for session in Run(job.path).sessions() if "versions" in session]
    return {
        "seed": int(job.settings["seed"]),
        "epochs": job.rows[-1]["epoch"],
        "hours": job.seconds / 3600,
        "sessions": len(sessions),
        "commits": sorted({str(session["git_commit"]) for session in sessions}),
        "hardware": sorted({_hardware(session) for session in sessions}),
        "evaluated": scores["raw"]["git_commit"],
        "n_valid": scores["raw"]["n_valid"],
        **{which: _numbers(score) for which, score in scores.items()},
    }


def _hardware(session: dict[str, Any]) -> str:
    what = session["processor"] if session["device"] == "cpu" else session["device"]
    torch_version = session["versions"]["torch"]
    return f"{what}, {session['threads']} threads, {session['precision']}, torch {torch_version}"


def recipe(config: DictConfig) -> dict[str, Any]:
    """Return the settings of a run that make it one of its kind."""
    settings = flatten(config)
    # What is watched decides nothing, unless it ends the run.
    ended = settings.get("monitor.target") is not None
    free = NOT_RECIPE if ended else (*NOT_RECIPE, "monitor")
    return {k: v for k, v in settings.items() if not is_one_of(k, free)}
