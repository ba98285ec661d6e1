"""The command that opens the web page: serve."""

import os
from pathlib import Path
from typing import Annotated

import typer

from tamperlens.cli.console import Model, app
from tamperlens.errors import DataError, MissingExtra


@app.command()
def serve(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILES", help="Photos and videos to inspect at once, as if dropped there."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; any but this machine's own needs a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any that is free.")] = 8000,
    folder: Annotated[Path | None, typer.Option(help="Private folder for the queue and the results.")] = None,
    model: Model = "",
    token_file: Annotated[
        Path | None, typer.Option(help="File with the token that visitors need; or set TAMPERLENS_TOKEN.")
    ] = None,
    allow_host: Annotated[list[str] | None, typer.Option(help="A name under which the server is reached; repeatable.")] = None,
    https: Annotated[bool, typer.Option("--https", help="A proxy in front of the server speaks HTTPS.")] = False,
    workers: Annotated[
        int,
        typer.Option(min=0, help="Files inspected at the same time; 0: as many as cores, 4 at most; with --ray, all of them."),
    ] = 0,
    ray: Annotated[
        str, typer.Option(help="Address of a Ray cluster that inspects the files, or 'local'. Needs the extra 'cluster'.")
    ] = "",
    max_mb: Annotated[float, typer.Option(min=0.001, help="Megabytes of a file at most.")] = 200,
    max_megapixels: Annotated[float, typer.Option(min=0.001, help="Million pixels of a picture at most.")] = 50,
    max_seconds: Annotated[float, typer.Option(min=0.1, help="Seconds of a video at most.")] = 600,
    time_limit: Annotated[float, typer.Option(min=0.1, help="Seconds of work on one file at most.")] = 900,
    memory: Annotated[int, typer.Option(min=256, help="Megabytes of address space of a worker at most.")] = 4096,
    queue: Annotated[int, typer.Option(min=1, help="Files that wait or are in work at most.")] = 200,
    per_client: Annotated[int, typer.Option(min=1, help="The same, from one address.")] = 50,
    keep: Annotated[float, typer.Option(min=0.01, help="Minutes for which a result is kept.")] = 60,
    words: Annotated[Path | None, typer.Option(help="A translation of the page: a copy of web/static/words.json.")] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
) -> None:
    """Serve a page, and a JSON API, where one drops photos and videos and sees what was altered.

    Needs the extra 'web'. Everything stays on this machine: only this machine is listened to, uploads are deleted when they are
    inspected, results after --keep minutes.
    """
    try:
        from tamperlens.web.limits import Limits
        from tamperlens.web.server import Settings, default_folder
        from tamperlens.web.server import serve as run
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "fastapi", "web") from error

    chosen = {"workers": workers} if workers or ray else {}
    limits = Limits(
        megabytes=max_mb,
        megapixels=max_megapixels,
        seconds=max_seconds,
        memory=memory,
        time=time_limit,
        queue=queue,
        per_client=per_client,
        keep=60 * keep,
        **chosen,
    )
    settings = Settings(
        host=host,
        port=port,
        folder=(folder or default_folder()).absolute(),
        limits=limits,
        model=model,
        ray=ray,
        token=_token(token_file),
        allowed_hosts=tuple(allow_host or ()),
        https=https,
        words=words,
    )
    run(settings, files or [], lambda line: print(line, flush=True), open_browser=open_browser)


def _token(file: Path | None) -> str:
    if file is None:
        return os.environ.get("TAMPERLENS_TOKEN", "").strip()
    try:
        return file.read_text().strip()
    except (OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read as a token ({error}); give a text file with the token alone") from error
