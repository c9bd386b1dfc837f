"""Python values on the way between two processes, one of which runs foreign code.

Plain values cross by value, with their exact types. Mutable ones get a number on the way, and both
sides keep a table of them: every message brings the other side up to date, so that aliases, cycles
and changes in place look as they do within one process. What is not plain is the business of the
two ends (see candidate.py and proxies.py). The text may come from foreign code, so only what is
known here is read. Standard library only.
"""

from __future__ import annotations

import _socket
import struct
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from copy import copy
from operator import itemgetter
from types import SimpleNamespace
from typing import Any

from hrmgym.envs.sandboxes.between import glances, library, plain
from hrmgym.envs.sandboxes.between.plain import Unfit
from hrmgym.envs.sandboxes.between.texts import dumps, parse

MAX_DEPTH = 100
#: Largest message, in bytes.
MAX_MESSAGE = 16 << 20
#: Most objects in the table.
MAX_OBJECTS = 200_000
#: Most questions within questions.
MAX_NESTING = 150
_HEAD = struct.Struct(">I")


class Lost(BaseException):
    """The other side has gone. Not an Exception: tests must not take it for one of theirs."""


#: Classes of mutable plain objects -> tag of their state.
_KINDS: dict[type, str] = {
    list: "l",
    dict: "d",
    set: "s",
    bytearray: "y",
    deque: "q",
    OrderedDict: "od",
    defaultdict: "dd",
    Counter: "n",
    SimpleNamespace: "ns",
}
_MAKERS: dict[str, Callable[[], Any]] = {tag: kind for kind, tag in _KINDS.items()}
_ATOMS = {str, int, float, bool, type(None)}  # as JSON has them
#: Instances before lists before what hashes its members.
_NOTHING: Any = object()
_ORDER = {"I": 0, "l": 1, "q": 1, "y": 1}


