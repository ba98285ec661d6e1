"""What every command shares: the app, the two consoles, exit codes, and one-line errors."""

import io
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from typer.core import TyperGroup

from tamperlens import __version__
from tamperlens.errors import DataError, TamperlensError
from tamperlens.files import spelled_out

__all__ = [
    "NOT_INSPECTED",
    "UNUSABLE",
    "Detector",
    "Model",
    "Precision",
    "Runtime",
    "app",
    "codes",
    "complain",
    "complain_of",
    "errors",
    "make_folder",
    "out",
    "progress_bar",
]


Runtime = Annotated[
    Literal["auto", "onnx", "openvino", "torch"],
    typer.Option(
        help="What runs the model: ONNX Runtime, OpenVINO, PyTorch (on a GPU where there is one); auto: the first of them that "
        "reads the file and gives the numbers of its card."
    ),
]
Model = Annotated[
    str, typer.Option(help="A shipped model's name, or an .onnx, .xml or .safetensors file; by default twostream-joint.")
]
Precision = Annotated[
    Literal["float32", "bf16"], typer.Option(help="Of the network; bf16 with OpenVINO, on processors that have it.")
]
Detector = Annotated[str, typer.Option("--detector", help="What finds the faces; yunet by default.")]


class _Guarded(TyperGroup):
    """Errors made for people end in one line and exit code 2, not in a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        for stream in (sys.stdout, sys.stderr):  # a file name may hold what a terminal cannot show
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(ctx)
        except (TamperlensError, OSError) as error:
            complain(" ".join(str(error).split()))
            raise typer.Exit(UNUSABLE) from error


app = typer.Typer(
    cls=_Guarded,
    help="Finds manipulated faces in photos and videos and shows which pixels were manipulated.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
errors = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
out = Console(highlight=False, soft_wrap=True, emoji=False)

NOT_INSPECTED = 1  # exit code: not all went well, such as a file that could not be inspected; each command's help says what
UNUSABLE = 2  # exit code: the call itself cannot be carried out


def complain(message: str) -> None:
    """One line on stderr."""
    errors.print(f"error: {spelled_out(message)}", style="red", markup=False)


def complain_of(path: Path, error: BaseException) -> str:
    """One line about one file; returns the reason without the file's name in front."""
    reason = " ".join(str(error).split()) or type(error).__name__
    complain(reason if str(path) in reason else f"{path}: {reason}")
    return reason


def _version(wanted: bool) -> None:
    if wanted:
        out.print(__version__)
        raise typer.Exit()


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    pass


def make_folder(folder: Path | None) -> None:
    """Make the folder that results go to, and see that it can be written to, before any work is done for it."""
    try:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
    except OSError as error:
        raise DataError(f"{folder} cannot be used as a folder ({error.strerror}); give another --out") from error


def progress_bar(shown: bool = True) -> Bar:
    """A progress bar with the time that is left, on stderr."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Bar(*columns, console=errors, transient=True, disable=not shown)


def codes(methods: str) -> tuple[str, ...] | None:
    """The codes of "DF,F2F", or None for an empty list."""
    return tuple(code.strip() for code in methods.split(",") if code.strip()) or None
