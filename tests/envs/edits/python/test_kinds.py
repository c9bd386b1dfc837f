"""What each family of kinds makes of small programs, and what the filters cut."""

from __future__ import annotations

import pytest

from hrmgym.envs.edits.edit import apply
from hrmgym.envs.edits.legal import legal_edits

HEAD = "def f(a, b, items, table):\n    n = len(items)\n    names = []\n"

#: (lines in a function, the same lines after one edit, its kind; "" where another may come first)
MADE = [
    ("return a < n", "return a <= n", "comparison"),
    ("return a==b", "return a is b", ""),
    ("return a + b", "return a - b", "arithmetic"),
    ("return (a + b) * n", "return (a - b) * n", "arithmetic"),
    ("return a * b + n", "return (a * b) // n", ""),
    ("return a and b", "return a or b", "boolean_operator"),
    ("return not a", "return a", "negation"),
    ("if a:\n    return b", "if not a:\n    return b", "negation"),
    ("if a:\n    return b", "if a is None:\n    return b", ""),
    ("return items[n]", "return items[n - 1]", "off_by_one"),
    ("return range(n)", "return range(n + 1)", "off_by_one"),
    ("return a - 1", "return a - 2", "number"),
    ("return -1", "return 0", "number"),
    ("return None", "return []", "single"),
    ("return []", "return [[]]", "empty"),
    ("return []", "return [n]", "add_element"),
    ("return a", "return b", "identifier"),
    ("return a.left", "return a", "drop_attribute"),
    ("a.x.y()", "a.y()", "drop_attribute"),
    ("return a.left - b.right", "return a.right - b.right", "attribute"),
    ("return min(a, b)", "return max(a, b)", "callee"),
    ("return f(a, b, n, items)", "return f(b, a, n, items)", "swap_arguments"),
    ("return table.get(a, b)", "return table.get(a)", "drop_argument"),
    ("return table.get(a)", "return table.get(a, None)", "add_argument"),
    ("return sorted(a)", "return a", "unwrap_call"),
    ("return a.strip()", "return a", "unwrap_call"),
    ("return range(n)", "return range(1, n)", "add_bound"),
    ("return a[1:]", "return a[:1]", "slice_bound"),
    ("return a[1:]", "return a", "drop_subscript"),
    ("return (a, b)", "return (b, a)", "swap_arguments"),
    ("for a, b in items:\n    print(a)", "for b, a in items:\n    print(a)", "swap_arguments"),
    ("return items", "return items[1:]", "add_slice"),
    ("return items", "return items[0]", "add_subscript"),
    ("return items", "return list(items)", "wrap_in_call"),
    ("return n", "return max(0, n)", "wrap_in_call"),
    ("return a - n", "return a - n - b", "add_term"),
    ("return a - n", "return (a - n) % n", "add_term"),
    ("if a:\n    return b", "if a or not b:\n    return b", "add_condition"),
    ("if a.b:\n    return b", "if a and a.b:\n    return b", "add_condition"),
    ("if n == 0:\n    return a", "if n <= 1:\n    return a", "comparison_and_bound"),
    ("return True", "return n == 0", "to_condition"),
    ("return [x for x in items]", "return [x for x in items if a]", "add_filter"),
    ("n += 1\nreturn n", "n -= 1\nreturn n", "augmented"),
    ("n += 1\nreturn n", "n = 1\nreturn n", "augmented"),
    ("n = a\nreturn n", "n += a\nreturn n", "to_augmented"),
    ("table[a] = b", "table[b] = b", "identifier"),
    ("table[a].update(b)", "table[a] = b", "call_to_assignment"),
    ("table[a] = b", "table[a].append(b)", "assignment_to_call"),
    ("table[a] = items[b]", "items[b] = items[b]", "target_expression"),
    ("f(a, b, n, table)\nreturn a", "return f(a, b, n, table)\nreturn a", "use_of_value"),
    ("yield a", "yield from a", "use_of_value"),
    ("print(a)\nreturn b", "return b", "delete_statement"),
    ("print(a)\nprint(b)\nreturn b", "return b", "delete_statements"),
    ("print(a)\nprint(b)", "print(b)\nprint(a)", "swap_statements"),
    ("print(a)\nprint(b)\nprint(n)", "print(b)\nprint(n)\nprint(a)", "move_statement"),
    ("for x in a:\n    print(x)\n    print(b)", "for x in a:\n    print(x)\nprint(b)", "move_out"),
    ("for x in a:\n    print(x)\nprint(b)", "for x in a:\n    print(x)\n    print(b)", "move_in"),
    ("if a:\n    print(b)\nreturn b", "print(b)\nreturn b", "unwrap_block"),
    ("print(b)\nreturn b", "if not a:\n    print(b)\nreturn b", "wrap_in_if"),
    ("if a:\n    b = 1\nelse:\n    b = 2", "if a:\n    b = 2\nelse:\n    b = 1", ""),
    ("if a:\n    b = 1\nelse:\n    b = 2", "if a:\n    b = 1", "drop_else"),
    ("if a:\n    b = 1\nelif n:\n    b = 2", "if a:\n    b = 1\nif n:\n    b = 2", "elif_to_if"),
    ("if a:\n    b = 1\nif n:\n    b = 2", "if a:\n    b = 1\nelif n:\n    b = 2", "if_to_elif"),
    ("if a:\n    b = 1\nelif n:\n    b = 2", "if a:\n    b = 1\nelse:\n    b = 2", "elif_to_if"),
    ("while a:\n    a = b", "if a:\n    a = b", "if_or_while"),
    ("return a if n else b", "return b if n else a", "swap_conditional"),
    ("for x in a:\n    break", "for x in a:\n    continue", "jump"),
    ("return a", "if not a:\n    return None\nreturn a", "insert_guard"),
    ("names.append(a)\nreturn names", "names.append(a)\nnames.append(b)\nreturn names", ""),
    ("return f(a, b)", "return a", "unwrap_call"),
    ("return [x for x in items if a]", "return [x for x in items]", "drop_filter"),
    ("return a if n > -1 else b", "return a if n <= 0 else b", "comparison_and_bound"),
    ("for x in a:\n    return", "for x in a:\n    continue", "jump"),
    ("if a:\n    return\nprint(b)", "if a:\n    return False\nprint(b)", "use_of_value"),
    ("return a\nb = n", "b = n\nreturn a", "swap_statements"),
    (
        "if a:\n    b = 1\nelif n:\n    b = 2\nelif names:\n    b = 3",
        "if a:\n    b = 1\nelif n:\n    b = 2\nif names:\n    b = 3",
        "elif_to_if",
    ),
    (
        "for x in a:\n    print(x)\n    print(b)\n    print(n)",
        "for x in a:\n    print(x)\nprint(b)\nprint(n)",
        "move_out_statements",
    ),
    (
        "while a:\n    print(a)\nprint(b)\nprint(n)\nn += 1",
        "while a:\n    print(a)\n    print(b)\n    print(n)\n    n += 1",
        "move_in_statements",
    ),
    ("return a.size", "return a._size", "attribute_alike"),
    ("return a._size", "return a.size", "attribute_alike"),
    ("return b(n)", "return b(n, items=items)", "add_argument"),
    ("return n", "return float(n)", "wrap_in_call"),
    ("return a", "return bool(a)", "wrap_in_call"),
    ("raise ValueError(a)", "raise TypeError(a)", "callee"),
]


