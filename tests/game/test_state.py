"""The state is everything: saved and loaded, the game goes on bit for bit."""

from pathlib import Path

import pytest
import torch
from helpers.trainers import small_trainer
from torch import nn

from gan_cli.engines.one_pass import alternating, simultaneous
from gan_cli.errors import UserError
from gan_cli.game.state import new_state
from gan_cli.networks.maxout import MaxoutDiscriminator
from gan_cli.networks.mlp import Generator
from gan_cli.training import checkpoints
from gan_cli.training.optimizers import Adam, Momentum
from gan_cli.training.trainer import Trainer

SHAPE, CPU = (1, 3, 3), torch.device("cpu")
MOMENTUM = Momentum(0.1, lr_decay=1.01, lr_min=1e-6, momentum=0.5, momentum_end=0.9)


class Noisy(MaxoutDiscriminator):
    """Draws from PyTorch's global stream as well, as a user's own network may."""

    def __init__(self) -> None:
        super().__init__(SHAPE, [4, 6], 3, [0.5])
        self.noise = nn.Dropout(0.3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(self.noise(x))


def training(optimizer: Momentum | Adam, update, ema_decay: float) -> Trainer:
    torch.manual_seed(0)
    generator = Generator(4, SHAPE, [5, 7], batch_norm=[True])
    return small_trainer(
        generator, Noisy(), optimizer, update, shape=SHAPE, g_rate=2, ema_decay=ema_decay
    )


@pytest.mark.parametrize("optimizer", [MOMENTUM, Adam(1e-3)], ids=["momentum", "adam"])
@pytest.mark.parametrize("update", [alternating, simultaneous])
@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_a_saved_game_goes_on_bit_for_bit(
    optimizer: Momentum | Adam, update, ema_decay: float, tmp_path: Path
) -> None:
    whole = training(optimizer, update, ema_decay)
    for _ in range(7):
        whole.train_step()
    whole.state.best, whole.state.maxima, whole.state.restored = 1.5, {"spread": 0.5}, 2
    checkpoints.save(tmp_path, whole.state.state_dict())
    for _ in range(8):
        whole.train_step()

    resumed = training(optimizer, update, ema_decay)
    for _ in range(3):
        resumed.train_step()  # whatever happened before loading must leave no trace
    checkpoints.restore(resumed.state, tmp_path)
    assert (resumed.state.step, len(resumed.state.logits), resumed.state.best) == (7, 7, 1.5)
    assert (resumed.state.maxima, resumed.state.restored) == ({"spread": 0.5}, 2)
    for _ in range(8):
        resumed.train_step()

    def flat(value: object) -> list[object]:
        if isinstance(value, dict):
            return [x for key in sorted(value, key=str) for x in flat(value[key])]
        if isinstance(value, list):
            return [x for item in value for x in flat(item)]
        return [value.tolist() if isinstance(value, torch.Tensor) else value]

    assert flat(resumed.state.state_dict()) == flat(whole.state.state_dict())


def test_a_checkpoint_of_another_version_is_told_as_such(tmp_path: Path) -> None:
    game = training(MOMENTUM, alternating, 0.0)
    content = game.state.state_dict()
    del content["logits"]
    checkpoints.save(tmp_path, content)
    with pytest.raises(UserError, match="of another version of gan, without 'logits'"):
        checkpoints.restore(game.state, tmp_path)


def test_weights_are_within_their_bound_from_the_start() -> None:
    generator = Generator(4, SHAPE, [5, 7], irange=[3.0], max_col_norm=0.5)
    discriminator = MaxoutDiscriminator(SHAPE, [4, 6], 3, [3.0], max_col_norm=0.25)
    new_state(generator, discriminator, (MOMENTUM.build, MOMENTUM.build), 0, CPU)
    for network, c in ((generator, 0.5), (discriminator, 0.25)):
        for layer in network.modules():
            if isinstance(layer, nn.Linear):
                norms = layer.weight.norm(dim=1)
                torch.testing.assert_close(norms, torch.full_like(norms, c))


def test_a_restored_game_draws_other_numbers() -> None:
    state = training(MOMENTUM, alternating, 0.0).state

    def draws() -> list[list[float]]:
        return [torch.rand(3, generator=state.rng).tolist(), torch.rand(3).tolist()]

    state.start_streams(0)
    first = draws()
    state.start_streams(1)
    second = draws()
    assert first[0] != second[0]
    assert first[1] != second[1]
    state.start_streams(0)
    assert draws() == first


class OtherDevice:
    """Stands in for the generator of a GPU, whose state has 16 bytes."""

    device = torch.device("cuda")

    def __init__(self) -> None:
        self.seeded: list[int] = []

    def get_state(self) -> torch.Tensor:
        return torch.zeros(16, dtype=torch.uint8)

    def set_state(self, state: torch.Tensor) -> None:
        assert len(state) == 16, "RNG state is wrong size"

    def manual_seed(self, seed: int) -> None:
        self.seeded.append(seed)


def test_a_run_goes_on_on_another_device(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    here = training(MOMENTUM, simultaneous, 0.9)
    for _ in range(3):
        here.train_step()
    on_cpu = here.state.state_dict()
    on_gpu = {**on_cpu, "rng": OtherDevice().get_state(), "global_cuda_rng": torch.zeros(16)}

    # From the GPU to the CPU: twice the same, and another stream at another step.
    draws = []
    for saved in (on_gpu, on_gpu, {**on_gpu, "step": 4}):
        state = training(MOMENTUM, simultaneous, 0.9).state
        state.load_state_dict(saved)
        assert torch.equal(torch.get_rng_state(), on_cpu["global_rng"])
        draws.append(torch.rand(5, generator=state.rng))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert "step 3 was written on cuda: the random numbers on cpu begin anew" in caplog.text

    # And back.
    moved = training(MOMENTUM, simultaneous, 0.9).state
    moved.rng, seeds = OtherDevice(), []
    monkeypatch.setattr(torch.cuda, "manual_seed", seeds.append)
    moved.load_state_dict({**on_cpu, "logits": None})  # which would have to go to the GPU
    assert len(moved.rng.seeded) == len(seeds) == 1
    assert moved.rng.seeded != seeds
    assert "written on cpu: the random numbers on cuda begin anew" in caplog.text
    for a, b in zip(moved.generator.parameters(), here.state.generator.parameters(), strict=True):
        assert torch.equal(a, b)
