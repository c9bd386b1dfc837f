"""Tests that hold a fault of a dependency."""

from __future__ import annotations

import warnings

import pytest

from hrmgym.tests.pinned import MendedWarning, fault_of


def test_a_fault_that_is_there_is_not_spoken_of() -> None:
    with warnings.catch_warnings(), fault_of("numpy", "counts wrongly"):
        warnings.simplefilter("error")
        assert True


def test_a_mended_fault_is_a_notice() -> None:
    notice = pytest.warns(MendedWarning, match=r"numpy \d.* has mended this: counts wrongly")
    with notice, fault_of("numpy", "counts wrongly"):
        raise AssertionError


def test_an_error_that_no_longer_comes_is_a_notice() -> None:
    counts = fault_of("numpy", "counts wrongly")
    with pytest.warns(MendedWarning), counts, pytest.raises(ZeroDivisionError):
        pass


def test_other_errors_are_errors() -> None:
    with pytest.raises(OSError, match="disk"), fault_of("numpy", "counts wrongly"):
        raise OSError("disk")
