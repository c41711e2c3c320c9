"""The pages for readers: their links lead somewhere, their commands and examples are right."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from helpers.command import Gan
from hydra import compose, initialize_config_module
from hydra.core.override_parser.overrides_parser import OverridesParser

from gan_cli.arguments import for_hydra
from gan_cli.figures.table1 import markdown
from gan_cli.help import COMMANDS, help_of
from gan_cli.metrics.registry import Metric, Samples
from gan_cli.runs import resolvers

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
PAGES = sorted(
    [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "results").glob("*.md"),
    ]
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def prose(page: Path) -> str:
    """Return the page without its blocks and spans of code."""
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text()))


def anchors(page: Path) -> set[str]:
    """Return where a link can lead within the page, by GitHub's rule for headings."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


def links(page: Path) -> list[str]:
    found: list[str] = re.findall(r"\]\(\s*([^)\s]+)\s*\)", prose(page))
    return found + re.findall(r'(?:src|href)="([^"]+)"', prose(page))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if re.match(r"https?:|mailto:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_and_picture_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        if page.suffix == ".md":
            targets = {(page.parent / link.partition("#")[0]).resolve() for link in links(page)}
            waiting += [t for t in targets if t.is_file() and t not in reached]
    published = [p for p in (ROOT / "results").rglob("*") if p.is_file()]
    assert {*PAGES, *published} - reached == set()


def test_the_readme_is_for_five_minutes() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200


def test_the_table_of_results_has_the_numbers_of_its_json() -> None:
    page = (ROOT / "results/mnist.md").read_text()
    generated = (ROOT / "results/table1.md").read_text()
    for line in re.findall(r"^\| (?:seed|mean) .*$", generated, re.MULTILINE):
        for value in re.findall(r"(\d+\.\d) \+- (\d\.\d)", line):
            shown = " ± ".join(value) if line.startswith("| mean") else value[0]
            assert shown in page, line


def examples() -> Iterator[object]:
    """Yield files and commands of each section with files that name themselves and commands."""
    for page in (ROOT / "README.md", ROOT / "docs/extending.md"):
        for section in page.read_text().split("\n## ")[1:]:
            files, commands = {}, []
            for language, code in FENCE.findall(section):
                if language == "sh":
                    commands += code.splitlines()
                elif language in ("python", "yaml"):
                    files[code.splitlines()[0].removeprefix("# ")] = code
            if files and commands:
                yield pytest.param(files, commands, id=section.splitlines()[0])


@pytest.mark.parametrize(("files", "commands"), list(examples()))
def test_examples_of_own_parts_train(
    files: dict[str, str],
    commands: list[str],
    gan: Gan,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, code in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
        monkeypatch.delitem(sys.modules, path.stem, raising=False)
    few = ("schedule.steps=3", "schedule.batch_size=20", "threads=1", "precision=fp32")
    for line in commands:
        program, command, *words = shlex.split(line)
        assert program == "gan"
        assert gan(command, *words, *(few if command == "train" else ("n=4",))).code == 0
    assert list(tmp_path.glob("outputs/train/*/checkpoints/*"))
    for name in files:
        sys.modules.pop(Path(name).stem, None)


def test_the_metric_of_extending_is_what_the_page_says() -> None:
    page = (ROOT / "docs/extending.md").read_text()
    (code,) = [code for _, code in FENCE.findall(page) if code.startswith("# src/gan_cli/metrics/")]
    scope: dict = {}
    exec(code, scope)
    checkerboard = (torch.arange(8)[:, None] + torch.arange(8)) % 2
    images = torch.stack([checkerboard.float(), torch.full((8, 8), 0.5)]).view(2, 1, 8, 8)
    assert scope["roughness"](images).tolist() == [1, 0]
    (line,) = re.findall(r"^(Metric\(.*\)),$", page, re.MULTILINE)
    metric = eval(line, {**scope, "Metric": Metric})
    assert metric.measure(Samples(images, None, None), None) == 0.5


def test_the_results_with_labels_are_those_of_their_json() -> None:
    page = (ROOT / "results/labels.md").read_text()
    rows = json.loads((ROOT / "results/labels/evaluation.json").read_text())["rows"]
    for seed in range(3):
        means = {k: v["mean"] for k, v in rows[f"runs/conditional_{seed}, ema"].items() if k != "n"}
        percent = (100 * means[k] for k in ("label_agreement", "accuracy_from_samples"))
        others = (means[k] for k in ("frechet", "class_frechet", "precision", "recall"))
        cells = [*(f"{x:.2f}" for x in percent), *(f"{x:.3f}" for x in others)]
        assert f"| {seed} | {' | '.join(cells)} |" in page
    for score in json.loads((ROOT / "results/labels/probe.json").read_text())["scores"]:
        row = f"| {score['classifier']} | {score['features']} |"
        (line,) = [line for line in page.splitlines() if line.startswith(row)]
        assert f"{score['mean']:.2f} ± {score['standard_error']:.2f}" in line


def commands_of_the_pages() -> Iterator[str]:
    for page in PAGES:
        if page.name in ("table1.md", "CHANGELOG.md", "CONTRIBUTING.md"):
            continue  # commands of earlier versions, and of developers
        text = page.read_text()
        for language, block in FENCE.findall(text):
            if language == "sh":
                yield from re.findall(r"^(gan .*)$", block, flags=re.MULTILINE)
        inline = re.findall(r"`(gan [^`]*)`", FENCE.sub("", text))
        yield from (" ".join(code.split()) for code in inline)


def commands_of_the_help() -> Iterator[str]:
    for command in COMMANDS:
        # What a command does stands in a second column.
        yield from re.findall(r"^  (gan .*?)(?:  .*)?$", help_of(command), flags=re.MULTILINE)


def is_whole(line: str) -> bool:
    """Tell whether the line is a command that needs nothing to be filled in, or to lie there."""
    return not re.search(r"[<…]|--|COMMAND|=$", line) and line.split()[1] in COMMANDS


def test_commands_that_are_shown_are_understood() -> None:
    """Those of the help, which tests/test_help.py runs, need not be composed here."""
    resolvers.register()
    lines = {line for line in commands_of_the_pages() if is_whole(line)} - {*commands_of_the_help()}
    shown = [shlex.split(line, comments=True) for line in lines]
    assert len(shown) > 25
    parser = OverridesParser.create()
    with initialize_config_module("gan_cli.conf", version_base="1.3"):
        for _, command, *words in shown:
            settings = [word for word in for_hydra(command, words) if "=" in word]
            given = parser.parse_overrides(settings)
            compose(command, [one.input_line for one in given if not one.is_sweep_override()])


@pytest.mark.parametrize("commands", [commands_of_the_pages, commands_of_the_help])
def test_a_shell_takes_what_is_shown(commands: Callable[[], Iterator[str]]) -> None:
    page = "\n".join(line for line in commands() if is_whole(line))
    done = subprocess.run(["bash", "-n"], input=page, capture_output=True, text=True, check=False)
    assert done.stderr == ""


@pytest.mark.parametrize("path", sorted(RESULTS.rglob("table1.json")), ids=str)
def test_tables_are_what_their_numbers_say(path: Path) -> None:
    assert path.with_suffix(".md").read_text() == markdown(json.loads(path.read_text()))


def test_the_page_on_measures_has_the_numbers_of_its_report() -> None:
    def rows(path: Path) -> list[list[str]]:
        """Return the cells of the last table that has Fréchet distances."""
        tables = [text for text in path.read_text().split("\n\n") if text.startswith("|")]
        table = [text for text in tables if "frechet " in text.partition("\n")[0]][-1]
        cells = ([c.strip() for c in line.strip("|").split("|")] for line in table.splitlines())
        return list(cells)[2:]

    report = [set(row) for row in rows(RESULTS / "measures/report.md")]
    page = rows(RESULTS / "measures.md")
    assert len(page) == len(report) > 10
    for name, *values in page:
        assert any(row >= {value.replace("±", "+-") for value in values} for row in report), name