def after(lines: str) -> str:
    return HEAD + "".join(f"    {line}\n" for line in lines.split("\n"))


@pytest.mark.parametrize(("before", "wanted", "kind"), MADE)
def test_made(before: str, wanted: str, kind: str) -> None:
    found = legal_edits(after(before)).find(after(wanted))
    assert found is not None
    assert kind in ("", found.kind)
    compile(apply(after(before), found.edit), "<edited>", "exec", dont_inherit=True)


#: (a function, the same one after one edit, its kind)
SIGNATURES = [
    ("def g(a, b): return b", "def g(a, b=None): return b", "default_value"),
    ("def g(a, b=0): return b", "def g(a, b): return b", "default_value"),
    ("def g(*, b: int): return b", "def g(*, b: int = True): return b", "default_value"),
    ("def g(*, a, b=(1), c=2): return b", "def g(*, a, b, c=2): return b", "default_value"),
    ("def g(a, /, b, c=1): return b", "def g(a, /, b=0, c=1): return b", "default_value"),
    ("def g(a): return b", "def g(a, b): return b", "parameter"),
    ("def g(a, *c, d=1): return b", "def g(a, b=None, *c, d=1): return b", "parameter"),
    ("def g(a, c=1): return b", "def g(a, b, c=1): return b", "parameter"),
    ("def g(a, c=1): return b", "def g(a, c=1, b=None): return b", "parameter"),
    ("def g(a, b): return a", "def g(a): return a", "parameter"),
    ("def g(a, b=1, c=2): return c", "def g(a, c=2): return c", "parameter"),
    ("def g(a: int = (0), *, b): return b", None, ""),
    ("def g(a, b):\n    def h():\n        nonlocal b\n    return h, a", None, ""),
    ("def g(a, b): return a\ng(1, 2)", None, ""),
]
#: (what a handler catches, what it catches after one edit)
CAUGHT = [
    ("KeyError", "IndexError"),
    ("KeyError", "LookupError"),  # what is above it
    ("KeyError", "(KeyError, AttributeError)"),
    ("ValueError as error", "TypeError as error"),
    ("(KeyError, ValueError)", "KeyError"),
    ("(KeyError, ValueError)", "(KeyError, TypeError)"),
    ("(KeyError, ValueError)", "(KeyError, ValueError, RuntimeError)"),
    ("OSError", "FileNotFoundError"),
    ("ValueError", "a.Other"),  # the function raises it
    ("(ValueError)", "Exception"),
]


