"""Reading and writing YAML by the 1.2 core schema, with the line of every value.

PyYAML follows YAML 1.1, where `1e-4` is text, `no` and `on` are booleans, `010` is 8, `12:30` is
750 and the second of two equal keys silently wins. None of that holds here.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from hrmgym.config import Path
from hrmgym.errors import ConfigError, UserError

_STR, _MAP, _SEQ = (f"tag:yaml.org,2002:{name}" for name in ("str", "map", "seq"))
_NULL, _BOOL, _INT, _FLOAT = (
    f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float")
)

# YAML 1.2.2, section 10.3.2 (core schema): tag, pattern, first characters.
_RESOLVERS = (
    (_NULL, r"null|Null|NULL|~|", ["n", "N", "~", ""]),
    (_BOOL, r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    (_INT, r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        _FLOAT,
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
)
#: Values in each other, values in all, counted where aliases stand, and characters of a number.
_MOST_DEEP, _MOST_VALUES, _MOST_DIGITS = 64, 100_000, 400
#: Characters of a key that a message shows.
_MOST_KEY = 200
_TOO_DEEP = f"values lie in each other more than {_MOST_DEEP} deep"
_PATTERNS = {tag: re.compile(rf"(?:{pattern})\Z") for tag, pattern, _ in _RESOLVERS}


class _Loader(yaml.SafeLoader):
    pass


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


for _class in (_Loader, _Dumper):
    _class.yaml_implicit_resolvers = {}
    for _tag, _, _first in _RESOLVERS:
        _class.add_implicit_resolver(_tag, _PATTERNS[_tag], _first)


def parse(
    text: str, where: str, *, lines: bool = True, error: type[UserError] = ConfigError
) -> tuple[Any, dict[Path, int]]:
    """The document as plain data, and the line (from 1) of every key and list item in it.

    Args:
        text: One YAML document.
        where: What error messages start with.
        lines: Whether messages add the line to it.
        error: What is raised.

    Raises:
        UserError: `error`: the text is not one YAML document of plain data, or repeats a key.
    """
    reader = _Reader(where, lines, error)
    loader: _Loader | None = None
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        raise reader.wrong(mark, f"not YAML: {problem.problem or problem.context}") from None
    except yaml.YAMLError as problem:
        raise error(f"{where}: not YAML: {' '.join(str(problem).split())}") from None
    except RecursionError:
        raise reader.wrong(loader.get_mark() if loader else None, _TOO_DEEP) from None
    return (None if root is None else reader.value(root, (), ())), reader.lines


def dump(data: Any) -> str:
    """Plain data as YAML that `parse` reads back to the same data, keys in their own order."""
    text: str = yaml.dump(
        data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False
    )
    return text


class _Reader:
    """Turns nodes into plain data and notes their lines."""

    def __init__(self, where: str, show_lines: bool, error: type[UserError]) -> None:
        self.where = where
        self.show_lines = show_lines
        self.error = error
        self.lines: dict[Path, int] = {}
        self.count = 0

    def wrong(self, mark: yaml.Mark | None, what: str) -> UserError:
        at = f"{self.where}:{mark.line + 1}" if mark and self.show_lines else self.where
        return self.error(f"{at}: {what}")

    def value(self, node: yaml.Node, path: Path, above: tuple[yaml.Node, ...]) -> Any:
        """Plain data of a node at `path`; `above` are the nodes that contain it."""
        if node in above:
            raise self.wrong(node.start_mark, "a value contains itself")
        if len(above) > _MOST_DEEP:
            raise self.wrong(node.start_mark, _TOO_DEEP)
        self.count += 1
        if self.count > _MOST_VALUES:
            raise self.wrong(node.start_mark, f"more than {_MOST_VALUES:,} values")
        above = (*above, node)
        if isinstance(node, yaml.MappingNode) and node.tag == _MAP:
            return self._mapping(node, path, above)
        if isinstance(node, yaml.SequenceNode) and node.tag == _SEQ:
            items = []
            for index, item in enumerate(node.value):
                self.lines[(*path, index)] = item.start_mark.line + 1
                items.append(self.value(item, (*path, index), above))
            return items
        if isinstance(node, yaml.ScalarNode):
            if node.tag == _STR:
                return self._text(node, path)
            pattern = _PATTERNS.get(node.tag)
            if pattern and pattern.match(node.value):
                if len(node.value) > _MOST_DIGITS:
                    problem = f"a number of {len(node.value):,} characters"
                    raise self.wrong(node.start_mark, problem)
                return _scalar(node.tag, node.value)
        tag = node.tag.replace("tag:yaml.org,2002:", "!!")
        raise self.wrong(node.start_mark, f"not a plain value of kind {tag}")

    def _mapping(
        self, node: yaml.MappingNode, path: Path, above: tuple[yaml.Node, ...]
    ) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            mark, key = key_node.start_mark, key_node.value
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != _STR:
                shown = f", and {key} is not; quote it" if isinstance(key, str) else ""
                raise self.wrong(mark, f"keys are text{shown}")
            self._text(key_node, path)
            if key in result:
                raise self.wrong(mark, f"{dotted((*path, key))}: repeated key")
            self.lines[(*path, key)] = key_node.start_mark.line + 1
            result[key] = self.value(value_node, (*path, key), above)
        return result

    def _text(self, node: yaml.ScalarNode, path: Path) -> str:
        """A scalar's text. Only an escape can make a lone surrogate, which no file can hold."""
        text: str = node.value
        try:
            text.encode()
        except UnicodeEncodeError:
            key = f"{dotted(path)}: " if path else ""
            raise self.wrong(node.start_mark, f"{key}a lone surrogate: no text") from None
        return text


def dotted(path: Path) -> str:
    """A path as messages show it: `trainer.gamma`, cut to a readable length."""
    text = ".".join(map(str, path))
    return text if len(text) <= _MOST_KEY else f"{text[:_MOST_KEY]}..."


def _scalar(tag: str, text: str) -> bool | int | float | None:
    if tag == _NULL:
        return None
    if tag == _BOOL:
        return text.lower() == "true"
    if tag == _INT:
        # int() would take base 8 from the prefix 0o only; 010 is ten.
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
