"""The kinds of edits of Python, in the order in which they are enumerated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from hrmgym.envs.edits.python import (
    additions,
    blocks,
    calls,
    donors,
    names,
    numbers,
    operators,
    signatures,
    statements,
    subscripts,
)
from hrmgym.envs.edits.python.places import Change
from hrmgym.envs.edits.python.program import Program


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
    operators.explicit_test,
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
    statements.augmented,
    statements.jump,
    statements.use_of_value,
    statements.call_to_assignment,
    statements.delete_statement,
    statements.delete_statements,
    blocks.swap_statements,
    blocks.move_out,
    blocks.move_out_statements,
    blocks.move_in,
    blocks.move_in_statements,
    blocks.unwrap_block,
    blocks.drop_else,
    blocks.swap_branches,
    blocks.elif_to_if,
    blocks.if_to_elif,
    blocks.if_or_while,
    blocks.swap_conditional,
    blocks.move_statement,
    statements.target_expression,
    statements.assignment_to_call,
    statements.to_augmented,
    additions.to_condition,
    additions.comparison_and_bound,
    subscripts.add_element,
    subscripts.add_slice,
    names.expression_to_name,
    additions.drop_filter,
    signatures.default_value,
    signatures.parameter,
)
BULKY = _kinds(
    numbers.name_to_constant,
    subscripts.add_subscript,
    calls.wrap_in_call,
    calls.add_method,
    calls.recursion,
    calls.add_argument,
    names.add_attribute,
    names.attribute_alike,
    names.keyword,
    signatures.exception_type,
    numbers.text,
    additions.add_term,
    additions.add_fallback,
    additions.add_condition,
    additions.add_filter,
    additions.expression_swap,
    donors.donor_line,
    donors.donor_line_renamed,
    additions.insert_statement,
    additions.wrap_in_if,
    additions.insert_guard,
    donors.donor_line_renamed_twice,
)
