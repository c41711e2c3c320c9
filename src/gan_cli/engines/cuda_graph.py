"""The update as one CUDA graph: hundreds of small kernels at the cost of launching one thing."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gan_cli.data.minibatches import Minibatch
from gan_cli.engines.captured import Captured, SetFromTensor, snapshot
from gan_cli.errors import UserError
from gan_cli.game.state import State
from gan_cli.game.updates import Game, Update

# Updates before the capture: cuBLAS, cuDNN and the optimizers set themselves up in the first ones.
WARM_UP = 3


class Graph(Captured):
    """A CUDA graph. Random streams are registered with it, so that replays continue them."""

    def __init__(self, update: Update, set_from_tensor: SetFromTensor) -> None:
        super().__init__(update, set_from_tensor)
        self._graph = torch.cuda.CUDAGraph()
        self._minibatches: list[list[Tensor]] = []
        self._hyperparameters = self._logits = torch.empty(0)

    def _replay(
        self, minibatches: Sequence[Minibatch], hyperparameters: list[list[float]]
    ) -> Tensor:
        # Pinned memory is not handed out again before the copy from it is done.
        self._hyperparameters.copy_(
            torch.tensor(hyperparameters, pin_memory=True), non_blocking=True
        )
        for static, minibatch in zip(self._minibatches, minibatches, strict=True):
            for there, x in zip(static, minibatch, strict=True):
                there.copy_(x)
        self._graph.replay()
        return self._logits.clone()

    def _capture(self, state: State, game: Game, minibatches: Sequence[Minibatch]) -> None:
        device = state.rng.device
        # An earlier capture gives its memory back first.
        self._graph, self._logits = torch.cuda.CUDAGraph(), torch.empty(0)
        self._minibatches = [[x.clone() for x in minibatch] for minibatch in minibatches]
        self._hyperparameters = torch.zeros(len(minibatches) + 1, 2, device=device)

        restore = snapshot(state)
        stream = torch.cuda.Stream(device)
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                self._run(state, game, self._minibatches, self._hyperparameters)
        torch.cuda.current_stream(device).wait_stream(stream)
        restore()

        self._graph.register_generator_state(state.rng)
        try:
            with torch.cuda.graph(self._graph):
                self._logits = self._run(state, game, self._minibatches, self._hyperparameters)
        except RuntimeError as error:
            # Ending a failed capture fails as well, and says less.
            cause = error.__context__ or error
            if isinstance(cause, torch.OutOfMemoryError):
                raise cause from None
            reason = str(cause).splitlines()[0]
            raise UserError(
                f"The update can't be captured as a CUDA graph ({reason}); cuda_graph=false runs "
                "it as it is."
            ) from error
