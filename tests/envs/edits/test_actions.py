"""Legal edits as canvas actions: played, they make exactly the edited text."""

from __future__ import annotations

import random

import pytest

from hrmgym.envs.edits.actions import canvas_actions
from hrmgym.envs.edits.edit import Edit, apply
from hrmgym.envs.edits.legal import legal_edits
from hrmgym.envs.interfaces.edit import EditInterface
from hrmgym.envs.state import Cursor, State
from hrmgym.envs.task import CallCase, CallTests, Task, Workspace
from hrmgym.envs.transitions import changed

TEXT = """\
def longest(names, least=3):
    best = ""
    for name in names:
        if len(name) >= least and len(name) > len(best):
            best = name
    return best.upper()
"""


def state_of(text: str, length: int = 256) -> tuple[State, EditInterface]:
    tests = CallTests(
        path="a.py", function="longest", cases=(CallCase(id="c", args=(["a"],), expected="A"),)
    )
    task = Task(
        id="a",
        benchmark="none",
        language="python",
        split="test",
        prompt="Repair it.",
        workspace=Workspace(files={"a.py": text}),
        editable=("a.py",),
        visible_tests=tests,
        hidden_tests=tests,
    )
    state = State(task=task.public, files=task.workspace.start, cursor=Cursor("a.py"))
    return state, EditInterface(length)


def played(state: State, edit: Edit, interface: EditInterface) -> tuple[str, int]:
    """The text after an edit's actions, and how many there are."""
    actions = canvas_actions(state, edit, interface)
    for action in actions:
        assert interface.action_space.contains(action)
        call = interface.decode(action, state)
        if call.tool == "edit":
            text = state.files[call.path]
            text = text[: call.start] + call.text + text[call.end :]
            state = changed(state, state.files.with_text(call.path, text))
        else:
            state = interface.look(call, state)
    return state.files["a.py"], len(actions)


def test_played_actions_make_the_edited_text() -> None:
    state, interface = state_of(TEXT)
    edits = legal_edits(TEXT)
    counts = []
    for one in random.Random(0).sample([*edits.lean(), *edits.bulky()], 60):
        text, count = played(state, one.edit, interface)
        assert text == apply(TEXT, one.edit), one
        counts.append(count)
    assert counts.count(1) > 40  # most edits are one action


@pytest.mark.parametrize(
    "edit",
    [
        Edit(
            33,
            33,
            "if names is None or not names or least < 0 or least > len(names): return None\n    ",
        ),
        Edit(
            0,
            len(TEXT),
            "def longest(names):\n    return sorted(names, key=len)[-1].upper() or None\n",
        ),
        Edit(0, len(TEXT), ""),
    ],
)
def test_long_edits_take_several_actions(edit: Edit) -> None:
    state, interface = state_of(TEXT)
    text, count = played(state, edit, interface)
    assert text == apply(TEXT, edit)
    assert count >= 1


def test_an_edit_out_of_view_is_reached() -> None:
    text = TEXT + "\n\n" + "".join(f"VALUE_{i} = {i} * {i} + {i}\n" for i in range(60))
    state, interface = state_of(text, length=64)
    place = text.index("VALUE_59") + len("VALUE_59 = ")
    made, count = played(state, Edit(place, place + 2, "7"), interface)
    assert made == text[:place] + "7" + text[place + 2 :]
    assert count > 1


def test_no_change_is_no_action() -> None:
    state, interface = state_of(TEXT)
    assert canvas_actions(state, Edit(0, 3, "def"), interface) == ()
    with pytest.raises(IndexError, match="outside a text"):
        canvas_actions(state, Edit(0, 10_000, ""), interface)
