"""The kinds of edits of Python, in the order in which they are enumerated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from hrmgym.envs.edits.python import calls, names, numbers, operators, subscripts
from hrmgym.envs.edits.python.program import Change, Program


class Kind(NamedTuple):
    """A kind of edit."""

    name: str
    function: Callable[[Program], Iterator[Change | None]]
    """All its members in a program, in a fixed order; None is one that does not fit."""


def _kinds(*functions: Callable[[Program], Iterator[Change | None]]) -> tuple[Kind, ...]:
    return tuple(Kind(function.__name__, function) for function in functions)


LEAN = _kinds(
    operators.comparison,
    operators.arithmetic,
    operators.boolean_operator,
    operators.negation,
    numbers.off_by_one,
    numbers.number,
    numbers.single,
    numbers.empty,
    names.identifier,
    names.attribute,
    calls.callee,
    operators.operands,
    operators.drop_operand,
    operators.drop_condition,
    calls.swap_arguments,
    calls.drop_argument,
    calls.unwrap_call,
    calls.add_bound,
    subscripts.drop_subscript,
    subscripts.slice_bound,
    subscripts.index_to_slice,
    subscripts.drop_element,
    names.drop_attribute,
    numbers.constant_to_name,
    names.target,
)
BULKY = _kinds(
    names.expression_to_name,
    numbers.name_to_constant,
    subscripts.add_slice,
    subscripts.add_subscript,
    calls.wrap_in_call,
    calls.add_method,
    calls.recursion,
    calls.add_argument,
    subscripts.add_element,
    names.add_attribute,
    names.attribute_alike,
    names.keyword,
    numbers.text,
)