@pytest.mark.parametrize(("before", "wanted", "kind"), SIGNATURES)
def test_signatures(before: str, wanted: str | None, kind: str) -> None:
    edits = legal_edits(before)
    if wanted is None:
        names = {one.kind for one in edits.lean()}
        assert "parameter" not in names  # what is not read is needed, all the same
        return
    found = edits.find(wanted)
    assert found is not None
    assert found.kind == kind
    compile(apply(before, found.edit), "<edited>", "exec", dont_inherit=True)


@pytest.mark.parametrize("star", ["", "*"])
@pytest.mark.parametrize(("before", "wanted"), CAUGHT)
def test_caught(before: str, wanted: str, star: str) -> None:
    lines = "try:\n    raise a.Other(n)\nexcept{} {}:\n    print(b)"
    found = legal_edits(after(lines.format(star, before))).find(after(lines.format(star, wanted)))
    assert found is not None
    assert found.kind == "exception_type"


#: (lines in a function, the same lines after a change that cannot work)
CUT = [
    ("return a\nlater = 1", "return later\nlater = 1"),  # not bound there
    ("return n + 1", "return names + 1"),  # a list and a number
    ("return n + 1", 'return n + ""'),
    ("return len(items)", "return len(n)"),  # a number has no length
    ("return items[0]", "return n[0]"),
    ("for x in items:\n    print(x)", "for x in n:\n    print(x)"),
    ("return names.pop()", "return n.pop()"),
    ("return len(items)", "return len(items, a)"),  # one argument
    ("return f(a, b, n, items)", "return f(a, b, n)"),  # of the file's own function
    ("x = a\nreturn x", "return x"),  # bound nowhere else
    ("return n < 1", "return names < 1"),
    ("return a", "return zip"),
    ("x = 1\nreturn f'{x}'", "return f'{x}'"),  # read in a text
    ("x = n\n@x\ndef g(): pass\nreturn g", "@x\ndef g(): pass\nreturn g"),
    ("return f(a, b, n, items)", "return f(a, b, n, items, b=b)"),
    ("return names.count(a)", "return names.count(a, items=items)"),
]


@pytest.mark.parametrize(("before", "broken"), CUT)
def test_cut(before: str, broken: str) -> None:
    assert legal_edits(after(before)).find(after(broken)) is None
