"""Commands that the pages and the help show are what the shell and the settings take."""

import json
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from hydra.core.override_parser.overrides_parser import OverridesParser

from gan_cli.arguments import for_hydra
from gan_cli.figures.table1 import markdown
from gan_cli.help import COMMANDS, help_of
from gan_cli.runs import resolvers

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
# A table1.md quotes the commands of its runs, which are of the version that trained them.
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted(page for page in RESULTS.glob("*.md") if page.name != "table1.md"),
]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands_of_the_pages() -> Iterator[str]:
    for page in PAGES:
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
