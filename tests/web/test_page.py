"""The page in a browser, as people use it: with a mouse, by keyboard, on a phone, in the dark, and with axe-core looking on."""

import base64
import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 120_000  # milliseconds, on a machine that has much else to do
BADGE = ".badge:visible"


@pytest.fixture
def open_page(server, chromium) -> Iterator[Callable[..., Any]]:
    """Opens the page; at the end nothing may have gone wrong in it: no script error, no breach of its policy."""
    wrong: list[str] = []
    opened = []

    def heard(message: Any, tolerated: str | None) -> None:
        if message.type == "error" and (tolerated is None or tolerated not in message.text):
            wrong.append(message.text)

    def open_page(address: str = "", tolerated: str | None = None, **context: Any) -> Any:
        own = chromium.new_context(**{"viewport": {"width": 1100, "height": 800}, **context})
        opened.append(own)
        page = own.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: heard(message, tolerated))
        page.goto(address or server.address)
        return page

    yield open_page
    for context in opened:
        context.close()
    assert wrong == []


def entry(page: Any, name: str) -> Any:
    """A file's entry in the list."""
    return page.locator(".job", has=page.get_by_role("heading", name=name, exact=True))


def report(page: Any, name: str) -> Any:
    """The casefile's page, shown in the entry."""
    job = entry(page, name)
    if not job.locator("iframe").is_visible():
        job.locator(".show").click()
    frame = job.locator("iframe").element_handle().content_frame()
    frame.wait_for_selector("h2 >> text=Technical page")
    return frame


def violations(frame: Any) -> list[str]:
    """What axe-core objects to."""
    axe = pytest.importorskip("axe_playwright_python", reason="axe-playwright-python, which carries axe-core, is not installed")
    frame.evaluate((Path(axe.__file__).parent / "axe.min.js").read_text())
    found = frame.evaluate("axe.run(document, {iframes: false})")
    return [f"{breach['id']}: {node['html']}" for breach in found["violations"] for node in breach["nodes"]]


def refuse(route: Any) -> None:
    """A busy server's answer."""
    route.fulfill(status=503, content_type="application/problem+json", body="{}")


