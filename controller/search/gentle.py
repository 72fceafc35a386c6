"""How much less does a search hurt a target that others use meanwhile?

A goal with `gentle` aims below the middle of what is plausible, climbs in smaller steps, goes less
beyond what was carried, and gives an overload up earlier. It takes longer for the same precision.
What `controller.search.estimate` makes of a probe that was stopped early uses the same number.
"""

from __future__ import annotations

AIM = 0.35
"""The next rate is this quantile of the binding posterior; otherwise its median."""
CENSORED_TIMES = 3.0
"""Budgets of the whole probe at which R1 stops it; otherwise 6."""
PLACED_STEP, BLIND_STEP, STRAINED_STEP = 1.15, 1.5, 1.08
"""Of the ramp; otherwise 1.3, 2 and 1.5. Strained: the p99 is beyond half of the limit."""
HIGHEST_STEP = 1.1
"""Never above this times the highest rate that passed, once one has failed; otherwise 1.25."""
SCALE_STEP = 1.5
"""Of the probes that find the scale; otherwise 2. A strained one ends them: the ramp goes on."""
