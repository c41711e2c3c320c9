"""Tab completion: what it proposes, and that each shell takes it."""

import importlib
import os
import pty
import select
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from helpers.command import GAN, Gan
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from gan_cli.completion import SCRIPTS
from gan_cli.config.choices import choices
from gan_cli.config.differences import flatten
from gan_cli.config.validate import check
from gan_cli.errors import UserError
from gan_cli.help import COMMANDS, CONF
from gan_cli.runs import resolvers


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("tr", ["train"]),
        ("train dataset=m", ["dataset=mnist"]),
        ("train seed=1 objective=n", ["objective=non_saturating"]),
        ("train sch", ["schedule=", "schedule."]),
        ("train schedule.e", ["schedule.epochs="]),
        ("train dataset=folder dataset.sk", ["dataset.skip_broken="]),
        ("train -m dataset=folder,mnist dataset.sk", ["dataset.skip_broken="]),
        ("train optimizer.lr=", ["optimizer.lr=0.001"]),
        ("train precision=", [f"precision={one}" for one in ("auto", "fp32", "tf32", "bf16")]),
        ("train schedule.updates=s", ["schedule.updates=simultaneous"]),
        ("train dry_run=", ["dry_run=true", "dry_run=false"]),
        ("train network.generator.output=t", ["network.generator.output=tanh"]),
        ("train hydra/sweeper=o", ["hydra/sweeper=optuna"]),
        ("train --config-d", ["--config-dir"]),
        ("train --config-dir ", ["own/"]),
        ("sample wei", ["weights="]),
        ("sample weights=", ["weights=raw", "weights=ema"]),
        ("runs da", []),  # a group that others take
        ("nonsense ", []),
    ],
)  # fmt: skip
def test_what_is_proposed(line: str, expected: list[str], gan: Gan) -> None:
    Path("own").mkdir()
    result = gan("--completion", "words", *line.split(" "))
    assert (result.code, result.out.splitlines()) == (0, expected)


def test_nothing_yet_proposes_the_commands(gan: Gan) -> None:
    assert gan("--completion", "words", "").out.split() == [*COMMANDS, "--help", "--version"]


def test_configs_of_ones_own(gan: Gan) -> None:
    Path("own/network").mkdir(parents=True)
    shutil.copy(str(CONF / "network/mlp.yaml"), "own/network/mine.yaml")
    own = ("--completion", "words", "train", "--config-dir", "own")
    assert gan(*own, "network=mi").out.split() == ["network=mine"]
    for value in ("sigmoid", "tanh", "linear"):
        setting = f"network.generator.output={value}"
        assert gan(*own, "network=mine", setting[:-1]).out.split() == [setting]


def test_names_of_runs_and_sweeps(gan: Gan) -> None:
    job = "outputs/sweep/mine/seed=0"
    for run in ("outputs/train/first", job, "outputs/sweep/mine/seed=1", "elsewhere/train/second"):
        Path(run).mkdir(parents=True)
        Path(run, "config.yaml").touch()
    for command, setting in (
        ("sample", "run"), ("train", "resume"), ("train", "init_from"), ("diff", "a"),
    ):  # fmt: skip
        proposed = gan("--completion", "words", command, f"{setting}=").out.split()
        assert {f"{setting}=latest", f"{setting}=first", f"{setting}={job}"} <= {*proposed}
    assert {"latest", "first", job, "b="} <= {*gan("--completion", "words", "diff", "").out.split()}
    proposed = gan("--completion", "words", "show", "outputs=elsewhere", "run=s").out.split()
    assert proposed == ["run=second"]
    Path("outs.npy").touch()
    assert gan("--completion", "words", "show", "run=outs").out == ""
    proposed = gan("--completion", "words", "show", f"run={job}").out.split()
    assert proposed == [f"run={job}"]
    proposed = gan("--completion", "words", "sample", "save=out").out.split()
    assert proposed == ["save=outputs/", "save=outs.npy"]
    assert gan("--completion", "words", "report", "sweep=m").out.split() == ["sweep=mine"]


