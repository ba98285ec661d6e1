"""A server in a process of its own, as people start it, and small files to give it. Chromium is the system's own."""

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import clips_at_hand as clips
from faces_at_hand import hopper, hopper_face
from tamperlens.forge.whole import forge_face

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


_spec = importlib.util.spec_from_file_location("serving", Path(__file__).parents[2] / "benchmarks" / "serving.py")
assert _spec is not None and _spec.loader is not None
serving_benchmark = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(serving_benchmark)
Server = serving_benchmark.Server  # `tamperlens serve` in a process of its own


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator:
    """The server that most tests share: small limits, so that they can be passed by small files."""
    limits = ("--max-mb", 2, "--max-megapixels", 1, "--max-seconds", 20, "--time-limit", 300, "--workers", 2)
    server = Server(tmp_path_factory.mktemp("serve") / "jobs", *limits)
    yield server
    server.stop()


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
def benchmark():
    """benchmarks/serving.py, which says with large numbers what tests say with small ones."""
    return serving_benchmark


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    """The browser, or a skip where it cannot be had."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if CHROMIUM is None:
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing("Chromium is not installed (Debian: apt-get install chromium)")
    switches = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=CHROMIUM, args=[*switches, "--disable-component-update", "--disable-sync"]
        )
        yield browser
        browser.close()
