"""Table 1 as text."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

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
    if "classes" in content:
        yield from _classes(content["classes"])

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
    yield (
        f"Mean log-likelihood of {runs[0]['raw']['n']} test images in nats, by a Parzen window of "
        f"{protocol['n_samples']} samples (seed {protocol['seed']}), whose sigma was chosen on "
        f"{runs[0]['n_valid']} validation images. In the row of a seed, +- is the standard error "
        "over test images; in that of the mean, over seeds."
    )


def _classes(classes: Mapping[str, Any]) -> Iterator[str]:
    yield (
        "Shares of the classes (%), by a convolutional network that is right on "
        f"{classes['accuracy']:.2%} of the test images; the last column is the total variation "
        "distance from the test images' own labels."
    )
    truth = classes["test images"]
    rows = [["labels of the test images", *_percent(truth), ""]]
    rows += [
        [name, *_percent(found["shares"]), f"{found['total_variation']:.3f}"]
        for name, found in classes["samples"].items()
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


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
