"""Ranges of settings: annotations of the parameters and fields that a config sets.

A range stands once, in the signature of the class that takes the value; `config/validate.py` holds
configs to it. Annotations of a user's own classes count as well.
"""

from typing import Annotated

from annotated_types import Interval, MinLen

# Larger values overflow somewhere, whatever the setting.
LARGEST = 1e15

Number = Annotated[float, Interval(ge=-LARGEST, le=LARGEST)]
Positive = Annotated[float, Interval(gt=0, le=LARGEST)]
NonNegative = Annotated[float, Interval(ge=0, le=LARGEST)]
Fraction = Annotated[float, Interval(ge=0, le=1)]
PositiveFraction = Annotated[float, Interval(gt=0, le=1)]
# Of an exponential average, which at 1 would never move.
Decay = Annotated[float, Interval(ge=0, lt=1)]
Count = Annotated[int, Interval(ge=1, le=10**15)]
Seed = Annotated[int, Interval(ge=0, lt=2**63)]
# Of which a mean and its error are taken.
AtLeastTwo = Annotated[int, Interval(ge=2, le=10**15)]
# Widths of Parzen windows.
Sigmas = Annotated[list[Annotated[float, Interval(ge=1e-6, le=1e6)]], MinLen(1)]
