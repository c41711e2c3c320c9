"""The page of `gan report`: it needs nothing beside it, and shows what the runs' files say."""

import base64
import csv
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
from helpers.command import SMALL, Result, rows, run_gan
from omegaconf import OmegaConf
from PIL import Image

from gan_cli.figures.curves import OPACITY, STYLES, Axis, Curve
from gan_cli.figures.grid import save_png
from gan_cli.runs import report_page as page

Gan = Callable[..., Result]
RATES = ("0.05", "0.2")
# A value with markup, on all jobs, and one that is refused, on half of them.
TOLD = [
    *SMALL, "schedule.steps=8", "log.every_steps=3", "log.grid_every_steps=3",
    "monitor.every_epochs=0.03",
    "monitor.samples=50", "monitor.valid=20", "sweep=study", "data_dir='<b>x</b>&'",
]  # fmt: skip
GRID = ["on_nan=stop,'<i>&'", "optimizer.lr=0.05,0.2", "seed=range(2)"]
REFUSED = "on_nan is <i>&; it must be one of"


class Parsed(HTMLParser):
    """What a page refers to, and its text: cells by table row, list items, code, and the title."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.references: list[str] = []
        self.found: dict[str, list[str]] = {name: [] for name in ("title", "li", "pre", "style")}
        self.tables: list[list[list[str]]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "img"):
            self._open.append(tag)
        for name, value in attributes:
            if name in ("src", "href", "xlink:href", "srcset", "data", "poster", "background"):
                self.references.append(value or "")
            if name == "style":
                self.found["style"].append(value or "")
        if tag in self.found:
            self.found[tag].append("")
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        self._open.remove(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        for tag in set(self._open) & set(self.found):
            self.found[tag][-1] += data
        if self._open and self._open[-1] in ("td", "th"):
            self.tables[-1][-1][-1] += data

    def pictures(self) -> list[bytes]:
        head = "data:image/png;base64,"
        return [base64.b64decode(r.removeprefix(head)) for r in self.references if head in r]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cwd = tmp_path_factory.mktemp("trained")
    assert run_gan("train", "-m", *TOLD, *GRID, cwd=cwd).code == 1
    return cwd / "outputs"


@pytest.fixture
def study(trained: Path, tmp_path: Path) -> Path:
    """A copy of the sweep, to be reported or changed."""
    shutil.copytree(trained, tmp_path / "outputs")
    return tmp_path / "outputs/sweep/study"


def job(study: Path, rate: str, seed: int) -> Path:
    return study / f"on_nan=stop,optimizer.lr={rate},seed={seed}"


def report(gan: Gan, cwd: Path, *arguments: str) -> tuple[str, list[dict[str, str]]]:
    """Return the page, and the rows of report.csv beside it."""
    result = gan("report", *(arguments or ["sweep=study"]))
    assert result.code == 0, result.err
    (path,) = cwd.glob("outputs/report/*/report.html")
    table = list(csv.DictReader(path.with_name("report.csv").read_text().splitlines()))
    return path.read_text(), table


def test_the_page_needs_nothing_beside_it(gan: Gan, study: Path, tmp_path: Path) -> None:
    text, _ = report(gan, tmp_path)
    parsed = Parsed(text)
    assert len(parsed.references) == 6 + 4
    assert all(reference.startswith(("data:", "#")) for reference in parsed.references)
    for style in parsed.found["style"]:
        assert not re.search(r"url\(|@import", style)
    assert not {"script", "link", "iframe", "object", "base"} & set(parsed.tags)
    assert parsed.found["title"] == ["gan report: study"]
    assert "4 finished, 4 failed" in text
    # Each run's last grid, by group and seed, after the charts.
    best = [row["optimizer.lr"] for row in report_order(parsed)]
    grids = [
        (job(study, rate, seed) / "samples/step-000000008.png").read_bytes()
        for rate in best
        for seed in range(2)
    ]
    assert parsed.pictures()[6:] == grids


def report_order(parsed: Parsed) -> list[dict[str, str]]:
    head, *body = parsed.tables[0]
    return [dict(zip(head, row, strict=True)) for row in body]


@pytest.mark.parametrize("by", ["parzen_valid", "images_per_second"])
def test_the_table_is_that_of_the_csv(by: str, gan: Gan, study: Path, tmp_path: Path) -> None:
    text, table = report(gan, tmp_path, f"sweep={study}", f"by={by}")
    shown = report_order(Parsed(text))
    rates = list(dict.fromkeys(row["optimizer.lr"] for row in table))
    assert sorted(rates) == sorted(RATES)
    assert [row["optimizer.lr"] for row in shown] == rates
    for row in table:
        seen = shown[rates.index(row["optimizer.lr"])]
        mean = f"{float(row['mean']):.4g}"
        if row["metric"] == by:
            assert seen["n"] == row["n"] == "2"
            assert seen[f"{by}: mean +- SE"] == f"{mean} +- {float(row['standard_error']):.2g}"
            for name, column in (("median", "median"), ("min", "least"), ("max", "most")):
                assert seen[name] == f"{float(row[column]):.4g}"
        else:
            assert seen[row["metric"]] == mean
    means = [float(row["mean"]) for row in table if row["metric"] == by]
    assert means == sorted(means, reverse=True)


def test_runs_can_be_run_again_and_what_is_missing_is_told(
    gan: Gan, study: Path, tmp_path: Path
) -> None:
    stopped = job(study, "0.2", 1)
    status = json.loads((stopped / "status.json").read_text())
    told = {**status, "status": "interrupted", "reason": "signal <15>"}
    (stopped / "status.json").write_text(json.dumps(told))
    gone = "on_nan='<i>&',optimizer.lr=0.2,seed=1"
    shutil.rmtree(study / gone)
    log = (study / "sweep.log").read_text().splitlines(keepends=True)
    (study / "sweep.log").write_text("".join(line for line in log if gone not in line))
    text, _ = report(gan, tmp_path)
    parsed = Parsed(text)

    assert not {"b", "i"} & set(parsed.tags)
    for rate in RATES:
        for seed in range(2):
            swept = ["on_nan=stop", f"optimizer.lr={rate}", f"seed={seed}"]
            (command,) = (
                words for words in map(shlex.split, parsed.found["pre"]) if set(swept) <= set(words)
            )
            assert command[:2] == ["gan", "train"]
            assert sorted(command[2:]) == sorted([*TOLD[:-2], TOLD[-1], *swept])
    # In the table's order, then what is not in it; what was refused can't be run again.
    best = report_order(parsed)[0]["optimizer.lr"]
    assert f"optimizer.lr={best}" in shlex.split(parsed.found["pre"][0])
    assert len(parsed.found["pre"]) == 4
    items = parsed.found["li"]
    for rate, seed in (("0.05", 0), ("0.05", 1), ("0.2", 0)):
        name = f"on_nan='<i>&',optimizer.lr={rate},seed={seed}"
        assert any(item.startswith(f"{name}: failed: {REFUSED}") for item in items)
    assert f"{stopped.name}: interrupted: signal <15>" in items
    assert f"{gone}: not begun" in items
    assert "3 finished, 3 failed, 1 interrupted, 1 not begun" in text


def test_curves_are_those_of_the_rows(
    gan: Gan, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = job(study, "0.2", 1) / "metrics.csv"
    cut.write_text("".join(cut.read_text().splitlines(keepends=True)[:-1]))
    drawn: dict[str, Mapping[int, Curve]] = {}

    def draw(axis: Axis, curves: Mapping[int, Curve]) -> bytes:
        drawn[axis.title] = curves
        return b""

    monkeypatch.setattr(page, "draw", draw)
    text, _ = report(gan, tmp_path)
    order = [row["optimizer.lr"] for row in report_order(Parsed(text))]
    lengths = set()
    assert len(drawn) == len(page.AXES)
    for metric, axis in page.AXES.items():
        for number, rate in enumerate(order):
            runs = [rows(job(study, rate, seed)) for seed in range(2)]
            values: dict[float, list[float]] = {}
            for row in (row for run in runs for row in run if row[metric]):
                values.setdefault(float(row["epoch"]), []).append(float(row[metric]))
            whole = {epoch: seen for epoch, seen in values.items() if len(seen) == 2}
            lengths.add((rate, metric, len(whole), len(values)))
            curve = drawn[axis.title][number]
            assert curve.epochs.tolist() == list(whole)
            assert curve.mean == pytest.approx([fmean(seen) for seen in whole.values()])
            assert curve.least.tolist() == [min(seen) for seen in whole.values()]
            assert curve.most.tolist() == [max(seen) for seen in whole.values()]
    # What was cut off of one seed is not drawn of the other either.
    assert {("0.2", "value", 4, 5), ("0.05", "value", 5, 5)} <= lengths


def test_of_a_large_sweep_the_best_groups_are_drawn(
    gan: Gan, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    n = len(STYLES) + 2
    whole = job(study, "0.05", 0)
    for i in range(n):
        copy = tmp_path / "outputs/sweep/many" / f"k={i}"
        shutil.copytree(whole, copy)
        config = OmegaConf.load(copy / "config.yaml")
        config.schedule.k = i
        OmegaConf.save(config, copy / "config.yaml")
        text = (copy / "metrics.csv").read_text().splitlines()
        head, last = text[0].split(","), text[-1].split(",")
        last[head.index("parzen_valid")] = str(7 * i % n)
        (copy / "metrics.csv").write_text("\n".join([*text[:-1], ",".join(last)]) + "\n")
    drawn: list[dict[int, Curve]] = []
    monkeypatch.setattr(page, "draw", lambda _, curves: drawn.append(curves) or b"")
    text, _ = report(gan, tmp_path, "sweep=many")
    parsed = Parsed(text)

    best = [row["schedule.k"] for row in report_order(parsed)]
    assert best == [str(i) for i in sorted(range(n), key=lambda i: -(7 * i % n))]
    assert all(list(curves) == list(range(len(STYLES))) for curves in drawn)
    assert parsed.found["li"][: len(STYLES)] == [f"schedule.k={k}" for k in best[: len(STYLES)]]
    assert f"Only the best {len(STYLES)} of {n} groups are drawn." in text
    assert len(parsed.pictures()) == len(drawn) + n


def test_settings_that_go_together_are_all_there(gan: Gan, tmp_path: Path) -> None:
    for name, widths in (("a", "[8,8]"), ("b", "[9,9]")):
        more = [f"network.generator.widths={widths}", f"seed={len(widths) + ord(name)}"]
        told = [*SMALL, "schedule.steps=2", "monitor.every_epochs=null", *more]
        assert gan("train", *told, f"hydra.run.dir={name}").code == 0
    resumed = gan("train", "resume=a", "schedule.steps=3", "network.generator.widths=[8,8]")
    assert resumed.code == 0, resumed.err
    text, _ = report(gan, tmp_path, "runs=[a,b]")
    parsed = Parsed(text)
    head, *body = parsed.tables[1]
    shown = [dict(zip(head, row, strict=True)) for row in body]
    assert {row["run"]: row["seed"] for row in shown} == {"a": "102", "b": "103"}
    assert {row["run"]: row["network.generator.widths"] for row in shown} == {
        "a": "[8, 8]", "b": "[9, 9]",
    }  # fmt: skip
    assert {row["run"]: row["schedule.steps"] for row in shown} == {"a": "3", "b": "2"}
    # The command of a resumed run is for as many steps as it has come to.
    (command,) = (words for words in map(shlex.split, parsed.found["pre"]) if "seed=102" in words)
    assert "schedule.steps=3" in command
    assert not any(word.startswith(("resume", "schedule.steps=2")) for word in command)


def test_a_browser_shows_curves_and_samples(gan: Gan, study: Path, tmp_path: Path) -> None:
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next(filter(None, map(shutil.which, names)), None)
    if browser is None:
        pytest.skip("needs Chromium")
    pink = np.full((60, 60, 3), (255, 0, 200), dtype=np.uint8)
    save_png(job(study, "0.05", 0) / "samples/step-000000008.png", pink, {})
    report(gan, tmp_path)
    (path,) = tmp_path.glob("outputs/report/*/report.html")

    def show(*arguments: str) -> str:
        command = [
            browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
            "--virtual-time-budget=5000", "--window-size=1200,3000",
            f"--user-data-dir={tmp_path / 'profile'}", *arguments, path.as_uri(),
        ]  # fmt: skip
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    shown = report_order(Parsed(show("--dump-dom")))
    assert sorted(row["optimizer.lr"] for row in shown) == sorted(RATES)
    show(f"--screenshot={tmp_path / 'page.png'}")
    image = np.asarray(Image.open(tmp_path / "page.png").convert("RGB")).astype(int)
    assert image.shape == (3000, 1200, 3)

    def seen(*colour: float) -> int:
        return int((abs(image - np.array(colour)) <= 3).all(2).sum())

    for code, _ in STYLES[: len(RATES)]:
        rgb = np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)])
        assert seen(*(OPACITY * rgb + (1 - OPACITY) * 255)) > 500  # bands are in charts alone
    assert seen(255, 0, 200) > 100 * 100
