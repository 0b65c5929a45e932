"""The page in a real browser: it renders, asks for nothing, complains about nothing, fits.

Chromium is driven over its own debugging pipe.  A missing Chromium fails these tests: whoever asks
for them wants them run.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from archsim.report.comparison_page import comparison_html
from archsim.report.page import render_html

pytestmark = pytest.mark.browser

Builder = Callable[..., tuple[dict[str, Any], list[Any]]]
COMMANDS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)
COMPLAINTS = {"Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"}


class Chromium:
    """A headless Chromium with one tab."""

    def __init__(self, profile: Path) -> None:
        program = next((p for p in map(shutil.which, COMMANDS) if p is not None), None)
        assert program is not None, f"none of {', '.join(COMMANDS)} is installed"
        to_browser, self._commands = _pipe_to()
        self._answers, from_browser = _pipe_from()
        # The browser reads commands from descriptor 3 and writes answers to descriptor 4.
        redirect = f'exec "$@" 3<&{to_browser} 4>&{from_browser}'
        self._process = subprocess.Popen(
            ["bash", "-c", redirect, "-", program, *FLAGS, f"--user-data-dir={profile}"],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self.events: list[dict[str, Any]] = []
        self._last = 0
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Log", "Runtime", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The answer to a command; what happens meanwhile is kept in `events`."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        self._commands.write(json.dumps(message).encode() + b"\0")
        self._commands.flush()
        while True:
            answer = self._receive()
            if answer.get("id") == self._last:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def open(
        self, page: Path, width: int = 1280, scheme: str = "light", media: str = "screen"
    ) -> None:
        """Load a page at a width, in a colour scheme, on screen or paper, and wait for it."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=False,
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)
        self.events.clear()
        self.call("Page.navigate", url=page.as_uri())
        while not any(e["method"] == "Page.loadEventFired" for e in self.events):
            self.events.append(self._receive())

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return found["result"]["value"]

    def screenshot(self) -> bytes:
        """The visible part of the page as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot")["data"])

    def complaints(self) -> list[dict[str, Any]]:
        """Everything that the page wrote to the console, policy violations included."""
        return [event for event in self.events if event["method"] in COMPLAINTS]

    def requests(self) -> list[str]:
        """Addresses that the page asked for, itself left out."""
        asked = (e for e in self.events if e["method"] == "Network.requestWillBeSent")
        urls = [e["params"]["request"]["url"] for e in asked]
        return [url for url in urls[1:] if url != "data:,"]

    def close(self) -> None:
        """End the browser."""
        self._session = None
        self.call("Browser.close")
        self._process.wait(timeout=20)
        self._commands.close()
        self._answers.close()

    def _receive(self) -> dict[str, Any]:
        message = bytearray()
        while (byte := self._answers.read(1)) != b"\0":
            assert byte, "the browser ended"
            message += byte
        answer: dict[str, Any] = json.loads(message)
        return answer


def _pipe_to() -> tuple[int, BinaryIO]:
    reader, writer = os.pipe()
    return reader, os.fdopen(writer, "wb")


def _pipe_from() -> tuple[BinaryIO, int]:
    reader, writer = os.pipe()
    return os.fdopen(reader, "rb"), writer


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """One browser for all the tests of this file."""
    chromium = Chromium(tmp_path_factory.mktemp("profile"))
    yield chromium
    chromium.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, make_result: Builder) -> dict[str, Path]:
    """Pages of several kinds as files."""
    folder = tmp_path_factory.mktemp("pages")
    usual = make_result()
    deep = make_result(blocks=60, scale=40.0)
    for row in deep[0]["layers"]:
        row["name"] = row["name"].replace("/", "/a_very_long_part_of_a_name_without_a_break/")
    alone = make_result(blocks=0)
    alone[0].update(baseline=None, ratios=None, warnings=[])
    texts = {
        "usual": render_html(*usual),
        "deep": render_html(*deep),
        "alone": render_html(*alone),
        "comparison": comparison_html([usual[0], deep[0], alone[0]]),
    }
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in texts}


def pixels(png: bytes) -> set[bytes]:
    """Distinct rows of a PNG's filtered image data: an empty page has very few."""
    data, place = b"", 8
    while place < len(png):
        size = int.from_bytes(png[place : place + 4], "big")
        if png[place + 4 : place + 8] == b"IDAT":
            data += png[place + 8 : place + 8 + size]
        place += size + 12
    width = int.from_bytes(png[16:20], "big")
    image = zlib.decompress(data)
    stride = len(image) // int.from_bytes(png[20:24], "big")
    assert stride > width
    return {image[i : i + stride] for i in range(0, len(image), stride)}


@pytest.mark.parametrize("name", ["usual", "deep", "alone", "comparison"])
@pytest.mark.parametrize("width", [400, 1400])
def test_a_page_is_quiet_and_fits(
    browser: Chromium, pages: dict[str, Path], name: str, width: int
) -> None:
    """No console message, no request, nothing wider than the window, something to see."""
    browser.open(pages[name], width)
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert browser.evaluate(overflow) <= 0
    assert len(pixels(browser.screenshot())) > 100
    assert browser.complaints() == []
    assert browser.requests() == []
    assert browser.evaluate("document.querySelectorAll('script').length") == 0