def until(true: Callable[[], Any]) -> Any:
    for _ in range(PATIENCE // 50):
        if found := true():
            return found
        time.sleep(0.05)
    raise AssertionError("it never happened")


def test_an_entry_tells_how_far_its_file_is(open_page, files) -> None:
    """Of events that the test makes: a photo may be done before the server tells of its stages."""
    page, told = open_page(), {"state": "running", "stage": "inspecting", "progress": 0}

    def events(route: Any) -> None:
        if not told:  # not page.unroute: a request on its way to a route that is taken away is never answered
            route.continue_()
            return
        job = {"id": route.request.url.partition("job=")[2], **told}
        route.fulfill(content_type="text/event-stream", body=f"retry: 50\nevent: job\ndata: {json.dumps(job)}\n\n")

    page.route("**/api/events?*", events)
    page.set_input_files("#files", [files["face.jpg"]])
    photo = entry(page, "face.jpg")
    until(lambda: photo.locator(".text").inner_text() == "looking at faces")
    assert photo.locator("progress").get_attribute("value") is None
    told["progress"] = 0.25
    until(lambda: photo.locator(".text").inner_text() == "looking at faces, 25 % of the video")
    assert photo.locator("progress").evaluate("bar => bar.value") == 25
    told.clear()
    photo.locator(BADGE).wait_for()


def test_a_stream_that_is_refused_is_asked_for_again(open_page, files) -> None:
    """A browser gives up a stream that is answered with an error: the entry would never end."""
    page, refused = open_page(tolerated="503 (Service Unavailable)"), [True]
    page.route("**/api/events?*", lambda route: refuse(route) if refused else route.continue_())
    page.set_input_files("#files", [files["face.jpg"]])
    until(lambda: "The server does not answer" in entry(page, "face.jpg").inner_text())
    refused.clear()
    entry(page, "face.jpg").locator(BADGE).wait_for()
    assert "does not answer" not in entry(page, "face.jpg").inner_text()


def test_a_reload_and_a_delete_while_the_server_is_busy_lose_nothing(open_page, files) -> None:
    page, refused = open_page(tolerated="503 (Service Unavailable)"), [True]
    page.set_input_files("#files", [files["no face.png"]])
    photo = entry(page, "no face.png")
    photo.locator(BADGE).wait_for()
    page.route(re.compile("/api/jobs/[^/]+$"), lambda route: refuse(route) if refused else route.continue_())
    photo.get_by_role("button", name="Delete").click()
    until(lambda: "The server does not answer" in photo.inner_text())
    page.reload()
    assert page.locator(".job").count() == 0
    page.reload()
    refused.clear()
    photo.locator(BADGE).wait_for()
    photo.get_by_role("button", name="Delete").click()
    until(lambda: page.locator(".job").count() == 0)


def test_five_files_at_once_with_progress_verdicts_reports_and_downloads(open_page, files, tmp_path) -> None:
    page = open_page(accept_downloads=True)
    page.evaluate("""() => {
      window.said = [];
      const keep = () => said.push(...[...document.querySelectorAll(".job .text, #live")].map(part => part.textContent));
      new MutationObserver(keep).observe(document.body, { subtree: true, childList: true, characterData: true });
    }""")
    names = ["face.jpg", "no face.png", "forged.png", "clip.mp4", "broken.jpg"]
    page.set_input_files("#files", [files[name] for name in names])
    for name in names[:4]:
        entry(page, name).locator(BADGE).wait_for()
    until(lambda: "no pixels can be read" in entry(page, "broken.jpg").inner_text())
    said = set(page.evaluate("said"))
    assert "sending" in said
    for stage in ("waiting, number", "looking at faces"):
        assert any(text.startswith(stage) for text in said)
    assert any(text.startswith("forged.png: manipulated.") for text in said)  # the live region told it
    assert entry(page, "forged.png").locator(BADGE).inner_text() == "manipulated"
    assert "signs of manipulation in the one face" in entry(page, "forged.png").inner_text()
    assert entry(page, "no face.png").locator(BADGE).inner_text() == "inconclusive"
    assert entry(page, "face.jpg").locator(BADGE).inner_text() != "manipulated"
    assert "could not be inspected" in entry(page, "broken.jpg").inner_text()
    assert not entry(page, "broken.jpg").locator("a:visible").count()

    _look_at_the_photo(report(page, "forged.png"))
    _look_at_the_clip(report(page, "clip.mp4"))
    assert violations(page) == []

    with page.expect_download() as download:
        entry(page, "forged.png").get_by_role("link", name="Record (JSON)").click()
    assert download.value.suggested_filename == "forged.json"
    assert json.loads(Path(download.value.path()).read_text())["path"] == "forged.png"
    with page.expect_download() as download:
        entry(page, "clip.mp4").get_by_role("link", name="Everything (ZIP)").click()
    assert download.value.suggested_filename == "clip.zip" and Path(download.value.path()).read_bytes()[:2] == b"PK"

    page.reload()  # the jobs stay, until they are deleted
    entry(page, "forged.png").locator(BADGE).wait_for()
    assert page.locator(".job").count() == 5
    for name in names:
        entry(page, name).locator(".end").click()
    page.get_by_text("Nothing yet.").wait_for()


def _look_at_the_photo(frame: Any) -> None:
    """Heat, mask or nothing over the picture, beside it, on it, or swiped."""
    face = frame.locator(".viewer").first
    heat, mask, slider = face.locator(".layer.heat"), face.locator(".layer.mask"), face.locator("input[type=range]")
    assert heat.is_visible() and not mask.is_visible() and face.locator(".single").first.is_visible()
    slider.fill("20")
    assert heat.evaluate("layer => layer.style.opacity") == "0.2"
    face.get_by_label("one picture").check()
    assert not face.locator(".single").first.is_visible() and heat.is_visible()
    face.get_by_label("swipe").check()
    assert heat.evaluate("layer => layer.style.clipPath") == "inset(0px 0px 0px 50%)"
    slider.fill("75")
    assert heat.evaluate("layer => [layer.style.clipPath, layer.style.opacity]") == ["inset(0px 0px 0px 75%)", "1"]
    face.get_by_label("mask").check()
    assert mask.is_visible() and not heat.is_visible()
    face.get_by_label("nothing").check()
    assert not mask.is_visible() and not heat.is_visible()
    face.get_by_label("side by side").check()
    face.get_by_label("heat").check()
    assert violations(frame) == []


def _look_at_the_clip(frame: Any) -> None:
    """The player with heat; its place is set by the timeline, by the slider and by buttons."""
    frame.wait_for_selector(".seek:visible")
    second = "document.querySelector('video').currentTime"
    assert frame.evaluate("document.querySelector('video').duration") == pytest.approx(1.5, abs=0.3)
    plot = frame.locator(".plot")
    box = plot.bounding_box()
    plot.click(position={"x": box["width"] * (52 + 948) / 2 / 960, "y": box["height"] / 2})
    middle = frame.evaluate(
        "(plot => (Number(plot.dataset.first) + Number(plot.dataset.last)) / 2)(document.querySelector('.plot'))"
    )
    assert until(lambda: abs(frame.evaluate(second) - middle) < 0.05)
    until(
        lambda: float(frame.evaluate("document.querySelector('.cursor').style.left").rstrip("%")) == pytest.approx(52.1, abs=3)
    )
    frame.locator(".seek input").focus()
    frame.locator(".seek input").press("Home")
    assert until(lambda: frame.evaluate(second) < 0.05)
    frame.locator(".jump:visible").last.click()
    until(lambda: frame.evaluate(second) > 0)
    assert violations(frame) == []


def test_an_oversized_file_is_refused_at_once_and_can_be_removed(open_page, files) -> None:
    page = open_page()
    page.set_input_files("#files", [files["large.jpg"], files["wide.png"]])
    assert "larger than 2 MB" in entry(page, "large.jpg").inner_text()
    until(lambda: "expected at most 1 million" in entry(page, "wide.png").inner_text())
    assert "large.jpg: could not be inspected" in entry(page, "large.jpg").locator(".text").evaluate(
        "text => `${text.closest('.job').querySelector('.name').textContent}: ${text.textContent}`"
    )
    assert violations(page) == []
    entry(page, "large.jpg").get_by_role("button", name="Remove").click()
    entry(page, "wide.png").get_by_role("button", name="Delete").click()
    page.get_by_text("Nothing yet.").wait_for()


def test_cancel(open_page, server, files) -> None:
    page = open_page()
    workers = server.workers()
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)
    page.set_input_files("#files", files["face.jpg"])
    until(lambda: entry(page, "face.jpg").locator(".text").inner_text() == "starting")
    entry(page, "face.jpg").get_by_role("button", name="Cancel").click()
    until(lambda: entry(page, "face.jpg").locator(".text").inner_text() == "cancelled")
    for worker in set(workers) & set(server.workers()):
        os.kill(worker, signal.SIGCONT)
    assert not entry(page, "face.jpg").locator("progress").is_visible()