@pytest.mark.parametrize(
    "overrides",
    [
        *([command] for command in COMMANDS if command != "diff"),
        *(["train", f"dataset={one}"] for one in ("mnist", "tfd", "cifar10")),
        ["train", "network=conv", "dataset=cifar10"],
        ["train", "network=mlp", "optimizer=momentum"],
        ["train", "dataset=folder", "dataset.path=there"],
    ],
    ids=" ".join,
)
def test_values_are_those_that_the_check_takes(overrides: list[str]) -> None:
    """It imports the annotations that completion reads."""
    resolvers.register()
    command = overrides[0]
    settings = importlib.import_module(f"gan_cli.commands.{command.replace('-', '_')}").Settings
    with initialize_config_module("gan_cli.conf", version_base="1.3"):
        config = compose(command, overrides[1:])
    for key, value in flatten(config).items():
        listed = choices(config, command, key)
        assert listed or not isinstance(value, bool)
        for one in listed:
            changed = config.copy()
            OmegaConf.update(changed, key, yaml.safe_load(one))
            check(changed, command, settings)
        if listed:
            OmegaConf.update(changed, key, "no such value")
            with pytest.raises(UserError, match=key):
                check(changed, command, settings)


MARK = "READY> "
# A file that sets the shell's prompt, switches completion on, and has Control-O write the line to a
# file and, in bash, Control-T insert all candidates; and how the shell is started with it.
SHELLS = {
    "bash": (
        "rc",
        """PS1='{mark}'; eval "$(gan --completion bash)"
        bind '"\\C-t": insert-completions'
        bind -x '"\\C-o": printf "%s" "$READLINE_LINE" > line; printf DONE'""",
        ["bash", "--noprofile", "--rcfile", "rc", "-i"],
    ),
    "zsh": (
        ".zshrc",
        """PROMPT='{mark}'; eval "$(gan --completion zsh)"
        written() {{ print -rn -- "$BUFFER" > line; print DONE }}
        zle -N written; bindkey '^O' written""",
        ["zsh", "-i", "-d"],
    ),
}


def completed(shell: str, line: str, cwd: Path) -> str:
    """Return what an interactive shell makes of what is typed, up to its last completion."""
    name, startup, command = SHELLS[shell]
    (cwd / name).write_text(startup.format(mark=MARK))
    path = f"{Path(GAN).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "ZDOTDIR": str(cwd), "TERM": "dumb"}
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        command, cwd=cwd, env=environment, stdin=end, stdout=end, stderr=end, start_new_session=True
    )
    os.close(end)
    try:
        seen = b""
        for mark, keys in ((MARK, f"{line}\x0f"), ("DONE", "")):
            while mark.encode() not in seen:
                assert select.select([terminal], [], [], 60)[0], seen
                seen += os.read(terminal, 4096)
            os.write(terminal, keys.encode())
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
    return (cwd / "line").read_text()


@pytest.mark.parametrize(
    ("shell", "line", "expected"),
    [
        ("bash", "gan tr\t", "gan train "),
        ("bash", "gan train schedule.e\t", "gan train schedule.epochs="),
        ("bash", "gan train precision=\x14", "gan train precision=auto  bf16  fp32  tf32  "),
        ("bash", "gan train seed=1 precision=b\t", "gan train seed=1 precision=bf16 "),
        ("zsh", "gan tr\t", "gan train "),
        ("zsh", "gan train schedule.e\t", "gan train schedule.epochs="),
        ("zsh", "gan train precision=b\t", "gan train precision=bf16 "),
    ],
)
def test_in_a_shell(shell: str, line: str, expected: str, tmp_path: Path) -> None:
    if not shutil.which(shell):
        pytest.skip(f"needs {shell}")
    assert completed(shell, line, tmp_path) == expected


@pytest.mark.skipif(not shutil.which("fish"), reason="needs fish")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("gan tr", ["train"]),
        ("gan train schedule.e", ["schedule.epochs="]),
        ("gan sample weights=", ["weights=ema", "weights=raw"]),
    ],
)
def test_in_fish(line: str, expected: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        ["fish", "--no-config", "-c", 'gan --completion fish | source; complete -C "$argv"', line],
        cwd=tmp_path, capture_output=True, text=True, check=True,
        env={**os.environ, "PATH": f"{Path(GAN).parent}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert sorted(done.stdout.splitlines()) == expected


def test_shells_that_there_are(gan: Gan) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert gan("--completion", shell).out == SCRIPTS[shell]
    refused = gan("--completion", "csh")
    assert (refused.code, refused.err) == (
        1, "gan --completion is for bash, zsh, fish, not for 'csh'.\n",
    )  # fmt: skip
