"""The state is everything: saved and loaded, a run resumes bit for bit."""

from pathlib import Path

import pytest
import torch
from helpers.command import assert_same
from helpers.trainers import noise, small_trainer
from torch import nn

from gan_cli.engines.one_pass import alternating, simultaneous
from gan_cli.errors import UserError
from gan_cli.game.state import State, new_state
from gan_cli.networks.maxout import MaxoutDiscriminator
from gan_cli.networks.mlp import Generator
from gan_cli.training import checkpoints
from gan_cli.training.optimizers import Adam, Momentum
from gan_cli.training.trainer import Trainer

SHAPE = (1, 3, 3)
MOMENTUM = Momentum(0.1, lr_decay=1.01, lr_min=1e-6, momentum=0.5, momentum_end=0.9)


class Noisy(MaxoutDiscriminator):
    """Draws from PyTorch's global stream as well, as a user's own network may."""

    def __init__(self) -> None:
        super().__init__(SHAPE, [4, 6], 3, [0.5])
        self.noise = nn.Dropout(0.3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(self.noise(x))


def training(
    optimizer: Momentum | Adam = MOMENTUM,
    update=simultaneous,
    ema_decay: float = 0.9,
    steps: int = 0,
) -> Trainer:
    torch.manual_seed(0)
    generator = Generator(4, SHAPE, [5, 7], batch_norm=[True])
    t = small_trainer(
        generator, Noisy(), optimizer, noise(SHAPE), update, g_rate=2, ema_decay=ema_decay
    )
    for _ in range(steps):
        t.train_step()
    return t


def draws(state: State) -> tuple[list[float], list[float]]:
    return torch.rand(3, generator=state.rng).tolist(), torch.rand(3).tolist()


@pytest.mark.parametrize("optimizer", [MOMENTUM, Adam(1e-3)], ids=["momentum", "adam"])
@pytest.mark.parametrize("update", [alternating, simultaneous])
@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_a_run_resumes_bit_for_bit(
    optimizer: Momentum | Adam, update, ema_decay: float, tmp_path: Path
) -> None:
    whole = training(optimizer, update, ema_decay, steps=7)
    whole.state.best, whole.state.maxima, whole.state.restored = 1.5, {"spread": 0.5}, 2
    checkpoints.save(tmp_path, whole.state.state_dict())
    for _ in range(8):
        whole.train_step()

    # What happened before loading must leave no trace.
    resumed = training(optimizer, update, ema_decay, steps=3)
    checkpoints.restore(resumed.state, tmp_path)
    assert (resumed.state.step, len(resumed.state.logits), resumed.state.best) == (7, 7, 1.5)
    assert (resumed.state.maxima, resumed.state.restored) == ({"spread": 0.5}, 2)
    for _ in range(8):
        resumed.train_step()
    assert_same(resumed.state.state_dict(), whole.state.state_dict())


def test_a_checkpoint_of_another_version_is_refused(tmp_path: Path) -> None:
    state = training().state
    content = state.state_dict()
    del content["logits"]
    checkpoints.save(tmp_path, content)
    with pytest.raises(UserError, match="logits"):
        checkpoints.restore(state, tmp_path)


def test_weights_are_within_their_bound_from_the_start() -> None:
    generator = Generator(4, SHAPE, [5, 7], init={"irange": [3.0]}, max_col_norm=0.5)
    discriminator = MaxoutDiscriminator(SHAPE, [4, 6], 3, [3.0], max_col_norm=0.25)
    builds = (MOMENTUM.build, MOMENTUM.build)
    new_state(generator, discriminator, builds, 0, torch.device("cpu"))
    for network, c in ((generator, 0.5), (discriminator, 0.25)):
        for layer in network.modules():
            if isinstance(layer, nn.Linear):
                norms = layer.weight.norm(dim=1)
                torch.testing.assert_close(norms, torch.full_like(norms, c))


def test_a_restored_run_draws_other_numbers() -> None:
    state = training().state
    first = draws(state)
    state.start_streams(1)
    second = draws(state)
    assert first[0] != second[0]
    assert first[1] != second[1]
    state.start_streams(0)
    assert draws(state) == first


class OtherDevice(torch.Generator):
    """Stands in for the generator of a GPU, whose state has 16 bytes."""

    device = torch.device("cuda")

    def set_state(self, state: torch.Tensor) -> None:
        assert len(state) == 16, "RNG state is wrong size"


def test_a_run_resumes_on_another_device(caplog: pytest.LogCaptureFixture) -> None:
    """With other random numbers, a function of the step."""
    t = training(steps=3)
    on_cpu = t.state.state_dict()
    on_gpu = {**on_cpu, "rng": torch.zeros(16), "global_cuda_rng": torch.zeros(16)}

    from_gpu = []
    for saved in (on_gpu, on_gpu, {**on_gpu, "step": 4}):
        state = training().state
        state.load_state_dict(saved)
        from_gpu.append(draws(state))
    assert from_gpu[0] == from_gpu[1]
    assert from_gpu[0][0] != from_gpu[2][0]
    assert from_gpu[0][1] != from_gpu[2][1]
    assert "step 3 was written on cuda" in caplog.text

    to_gpu = training().state
    to_gpu.rng = OtherDevice()
    to_gpu.load_state_dict({**on_cpu, "logits": None})  # which would have to go to the GPU
    assert draws(to_gpu) not in from_gpu
    assert "written on cpu" in caplog.text
    assert_same(to_gpu.generator.state_dict(), t.state.generator.state_dict())