def test_by_keyboard_alone(open_page) -> None:
    page = open_page()

    def tab_to(name: str, most: int = 12) -> None:
        for _ in range(most):
            page.keyboard.press("Tab")
            focused = "document.activeElement.getAttribute('aria-label') || document.activeElement.textContent"
            if page.evaluate(focused).startswith(name):
                return
        raise AssertionError(f"{name} is not reached by the Tab key")

    tab_to("A forgery of it")
    page.keyboard.press("Enter")
    job = entry(page, "A forgery of it")
    job.locator(BADGE).wait_for()
    assert job.locator("iframe").is_visible()  # the only one opens by itself
    tab_to("Hide the report")
    page.keyboard.press("Enter")
    assert not job.locator("iframe").is_visible() and page.evaluate("document.activeElement.ariaExpanded") == "false"
    page.keyboard.press("Space")
    frame = report(page, "A forgery of it")
    for _ in range(12):  # into the report, to the choice of views
        page.keyboard.press("Tab")
        if frame.evaluate("document.activeElement.type") == "radio":
            break
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert frame.locator(".viewer").first.get_attribute("data-view") == "swipe"
    job.locator(".end").focus()
    page.keyboard.press("Enter")
    page.get_by_text("Nothing yet.").wait_for()
    assert page.evaluate("document.activeElement.id") == "files"  # the keyboard's place is not lost
    assert page.locator("#live").inner_text() == "A forgery of it: deleted"


