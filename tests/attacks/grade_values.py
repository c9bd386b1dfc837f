"""Answers that are not what they seem."""

from __future__ import annotations

from hrmgym.tests.attacks.attack import Attack, program

_LIARS = {
    "equal-to-everything": (
        "class E:\n    def __eq__(self, other): return True\n    __hash__ = object.__hash__\n"
        "def double(x): return E()\n"
    ),
    "integer-equal-to-everything": (
        "class E(int):\n"
        "    def __eq__(self, other): return True\n"
        "    def __ne__(self, other): return False\n"
        "    __hash__ = int.__hash__\n"
        "def double(x): return E(x)\n"
    ),
    "text-equal-to-everything": (
        "class E(str):\n    def __eq__(self, other): return True\n    __hash__ = str.__hash__\n"
        "def double(x): return E(x)\n"
    ),
    "list-equal-to-everything": (
        "class E(list):\n    def __eq__(self, other): return True\ndef double(x): return E([x])\n"
    ),
    "any-of-mock": "from unittest.mock import ANY\ndef double(x): return ANY\n",
    "lie-about-the-class": (
        "class E:\n"
        "    __class__ = int\n"
        "    def __eq__(self, other): return True\n"
        "    def __int__(self): return 0\n"
        "    __index__ = __int__\n"
        "    def __repr__(self): return '114'\n"
        "def double(x): return E()\n"
    ),
    "type-equal-to-everything": (
        "class M(type):\n    def __eq__(self, other): return True\n    __hash__ = type.__hash__\n"
        "class E(metaclass=M): pass\n"
        "def double(x): return E\n"
    ),
    "instance-check-that-agrees": (
        "import numbers\n"
        "class M(type):\n"
        "    def __instancecheck__(self, one): return True\n"
        "class E(metaclass=M):\n    def __eq__(self, other): return True\n"
        "numbers.Number.register(E)\n"
        "def double(x): return E()\n"
    ),
    "comparison-with-a-truth-of-its-own": (
        "class T:\n    def __bool__(self): return True\n    def __radd__(self, n): return n + 1\n"
        "class E:\n    def __eq__(self, other): return T()\n"
        "def double(x): return E()\n"
    ),
    "answer-that-adapts-itself": (
        "class E:\n"
        "    seen = 0\n"
        "    def __eq__(self, other): self.seen = other; return self.seen == other\n"
        "    def __repr__(self): return repr(self.seen)\n"
        "    def __int__(self): return self.seen\n"
        "    def __iter__(self): return iter([self.seen])\n"
        "    def __contains__(self, one): return True\n"
        "    def __getattr__(self, name): return lambda *_, **__: self\n"
        "def double(x): return E()\n"
    ),
    "callable-in-the-place-of-the-function": (
        "from unittest.mock import ANY\n"
        "class F:\n"
        "    def __call__(self, x): return ANY\n"
        "    def __eq__(self, other): return True\n"
        "double = F()\n"
    ),
}

_RAW = (
    "import os\n"
    "def double(x):\n"
    "    for fd in range(1, 64):\n"
    "        try: os.write(fd, {line})\n"
    "        except OSError: pass\n"
    "    os._exit(0)\n"
)


def _raw(name: str, line: str, *wins: str) -> Attack:
    """A program that writes an answer of its own making to wherever answers may go."""
    text = _RAW.format(line=f"b'@@RESULT ' + {line} + b'\\n' + {line} + b'\\n'")
    return program(name, text, reads="marker", wins=frozenset(wins or {"runner"}))


_AGREEING = """\
class E({base}):
    def __sub__(self, other): return 0
    __rsub__ = __mod__ = __rmod__ = __sub__
    def __abs__(self): return 0
def double(x): return E({argument})
"""


def _agreeing(base: str, argument: str, style: str) -> Attack:
    """An answer whose difference from anything is nothing."""
    text = _AGREEING.format(base=base, argument=argument)
    name = f"{style}-of-an-answer-that-is-{base}"
    return program(name, text, kind="pytest", styles=(style,))


ATTACKS: tuple[Attack, ...] = (
    *(program(f"{name}-calls", text) for name, text in _LIARS.items()),
    *(program(f"{name}-pytest", text, kind="pytest") for name, text in _LIARS.items()),
    _agreeing("object", "", "difference"),
    _agreeing("int", "x", "difference"),
    _agreeing("object", "", "remainder"),
    _agreeing("int", "x", "remainder"),
    _agreeing("object", "", "almost"),
    _agreeing("float", "x", "almost"),
    _agreeing("float", "x", "approx"),
    # --- answers that are too much for whoever reads them ---
    _raw("infinite-number-of-passes", "b'Infinity'", "reward"),
    _raw("answer-of-deep-lists", "b'[' * 20_000"),
    _raw("answer-with-half-a-character", r"b'[\"ok\",\"\xff\xed\xa0\x80\"]'"),
    _raw("answer-of-many-digits", "b'[\"ok\",' + b'9' * 9_000 + b']'"),
    _raw("answer-that-is-no-number", "b'{\"ok\": NaN}'"),
    program(
        "answer-that-runs-code-when-it-is-read",
        "from unittest import mock\n"
        "class E:\n    def __reduce__(self): return mock._ANY, ()\n"
        "def double(x): return E()\n",
        reads="pickle",
    ),
    program(
        "answer-that-ends-whoever-reads-it",
        "import os\n"
        "class E:\n    def __reduce__(self): return os._exit, (0,)\n"
        "def double(x): return E()\n",
        reads="pickle",
        wins=frozenset({"runner"}),
    ),
    program(
        "answer-that-never-ends",
        "def numbers():\n    while True: yield 1 << 4096\n"
        "class E(list):\n    def __iter__(self): return numbers()\n"
        "def double(x): return E([numbers()])\n",
        reads="pickle",
        unshown="nothing that reads such an answer waits longer than its limit",
    ),
    program(
        "answer-that-holds-itself",
        "def double(x):\n    one = []\n    one.append(one)\n    return one\n",
        reads="pickle",
        wins=frozenset({"runner"}),
    ),
    program(
        "answer-of-many-megabytes",
        "class E:\n    def __reduce__(self): return bytes, (1 << 32,)\n"
        "def double(x): return [E()]\n",
        reads="pickle",
        wins=frozenset({"runner"}),
    ),
)
