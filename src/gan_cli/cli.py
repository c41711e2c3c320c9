"""`gan COMMAND [override ...]`: picks the command's primary config and hands over to Hydra."""

import contextlib
import difflib
import functools
import importlib
import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_cli import interrupts
from gan_cli.arguments import expand_home, for_hydra
from gan_cli.completion import SCRIPTS, candidates
from gan_cli.errors import NotBegunError, PrunedError, UserError
from gan_cli.help import COMMANDS, help_of, usage

if TYPE_CHECKING:
    from omegaconf import DictConfig

log = logging.getLogger(__name__)

# What other programs call a command.
SYNONYMS = {
    "generate": "sample",
    "plot": "show",
    "eval": "evaluate",
    "fid": "evaluate",
    "resume": "train resume=latest",
    "list": "runs",
}


def main() -> None:
    """Entry point of the `gan` script."""
    # OpenMP's threads spin while they wait, by default for so long that two programs on the same
    # cores slow each other down tenfold and more. The variable is read where PyTorch is loaded,
    # and workers inherit it.
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = "1000"
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # as with >&-; else the next file takes its number
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
    interrupts.end_at_once()
    command, *rest = sys.argv[1:] or ["--help"]
    try:
        if command not in COMMANDS:
            show(_answer(command, rest))
            return
        if {"-h", "--help", "--version"} & set(rest):
            show(_answer("--version", []) if "--version" in rest else help_of(command))
            return
        import hydra

        from gan_cli.runs import resolvers

        resolvers.register()
        # As a person would type it: pictures and records show the command that made them.
        sys.argv = [f"gan {command}", *for_hydra(command, rest)]
        run = hydra.main(version_base="1.3", config_path="pkg://gan_cli.conf", config_name=command)(
            functools.partial(perform, command)
        )
        with _in_a_sentence(command):
            run()
    except UserError as error:
        sys.exit(str(error))
    except KeyboardInterrupt as error:
        interrupts.report()
        sys.exit(128 + (error.args[0] if error.args else signal.SIGINT))
    finally:
        interrupts.leave()
        show()


def show(text: str = "") -> None:
    """Print `text`, and write out what was printed before.

    Where that fails Python would try again at its end, and report that at length.
    """
    try:
        print(text, end="", flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # as of `gan --help | head -1`
            sys.exit(f"Cannot write to standard output: {error.strerror}.")


def _answer(command: str, rest: list[str]) -> str:
    """Return what is to be printed for what is no command."""
    if command in ("-h", "--help"):
        return usage()
    if command == "--version":
        return f"gan {version('gan-cli')}\n"
    if command == "--completion":
        shell, *words = rest or [""]
        if shell == "words":  # which the scripts of all shells ask for
            return "".join(f"{line}\n" for line in candidates(words))
        if shell not in SCRIPTS:
            sys.exit(
                f"gan --completion is for {', '.join(SCRIPTS)}, not for {shell or 'nothing'!r}."
            )
        return SCRIPTS[shell]
    close = (
        [SYNONYMS[command]]
        if command in SYNONYMS
        else difflib.get_close_matches(command, [*COMMANDS, "--help", "--version"], n=1)
    )
    hint = f"did you mean 'gan {close[0]}'?" if close else f"it is one of {', '.join(COMMANDS)}."
    sys.exit(f"{command!r} is not a command of gan; {hint}")


@contextlib.contextmanager
def _in_a_sentence(command: str) -> Iterator[None]:
    """End the process with one sentence for what is wrong before a command begins, or around it.

    That is settings and directories, which Hydra reads, and launchers. A bug in a command is none
    of these: `perform` has printed its traceback. One in a sweeper has its own.
    """
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from gan_cli.config.validate import explain

    if "HYDRA_FULL_ERROR" in os.environ:
        yield
        return
    # With this set Hydra raises its errors, in place of printing them over many lines.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield
    except BrokenPipeError:  # Hydra printed, as `show` does
        pass
    except (HydraException, OmegaConfBaseException, OSError, RuntimeError, ValueError) as error:
        sys.exit(explain(error, command))
    finally:
        del os.environ["HYDRA_FULL_ERROR"]


@contextlib.contextmanager
def _on_threads(n: int | None) -> Iterator[None]:
    """Have PyTorch compute on n threads, if that is given: a later job has others."""
    if n is None:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def perform(command: str, cfg: "DictConfig") -> Any:
    """Do what a composed config describes, in this process: by itself, or as a job of a sweep."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import CompactHydraException

    from gan_cli.config import validate
    from gan_cli.runs import own_modules, sweeps
    from gan_cli.runs.directory import remove_record
    from gan_cli.runs.explain_errors import explain_out_of_memory

    # A log file that can't be written must not end, or flood, what it reports.
    logging.raiseExceptions = False
    hydra = HydraConfig.get()
    # Paths mean where the command was given, under hydra.job.chdir and in workers as well.
    os.chdir(hydra.runtime.cwd)
    expand_home(cfg)
    own_modules.look_in([os.getcwd(), *own_modules.config_directories()])
    out = Path(hydra.runtime.output_dir)
    swept = sweeps.is_job()
    if swept and (failed := sweeps.failed_fast(out.parent)):
        log.info("%s: not begun, as %s has failed.", out.name, failed)
        remove_record(out, hydra.job.name, Path(cfg.get("outputs") or "outputs"))
        raise NotBegunError(f"{failed} has failed.")
    if swept:
        # A launcher's worker has a command line of its own; this is what makes the job again.
        sys.argv = [f"gan {command}", *hydra.overrides.task]
    try:
        module = importlib.import_module(f"gan_cli.commands.{command.replace('-', '_')}")
        validate.check(cfg, command, module.Settings)
        interrupts.unwind()
        with _on_threads(cfg.threads), explain_out_of_memory(cfg):
            returned = module.run(cfg, out)
    except UserError as error:
        if not swept:
            sys.exit(str(error))  # Hydra would put lines of its own around it.
        # The other jobs continue, and the sweeper reports failures at their end only.
        log.error("%s: %s", out.name, error)
        sweeps.note(out, f"failed: {error}")
        raise CompactHydraException(f"{out.name}: {error}") from None
    except PrunedError as error:
        sweeps.note(out, f"pruned: {error}")
        raise
    except Exception as error:
        if not swept:
            traceback.print_exc()
            sys.exit(1)
        log.exception("%s: an unexpected error: a bug in gan, or in a class of your own", out.name)
        sweeps.note(out, f"failed: {type(error).__name__}: {error}")
        raise CompactHydraException(f"{out.name}: {type(error).__name__}: {error}") from error
    finally:
        if not swept or cfg.get("dry_run"):
            remove_record(out, hydra.job.name, Path(cfg.get("outputs") or "outputs"))
    if swept:
        sweeps.note(out, "shown only, by dry_run=true" if cfg.get("dry_run") else "finished")
    return returned
