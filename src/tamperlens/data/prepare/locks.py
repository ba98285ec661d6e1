"""Who may write to a store: one run, or runs of several parts of the work side by side, each part once."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tamperlens.data.store.manifest import PARTS
from tamperlens.data.store.shards import writing
from tamperlens.errors import DataError

__all__ = ["LOCK", "finishing", "locked"]

LOCK = "prepare.lock"


@contextmanager
def locked(out: Path, part: tuple[int, int]) -> Iterator[None]:
    """Keeps others off the store, or off this part (i, n) of the work; ``DataError`` where somebody is there already."""
    with ExitStack() as held:
        whole = part == (1, 1)
        _lock(held, out / LOCK, out, shared=not whole)
        if not whole:
            _lock(held, out / PARTS / f"part-{part[0]}-of-{part[1]}.lock", out, shared=False)
        yield


@contextmanager
def finishing(out: Path) -> Iterator[None]:
    """Waits until nobody else completes the store."""
    with ExitStack() as held:
        _lock(held, out / PARTS / "finish.lock", out, shared=False, wait=True)
        yield


def _lock(held: ExitStack, path: Path, out: Path, shared: bool, wait: bool = False) -> None:
    import fcntl  # not on Windows: only whoever prepares needs it

    with writing(path):
        file = held.enter_context(path.open("a"))
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise DataError(
            f"another run is preparing {out} (it holds {path}); wait for it to end, stop it, or give another store folder"
        ) from None
