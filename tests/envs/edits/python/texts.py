"""Programs for the tests of Python's legal edits."""

from __future__ import annotations

import ast
import textwrap
import warnings
from pathlib import Path

#: One of everything that kinds ask for.
FUNCTION = '''\
import os
from collections import deque

LIMIT = 3


def helper(one, two=None, *, deep=False):
    return one if two is None else two


async def fetch(url, client):
    """Docstring."""
    async with client.get(url) as response:
        text = await response.text()
        return [line async for line in text if line]


def walk(start, names, table, *rest, key="name"):
    """Docstring of several
    lines."""
    queue, seen, total = deque([start]), set(), 0
    lines = []
    while queue and total < LIMIT:
        node = queue.popleft()
        if node in seen or not node:
            continue
        elif node is None:
            break
        seen.add(node)
        total += 1
        for index, name in enumerate(names[1:total + 1]):
            if name == key and index > 0:
                table[name, index] = table[index][name] - 1
                lines.append(f"{name}: {index}")
            else:
                lines.extend([name.strip(), os.path.join(key, name)])
        try:
            value = helper(node, two=total, deep=True)
        except (KeyError, ValueError) as error:
            print(error)
            raise
        else:
            queue.append(value)
    for _ in range(0, len(lines)):
        pass
    best = max((line for line in lines if line), key=len, default="")
    pairs = {name: (x, -x) for name, x in table.items()}
    if total & 1 == 0: return best[::-1]
    yield from lines
    return pairs if pairs else (total ** 2 // 3, best[-1], *rest)
'''


def functions_of(path: Path) -> list[str]:
    """The functions of a file, of 4 to 40 lines, each as a program."""
    text = path.read_text("utf-8")
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                assert node.end_lineno is not None
                lines = text.splitlines(keepends=True)[node.lineno - 1 : node.end_lineno]
                one = textwrap.dedent("".join(lines))
                if 4 <= len(lines) <= 40:
                    try:
                        compile(one, "<function>", "exec", dont_inherit=True)
                    except SyntaxError:
                        continue
                    found.append(one)
    return found
