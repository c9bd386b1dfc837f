"""The way back: the legal edit of an edited text that makes the text as it was."""

from __future__ import annotations

from hrmgym.envs.edits.edit import Edit, apply
from hrmgym.envs.edits.legal import LegalEdit, legal_edits


def undoing(
    text: str,
    edit: Edit,
    *,
    language: str = "python",
    within: tuple[int, int] | None = None,
) -> LegalEdit | None:
    """The legal edit of `apply(text, edit)` that leads back to the syntax of `text`.

    Most kinds are undone by a kind. Where an edit takes away what stands nowhere else in the
    file, a number, a name or a line, nothing in the list brings it back: whoever makes bugs asks
    here first.

    Args:
        text: A program.
        edit: A legal edit of it.
        language: What it is written in.
        within: The span of `text` that the edit lies in; its end moves as the edit grows.

    Returns:
        None where no legal edit does.
    """
    edited = apply(text, edit)
    if within is not None:
        within = within[0], within[1] + len(edited) - len(text)
    return legal_edits(edited, language=language, within=within).find(text)
