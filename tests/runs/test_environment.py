"""What a run records that it ran on."""

import subprocess
from pathlib import Path

import pytest

from gan_cli.runs import environment


def test_the_commit_is_that_of_the_code_s_own_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        done = subprocess.run(
            ["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    code = tmp_path / "lib/gan_cli/__init__.py"
    code.parent.mkdir(parents=True)
    code.write_text("")
    monkeypatch.setattr(environment.gan_cli, "__file__", str(code))
    assert environment.git_commit() is None
    # In a virtual environment that lies in somebody else's repository.
    git("init", "--quiet")
    git("commit", "--quiet", "--allow-empty", "--message", "theirs")
    assert environment.git_commit() is None
    git("add", ".")
    git("commit", "--quiet", "--message", "ours")
    assert environment.git_commit() == git("rev-parse", "HEAD")
    code.write_text("changed = True")
    assert environment.git_commit() == git("rev-parse", "HEAD") + "+changes"
