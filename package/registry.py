"""Catalogues that other packages may add to: name -> `module:Attribute`.

Registering imports nothing. A name is for people; what another process has to find too, which may
not have seen the registration, is written as its entry point: see `Registry.portable`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from hrmgym.errors import ConfigError, UnknownNameError, did_you_mean

T = TypeVar("T")


def from_entry_point(what: str, name: str, entry_point: str) -> object:
    """What `module:Attribute` leads to.

    Args:
        what: The kind of thing, for messages.
        name: What it was asked for by.
        entry_point: `module:Attribute`.

    Raises:
        ConfigError: there is no such module, or no such attribute in it. An import that fails
            inside the module goes on to the caller as it is.
    """
    module_name, _, attribute = entry_point.partition(":")
    if not module_name or not attribute:
        raise ConfigError(f"{what} {name!r}: should be a name, or `module:Name`")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # the module's own import failed: not a misspelt entry point
        raise ConfigError(f"{what} {name!r}: no module {module_name!r}") from error
    found = getattr(module, attribute, None)
    if found is None:
        known = {one for one in vars(module) if not one.startswith("_")}
        near = did_you_mean(attribute, known)
        raise ConfigError(f"{what} {name!r}: module {module_name!r} has no {attribute!r}{near}")
    return found


class Registry(Generic[T]):
    """One catalogue.

    Args:
        what: The kind of thing in it, for messages: `trainer`.
        wanted: What an entry point must lead to, for messages: `a Trainer class`.
        fits: Whether something is that.
    """

    def __init__(self, what: str, wanted: str, fits: Callable[[Any], bool]) -> None:
        self.what, self._wanted, self._fits = what, wanted, fits
        self._entries: dict[str, str] = {}

    def register(self, name: str, entry_point: str) -> None:
        """Adds an entry; the same one may be added again.

        Raises:
            ConfigError: the name stands for something else already, or one of the two is not of
                its form.
        """
        if not name or ":" in name:
            raise ConfigError(f"{self.what} {name!r}: a name has no ':'")
        module, _, attribute = entry_point.partition(":")
        if not module or not attribute:
            raise ConfigError(f"{self.what} {name!r}: {entry_point!r} should be `module:Name`")
        known = self._entries.setdefault(name, entry_point)
        if known != entry_point:
            raise ConfigError(f"{self.what} {name!r} is registered already, as {known}")

    def __iter__(self) -> Iterator[str]:
        """Names, in the order in which they were registered."""
        return iter(tuple(self._entries))

    def entry_point(self, name: str) -> str:
        """The entry point of that name; a `module:Attribute` is its own.

        Raises:
            UnknownNameError: no such name; the message holds the nearest.
        """
        if ":" in name:
            return name
        if name not in self._entries:
            raise UnknownNameError(self.what, name, self._entries)
        return self._entries[name]

    def portable(self, name: str) -> str:
        """What any process understands: the name where hrmgym itself registers it, else the entry
        point.

        Raises:
            UnknownNameError: no such name.
        """
        entry_point = self.entry_point(name)
        ours = {one: known for known, one in self._entries.items() if one.startswith("hrmgym.")}
        return ours.get(entry_point, entry_point)

    def load(self, name: str) -> T:
        """What a name or `module:Attribute` stands for, imported.

        Raises:
            UnknownNameError: no such name.
            ConfigError: the entry point leads nowhere, or to something else.
        """
        entry_point = self.entry_point(name)
        found = from_entry_point(self.what, name, entry_point)
        if not self._fits(found):
            raise ConfigError(f"{self.what} {name!r}: {entry_point} is not {self._wanted}")
        return found  # type: ignore[return-value]


def call(entry_point: str, *arguments: Any, **options: Any) -> Any:
    """Calls the function of that entry point: what names it need not import it before."""
    function: Any = from_entry_point("function", entry_point, entry_point)
    return function(*arguments, **options)


def a_class_of(base: type) -> Callable[[Any], bool]:
    """Whether something is a subclass of `base`, for `Registry`."""
    return lambda found: isinstance(found, type) and issubclass(found, base)


class OneOf:
    """Marks the annotation of a config block as one of a registry's, told apart by its tag.

    `Annotated[SerializeAsAny[Base], OneOf(REGISTRY)]` reads as a union of all that is registered at
    the time, with the errors of one.

    Args:
        registry: Of block classes.
        tag: The key that names one.
    """

    def __init__(self, registry: Registry[Any], tag: str = "kind") -> None:
        self.registry, self.tag = registry, tag

    def block(self, name: str) -> type[BaseModel]:
        """The class of the blocks that a tag stands for; errors are those of `Registry.load`."""
        found: type[BaseModel] = self.registry.load(name)
        return found

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(self._read, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        blocks = (self.block(name).__pydantic_core_schema__ for name in self.registry)
        return {"oneOf": [handler(block) for block in blocks]}

    def _read(self, value: Any, base: Callable[[Any], Any]) -> Any:
        if isinstance(value, BaseModel) or not isinstance(value, Mapping):
            return base(value)
        if self.tag not in value:
            raise self._error("union_tag_not_found", value, discriminator=repr(self.tag))
        name = value[self.tag]
        try:
            if not isinstance(name, str):
                raise UnknownNameError(self.registry.what, str(name), self.registry)
            block = self.block(name)
        except UnknownNameError:
            known = ", ".join(map(repr, self.registry))
            told = {"discriminator": repr(self.tag), "tag": str(name), "expected_tags": known}
            raise self._error("union_tag_invalid", value, **told) from None
        except ConfigError as error:
            custom = PydanticCustomError("entry_point", "{told}", {"told": str(error)})
            raise ValidationError.from_exception_data(
                self.registry.what, [InitErrorDetails(type=custom, loc=(self.tag,), input=name)]
            ) from None
        spelled = self.registry.portable(name)
        if block.model_fields[self.tag].annotation is str or ":" not in spelled:
            value = {**value, self.tag: spelled}
        return block.model_validate(value)

    def _error(self, kind: str, value: Any, **context: str) -> ValidationError:
        details = InitErrorDetails(type=kind, loc=(), input=value, ctx=context)
        return ValidationError.from_exception_data(self.registry.what, [details])
