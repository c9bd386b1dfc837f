"""Catalogues that other packages may add to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from pydantic import SerializeAsAny, TypeAdapter, ValidationError

from hrmgym.config import Block, Count
from hrmgym.errors import ConfigError, UnknownNameError
from hrmgym.registry import OneOf, Registry


class Shape(Block):
    kind: str


class Circle(Shape):
    radius: Count = 1
    """How wide."""


class Square(Shape):
    side: Count
    """How wide."""


def _is_shape(found: object) -> bool:
    return isinstance(found, type) and issubclass(found, Shape)


HERE = __name__


def registry() -> Registry[type[Shape]]:
    made: Registry[type[Shape]] = Registry("shape", "a Shape class", _is_shape)
    made.register("circle", f"{HERE}:Circle")
    made.register("square", f"{HERE}:Square")
    return made


def adapter(known: Registry[type[Shape]] | None = None) -> TypeAdapter[Shape]:
    return TypeAdapter(Annotated[SerializeAsAny[Shape], OneOf(known or registry())])


def test_names_and_entry_points_lead_to_the_same() -> None:
    known = registry()
    assert list(known) == ["circle", "square"]
    assert known.load("circle") is known.load(f"{HERE}:Circle") is Circle


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("circel", "unknown shape 'circel'; did you mean 'circle'?"),
        ("hexagon", "unknown shape 'hexagon'; known: circle, square"),
        ("no_such_module_x:A", "shape 'no_such_module_x:A': no module 'no_such_module_x'"),
        (
            f"{HERE}:Crcle",
            f"shape '{HERE}:Crcle': module '{HERE}' has no 'Crcle'; did you mean 'Circle'?",
        ),
        (f"{HERE}:HERE", f"shape '{HERE}:HERE': {HERE}:HERE is not a Shape class"),
        (f"{HERE}:", f"shape '{HERE}:': should be a name, or `module:Name`"),
        (":A", "shape ':A': should be a name, or `module:Name`"),
    ],
)
def test_what_is_not_there_is_told_with_the_nearest(name: str, text: str) -> None:
    with pytest.raises((UnknownNameError, ConfigError)) as error:
        registry().load(name)
    assert str(error.value) == text


def test_a_name_stands_for_one_thing() -> None:
    known = registry()
    known.register("circle", f"{HERE}:Circle")  # again: the same
    with pytest.raises(ConfigError, match=r"'circle' is registered already, as .*:Circle"):
        known.register("circle", f"{HERE}:Square")
    for name, entry_point in (("a:b", f"{HERE}:Circle"), ("", f"{HERE}:Circle"), ("a", HERE)):
        with pytest.raises(ConfigError, match="shape "):
            known.register(name, entry_point)


def test_a_failing_import_in_the_module_is_not_called_a_missing_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needs_more.py").write_text("import no_such_library_x\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_library_x"):
        registry().load("needs_more:A")


def test_names_of_other_packages_are_written_so_that_any_process_finds_them() -> None:
    known: Registry[object] = Registry("thing", "anything", lambda found: True)
    known.register("ours", "hrmgym.errors:UserError")
    known.register("theirs", "their.module:Thing")
    assert known.portable("ours") == known.portable("hrmgym.errors:UserError") == "ours"
    assert known.portable("theirs") == "their.module:Thing"
    assert known.portable("any.module:Thing") == "any.module:Thing"
    with pytest.raises(UnknownNameError, match="did you mean 'theirs'"):
        known.portable("their")


def test_a_block_is_read_as_the_class_that_its_tag_names() -> None:
    made = adapter().validate_python({"kind": "circle", "radius": 3})
    assert isinstance(made, Circle)
    assert made.radius == 3
    assert adapter().dump_python(made) == {"kind": f"{HERE}:Circle", "radius": 3}
    by_path = adapter().validate_python({"kind": f"{HERE}:Square", "side": 1})
    assert isinstance(by_path, Square)
    assert adapter().validate_python(made) is made


@pytest.mark.parametrize(
    ("block", "kind", "loc"),
    [
        ({"kind": "circel"}, "union_tag_invalid", ()),
        ({"kind": 3}, "union_tag_invalid", ()),
        ({"radius": 3}, "union_tag_not_found", ()),
        ({"kind": f"{HERE}:HERE"}, "entry_point", ("kind",)),
        ({"kind": "circle", "radius": 0}, "greater_than_equal", ("radius",)),
        ({"kind": "circle", "side": 3}, "extra_forbidden", ("side",)),
        ({"kind": "square"}, "missing", ("side",)),
        ("circle", "model_type", ()),
    ],
)
def test_a_mistake_is_told_where_it_is(block: object, kind: str, loc: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError) as error:
        adapter().validate_python(block)
    assert [(one["type"], one["loc"]) for one in error.value.errors()] == [(kind, loc)]


def test_the_json_schema_has_all_that_are_registered() -> None:
    known = registry()
    read = adapter(known)
    assert [one["title"] for one in read.json_schema()["oneOf"]] == ["Circle", "Square"]
    radius = read.json_schema()["oneOf"][0]["properties"]["radius"]
    assert (radius["description"], radius["minimum"]) == ("How wide.", 1)
    known.register("round", f"{HERE}:Circle")
    assert len(read.json_schema()["oneOf"]) == 3
