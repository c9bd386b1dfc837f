"""Bugs in Python source: every operator, and how to list or draw what they do.

A `Mutation` is one small edit that keeps the text compilable and changes its syntax tree; whether
it changes what the program does is for tests to say. One thread at a time: compiling turns warnings
into errors, and Python has one set of warning filters for all threads.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from hrmgym.envs.bugs import call_operators as calls
from hrmgym.envs.bugs import expression_operators as expressions
from hrmgym.envs.bugs import statement_operators as statements
from hrmgym.envs.bugs import value_operators as values
from hrmgym.envs.bugs.sites import Operator, note_of
from hrmgym.envs.edits.edit import Edit, apply, trim
from hrmgym.envs.edits.source import Source, parse, signs_of

_MOST_SITES = 64  # tries at one operator before the next one's turn

#: Name -> operator; the order is that of `mutations`.
OPERATORS: MappingProxyType[str, Operator] = MappingProxyType(
    {
        "comparison": expressions.comparison,
        "arithmetic": expressions.arithmetic,
        "boolean": expressions.boolean,
        "negation": expressions.negation,
        "clause": expressions.clause,
        "condition": expressions.condition,
        "operands": expressions.operands,
        "operand-drop": expressions.operand_drop,
        "off-by-one": expressions.off_by_one,
        "name": values.name,
        "attribute": values.attribute,
        "constant": values.constant,
        "arguments": calls.arguments,
        "elements": values.elements,
        "method": calls.method,
        "unwrap": calls.unwrap,
        "wrap": calls.wrap,
        "index": values.index,
        "range": calls.range_bounds,
        "result": values.result,
        "drop-statement": statements.drop_statement,
        "drop-condition": statements.drop_condition,
        "swap-statements": statements.swap_statements,
        "double-statement": statements.double_statement,
        "indent": statements.indent,
        "branch": statements.branch,
        "jump": statements.jump,
        "augmented": statements.augmented,
    }
)

#: How often `sample_mutation` tries each operator first, relative to each other.
WEIGHTS: MappingProxyType[str, float] = MappingProxyType(
    {
        "comparison": 8,
        "arithmetic": 5,
        "boolean": 3,
        "negation": 4,
        "clause": 5,
        "condition": 2,
        "operands": 3,
        "operand-drop": 5,
        "off-by-one": 9,
        "name": 10,
        "attribute": 3,
        "constant": 7,
        "arguments": 4,
        "elements": 3,
        "method": 5,
        "unwrap": 6,
        "wrap": 2,
        "index": 4,
        "range": 4,
        "result": 4,
        "drop-statement": 8,
        "drop-condition": 2,
        "swap-statements": 3,
        "double-statement": 1,
        "indent": 3,
        "branch": 3,
        "jump": 2,
        "augmented": 3,
    }
)


@dataclass(frozen=True, slots=True)
class Mutation:
    """One bug: the edit that makes it, on the source it was made for."""

    operator: str
    edit: Edit
    note: str
    """What was changed, for people."""


def mutations(text: str) -> list[Mutation]:
    """Every bug that the operators can make, in a fixed order, each mutated text once.

    Raises:
        DataError: the text is not Python.
    """
    source = parse(text)
    found: dict[str, Mutation] = {}
    for operator, sites in OPERATORS.items():
        for site in sites(source):
            mutated = apply(text, site.edit)
            if mutated not in found and is_bug(source, mutated):
                found[mutated] = Mutation(operator, trim(text, site.edit), note_of(site))
    return list(found.values())


def sample_mutation(
    text: str,
    rng: np.random.Generator,
    operators: Mapping[str, Operator] = OPERATORS,
    weights: Mapping[str, float] = WEIGHTS,
) -> Mutation | None:
    """One bug: first the operator by weight, then its site; None if the text has no site at all.

    Args:
        text: A working program.
        rng: Where chance comes from.
        operators: What to choose from.
        weights: How often each is tried first; those without a weight never are.

    Raises:
        DataError: the text is not Python.
    """
    source = parse(text)
    names = list(weights)
    # Exponential clocks: the order of draws by weight without replacement, in one go.
    ringing = rng.exponential(size=len(names)) / np.array([weights[name] for name in names])
    for drawn in np.argsort(ringing):
        name = names[int(drawn)]
        sites = list(operators[name](source))
        for _ in range(min(len(sites), _MOST_SITES)):
            at = int(rng.integers(len(sites)))
            sites[at], sites[-1] = sites[-1], sites[at]
            site = sites.pop()
            if is_bug(source, apply(text, site.edit)):
                return Mutation(name, trim(text, site.edit), note_of(site))
    return None


def is_bug(source: Source, mutated: str) -> bool:
    """Whether a text compiles without a warning to another syntax tree than the source's."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            compile(mutated, "<mutated>", "exec", dont_inherit=True)
            # The slow way only where nothing differs but brackets, quotes, commas and blanks.
            if signs_of(mutated) != source.signs:
                return True
            return ast.dump(ast.parse(mutated)) != source.dump
    except (SyntaxError, ValueError):
        return False