class Exchange:
    """One end of the way: the socket and the table. See the module's docstring.

    Args:
        sock: Connection to the other end.
        first: 0 on one side and 1 on the other, so that both can give out numbers.
    """

    def __init__(self, sock: _socket.socket, first: int) -> None:
        self._sock = sock
        self._buffer = bytearray()
        self._next, self._parity = first, first
        self._objects: dict[int, Any] = {}
        self._numbers: dict[int, int] = {}
        self._known: dict[int, Any] = {}
        """What the other side knows of an object: what was seen of it, or the text of its state."""
        self._new: list[int] = []
        self._nesting = 0

    #: Attributes that change while values cross over.
    STATE: tuple[str, ...] = ("_next", "_objects", "_numbers", "_known", "_new")

    def state(self) -> dict[str, Any]:
        """What is known of the values that have crossed over, to go on from with `resume`."""
        return {name: copy(getattr(self, name)) for name in self.STATE}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from where another connection was, with the other side in the same state."""
        for name, value in state.items():
            setattr(self, name, copy(value))

    # --- what the two ends add ---

    def pack_other(self, value: Any, depth: int) -> Any:
        """JSON for a value that is not plain."""
        raise NotImplementedError

    def unpack_other(self, tag: str, body: list[Any], depth: int) -> Any:
        """The value of a tag that is not known here."""
        raise NotImplementedError

    def answer(self, head: list[Any]) -> list[Any]:
        """What the other side asked for: ["ok", value], or ["err", exception], packed."""
        raise NotImplementedError

    def support_name(self, kind: type) -> list[str] | None:
        """Module and name of a class whose instances cross by value."""
        return None

    def support_class(self, module: str, name: str) -> type:
        """The class of such a name."""
        raise Unfit(f"no class {module}.{name}")

    # --- values ---

    def pack(self, value: Any, depth: int = MAX_DEPTH) -> Any:
        """JSON for a value."""
        kind = type(value)
        if kind is str or value is None or kind is bool:
            return value
        if kind in _KINDS:
            return ["r", self._number(value)]
        if kind is not tuple:
            simple = plain.to_json(value, kind)
            if simple is not None:
                return simple
        if depth <= 0:
            raise RecursionError("nested too deeply to cross over")
        if kind is tuple:
            return ["t", *[self.pack(item, depth - 1) for item in value]]
        if kind is frozenset:
            return ["z", *[self.pack(item, depth - 1) for item in value]]
        if kind is range:
            return ["g", *[self.pack(part) for part in (value.start, value.stop, value.step)]]
        if kind is slice:
            parts = (value.start, value.stop, value.step)
            return ["v", *[self.pack(part, depth - 1) for part in parts]]
        if self.support_name(kind) is not None:
            return ["r", self._number(value)]
        found = library.parts(value, kind)
        if found is not None:
            return ["V", *[self.pack(part, depth - 1) for part in found]]
        return self.pack_other(value, depth - 1)

    def _number(self, value: Any) -> int:
        number = self._numbers.get(id(value))
        if number is None:
            if len(self._objects) >= MAX_OBJECTS:
                raise MemoryError("too many objects to cross over")
            number, self._next = self._next, self._next + 2
            self._remember(number, value)
            self._new.append(number)
        return number

    def _remember(self, number: int, value: Any) -> None:
        self._objects[number] = value
        self._numbers[id(value)] = number

    def unpack(self, data: Any, depth: int = MAX_DEPTH) -> Any:
        """The value of JSON.

        Raises:
            Unfit: It stands for none.
        """
        if type(data) is not list:
            if type(data) is dict:
                raise Unfit("a JSON object")
            return data
        if depth <= 0 or not data or type(data[0]) is not str:
            raise Unfit("nested too deeply" if depth <= 0 else "no tag")
        tag, body = data[0], data[1:]
        try:
            if tag == "r":
                return self._objects[body[0]]
            if tag == "t":
                return tuple([self.unpack(item, depth - 1) for item in body])
            if tag == "z":
                return frozenset([self.unpack(item, depth - 1) for item in body])
            if tag in plain.FROM_JSON:
                return plain.FROM_JSON[tag](*body)
            if tag == "V":
                name, *given = [self.unpack(part, depth - 1) for part in body]
                return library.make(name, given)
            if tag == "v":
                return slice(*[self.unpack(part, depth - 1) for part in body])
            if tag == "g":
                return range(*[plain.integer(self.unpack(part, depth - 1)) for part in body])
        except Unfit:
            raise
        except (TypeError, ValueError, LookupError, ArithmeticError) as error:
            raise Unfit(f"tag {tag}: {error}") from None
        return self.unpack_other(tag, body, depth - 1)

    # --- states of mutable objects ---

    def _state(self, value: Any) -> list[Any]:
        kind = type(value)
        tag = _KINDS.get(kind)
        if tag is None:
            module, name = self.support_name(kind) or ("", "")
            fields = [[str(key), self.pack(item)] for key, item in vars(value).items()]
            return ["I", module, name, *fields]
        if tag == "l":
            return ["l", *self._pack_all(value)]
        if tag == "y":
            return ["y", value.hex()]
        if tag == "s":
            return ["s", *map(self.pack, value)]
        if tag == "q":
            return ["q", value.maxlen, *map(self.pack, value)]
        if tag == "ns":
            return ["ns", *[[key, self.pack(item)] for key, item in vars(value).items()]]
        columns = [self._pack_all(list(value)), self._pack_all(list(value.values()))]
        return [tag, *columns, self.pack(value.default_factory)] if tag == "dd" else [tag, *columns]

    def _pack_all(self, items: list[Any]) -> list[Any]:
        return items if plain.are_flat(items) else [self.pack(item) for item in items]

    def _changed(self) -> list[list[Any]]:
        """[number, state] of what the other side does not know yet."""
        changed: dict[int, Any] = {}
        states: list[list[Any]] = []
        numbers = list(self._objects)
        self._new.clear()
        try:
            for number in numbers:
                value, known = self._objects[number], self._known.get(number)
                seen = glances.of(value)
                if seen is not None and glances.same(seen, known):
                    continue
                state = self._state(value)
                if glances.tell_all(seen):
                    now: Any = seen
                else:
                    now = dumps(state)
                if now is seen or now != known:
                    changed[number] = now
                    states.append([number, state])
                if self._new:  # found on the way
                    numbers += self._new  # the loop sees them
                    self._new.clear()
        except BaseException:
            self._forget_unsent()
            raise
        self._known.update(changed)
        return states

    def _forget_unsent(self) -> None:
        """Take back numbers that the other side has never heard of."""
        self.forget([number for number in self._objects if number not in self._known])

    def packed(self, *values: Any) -> list[Any]:
        """JSON for several values; where one of them cannot cross, none is on its way."""
        try:
            return [self.pack(value) for value in values]
        except BaseException:
            self._forget_unsent()
            raise

    def _absorb(self, states: list[Any]) -> None:
        """Bring the table up to date."""
        if len(self._objects) + len(states) > 2 * MAX_OBJECTS:
            raise Unfit("too many objects")
        found = []
        for entry in states:
            if type(entry) is not list or len(entry) != 2 or type(entry[0]) is not int:
                raise Unfit("no state")
            number, state = entry
            if type(state) is not list or not state or type(state[0]) is not str:
                raise Unfit("no state")
            tag, *body = state
            value = self._objects.get(number, _NOTHING)
            if value is not _NOTHING:
                held = type(value)
                if _KINDS.get(held, "I") != tag or (
                    tag == "I" and self.support_name(held) != body[:2]
                ):
                    raise Unfit("an object has changed its class")
            elif number % 2 == self._parity or number < 0:
                raise Unfit("an object of ours that is none")
            else:
                value = self._make(tag, body)
                self._remember(number, value)
            found.append((_ORDER.get(tag, 2), number, value, tag, body))
        found.sort(key=itemgetter(0))
        for _, _, value, tag, body in found:
            try:
                self._fill(value, tag, body)
            except Unfit:
                raise
            except (TypeError, ValueError, LookupError) as error:
                raise Unfit(f"state {tag}: {error}") from None
        for _, number, value, _, _ in found:
            seen = glances.of(value)
            self._known[number] = seen if glances.tell_all(seen) else dumps(self._state(value))

    def _make(self, tag: str, body: list[Any]) -> Any:
        if tag == "I":
            if len(body) < 2 or not all(isinstance(part, str) for part in body[:2]):
                raise Unfit("an instance of no class")
            kind = self.support_class(body[0], body[1])
            return object.__new__(kind)
        if tag == "q":
            most = body[0] if body else None
            if most is not None and (type(most) is not int or most < 0):
                raise Unfit("a bad length")
            return deque(maxlen=most)
        if tag not in _MAKERS:
            raise Unfit(f"unknown state {tag[:20]!r}")
        return _MAKERS[tag]()

    def _fill(self, value: Any, tag: str, body: list[Any]) -> None:
        if tag == "l":
            value[:] = self._unpack_all(body)
        elif tag == "y":
            value[:] = bytes.fromhex(*body)
        elif tag == "q":
            items = [self.unpack(item) for item in body[1:]]
            value.clear()
            value.extend(items)
        elif tag == "s":
            items = [self.unpack(item) for item in body]
            value.clear()
            value.update(items)
        elif tag == "ns":
            held = {field_name(key): self.unpack(item) for key, item in body}
            vars(value).clear()
            vars(value).update(held)
        elif tag == "I":
            fields = {field_name(key): self.unpack(item) for key, item in body[2:]}
            self.check_fields(value, fields)
            vars(value).clear()
            vars(value).update(fields)
        else:
            if tag == "dd":
                value.default_factory = self.unpack(body.pop())
            keys, items = map(self._unpack_all, body)
            value.clear()
            for key, item in zip(keys, items, strict=True):
                value[key] = item

    def _unpack_all(self, items: Any) -> list[Any]:
        if type(items) is not list:
            raise Unfit("not a list")
        if _ATOMS.issuperset(map(type, items)):
            return items
        return [self.unpack(item) for item in items]

    def check_fields(self, value: Any, fields: dict[str, Any]) -> None:
        """Refuse what an instance must not hold."""

    def forget(self, numbers: list[int]) -> None:
        """Take objects out of the table."""
        for number in numbers:
            value = self._objects.pop(number, None)
            if value is not None:
                self._numbers.pop(id(value), None)
                self._known.pop(number, None)

    def _sweep(self) -> list[int]:
        """Forget what only the table holds; the numbers of it, for the other side."""
        gone = []
        for number in list(self._objects):
            value = self._objects[number]
            if sys.getrefcount(value) == 3:  # the table, `value`, and the call's own
                self.forget([number])
                gone.append(number)
        return gone

    # --- messages ---

    def extra(self) -> list[Any]:
        """What goes along with the next message, apart from values."""
        return []

    def heard(self, extra: list[Any]) -> None:
        """Take what came along with a message, before anything else of it."""

    def send(self, head: list[Any], *, sweep: bool = False) -> None:
        """Send a packed head, with all states that have changed.

        Raises:
            Lost: Nobody is there.
        """
        states = self._changed()
        gone = self._sweep() if sweep else []
        self.put(dumps([head, states, gone, self.extra()]).encode())

    def put(self, data: bytes) -> None:
        """Send the bytes of one message.

        Raises:
            Lost: Nobody is there.
        """
        try:
            self._sock.sendall(_HEAD.pack(len(data)) + data)
        except OSError:
            raise Lost from None

    def get(self) -> bytes:
        """The bytes of the next message.

        Raises:
            Lost: The other side has closed the connection.
            Unfit: It is too long.
        """
        (size,) = _HEAD.unpack(self._take(_HEAD.size))
        if size > MAX_MESSAGE:
            raise Unfit("a message is too long")
        return self._take(size)

    def ask(self, head: list[Any]) -> tuple[str, Any]:
        """Ask the other side, which may ask back first.

        Returns:
            "ok" and a value, "err" and an exception, or "stop" and the value of an iterator's end.

        Raises:
            Lost: The other side has closed the connection.
            Unfit: It does not keep to the rules.
        """
        if self._nesting >= MAX_NESTING:
            raise RecursionError("questions within questions")
        self._nesting += 1
        try:
            self.send(head)
            while True:
                got, gone = self.receive()
                if got[0] in ("ok", "err", "stop") and len(got) == 2:
                    value = self.unpack(got[1])
                    self.forget(gone)
                    return got[0], value
                reply = self.answer(got)
                self.forget(gone)
                self.send(reply)
        finally:
            self._nesting -= 1

    def receive(self) -> tuple[list[Any], list[int]]:
        """The next message: its head, still packed, and the numbers to forget after it.

        Raises:
            Lost: The other side has closed the connection.
            Unfit: It is no message.
        """
        data = self.get()
        try:
            message = parse(data.decode())
        except (ValueError, RecursionError) as error:
            raise Unfit(str(error)) from None
        if type(message) is not list or [*map(type, message)] != [list] * 4:
            raise Unfit("not a message")
        head, states, gone, extra = message
        if not head or type(head[0]) is not str:
            raise Unfit("not a message")
        if extra:
            self.heard(extra)
        if states:
            self._absorb(states)
        return head, [number for number in gone if type(number) is int]

    def _take(self, size: int) -> bytes:
        buffer = self._buffer
        while len(buffer) < size:
            try:
                data = self._sock.recv(1 << 16)
            except OSError:
                data = b""
            if not data:
                raise Lost
            buffer += data
        data = bytes(buffer[:size])
        del buffer[:size]
        return data


def field_name(key: Any) -> str:
    if not isinstance(key, str) or not key.isidentifier() or key.startswith("__"):
        raise Unfit("no name of a field")
    return key
