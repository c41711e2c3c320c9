from pathlib import Path

import pytest
import torch

from gan_cli.errors import UserError
from gan_cli.training import checkpoints


def content(step: int) -> dict:
    return {"step": step, "weights": torch.full((50, 50), float(step)), "nothing": None}


def test_there_and_back_again(tmp_path: Path) -> None:
    path = checkpoints.save(tmp_path, content(7))
    saved = checkpoints.load(path)
    assert saved["step"] == 7
    assert torch.equal(saved["weights"], content(7)["weights"])
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    for step in (1, 5, 20, 100):
        checkpoints.save(tmp_path, content(step))
    assert sorted(checkpoints.load(p)["step"] for p in tmp_path.iterdir()) == [20, 100]
    assert checkpoints.load_newest(tmp_path)["step"] == 100


def test_a_damaged_one_is_reported_and_the_one_before_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Wherever it is cut short, and whichever of its bytes is another."""
    before = checkpoints.save(tmp_path, content(2))
    path = checkpoints.save(tmp_path, content(3))
    whole = path.read_bytes()
    cut = [whole[: len(whole) * tenth // 10] for tenth in range(10)]
    flipped = [
        whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :]
        for place in range(0, len(whole), len(whole) // 200)
    ]
    for damaged in cut + flipped:
        path.write_bytes(damaged)
        caplog.clear()
        assert torch.equal(
            checkpoints.load_newest(tmp_path)["weights"], checkpoints.load(before)["weights"]
        )
        assert path.name in caplog.text


def test_one_of_another_format(tmp_path: Path) -> None:
    path = checkpoints.save(tmp_path, content(1))
    path.write_bytes(path.read_bytes().replace(checkpoints.MAGIC, b"gan checkpoint 1\n", 1))
    with pytest.raises(UserError, match="format 1"):
        checkpoints.load(path)


def test_none_at_all(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no whole checkpoint"):
        checkpoints.load_newest(tmp_path)


def test_a_pickle_runs_nothing(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "was here",))

    path = checkpoints.save(tmp_path, {"step": 1, "payload": Hostile()})
    with pytest.raises(UserError, match=path.name):
        checkpoints.load(path)
    assert not (tmp_path / "was here").exists()


def test_a_failed_write_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints.save(tmp_path, content(1))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match=r"step-000000002\.ckpt"):
        checkpoints.save(tmp_path, content(2))
    assert [p.name for p in tmp_path.iterdir()] == ["step-000000001.ckpt"]
    assert checkpoints.load_newest(tmp_path)["step"] == 1
