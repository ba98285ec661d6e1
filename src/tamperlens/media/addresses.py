"""Files at addresses, such as ``s3://bucket/a.jpg``: brought here to be read, and results taken there.

Whatever reads and writes media works on local files alone; what lies at an address is copied into a temporary folder first and
results are copied back. `fsspec` (extra ``cluster``) does the copying and is imported only where an address is given. Where
credentials and servers come from is its own matter: environment variables and files that each kind of storage defines.
"""

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path, PurePath, PurePosixPath
from typing import Any
from urllib.parse import unquote

from tamperlens.errors import DataError, MediaError, MissingExtra

__all__ = ["Address", "Mirror", "Results", "fetched", "files_at", "first_bytes", "place_of"]

_HEAD = 4096  # bytes by which the kind of a file is told


class Address(PurePosixPath):
    """A file or folder that is not on this machine; its text is as it was given, ``s3://bucket/folder``."""

    def __str__(self) -> str:
        scheme, _, rest = super().__str__().partition(":/")
        return f"{scheme}://{rest}"

    def __fspath__(self) -> str:
        return str(self)


def place_of(text: str | os.PathLike[str]) -> Path | Address:
    """A path, or an address where the text has a scheme; ``file://`` is a path like any other, percent-encoded or not."""
    text = os.fspath(text)
    if text.startswith("file://"):
        path = Path(text.removeprefix("file://"))
        return path if os.path.lexists(path) else Path(unquote(os.fspath(path)))
    return Address(text) if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text) else Path(text)


def _storage(address: Address) -> tuple[Any, str]:
    """The file system of an address and the address's name in it."""
    try:
        import fsspec
    except ModuleNotFoundError as error:
        raise MissingExtra("fsspec", "cluster") from error
    try:
        return fsspec.url_to_fs(str(address))  # type: ignore[no-any-return]
    except ImportError as error:  # fsspec knows the kind of storage; the package for it is not there
        raise DataError(f"{address} needs another package: {error}") from error
    except ValueError as error:
        raise DataError(
            f"{address} is no address that is known here ({error}); expected a path, or one such as s3://bucket/folder"
        ) from error


@contextmanager
def _reaching(address: Address, kind: type[DataError | MediaError]) -> Iterator[None]:
    """Says of what goes wrong which address it was, and what to look at."""
    try:
        yield
    except (DataError, MediaError, MissingExtra):
        raise
    except FileNotFoundError as error:
        raise kind(f"{address}: there is no such file, folder or bucket") from error
    except Exception as error:  # each storage has errors of its own: of credentials, servers and networks
        reason = " ".join(str(error).split()) or type(error).__name__
        raise kind(f"{address} cannot be reached ({reason}); check the address, the credentials and the server") from error


@contextmanager
def fetched(place: Path | Address) -> Iterator[Path]:
    """A file as a local one of the same name, for as long as the context lasts; a path is its own.

    Raises `MediaError` where it cannot be had.
    """
    if isinstance(place, Path):
        yield place
        return
    with tempfile.TemporaryDirectory(prefix="tamperlens-") as folder:
        file = Path(folder) / place.name
        with _reaching(place, MediaError):
            storage, name = _storage(place)
            storage.get_file(name, str(file))
            if not file.is_file():
                raise MediaError(f"{place} is no file; give one, or a folder that holds some")
        yield file


def files_at(address: Address) -> list[Address] | None:
    """All files below a folder, or those that a pattern such as ``s3://bucket/**/*.jpg`` matches, in no order.

    None where the address is neither. Raises `DataError` where it cannot be reached.
    """
    with _reaching(address, DataError):
        storage, name = _storage(address)
        storage.invalidate_cache()
        if storage.isfile(name):
            return None
        if storage.isdir(name):
            return [Address(storage.unstrip_protocol(one)) for one in storage.find(name)]
        if re.search(r"[*?\[]", name):
            found = storage.glob(name, detail=True)
            return [Address(storage.unstrip_protocol(one)) for one, facts in found.items() if facts["type"] == "file"]
        return None


def first_bytes(address: Address) -> bytes:
    """What a file begins with. Raises `MediaError` where it cannot be read."""
    with _reaching(address, MediaError):
        storage, name = _storage(address)
        return bytes(storage.cat_file(name, start=0, end=_HEAD))


class Mirror:
    """A local folder that holds what lies at an address, or as much of it as matters, and takes back what was written."""

    def __init__(self, folder: Path, take: Callable[[str, Path | bytes], None]) -> None:
        self.folder, self._take = folder, take
        self._before = self._state()

    def _state(self) -> dict[str, tuple[int, int]]:
        return {file.name: (file.stat().st_ino, file.stat().st_mtime_ns) for file in self.folder.iterdir()}

    def written(self) -> list[str]:
        """The names of files that were written here."""
        return sorted(name for name, state in self._state().items() if self._before.get(name) != state)

    def take_back(self, name: str, text: str | None = None) -> None:
        """Writes a file to the address, or a text under its name. Raises `DataError`."""
        self._take(name, self.folder / name if text is None else text.encode("utf-8", "backslashreplace"))


class Results:
    """A folder at an address that results go to."""

    def __init__(self, address: Address) -> None:
        self.address = address

    @cached_property
    def names(self) -> list[str]:
        """What lies there, without what lies in folders below; asked once."""
        with _reaching(self.address, DataError):
            storage, root = _storage(self.address)
            storage.invalidate_cache()
            return sorted(PurePath(name).name for name in storage.find(root, maxdepth=1))

    def check(self) -> None:
        """See that something can be written there. Raises `DataError`."""
        probe = f".tamperlens-{os.getpid()}"
        self._take(probe, b"")
        with _reaching(self.address, DataError):
            storage, root = _storage(self.address)
            storage.rm_file(f"{root}/{probe}")

    @contextmanager
    def mirror(self, wanted: Callable[[str], bool], whole: Callable[[str], bool]) -> Iterator[Mirror]:
        """A local folder with the ``wanted`` names: ``whole`` ones with what they hold, of others only that they are there.

        So whoever asks what a folder holds is answered as by the address itself, without fetching pictures and videos that
        nobody reads. What is written stays local until it is taken back.
        """
        with tempfile.TemporaryDirectory(prefix="tamperlens-") as scratch:
            folder = Path(scratch)
            for name in filter(wanted, self.names):
                if not whole(name):
                    (folder / name).touch()
                    continue
                with _reaching(self.address / name, DataError):
                    storage, root = _storage(self.address)
                    storage.get_file(f"{root}/{name}", str(folder / name))
            yield Mirror(folder, self._take)

    def _take(self, name: str, content: Path | bytes) -> None:
        with _reaching(self.address / name, DataError):
            storage, root = _storage(self.address)
            if isinstance(content, bytes):
                storage.pipe_file(f"{root}/{name}", content)
            else:
                storage.put_file(str(content), f"{root}/{name}")
