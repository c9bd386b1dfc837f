"""A legal edit as actions on the token canvas, whose single edits are of a fixed length."""

from __future__ import annotations

from hrmgym.envs.edits.edit import Edit, apply
from hrmgym.envs.interfaces.edit import Action, EditInterface
from hrmgym.envs.state import State
from hrmgym.envs.transitions import changed


def canvas_actions(state: State, edit: Edit, interface: EditInterface) -> tuple[Action, ...]:
    """The actions that make an edit of the file that a state shows.

    Most edits are one action. One whose new text takes more than R entries, or whose place is not
    in view, takes several; each leaves a text, the last one the edited text.

    Args:
        state: Where to begin; nothing is run.
        edit: An edit of `state.files[state.cursor.path]`.
        interface: What the actions are for.

    Raises:
        IndexError: the edit's span is not inside the file.
    """
    path = state.cursor.path
    text = state.files.get(path, "")
    target = apply(text, edit)
    if target == text:
        return ()
    one = interface.encode_edit(state, *edit)
    if one is not None:
        return (one,)
    found = []
    while state.files.get(path, "") != target:
        action = interface.toward(state, {path: target})
        call = interface.decode(action, state)
        found.append(action)
        if call.tool == "edit":
            text = state.files.get(call.path, "")
            edited = text[: call.start] + call.text + text[call.end :]
            state = changed(state, state.files.with_text(call.path, edited))
        else:
            state = interface.look(call, state)
    return tuple(found)
