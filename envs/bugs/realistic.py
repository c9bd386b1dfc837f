"""The operators that self-made training bugs are drawn from, and how often each is drawn.

Beyond those of `operators`, which make the katas' tasks, these cover what real edits undo.
"""

from __future__ import annotations

from types import MappingProxyType

from hrmgym.envs.bugs import adding_operators as adding
from hrmgym.envs.bugs import dropping_operators as dropping
from hrmgym.envs.bugs import replacing_operators as replacing
from hrmgym.envs.bugs.operators import OPERATORS
from hrmgym.envs.bugs.sites import Operator

#: Name -> operator.
REALISTIC: MappingProxyType[str, Operator] = MappingProxyType(
    {
        **OPERATORS,
        "argument-drop": dropping.argument_drop,
        "parameter-drop": dropping.parameter_drop,
        "element-drop": dropping.element_drop,
        "shrink": dropping.shrink,
        "use-drop": dropping.use_drop,
        "lines-drop": dropping.lines_drop,
        "frame-drop": dropping.frame_drop,
        "argument-add": adding.argument_add,
        "element-add": adding.element_add,
        "call-add": adding.call_add,
        "fallback-add": adding.fallback_add,
        "prefix-add": adding.prefix_add,
        "line-add": adding.line_add,
        "similar-name": replacing.similar_name,
        "nearby-name": replacing.nearby_name,
        "common-name": replacing.common_name,
        "value": replacing.value,
        "exception": replacing.exception,
        "idiom": replacing.idiom,
        "expression": replacing.expression,
    }
)
