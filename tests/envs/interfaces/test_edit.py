"""Tests of the `edit` interface."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hrmgym.envs.interfaces import TOOLS, EditInterface, RefusedError, make_interface
from hrmgym.envs.interfaces.edit import BUDGET, REPLACEMENT, legal_tools, tool_action
from hrmgym.envs.state import Cursor, State
from hrmgym.envs.task import Outcome, Status
from hrmgym.envs.tokens import Tokens, load_tokens
from hrmgym.errors import ActionError, ConfigError, UnknownNameError
from hrmgym.tests.tiny import CLAMP, CLAMP_FIXED, clamp_task, double_task, state_of

EDIT = EditInterface(128)


def applied(state: State, action: np.ndarray) -> State:
    """The state after an action that edits or looks."""
    call = EDIT.decode(action, state)
    if call.tool != "edit":
        return EDIT.look(call, state)
    text = state.files[call.path]
    edited = text[: call.start] + call.text + text[call.end :]
    return replace(state, files=state.files.with_text(call.path, edited))


#: Characters of one to four bytes, some of which share their first bytes.
MIXED = "\u00aa\u00ba\u1a00\u1a01\u0e01_a +\U0001f600"


def reach(state: State, target: dict[str, str], most: int = 200) -> State:
    for _ in range(most):
        action = EDIT.toward(state, target)
        assert EDIT.action_space.contains(action)
        if TOOLS[action[0]] == "submit":
            return state
        state = applied(state, action)
    raise AssertionError("not reached")


def test_observations_lie_in_their_space() -> None:
    observation = EDIT.observe(state_of(clamp_task()))
    assert EDIT.observation_space.contains(observation)
    assert dict(zip(BUDGET, observation["budget"], strict=True)) == {
        "steps_left": 8,
        "test_runs_left": 8,
        "undo_depth": 0,
        "other_windows": 0,
        "other_files": 0,
        "tests_passed": 0,
        "tests_total": 0,
        "failure_elsewhere": 0,
    }


def test_an_observation_is_the_callers_own() -> None:
    state = state_of(clamp_task())
    EDIT.observe(state)["tokens"][:] = 0
    assert EDIT.observe(state)["tokens"].any()


def test_an_edit_there_and_back() -> None:
    state = state_of(clamp_task())
    start = CLAMP.index("max")
    action = EDIT.encode_edit(state, start, start + 3, "min")
    assert action is not None
    call = EDIT.decode(action, state)
    assert (call.tool, call.path, call.text) == ("edit", "clamp.py", "min")
    assert CLAMP[call.start : call.end] == "max"


def test_insertions_and_deletions_are_edits() -> None:
    state = state_of(clamp_task())
    end = len(CLAMP) - 1
    insertion = EDIT.encode_edit(state, end, end, " + 1")
    assert insertion is not None
    assert insertion[1] == insertion[2]
    assert applied(state, insertion).files["clamp.py"] == CLAMP[:-1] + " + 1\n"
    deletion = EDIT.encode_edit(state, 0, CLAMP.index("return"), "")
    assert deletion is not None
    assert deletion[3] == Tokens.END
    assert applied(state, deletion).files["clamp.py"] == CLAMP[CLAMP.index("return") :]


def test_a_name_of_several_tokens_is_copied() -> None:
    code = "def f(unusualnamehere):\n    return 0\n"
    task = replace(
        double_task(), workspace=replace(double_task().workspace, files={"double.py": code})
    )
    state = state_of(task)
    assert len(load_tokens().encode("unusualnamehere").ids) > 1
    at = code.index("0")
    action = EDIT.encode_edit(state, at, at + 1, "unusualnamehere")
    assert action is not None
    assert action[3] >= load_tokens().size
    assert action[4] == Tokens.END
    assert applied(state, action).files["double.py"].endswith("return unusualnamehere\n")


def test_an_edit_that_changes_nothing_has_no_action() -> None:
    assert EDIT.encode_edit(state_of(clamp_task()), 0, 3, "def") is None


def test_an_edit_that_is_too_long_has_no_action() -> None:
    assert EDIT.encode_edit(state_of(clamp_task()), 0, 0, "a = 1\n" * REPLACEMENT) is None


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=120))
@example("\u00aa\u00aa\u00b2\u00b2\u00b2\u00b2\u00b9\u1a00")  # one lexeme of 17 bytes, each a token
def test_any_text_is_reachable(text: str) -> None:
    task = clamp_task()
    assert reach(state_of(task), {"clamp.py": text}).files["clamp.py"] == text


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=MIXED, max_size=40), st.text(alphabet=MIXED, max_size=40))
@example("", "x = 1\n")
@example("x = '\u00aa'", "x = '\u00ba'")  # the second byte alone differs
def test_any_text_is_reachable_from_any_other(before: str, after: str) -> None:
    state = state_of(clamp_task(), files={"clamp.py": before})
    assert reach(state, {"clamp.py": after}).files["clamp.py"] == after


def test_an_empty_file_is_shown_as_an_empty_line() -> None:
    state = state_of(clamp_task(), files={"clamp.py": ""})
    insertion = EDIT.encode_edit(state, 0, 0, "x = 1\n")
    assert insertion is not None
    assert applied(state, insertion).files["clamp.py"] == "x = 1\n"
    begin = int(insertion[1])
    with pytest.raises(RefusedError, match="changes nothing"):
        EDIT.decode(edit(begin, begin + 1, Tokens.END), state)


def test_a_long_file_is_reachable_window_by_window() -> None:
    code = "".join(f"value_{n} = {n}\n" for n in range(100))
    target = code.replace("value_90 = 90\n", "").replace("value_3 =", "value_3 = 1 +")
    task = clamp_task()
    state = state_of(task, files={"clamp.py": code})
    assert reach(state, {"clamp.py": target}).files["clamp.py"] == target


def test_an_edit_is_of_the_windows_that_show_it() -> None:
    code = "".join(f"válue_{n} = {n}\n" for n in range(100))
    state = state_of(clamp_task(), files={"clamp.py": code})
    others = int(EDIT.observe(state)["budget"][BUDGET.index("other_windows")])
    shown = [replace(state, cursor=Cursor("clamp.py", number)) for number in range(others + 1)]
    for start in (0, code.index("válue_50"), len(code) - 3):
        made = [EDIT.encode_edit(one, start, start + 2, "x") is not None for one in shown]
        seen = [EDIT.shows(one, start, start + 2) for one in shown]
        assert any(made)
        assert not all(seen)
        assert all(see or not make for see, make in zip(seen, made, strict=True))


def test_the_known_solution_is_reachable_in_two_files() -> None:
    task = replace(clamp_task(), editable=("clamp.py", "other.py"))
    state = state_of(task, files={"clamp.py": CLAMP, "other.py": "x = 1\n"})
    reached = reach(state, {"clamp.py": CLAMP_FIXED, "other.py": "x = 2\n"})
    assert reached.files == {"clamp.py": CLAMP_FIXED, "other.py": "x = 2\n"}


def test_files_that_are_not_editable_are_shown_and_not_edited() -> None:
    state = state_of(clamp_task(), files={"clamp.py": CLAMP, "other.py": "x = 1\n"})
    moved = EDIT.look(EDIT.decode(tool_action("open_file"), state), state)
    assert moved.cursor.path == "other.py"
    with pytest.raises(RefusedError, match="nothing that may be edited"):
        EDIT.decode(edit(4, 5, 100, Tokens.END), moved)


def edit(start: int, end: int, *entries: int) -> np.ndarray:
    action = tool_action("edit")
    action[1:3] = start, end
    action[3 : 3 + len(entries)] = entries
    return action


def first_editable(state: State) -> int:
    return EDIT.canvas(state).first


@pytest.mark.parametrize(
    ("shift", "entries", "reason"),
    [
        ((0, -1), (Tokens.END,), "ends at"),
        ((-2, -2), (Tokens.END,), "outside the code"),
        ((-1, 1), (Tokens.END,), "outside the code"),
        ((0, 100), (Tokens.END,), "may not be edited"),
        ((0, 1), (Tokens.PAD,), "is not text"),
        ((0, 1), (Tokens.CLS,), "is not text"),
        ((0, 0), (Tokens.END,), "changes nothing"),
    ],
)
def test_illegal_edits_are_refused_with_a_reason(
    shift: tuple[int, int], entries: tuple[int, ...], reason: str
) -> None:
    state = state_of(clamp_task())
    first = first_editable(state)
    with pytest.raises(RefusedError, match=reason):
        EDIT.decode(edit(first + shift[0], first + shift[1], *entries), state)


def test_copies_begin_where_a_lexeme_does() -> None:
    state = state_of(clamp_task())
    first = first_editable(state)
    with pytest.raises(RefusedError, match="no lexeme begins at position 0"):
        EDIT.decode(edit(first, first + 1, load_tokens().size, Tokens.END), state)


def test_text_that_is_not_utf_8_is_refused() -> None:
    state = state_of(clamp_task())
    first = first_editable(state)
    half = load_tokens().encode("é").ids
    lone = next(t for t in range(4, 260) if load_tokens().token_bytes(t) == b"\xc3")
    assert half != [lone]
    with pytest.raises(RefusedError, match="UTF-8"):
        EDIT.decode(edit(first, first + 1, lone, Tokens.END), state)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (np.zeros(4, dtype=np.int64), "an edit action is 19 integers"),
        (np.zeros(19), "an edit action is 19 integers"),
        (np.full(19, -1), r"action\[0\] is -1; legal are 0 to 6"),
        (edit(0, 5000), r"action\[2\] is 5000; legal are 0 to 127"),
    ],
)
def test_actions_outside_the_space_are_errors(action: np.ndarray, message: str) -> None:
    with pytest.raises(ActionError, match=message):
        EDIT.decode(action, state_of(clamp_task()))


def test_tools_are_legal_when_they_can_do_something() -> None:
    def legal(state: State) -> set[str]:
        seen = EDIT.observe(state)
        return {
            t for t, ok in zip(TOOLS, legal_tools(seen["budget"], seen["roles"]), strict=True) if ok
        }

    state = state_of(clamp_task())
    assert legal(state) == {"edit", "run_tests", "submit"}
    tested = replace(state, outcome=Outcome(tests={"a": Status.FAILED}))
    assert legal(tested) == {"edit", "submit"}
    assert "undo" in legal(replace(state, undo=((state.files, None),)))
    assert "open_file" in legal(replace(state, files=state.files.with_text("b.py", "")))
    long = {"clamp.py": "x = 1\n" * 200}
    assert "next_window" in legal(replace(state, files=long))
    assert "run_tests" not in legal(replace(state, test_runs=8))
    for tool in ("undo", "next_window", "goto_failure", "open_file"):
        with pytest.raises(RefusedError):
            EDIT.decode(tool_action(tool), state)


def test_the_failing_line_can_be_gone_to() -> None:
    files = {"clamp.py": "x = 1\n" * 300}
    outcome = Outcome(tests={"a": Status.FAILED}, message="boom", path="clamp.py", line=290)
    state = state_of(clamp_task(), files=files, outcome=outcome)
    call = EDIT.decode(tool_action("goto_failure"), state)
    moved = EDIT.look(call, state)
    begin, end = EDIT.canvas(moved).window
    assert begin <= EDIT.canvas(moved).code.line_starts[289] < end
    assert EDIT.start(state).cursor == moved.cursor
    with pytest.raises(RefusedError):
        EDIT.decode(tool_action("goto_failure"), moved)


def test_the_masks_work_on_batches() -> None:
    seen = EDIT.observe(state_of(clamp_task()))
    one = legal_tools(seen["budget"], seen["roles"])
    two = legal_tools(np.stack([seen["budget"]] * 2), np.stack([seen["roles"]] * 2))
    assert two.shape == (2, len(TOOLS))
    assert (two == one).all()


def test_interfaces_by_name() -> None:
    assert make_interface("edit", 64) == EditInterface(64)
    with pytest.raises(UnknownNameError, match="did you mean 'shell'"):
        make_interface("shel")
    with pytest.raises(ConfigError, match="too short; the least is 64"):
        make_interface("edit", 32)
