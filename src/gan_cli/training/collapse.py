"""Whether G has collapsed: what the paper calls the Helvetica scenario (section 6)."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from gan_cli.errors import UserError
from gan_cli.game.state import State

log = logging.getLogger(__name__)

# Measures of samples' diversity; each is 1 for samples as diverse as the data.
MEASURES = ("spread", "coverage")
# A G whose samples were never more diverse than this has not learned yet: it can't collapse.
LEAST = 0.1


@dataclass(frozen=True)
class CollapseDetector:
    """G has collapsed where a measure falls below `share` of its running maximum.

    With `stops` the run then ends; otherwise a warning is logged, once.
    """

    share: float
    stops: bool

    def check(self, state: State, estimates: Mapping[str, float]) -> str | None:
        """Return what has just collapsed, in a sentence, or None; `state` has the maxima."""
        measured = {name: estimates[name] for name in MEASURES if name in estimates}
        if not measured:
            return None
        fallen = []
        for name, now in measured.items():
            maximum = state.maxima.get(name, 0.0)
            if maximum > LEAST and now < self.share * maximum:
                fallen.append(f"their {name} is {now:.3f} of the data's, after {maximum:.3f}")
            # More diversity than the data's is no virtue.
            state.maxima[name] = max(maximum, min(now, 1.0))
        was, state.collapsed = state.collapsed, bool(fallen)
        if was or not fallen:
            return None
        return (
            f"G's samples have collapsed at step {state.step}: {' and '.join(fallen)}. "
            "An earlier checkpoint may be of more use; a smaller optimizer.lr or another seed may "
            "keep it from happening."
        )

    def report(self, sentence: str) -> None:
        """Warn, or raise UserError where the run is to stop."""
        if self.stops:
            raise UserError(sentence)
        log.warning("%s", sentence)
