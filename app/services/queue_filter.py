"""What a person types to narrow the queue."""

from __future__ import annotations

from app.services.model import QueueRow

__all__ = ["RowFilter"]


class RowFilter:
    """Words that a row has to match, each of them.

    Parameters
    ----------
    text : str
        Part of an id, a kind, an answer, ``open``, ``failed``, ``>0.8``, ``<0.1``.
    """

    def __init__(self, text: str) -> None:
        self._words = text.strip().lower().split()

    @property
    def looks_low(self) -> bool:
        """Whether improbable rows are asked for in so many words."""
        return any(word[0] == "<" for word in self._words)

    def takes(self, row: QueueRow) -> bool:
        """Tell whether a row matches."""
        return all(_matches(row, word) for word in self._words)


def _matches(row: QueueRow, word: str) -> bool:
    if word[0] in "<>":
        try:
            limit = float(word[1:])
        except ValueError:
            return True  # A number that is still being typed hides nothing.
        if row.probability is None:
            return False
        return row.probability > limit if word[0] == ">" else row.probability < limit
    words = [row.kind.value, row.site_id, str(row.root), str(row.partner_root or "")]
    words.append(row.answer.value if row.answer is not None else "open")
    if row.failed:
        words.append("failed")
    return any(word in candidate for candidate in words)
