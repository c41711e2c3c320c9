"""Whether G has collapsed: what the paper calls the Helvetica scenario (section 6)."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from gan_cli.errors import UserError
from gan_cli.game.state import State

log = logging.getLogger(__name__)

# Measures of samples' variety; each is 1 for samples as varied as the data.
MEASURES = ("spread", "coverage")
# A G that was never more varied than this has not learned yet, and has nothing to lose.
LEAST = 0.1


@dataclass(frozen=True)
class Variety:
    """G has collapsed where a measure falls below `share` of the most that it was in this run.

    `stops` says that the run then ends; or else it is warned of, once.
    """

    share: float
    stops: bool

    def judge(self, state: State, estimates: Mapping[str, float]) -> str | None:
        """Return what has just collapsed, in a sentence, or None; keep in `state` what was seen."""
        measured = {name: estimates[name] for name in MEASURES if name in estimates}
        if not measured:
            return None
        fallen = []
        for name, now in measured.items():
            most = state.most.get(name, 0.0)
            if most > LEAST and now < self.share * most:
                fallen.append(f"their {name} is {now:.3f} of the data's, after {most:.3f}")
            # Samples more varied than the data have that to lose.
            state.most[name] = max(most, min(now, 1.0))
        was, state.collapsed = state.collapsed, bool(fallen)
        if was or not fallen:
            return None
        return (
            f"G's samples have collapsed at step {state.step}: {' and '.join(fallen)}. "
            "An earlier checkpoint may be of more use; a smaller optimizer.lr or another seed may "
            "keep it from happening."
        )

    def tell(self, sentence: str) -> None:
        """Warn, or raise UserError where the run is to stop."""
        if self.stops:
            raise UserError(sentence)
        log.warning("%s", sentence)