def test_dropped_and_pasted(open_page, files) -> None:
    page = open_page()
    content = base64.b64encode(files["no face.png"].read_bytes()).decode()
    for kind, name in (("drop", "dropped.png"), ("paste", "pasted.png")):
        page.evaluate(
            """([kind, name, content]) => {
              const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
              const data = new DataTransfer();
              data.items.add(new File([bytes], name, { type: "image/png" }));
              const event = kind === "drop" ? new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true })
                : new ClipboardEvent(kind, { clipboardData: data, bubbles: true });
              document.getElementById("drop").dispatchEvent(event);
            }""",
            [kind, name, content],
        )
    for name in ("dropped.png", "pasted.png"):
        entry(page, name).locator(BADGE).wait_for()


def test_on_a_phone_in_the_dark(open_page, files) -> None:
    page = open_page(viewport={"width": 360, "height": 740}, color_scheme="dark", has_touch=True, is_mobile=True)
    assert page.locator("#camera").get_attribute("capture") == "environment"
    page.set_input_files("#camera", files["forged.png"])
    entry(page, "forged.png").locator(BADGE).wait_for()
    entry(page, "forged.png").locator(".show").tap()
    frame = report(page, "forged.png")
    for part in (page, frame):
        assert part.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        assert part.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(23, 25, 28)"
        assert violations(part) == []
    small = page.evaluate(
        "[...document.querySelectorAll('button, .button')].filter(b => b.offsetHeight && b.offsetHeight < 24).length"
    )
    assert small == 0  # fingers hit them


def test_the_page_that_is_served_is_the_casefile_and_opens_from_a_disk_too(open_page, server, files) -> None:
    job = server.ask("/api/jobs", files["clip.mp4"].read_bytes())
    until(lambda: server.ask(f"/api/jobs/{job['id']}")["state"] == "done")
    page = open_page((server.folder / "results" / job["id"] / "report.html").as_uri())
    page.wait_for_selector(".seek:visible")  # its script runs, and the video beside it plays
    assert page.locator(".pictures img").first.is_visible()
    served = open_page(f"{server.address}/api/jobs/{job['id']}/page")
    assert served.locator("h1").inner_text() == page.locator("h1").inner_text()


def test_a_script_smuggled_into_a_page_does_not_run(server, chromium, files) -> None:
    job = server.ask("/api/jobs", files["no face.png"].read_bytes())
    until(lambda: server.ask(f"/api/jobs/{job['id']}")["state"] == "done")
    path = server.folder / "results" / job["id"] / "report.html"
    path.write_text(
        path.read_text().replace("</main>", "<script>document.title = 'owned'</script><img src=x onerror='owned()'></main>")
    )
    page = chromium.new_page()
    for address in (f"{server.address}/api/jobs/{job['id']}/page", path.as_uri()):
        page.goto(address)
        assert page.title() != "owned"
    page.close()


def test_a_server_with_a_token_opens_by_its_link(benchmark, chromium, tmp_path) -> None:
    token = "a-token-that-nobody-can-guess"
    server = benchmark.Server(tmp_path / "jobs", "--workers", 1, environment={"TAMPERLENS_TOKEN": token})
    try:
        context = chromium.new_context()
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(server.address)
        assert page.url.endswith("/login") and violations(page) == []
        page.get_by_label("Token").fill("wrong")
        page.get_by_role("button", name="Open").click()
        page.get_by_text("This is not the token of this server.").wait_for()
        page.goto(f"{server.address}/login#token={token}")
        page.get_by_role("heading", name="Your files").wait_for()
        assert token not in page.url and token not in json.dumps(context.cookies())
        assert token not in "".join(server.lines)
        context.close()
    finally:
        server.stop()


def test_the_screenshot_of_the_readme(open_page, files) -> None:
    """``TAMPERLENS_SCREENSHOTS=docs/images`` writes it there."""
    page = open_page(viewport={"width": 960, "height": 1150})
    page.set_input_files("#files", files["forged.png"])
    entry(page, "forged.png").locator(BADGE).wait_for()
    frame = report(page, "forged.png")
    until(lambda: page.locator("iframe").bounding_box()["height"] > 1000)
    frame.evaluate("document.querySelector('details').open = false")
    page.locator(".job").scroll_into_view_if_needed()
    picture = page.screenshot(animations="disabled")
    assert picture.startswith(b"\x89PNG") and len(picture) > 50_000
    if folder := os.environ.get("TAMPERLENS_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / "web.png").write_bytes(picture)
