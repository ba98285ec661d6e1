"""Which frame of a clip each picture of a folder is: told by its name, or refused.

Pictures are paired by these numbers, so a number that is read wrongly makes wrong masks. All names of a folder must be
built alike. Of several numbers in a name the frame's is the one that tells the pictures apart (``000_003_0012``,
``0012_0`` of frame and face), or the one that the name itself calls a frame (``frame12_face1``).
"""

import re
from collections.abc import Sequence
from pathlib import Path

from tamperlens.data.readers.clips import is_partial, is_picture
from tamperlens.errors import DataError

__all__ = ["frame_files"]

_NUMBERS = re.compile(r"\d+")
_FRAME_WORDS = {"frame", "frames", "f", "fr", "frm", "img", "image"}
_FACE_WORDS = {"face", "faces", "person", "id", "track", "crop"}


def frame_files(folder: Path) -> dict[int, Path]:
    """The pictures of a frame folder: number of the frame -> path, in order of number; empty where there are none.

    Raises ``DataError``, naming files, where names do not say which frame is which, where two are of one frame, and
    where a download did not end.
    """
    paths = sorted(folder.iterdir())
    if partial := next((path for path in paths if is_partial(path)), None):
        raise DataError(f"{partial}: a download that did not end; let it end, or remove it and fetch the frame again")
    pictures = [path for path in paths if is_picture(path)]
    if not pictures:
        return {}
    # Text and numbers take turns: "frame12_face1" -> "frame", "12", "_face", "1", "".
    pieces = [re.split(r"(\d+)", path.stem) for path in pictures]
    _refuse_mixed(folder, pictures, pieces)
    rows = [tuple(map(int, own[1::2])) for own in pieces]
    column = _frame_column(folder, pictures, [re.sub(r"[\W_]", "", text).lower() for text in pieces[0][::2]], rows)
    numbered: dict[int, Path] = {}
    for row, path in zip(rows, pictures, strict=True):
        if (other := numbered.get(row[column])) is not None:
            raise DataError(
                f"{folder}: {other.name} and {path.name} are both of frame {row[column]}, so it cannot be told which belongs "
                "to the same frame of other clips; keep whole frames, or one face's pictures in this folder"
            )
        numbered[row[column]] = path
    return dict(sorted(numbered.items()))


def _refuse_mixed(folder: Path, pictures: Sequence[Path], pieces: Sequence[list[str]]) -> None:
    bare = next((path for path, own in zip(pictures, pieces, strict=True) if len(own) == 1), None)
    if bare is not None:
        raise DataError(f"{folder}: the name {bare.name} carries no number; name frames 0000.png, 0001.png, ...")
    for path, own in zip(pictures, pieces, strict=True):
        if own[::2] != pieces[0][::2]:
            raise DataError(
                f"{folder}: {pictures[0].name} and {path.name} are named in different ways, so it cannot be told which frames "
                "they are; name all frames alike, as 0000.png, 0001.png, ..., and move other pictures elsewhere"
            )


def _frame_column(folder: Path, pictures: Sequence[Path], words: Sequence[str], rows: Sequence[tuple[int, ...]]) -> int:
    """Which of the numbers in a name is the frame's. ``words``: the letters before each number, in lower case."""
    columns = range(len(rows[0]))
    if len(columns) == 1:
        return 0
    called = [column for column in columns if words[column] in _FRAME_WORDS]
    if len(called) == 1:
        return called[0]
    if len(rows) == 1:  # 000_003_0012 in the folder 000_003
        start = len(_NUMBERS.findall(folder.name)) if pictures[0].stem.startswith(folder.name) else len(columns)
        found = [column for column in columns if column >= start and words[column] not in _FACE_WORDS]
    else:
        distinct = {column: len({row[column] for row in rows}) for column in columns if words[column] not in _FACE_WORDS}
        most = max(distinct.values(), default=1)
        # Of frame and face, the frame's number is the one of more values: should some frame have two faces, that is found out.
        found = [column for column, count in distinct.items() if count == most > 1]
        if all(len({row[column] for column in found}) == 1 for row in rows):
            found = found[:1]
    if len(found) != 1 or _may_be_faces(folder, pictures, found[0]):
        raise DataError(
            f"{folder}: it cannot be told which number in names such as {pictures[0].name} is the frame's; "
            "name frames 0000.png, 0001.png, ..., or frame0000_face0.png"
        )
    return found[0]


def _may_be_faces(folder: Path, pictures: Sequence[Path], column: int) -> bool:
    """Whether 0012_0, 0012_1 may be two faces of one frame, and not two frames of the clip 0012."""
    numbers = [_NUMBERS.findall(path.stem) for path in pictures]
    single = all(len(own[column]) == 1 for own in numbers) and column == len(numbers[0]) - 1 > 0
    return single and len({own[column - 1] for own in numbers}) == 1 and not pictures[0].stem.startswith(folder.name)
