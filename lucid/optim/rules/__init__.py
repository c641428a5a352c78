"""Optimizers as pure functions: ``rule(xp, p, g, *state, **numbers) -> (p, *state)``.

``xp`` is a backend's table, or ``lucid.ops`` when one differentiates through a step, or a tracer that writes the rule
down as a program. Numbers that are floats change from step to step: no rule branches on them. Flags it may branch on.
"""

from .adaptive import *  # noqa: F403
from .basic import *  # noqa: F403
from .free import *  # noqa: F403
from .whole import *  # noqa: F403
