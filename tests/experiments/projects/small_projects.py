"""Small projects with a bug, written to a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hrmgym.experiments.projects.repairing import FileRepair, Request, repair_file

#: A ranking without the network, whose import alone takes longer than these repairs.
QUICK = ("policy=ranked", "policy.by=[frequencies, spectrum]")

MEAN = {
    "stats.py": '''\
def mean(values):
    """The mean."""
    total = 0
    for value in values:
        total += value
    return total / (len(values) - 1)


def clamp(value, low, high):
    return max(low, min(value, high))
''',
    "test_stats.py": """\
import pytest
from stats import clamp, mean


@pytest.fixture
def numbers():
    return [1, 2, 3]


def test_mean(numbers):
    assert mean(numbers) == 2


def test_mean_of_two():
    assert mean([4, 6]) == 5


@pytest.mark.parametrize(("value", "wanted"), [(0, 1), (5, 4), (3, 3)])
def test_clamp(value, wanted):
    assert clamp(value, 1, 4) == wanted
""",
}

#: A package in `src` with a relative import, a `conftest.py`, settings for a plugin that is not
#: there, and tests of both kinds. The bug is in `cart.py`; `money.py` runs in all tests.
SHOP = {
    "pyproject.toml": '[tool.pytest.ini_options]\naddopts = "--cov=shop"\n',
    "src/shop/__init__.py": "",
    "src/shop/money.py": """\
def cents(text):
    whole, _, part = text.partition(".")
    return int(whole) * 100 + int(part or 0)


def shown(amount):
    return f"{amount // 100}.{amount % 100:02}"
""",
    "src/shop/cart.py": """\
from .money import cents, shown


class Cart:
    def __init__(self):
        self.items = []

    def add(self, name, price, count=1):
        self.items.append((name, cents(price), count))

    def total(self):
        total = 0
        for _, price, count in self.items:
            total += price + count
        return shown(total)
""",
    "tests/conftest.py": """\
import pytest
from shop.cart import Cart


@pytest.fixture
def cart():
    return Cart()
""",
    "tests/test_cart.py": """\
import unittest

from shop.cart import Cart
from shop.money import cents, shown


def test_total(cart):
    cart.add("tea", "2.50", 2)
    cart.add("jam", "3.00")
    assert cart.total() == "8.00"


def test_empty(cart):
    assert cart.total() == "0.00"


def test_money():
    assert shown(cents("1.25")) == "1.25"


class TestCart(unittest.TestCase):
    def test_count(self):
        cart = Cart()
        cart.add("tea", "2.50", 3)
        self.assertEqual(cart.total(), "7.50")
""",
}


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """Writes a project, bytes as they are; returns its folder, resolved."""
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode())
    return folder.resolve()


def contents(folder: Path) -> dict[str, bytes]:
    """Path -> content of every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def repaired(target: Path, tests: Path | str, **more: object) -> FileRepair:
    """`repair_file` with the quick ranking, shown to nobody."""
    request = Request(target=target, tests=str(tests), overrides=QUICK, **more)  # type: ignore[arg-type]
    return repair_file(request, lambda *_: None)
