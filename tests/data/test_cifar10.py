import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest

from gan_cli.data.cifar10 import CIFAR10
from gan_cli.errors import UserError


@pytest.fixture
def cifar_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files in the format of CIFAR-10's, which pass for the real ones by their checksums."""
    import torchvision

    reader = torchvision.datasets.CIFAR10
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    rng = np.random.default_rng(0)

    def write(name: str, content: dict) -> list[str]:
        (folder / name).write_bytes(pickle.dumps(content))
        return [name, hashlib.md5((folder / name).read_bytes()).hexdigest()]

    def batch(n: int) -> dict:
        return {
            "data": rng.integers(0, 256, (n, 3072), dtype=np.uint8),
            "labels": rng.integers(0, 10, n).tolist(),
        }

    train = [write(f"data_batch_{i}", batch(20)) for i in range(1, 6)]
    monkeypatch.setattr(reader, "train_list", train)
    monkeypatch.setattr(reader, "test_list", [write("test_batch", batch(20))])
    name, md5 = write("batches.meta", {"label_names": [str(i) for i in range(10)]})
    meta = {"filename": name, "key": "label_names", "md5": md5}
    monkeypatch.setattr(reader, "meta", meta)
    return tmp_path


def test_images_and_split(cifar_dir: Path) -> None:
    data = CIFAR10(cifar_dir, valid=30).load()
    assert [tuple(part.x.shape) for part in data] == [
        (70, 3, 32, 32), (30, 3, 32, 32), (20, 3, 32, 32),
    ]  # fmt: skip
    batch = pickle.loads((cifar_dir / "cifar-10-batches-py/data_batch_1").read_bytes())
    np.testing.assert_array_equal(data.train.x[:20].flatten(1).numpy(), batch["data"])
    assert data.train.y[:20].tolist() == batch["labels"]


@pytest.mark.usefixtures("no_network")
def test_a_changed_file_is_not_unpickled(cifar_dir: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple:
            return (Path.touch, (cifar_dir / "was here",))

    (cifar_dir / "cifar-10-batches-py/data_batch_3").write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(UserError, match="cifar-10-batches-py"):
        CIFAR10(cifar_dir).load()
    assert not (cifar_dir / "was here").exists()
