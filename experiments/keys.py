"""Every key of an experiment file, read off the classes that declare them.

`hrmgym keys` prints them, `python -m hrmgym.experiments.keys` writes docs/configuration.md, and
`file_schema` is a JSON Schema for editors. None of them holds a key of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hrmgym.errors import ConfigError, did_you_mean
from hrmgym.experiments.schema import TAGS, Experiment
from hrmgym.hrm.config import EditConfig, EditModelConfig

Schema = Mapping[str, Any]

#: What a file may say beside the keys of an experiment: see `hrmgym.experiments.loader`.
_OF_THE_FILE: dict[str, dict[str, Any]] = {
    "extends": {
        "type": "string",
        "description": "Another file, named relative to this one, or a shipped experiment; this one"
        " changes it key by key.",
    },
    "sweep": {
        "type": ["object", "null"],
        "description": "Dotted keys, each with a list of values: one experiment for each"
        " combination.",
    },
}


@dataclass(frozen=True, slots=True)
class Key:
    """One key."""

    block: str
    """Dotted path of the block that it is in; empty at the top."""
    name: str
    of: str
    """The kind of block that has it, where blocks of several kinds may stand there: `ppo`."""
    values: str
    """What it may be."""
    default: str
    """As it would stand in a file; empty where it has to be given."""
    description: str

    @property
    def path(self) -> str:
        """The dotted key, as of overrides."""
        return f"{self.block}.{self.name}" if self.block else self.name


def keys() -> list[Key]:
    """Every key of an experiment: those of the file first, then block by block."""
    schema = Experiment.model_json_schema()
    top = [
        Key("", name, "", "a name" if name == "extends" else "keys with lists", "null", text)
        for name, text in ((one, about["description"]) for one, about in _OF_THE_FILE.items())
    ]
    return top + list(_walk(schema, schema["$defs"], "", ""))


def matching(prefix: str) -> list[Key]:
    """The keys that a dotted key, or the beginning of one, stands for.

    Raises:
        ConfigError: there is none.
    """
    every = keys()
    found = [one for one in every if one.path == prefix or one.path.startswith(f"{prefix}.")]
    found = found or [one for one in every if one.path.startswith(prefix)]
    if not found:
        near = did_you_mean(prefix, {one.path for one in every})
        raise ConfigError(f"keys: no key begins with {prefix!r}{near}")
    return found


def file_schema() -> dict[str, Any]:
    """A JSON Schema of experiment files: of one layer, so that no key has to be there."""
    schema = _relaxed(Experiment.model_json_schema())
    assert isinstance(schema, dict)
    for name, tag in TAGS.items():
        words = {"type": "string", "description": f"One word: the block's `{tag}`."}
        schema["properties"][name] = {"anyOf": [words, schema["properties"][name]]}
    schema["properties"] |= _OF_THE_FILE
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def markdown() -> str:
    """The text of docs/configuration.md."""
    parts = [_INTRODUCTION]
    sections: dict[tuple[str, str], list[Key]] = {}
    for key in keys():
        sections.setdefault((key.block, key.of), []).append(key)
    for (block, of), found in sections.items():
        tag = TAGS.get(block.split(".")[0], "kind")
        kind = f", {tag}: {of}" if of else ""
        parts.append(f"## `{block}`{kind}" if block else "## The experiment")
        parts.append(_table(found))
    parts.append(_CHECKPOINT)
    model = EditModelConfig.model_json_schema()
    made = [
        key
        for key in _walk(model, model["$defs"], "model", "")
        if key.block == "model" and key.name not in EditConfig.model_fields
    ]
    parts.append(_table(made))
    return "\n\n".join(parts) + "\n"


_INTRODUCTION = """\
# Configuration

An experiment is a YAML file with these keys. `hrmgym train` and `hrmgym score` take it, and changes
behind it: `hrmgym train demo trainer.gamma=0.9 seed=1`. The blocks `benchmark`, `sandbox`, `policy`
and `trainer` may be written as one word: `policy: random`. The keys of `env` are arguments of
`SoftwareEnv` and of `gymnasium.make`, too.

