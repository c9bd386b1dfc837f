"""Copies of environments: `copy.deepcopy` within a process, pickles from one to another.

A copy holds the whole episode, generators included, and shares nothing that changes: copy and
original go on independently, and equally where they are given equal actions. What belongs to a
process (sandboxes, sessions, locks) is left behind; the copy gets its own when it first needs them.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import cloudpickle
import gymnasium

from hrmgym.errors import ConfigError, first_line
from hrmgym.jsonfile import check_keys, shown


class Copied:
    """A class whose instances can be copied and pickled, whatever functions they hold.

    Pickles are made by cloudpickle, so that a lambda, or a class of a notebook, goes along.
    """

    _not_copied: ClassVar[Mapping[str, Any]] = {}
    """Attribute -> what a copy has instead of it: what belongs to one object or process."""
    _shared_by_copies: ClassVar[frozenset[str]] = frozenset()
    """Attributes that never change, so that a deep copy may share them."""
    _pickled: ClassVar[Mapping[str, type | tuple[type, ...]]] = {}
    """Attribute -> the kinds that its pickle may hold."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        made = type(self).__new__(type(self))
        memo[id(self)] = made
        attributes = self._before_copying()
        for name in self._shared_by_copies & attributes.keys():
            memo[id(attributes[name])] = attributes[name]
        for name, value in attributes.items():
            made.__dict__[name] = (
                self._not_copied[name] if name in self._not_copied else copy.deepcopy(value, memo)
            )
        return made

    def __getstate__(self) -> dict[str, bytes]:
        packed = self._packed(self._before_copying())
        kept = {name: value for name, value in packed.items() if name not in self._not_copied}
        return {"cloudpickle": cloudpickle.dumps(kept)}

    def __setstate__(self, state: Mapping[str, bytes]) -> None:
        kept = self._unpickled(state)
        self.__dict__.update(self._not_copied)
        self._unpack(kept)

    def _unpickled(self, state: Mapping[str, bytes]) -> dict[str, Any]:
        """The attributes in a pickle, which is trusted to be no attack, not to be whole.

        Raises:
            ConfigError: it cannot be read, or lacks an attribute, or one is of another kind.
        """
        where = f"pickle of {type(self).__name__}"
        try:
            kept = cloudpickle.loads(state["cloudpickle"])
        except Exception as error:  # unpickling runs whatever the pickle names
            raise ConfigError(f"{where}: cannot be read: {first_line(error)}") from error
        if not isinstance(kept, dict) or not all(isinstance(name, str) for name in kept):
            raise ConfigError(f"{where}: should hold attributes by name, not {shown(kept)}")
        if wrong := check_keys(kept, self._pickled, where):
            raise ConfigError(wrong)
        return kept

    def _before_copying(self) -> dict[str, Any]:
        """The attributes, once whatever comes into being at its first use is there."""
        for value in self.__dict__.values():
            if isinstance(value, gymnasium.Space):
                _ = value.np_random  # else copy and original would sample different actions
        return dict(self.__dict__)

    def _packed(self, attributes: dict[str, Any]) -> dict[str, Any]:
        """The attributes as they are pickled."""
        return attributes

    def _unpack(self, attributes: dict[str, Any]) -> None:
        """Takes over what `_packed` gave."""
        self.__dict__.update(attributes)
