"""Tab completion: what can follow on a command line, and how each shell asks for it."""

import contextlib
import glob
import io
import itertools
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from gan_cli.arguments import OPTIONS, POSITIONAL, TEXT
from gan_cli.help import COMMANDS, CONF, groups

# Settings that are runs.
RUNS = {"run", "runs", "resume", "init_from", "a", "b"}

# Each hands over the words after `gan`, the last of which is to be completed, and gets candidates
# for it, a line each. One that ends in = or . or / is no whole word yet.
SCRIPTS = {
    # bash has split the word at = and :, and wants what follows the part that it takes for done.
    "bash": """\
_gan() {
    local line=${COMP_LINE:0:COMP_POINT} words candidate IFS=$' \\t\\n'
    read -ra words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    local word=${words[${#words[@]}-1]}
    COMPREPLY=()
    while IFS= read -r candidate; do
        [[ $candidate == *[=./] ]] || candidate+=" "
        COMPREPLY+=("${candidate#"${word%"$2"}"}")
    done < <("$1" --completion words "${words[@]:1}" 2>/dev/null)
}
complete -o nospace -F _gan gan
""",
    "zsh": """\
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
_gan() {
    local -a candidates
    candidates=("${(@f)$("$words[1]" --completion words "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    compadd -S '' -- "${(@M)candidates:#*[=./]}"
    compadd -- "${(@)candidates:#*[=./]}"
}
compdef _gan gan
""",
    "fish": """\
function __gan
    set -l words (commandline -opc)
    $words[1] --completion words $words[2..-1] (commandline -ct) 2>/dev/null
end
complete -c gan -f -a '(__gan)'
""",
}


def candidates(words: list[str]) -> list[str]:
    """Return what the last of `words`, those after `gan`, can be completed to."""
    *before, word = words or [""]
    if not before:
        return [name for name in (*COMMANDS, "--help", "--version") if name.startswith(word)]
    command, *given = before
    if command not in COMMANDS:
        return []
    setting, equals, value = word.partition("=")
    if given[-1:] == ["--config-dir"]:
        found = [*_paths(word)]
    elif word.startswith("-"):
        found = [option for option in ("--help", *sorted(OPTIONS)) if option.startswith("--")]
    elif equals:
        listed = [*_values(command, given, setting, value)]
        found = [f"{setting}={one}" for one in listed] or _asked_of_hydra(command, given, word)
    else:
        found = [*_names(command, given, word)]
    # What else is in a name, a shell would take apart.
    return [one for one in found if one.startswith(word) and shlex.quote(one) == one]


def _names(command: str, given: list[str], word: str) -> Iterator[str]:
    """Give the settings, nodes and groups that there are, and runs where one may stand alone."""
    if command in POSITIONAL:
        yield from _runs(given)
    yield from (f"{group}=" for group in groups(command))
    every = {path.name for path in CONF.iterdir() if path.is_dir()}
    asked = _asked_of_hydra(command, given, word)
    yield from (name for name in asked if name.removesuffix("=") not in every)


def _values(command: str, given: list[str], setting: str, value: str) -> Iterator[str]:
    """Give the values of a setting that are known; of a path, what lies there."""
    if setting == "sweep":
        yield from groups(command).get(setting, [])
        yield from (path.name for path in Path(_outputs(given)).glob("sweep/*/"))
    elif setting in TEXT - {"device"}:
        runs = [*_runs(given)] if setting in RUNS else []
        yield from runs
        for path in _paths(value):
            if setting not in RUNS or (path.endswith("/") and path[:-1] not in runs):
                yield path
    elif setting not in groups(command):
        from hydra import compose, initialize_config_module

        from gan_cli.config.choices import choices

        own = [f"hydra.searchpath=[{path}]" for path in _config_dir(given)]
        with initialize_config_module("gan_cli.conf", version_base="1.3"):
            config = compose(command, [*own, *_chosen(command, given)])
        yield from choices(config, command, setting)


def _runs(given: list[str]) -> Iterator[str]:
    """Give `latest`, the runs of `gan train` by their names, and those of sweeps by their paths."""
    from gan_cli.runs.directory import below

    yield "latest"
    for run in below(_outputs(given)):
        yield run.path.name if run.path.parent.name == "train" else str(run.path)


def _paths(start: str) -> Iterator[str]:
    """Give the paths that begin so, directories with a / at their end."""
    for path in sorted(glob.glob(f"{glob.escape(start)}*")):
        yield f"{path}/" if os.path.isdir(path) else path


def _config_dir(given: list[str]) -> list[str]:
    """Return the directory of one's own configs, if the command line has one."""
    return [path for option, path in itertools.pairwise(given) if option == "--config-dir"][-1:]


def _outputs(given: list[str]) -> str:
    """Return the directory that runs are in."""
    named = [word.partition("=")[2] for word in given if word.startswith("outputs=")]
    return named[-1] if named else "outputs"


def _chosen(command: str, given: list[str]) -> list[str]:
    """Return the options of groups, on which it depends what settings there are."""
    taken = groups(command)
    # Of several, as -m takes them, the first.
    return [word.partition(",")[0] for word in given if word.partition("=")[0] in taken]


def _asked_of_hydra(command: str, given: list[str], word: str) -> list[str]:
    """Return what Hydra knows to follow: settings, their values, the options of groups."""
    import hydra

    os.environ["COMP_LINE"] = " ".join(["gan", *_chosen(command, given), word])
    own = [f"--config-dir={path}" for path in _config_dir(given)]
    sys.argv = ["gan", "--shell-completion", "query=bash", *own]
    query = hydra.main(version_base="1.3", config_path="pkg://gan_cli.conf", config_name=command)
    answer = io.StringIO()
    with contextlib.redirect_stdout(answer):
        query(print)()
    # It takes an element of a list for a value, as in sigmas=0=.
    return [one for one in answer.getvalue().split() if one.count("=") < 2]
