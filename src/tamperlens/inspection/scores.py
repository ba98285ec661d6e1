"""Scores as people read them: a casefile keeps four digits, and reasons and tables tell three of those four."""

__all__ = ["kept", "told"]


def kept(score: float) -> float:
    """A score as a casefile keeps it."""
    return round(score, 4)


def told(score: float) -> str:
    """A score in words, the same whether it was taken from the model or from a casefile.

    >>> f"{0.731451:.3f}", told(0.731451), told(kept(0.731451))
    ('0.731', '0.732', '0.732')
    """
    return f"{kept(score):.3f}"
