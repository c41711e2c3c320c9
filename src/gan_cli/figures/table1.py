"""Table 1 as text."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import tensor

from gan_cli.metrics.registry import total_variation

WEIGHTS = {"raw": "raw weights", "ema": "average of the weights"}


def markdown(content: Mapping[str, Any]) -> str:
    """Return the page of results that `gan table1` keeps as JSON."""
    return "\n\n".join(_paragraphs(content)) + "\n"


def _paragraphs(content: Mapping[str, Any]) -> Iterator[str]:
    runs = content["runs"]
    yield "# Table 1: log-likelihood of the test set"
    yield " ".join(_conditions(content))
    heads, means = ["seed", "epochs", "time"], ["mean", "", ""]
    body = [[str(run["seed"]), f"{run['epochs']:g}", _time(run["hours"])] for run in runs]
    for which, name in WEIGHTS.items():
        heads += [name, "sigma"]
        means += [_over_seeds(content["over_seeds"][which]), ""]
        for row, run in zip(body, runs, strict=True):
            row += [_value(run[which]), f"{run[which]['sigma']:.3f}"]
    yield _table(heads, [*body, means])
    for line in content["missing"]:
        yield f"Not in the table: {line}."

    quality = content["quality"]
    if "rows" in quality:
        yield "## Samples in features"
        yield from _quality(quality)

    yield "## What the number is worth"
    measured = {
        f"{name}, measured by the same protocol": _value(score)
        for name, score in content["references"].items()
    }
    quoted = {
        f"{name}, quoted from the paper's Table 1": f"{value:g} +- {error:g}"
        for name, (value, error) in content["quoted"].items()
    }
    yield _table(["reference", "log-likelihood"], [*measured.items(), *quoted.items()])
    draws = content["draws"]
    for which, name in WEIGHTS.items():
        if len(draws[which]) > 1:
            yield (
                f"{len(draws[which])} sets of samples of seed {draws['seed']}, of the runs "
                "evaluated by this command the nearest to the median of all by raw weights: "
                f"{name}, standard deviation {statistics.stdev(draws[which]):.2f}."
            )
    near = content["neighbors"]
    yield _table(
        ["distance to the nearest training image", *next(iter(near.values()))],
        [[name, *(f"{x:.3f}" for x in values.values())] for name, values in near.items()],
    )
    if quality["class_shares"]:
        yield from _classes(quality["space"], quality["class_shares"])

    yield "## Where it comes from"
    yield f"`{content['command']}`."
    rows = [
        [
            str(run["seed"]),
            str(run["sessions"]),
            ", ".join(run["commits"]),
            "; ".join(run["hardware"]),
            str(run["evaluated"]),
        ]
        for run in runs
    ]
    yield _table(["seed", "sessions", "trained at commit", "on", "evaluated at commit"], rows)


def _conditions(content: Mapping[str, Any]) -> Iterator[str]:
    recipe, protocol, runs = content["recipe"], content["protocol"], content["runs"]
    count = f"{len(runs)} runs" if len(runs) > 1 else "1 run"
    of = f" of `{content['train']}`" if content["train"] else ""
    others = " and other seeds" if len(runs) > 1 and of else ""
    yield f"{count}{of}{others}."
    if (target := recipe.get("monitor.target")) is not None:
        weights = WEIGHTS[recipe["monitor.weights"]]
        yield (
            f"A run ends early once its estimate on validation, of the {weights}, is {target:g} "
            "nats."
        )
    yield (
        f"The average of G's weights has `ema_decay={recipe['ema_decay']}` and "
        f"`ema_power={recipe['ema_power']:g}`."
    )
    labels = ", as many of each class" if recipe.get("condition") == "label" else ""
    yield (
        f"Mean log-likelihood of {runs[0]['raw']['n']} test images in nats, by a Parzen window of "
        f"{protocol['n_samples']} samples (seed {protocol['seed']}{labels}), whose sigma was "
        f"chosen on {runs[0]['n_valid']} validation images. In the row of a seed, +- is the "
        "standard error over test images; in that of the mean, over seeds."
    )


def _quality(quality: Mapping[str, Any]) -> Iterator[str]:
    yield (
        f"n samples beside {quality['n_reference']} training images, in {quality['space']}. `gan "
        "evaluate` has the same metrics; `parzen` is the log-likelihood of 1000 test images. In "
        "the rows of a mean, +- is the standard error over seeds."
    )
    rows = {name: dict(row) for name, row in quality["rows"].items()}
    sizes = [str(row.pop("n")) for row in rows.values()]
    # References have no labels, and classes may have too few samples.
    names = list(quality["metrics"])
    body = [
        [row, n, *(f"{values[k]['mean']:.4g}" if k in values else "-" for k in names)]
        for n, (row, values) in zip(sizes, rows.items(), strict=True)
    ]
    body += [
        [f"mean, {WEIGHTS[which]}", sizes[0], *(_with_error(summaries.get(name)) for name in names)]
        for which, summaries in quality["over_seeds"].items()
    ]
    yield _table(["", "n", *names], body)
    yield from quality["notes"]


def _classes(space: str, shares: Mapping[str, Sequence[float]]) -> Iterator[str]:
    yield (
        f"Shares of the classes (%), as seen in {space}; the last column is the total variation "
        "distance from the first row."
    )
    truth, *_ = map(tensor, shares.values())
    rows = [
        [name, *_percent(share), f"{total_variation(tensor(share), truth):.3f}"]
        for name, share in shares.items()
    ]
    yield _table(["", *map(str, range(len(truth))), "distance"], rows)


def _time(hours: float) -> str:
    return f"{60 * hours:.1f} min" if 60 * hours >= 2 else f"{3600 * hours:.1f} s"


def _percent(shares: Sequence[float]) -> list[str]:
    return [f"{100 * share:.1f}" for share in shares]


def _value(score: Mapping[str, float]) -> str:
    return f"{score['log_likelihood']:.1f} +- {score['standard_error']:.1f}"


def _over_seeds(summary: Mapping[str, float]) -> str:
    error = "(one run)" if summary["n"] == 1 else f"+- {summary['standard_error']:.1f}"
    return f"{summary['mean']:.1f} {error}"


def _with_error(summary: Mapping[str, float | None] | None) -> str:
    if summary is None:
        return "-"
    error = summary["standard_error"]
    return f"{summary['mean']:.4g}" if error is None else f"{summary['mean']:.4g} +- {error:.2g}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