@pytest.mark.parametrize("width", [400, 1400])
def test_text_is_large_enough_to_read(
    browser: Chromium, pages: dict[str, Path], width: int
) -> None:
    """No text is smaller than 12 px, also on a phone and inside pictures."""
    browser.open(pages["usual"], width)
    smallest = (
        "Math.min(...[...document.querySelectorAll('main *')]"
        ".filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))"
        ".filter(e => e.tagName !== 'title')"
        ".map(e => parseFloat(getComputedStyle(e).fontSize)))"
    )
    assert browser.evaluate(smallest) >= 12


CONTRAST = """
(() => {
  const light = c => {
    const [r, g, b] = c.match(/[\\d.]+/g).map(Number).map(v => v / 255)
      .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = e => {
    while (e) {
      const c = getComputedStyle(e).backgroundColor;
      if (c !== 'rgba(0, 0, 0, 0)') return c;
      e = e.parentElement;
    }
    return 'rgb(255, 255, 255)';
  };
  const ratio = e => {
    const ink = e.closest('svg') ? getComputedStyle(e).fill : getComputedStyle(e).color;
    const [a, b] = [light(ink), light(ground(e))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  };
  return Math.min(...[...document.querySelectorAll('main *')]
    .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
    .filter(e => e.tagName !== 'title').map(ratio));
})()
"""


@pytest.mark.parametrize("name", ["usual", "comparison"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out(browser: Chromium, pages: dict[str, Path], scheme: str, name: str) -> None:
    """Every text has at least the contrast 4.5 that WCAG asks for (level AA)."""
    browser.open(pages[name], scheme=scheme)
    assert browser.evaluate(CONTRAST) >= 4.5


def test_paper_is_white_also_for_readers_in_the_dark(
    browser: Chromium, pages: dict[str, Path]
) -> None:
    """Printing uses the light colours whatever the screen shows, and text stands out on them."""
    browser.open(pages["usual"], width=720, scheme="dark", media="print")
    ground = "getComputedStyle(document.querySelector('main')).backgroundColor"
    assert browser.evaluate(ground) == "rgb(255, 255, 255)"
    assert browser.evaluate(CONTRAST) >= 4.5


OVERLAP = """
(() => {
  const texts = [...document.querySelectorAll('svg.axis')]
    .map(svg => [...svg.querySelectorAll('text')].map(t => t.getBoundingClientRect()));
  return texts.some(row => row.some((box, i) => i > 0 && box.left < row[i - 1].right + 2));
})()
"""


@pytest.mark.parametrize("width", [400, 720, 920, 1400])
@pytest.mark.parametrize("name", ["usual", "deep"])
def test_labels_of_an_axis_do_not_touch(
    browser: Chromium, pages: dict[str, Path], width: int, name: str
) -> None:
    """Ticks of the logarithmic axis stay apart at every width."""
    browser.open(pages[name], width)
    assert browser.evaluate("document.querySelectorAll('svg.axis text').length") >= 3
    assert browser.evaluate(OVERLAP) is False


def test_dark_is_dark(browser: Chromium, pages: dict[str, Path]) -> None:
    """The page follows the reader's choice of colour scheme."""
    ground = "getComputedStyle(document.querySelector('main')).backgroundColor"
    browser.open(pages["usual"], scheme="light")
    assert browser.evaluate(ground) == "rgb(255, 255, 255)"
    browser.open(pages["usual"], scheme="dark")
    red, *_ = browser.evaluate(ground).removeprefix("rgb(").split(",")
    assert int(red) < 40


def test_the_page_prints(browser: Chromium, pages: dict[str, Path]) -> None:
    """Printing gives a document of a few pages."""
    browser.open(pages["usual"])
    document = base64.b64decode(browser.call("Page.printToPDF")["data"])
    assert document.startswith(b"%PDF")
    assert 2 <= document.count(b"/Type /Page\n") <= 15


def test_the_checks_notice_a_script_and_a_request(
    browser: Chromium, pages: dict[str, Path]
) -> None:
    """A page that is not like ours is found out: its console message and its request are seen."""
    page = pages["usual"].with_name("other.html")
    page.write_text(
        "<!DOCTYPE html><title>x</title><img src='missing.png'><script>console.log(1)</script>"
    )
    browser.open(page)
    assert browser.complaints()
    assert any(url.endswith("missing.png") for url in browser.requests())


def test_the_policy_stops_what_should_slip_in(browser: Chromium, pages: dict[str, Path]) -> None:
    """Even if markup got into the page, the policy lets it run nothing and load nothing."""
    page = pages["usual"].with_name("injected.html")
    attack = "<script>window.hit = 1</script><img src='missing.png' onerror='window.hit = 1'>"
    text = pages["usual"].read_text(encoding="utf-8")
    page.write_text(text.replace("<main>", f"<main>{attack}"), encoding="utf-8")
    browser.open(page)
    assert browser.evaluate("window.hit === undefined")
    assert browser.complaints()