`hrmgym keys trainer.warm` prints the keys that begin so. `hrmgym keys --schema > experiment.json`
writes a JSON Schema, by which editors complete keys below a first line
`# yaml-language-server: $schema=experiment.json`.

This page is made from the source: `python -m hrmgym.experiments.keys > docs/configuration.md`."""

_CHECKPOINT = """\
## A checkpoint's `config.json`

`model` holds the keys of the `policy` block that say what the network is, from `hidden_size` to
`reverse`, and what the interface makes of it:"""


def _table(found: list[Key]) -> str:
    rows = ["| key | values | default | what |", "|---|---|---|---|"]
    for key in found:
        cells = (f"`{key.name}`", key.values, f"`{key.default}`" if key.default else "")
        rows.append(f"| {' | '.join(_cell(one) for one in (*cells, key.description))} |")
    return "\n".join(rows)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _walk(schema: Schema, known: Schema, block: str, of: str) -> Iterator[Key]:
    """The keys of a block, then those of the blocks in it."""
    inner: list[tuple[str, Schema]] = []
    required = set(schema.get("required", ()))
    tags = {tag for tag in ("kind", "type") if tag in schema["properties"]}
    for name, field in sorted(schema["properties"].items(), key=lambda one: one[0] not in tags):
        blocks = list(_blocks(field, known))
        inner += [(name, one) for one in blocks]
        default = "" if name in required else _default(field, bool(blocks))
        told = field.get("description") or (blocks[0].get("description", "") if blocks else "")
        text = " ".join(told.split())
        yield Key(block, name, of, _values(field, known), default, text)
    for name, one in inner:
        kinds = [other for inside, other in inner if inside == name]
        kind = _kind(one, TAGS.get(name, "kind")) if len(kinds) > 1 else of
        yield from _walk(one, known, f"{block}.{name}" if block else name, kind)


def _blocks(field: Schema, known: Schema) -> Iterator[Schema]:
    """The blocks that may be a key's value."""
    if "$ref" in field:
        yield from _blocks(known[field["$ref"].rpartition("/")[2]], known)
    elif "properties" in field:
        yield field
    for one in (*field.get("oneOf", ()), *field.get("anyOf", ())):
        yield from _blocks(one, known)


def _kind(block: Schema, tag: str) -> str:
    field = block["properties"][tag]
    return str(field.get("const", field.get("default", block.get("title"))))


def _default(field: Schema, is_block: bool) -> str:
    made: Any = {"object": {}, "array": []}.get(str(field.get("type")))  # by a factory
    default = field.get("default", made)
    return "" if is_block and default is not None else json.dumps(default, ensure_ascii=False)


def _values(field: Schema, known: Schema) -> str:
    """What a key may be, in words."""
    several = (*field.get("oneOf", ()), *field.get("anyOf", ()))
    if several:
        return ", or ".join(dict.fromkeys(_values(one, known) for one in several))
    if "$ref" in field or "properties" in field:
        return "a block"
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{one}`" for one in field["enum"])
    kind = field.get("type")
    if kind == "array":
        return f"a list of: {_values(field['items'], known)}" if "items" in field else "a list"
    if kind == "object":
        inner = field.get("additionalProperties", True)
        return "names" if inner is True else f"names, each with: {_values(inner, known)}"
    words = _WORDS.get(str(kind), str(kind))
    if "pattern" in field:
        return f"{words} that matches `{field['pattern']}`"
    bounds = [f"{sign} {json.dumps(field[one])}" for one, sign in _BOUNDS.items() if one in field]
    return f"{words} {', '.join(bounds)}".rstrip()


_WORDS = {
    "boolean": "`true`, `false`",
    "integer": "a whole number",
    "number": "a number",
    "string": "a text",
    "null": "`null`",
}
_BOUNDS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


def _relaxed(schema: Any) -> Any:
    """A schema of a part: nothing has to be there, and what fits several kinds is right."""
    if isinstance(schema, list):
        return [_relaxed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {}
    for key, value in schema.items():
        if key == "properties":
            made[key] = {name: _relaxed(one) for name, one in value.items()}
        elif key not in ("required", "discriminator", "default"):
            made["anyOf" if key == "oneOf" else key] = _relaxed(value)
    return made


if __name__ == "__main__":
    print(markdown(), end="")
