"""A server in a process of its own, as people start it, and small files to give it. Chromium is the system's own."""

import contextlib
import os
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest
from PIL import Image

import clips_at_hand as clips
from faces_at_hand import hopper, hopper_face
from tamperlens.forge.whole import forge_face

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
COMMAND = "import sys; sys.argv[0] = 'tamperlens'; from tamperlens.cli import app; app()"


class Server:
    """`tamperlens serve` on a free port, until `stop`."""

    def __init__(self, folder: Path, *options: object, environment: dict[str, str] | None = None) -> None:
        self.folder = folder
        words = [sys.executable, "-c", COMMAND, "serve", "--port", "0", "--folder", str(folder), *map(str, options)]
        self.process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | (environment or {})
        )
        self.lines: list[str] = []
        self._heard: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        first = self._heard.get(timeout=120)
        assert first is not None and first.startswith("tamperlens is at http://"), self.lines
        self.link = first.split()[3]
        self.address = "/".join(self.link.split("/")[:3])

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            self._heard.put(line)
        self._heard.put(None)

    def client(self) -> httpx2.Client:
        return httpx2.Client(base_url=self.address, timeout=120)

    def stop(self, kill: bool = False) -> None:
        (self.process.kill if kill else self.process.terminate)()
        self.process.wait(30)


@contextlib.contextmanager
def serving(folder: Path, *options: object, environment: dict[str, str] | None = None) -> Iterator[Server]:
    server = Server(folder, *options, environment=environment)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[Server]:
    """The server that most tests share: small limits, so that they can be passed by small files."""
    limits = ("--max-mb", 2, "--max-megapixels", 1, "--max-seconds", 20, "--workers", 2)
    with serving(tmp_path_factory.mktemp("serve") / "jobs", *limits) as server:
        yield server


@pytest.fixture(scope="session")
def files(tmp_path_factory) -> dict[str, Path]:
    """What people bring, by what it is."""
    folder = tmp_path_factory.mktemp("files")
    found = {name: folder / name for name in ("face.jpg", "forged.png", "no face.png", "broken.jpg", "large.jpg", "wide.png")}
    Image.fromarray(hopper()).save(found["face.jpg"], quality=90)
    Image.fromarray(forge_face(hopper(), hopper_face(), "resynthesis", 1).image).save(found["forged.png"])
    Image.fromarray(np.full((120, 160, 3), 90, np.uint8)).save(found["no face.png"])
    found["broken.jpg"].write_bytes(found["face.jpg"].read_bytes()[:300])
    found["large.jpg"].write_bytes(found["face.jpg"].read_bytes() + bytes(2_000_000))
    Image.new("RGB", (1200, 1000)).save(found["wide.png"])
    found["clip.mp4"] = clips.write_clip(folder / "clip.mp4", clips.face_clip(12), [number / 8 for number in range(12)])
    return found


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    """The browser, or a skip where it cannot be had."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    switches = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking".split()
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=CHROMIUM, args=[*switches, "--disable-component-update", "--disable-sync"]
        )
        yield browser
        browser.close()
