"""XML that foreign code may have written."""

from __future__ import annotations

from xml.etree import ElementTree

from hrmgym.envs.testkinds.parsers.base import Told


def element_of(text: str, told: Told, what: str) -> ElementTree.Element | None:
    """The top element; None, and a fault, where there is none.

    A document type is refused: no report needs one, and entities in it could grow without end.

    Args:
        text: The document.
        told: Takes the fault.
        what: What the document is.
    """
    if not text.strip():
        told.doubt(f"{what} is empty, or was not written")
        return None
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        told.doubt(f"{what} holds a document type")
        return None
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, RecursionError) as error:
        told.doubt(f"{what} is no XML: {error}")
        return None
