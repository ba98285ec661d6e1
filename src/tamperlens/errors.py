"""What can go wrong, as one tree.

    TamperlensError
    ├── MediaError          a file that cannot be read as a picture or video
    │   └── UnsupportedMedia   it is readable, but of a kind that is not handled here
    ├── DataError           a dataset, store or manifest that is not as it must be
    ├── ModelError          weights, model cards, networks and engines
    └── MissingExtra        an optional part of tamperlens is not installed

Every message says what came, what was expected and what to do. The command line prints it on one line, without a traceback.
"""

__all__ = ["DataError", "MediaError", "MissingExtra", "ModelError", "TamperlensError", "UnsupportedMedia"]


class TamperlensError(Exception):
    """Root of every error this package raises on purpose."""


class MediaError(TamperlensError):
    """A file that cannot be read as a picture or video."""


class UnsupportedMedia(MediaError):
    """A readable file of a kind that is not handled here."""


class DataError(TamperlensError):
    """A dataset, store or manifest that is not as it must be."""


class ModelError(TamperlensError):
    """Weights, model cards, networks and engines."""


class MissingExtra(TamperlensError):
    """An optional part of tamperlens is not installed."""

    def __init__(self, module: str, extra: str) -> None:
        super().__init__(
            f"the Python module {module!r} is missing and this step needs it; install it with: "
            f"pip install 'tamperlens[{extra}]'"
        )
