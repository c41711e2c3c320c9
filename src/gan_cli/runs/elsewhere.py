"""Tables of more seeds of a recipe, trained and evaluated on other machines."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from gan_cli.config.differences import differences, flatten, is_one_of
from gan_cli.errors import UserError
from gan_cli.runs.aggregate import NOT_KINDS

# What no number of the table depends on.
NOT_RECIPE = (*NOT_KINDS, "log", "checkpoint", "dry_run")

# What the table tells of a run, and of its weights.
ROW = ("seed", "epochs", "hours", "sessions", "commits", "hardware", "evaluated", "n_valid")
NUMBERS = ("log_likelihood", "standard_error", "n", "sigma")


def recipe(config: DictConfig) -> dict[str, Any]:
    """Return the settings of a run that make it one of its kind."""
    settings = flatten(config)
    # What is watched decides nothing, unless it ends the run.
    ended = settings.get("monitor.target") is not None
    free = NOT_RECIPE if ended else (*NOT_RECIPE, "monitor")
    return {k: v for k, v in settings.items() if not is_one_of(k, free)}


def read(
    paths: Collection[str], alike: Mapping[str, Mapping[str, Any]], seeds: Collection[int]
) -> list[dict[str, Any]]:
    """Return the contents of tables, each alike to this one in the parts of `alike`.

    Raises UserError for what is no such table, is of something else, or has one of `seeds` again.
    """
    seen, found = set(seeds), []
    for path in paths:
        content = _content(Path(path))
        for part, here in alike.items():
            if different := differences(content[part], here, ()):
                raise UserError(
                    f"others has {path}, which is of another {part} ({'; '.join(different)})."
                )
        for run in content["runs"]:
            if run["seed"] in seen:
                raise UserError(f"others has {path}, whose seed {run['seed']} is here already.")
            seen.add(run["seed"])
        found.append(content)
    return found


def _content(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
        for part in ("recipe", "protocol", "neighbors"):
            dict(content[part])
        for run in content["runs"]:
            _ = [run[key] for key in ROW]
            _ = [run[which][key] for which in ("raw", "ema") for key in NUMBERS]
        list(content["missing"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"others has {path}, which can't be read as the table1.json of `gan table1`."
        ) from error
    return content


def join(content: dict[str, Any], others: Sequence[Mapping[str, Any]]) -> None:
    """Put the seeds of `others`, and all that is told by seed, into `content`.

    What is missing in one table and a run of another is not missing.
    """
    for other in others:
        content["runs"] += other["runs"]
        content["missing"] += other["missing"]
        for name, near in other["neighbors"].items():
            content["neighbors"].setdefault(name, near)
        if "classes" in content:
            content["classes"]["samples"] |= other["classes"]["samples"]
    content["runs"].sort(key=lambda run: run["seed"])
    content["neighbors"] = _by_seed(content["neighbors"])
    if "classes" in content:
        content["classes"]["samples"] = _by_seed(content["classes"]["samples"])
    seeds = {str(run["seed"]) for run in content["runs"]}
    missing: dict[str, str] = {}
    for line in content["missing"]:
        missing.setdefault(_seed(line), line)
    content["missing"] = [line for seed, line in missing.items() if seed not in seeds]


def _by_seed(named: Mapping[str, Any]) -> dict[str, Any]:
    """Put `test images` first, then `seed 2` and `seed 2, average`, then `seed 10`."""
    return dict(
        sorted(named.items(), key=lambda item: [int(n) for n in re.findall(r"\d+", item[0])])
    )


def _seed(missing: str) -> str:
    """Return the seed of a job by a line such as `optimizer.lr=0.1,seed=2: interrupted: ...`."""
    job = missing.partition(": ")[0]
    seed = re.search(r"(?:^|,)seed=(\d+)", job)
    return seed[1] if seed else job
