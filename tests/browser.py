"""A headless Chromium, driven over a pipe by its own protocol: no driver, no port, no library."""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
WIDE, NARROW = (1400, 900), (360, 740)
_SECONDS = 120.0
_CONTRASTS = """(() => {
    const luminance = (colour) => {
        const linear = colour.map((c) => c / 255).map((c) =>
            c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    };
    const parsed = (text) => text.match(/[0-9.]+/g).map(Number);
    const behind = (element) => {
        for (let e = element; e; e = e.parentElement) {
            const colour = parsed(getComputedStyle(e).backgroundColor);
            if (colour.length === 3 || colour[3] === 1) return colour.slice(0, 3);
        }
        return [255, 255, 255];
    };
    const own = (element) => [...element.childNodes].some((node) =>
        node.nodeType === 3 && node.data.trim());
    return [...document.querySelectorAll("body *")].filter((element) =>
        own(element) && element.offsetParent && !["SCRIPT"].includes(element.tagName))
    .map((element) => {
        const colours = [parsed(getComputedStyle(element).color), behind(element)];
        const [a, b] = colours.map(luminance).sort((one, other) => one - other);
        return [(b + 0.05) / (a + 0.05), element.textContent.slice(0, 40)];
    });
})()"""
_OUTSIDE = """[...document.querySelectorAll("body *")].filter((element) => {
    const box = element.getBoundingClientRect();
    const scrolls = SCROLLING && element.parentElement.closest(SCROLLING);
    return box.width && !scrolls && (box.right > innerWidth + 0.5 || box.left < -0.5);
}).map((element) => `${element.tagName} ${element.id} ${element.className}`)"""


class BrowserError(Exception):
    """The browser ended, did not answer, or a script in the page failed."""


def found() -> str | None:
    """The path of a Chromium, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One page in a Chromium of its own; `errors` are what went wrong in the page by itself."""

    def __init__(self, executable: str) -> None:
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._profile = tempfile.mkdtemp(prefix="hinton06-browser-")
        from_us, to_browser = os.pipe()
        from_browser, to_us = os.pipe()
        # The browser reads what is its file 3, and writes to its file 4.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (from_us, to_us)]

        def place() -> None:
            for number, end in enumerate(ends, 3):
                os.dup2(end, number)

        arguments = [
            executable, "--headless=new", "--remote-debugging-pipe", "--no-first-run",
            "--disable-gpu", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars",
            "--disable-extensions", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--force-color-profile=srgb",
            f"--user-data-dir={self._profile}", "about:blank",
        ]  # fmt: skip
        self._process = subprocess.Popen(
            arguments, close_fds=False, preexec_fn=place,  # noqa: PLW1509  # no threads start here
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": self._profile},
        )  # fmt: skip
        for end in (from_us, to_us, *ends):
            os.close(end)
        self._to, self._from = to_browser, from_browser
        self._numbers = itertools.count(1)
        self._received = b""
        self._session: str | None = None
        try:
            self._attach()
        except BrowserError:
            self.close()
            raise

    def _attach(self) -> None:
        pages = self.call("Target.getTargets")["targetInfos"]
        target = next(page["targetId"] for page in pages if page["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        """End the browser and remove what it kept."""
        self._session = None
        try:
            self.call("Browser.close")
            self._process.wait(10)
        except (BrowserError, OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        os.close(self._to)
        os.close(self._from)
        shutil.rmtree(self._profile, ignore_errors=True)

    # -- the protocol ----------------------------------------------------------------------------

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """What the browser answers to one command."""
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._write(json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + _SECONDS
        while True:
            answer = self._read(deadline)
            if answer.get("id") == number:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error']['message']}")
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer)

    def _write(self, content: bytes) -> None:
        while content:
            content = content[os.write(self._to, content) :]

    def _read(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._received:
            if not select.select([self._from], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise BrowserError("the browser does not answer")
            content = os.read(self._from, 1 << 20)
            if not content:
                raise BrowserError("the browser has ended")
            self._received += content
        message, _, self._received = self._received.partition(b"\0")
        read: dict[str, Any] = json.loads(message)
        return read

    def _note(self, event: dict[str, Any]) -> None:
        values = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            details = values["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif event.get("method") == "Log.entryAdded" and values["entry"]["level"] == "error":
            self.errors.append(values["entry"]["text"])
        elif event.get("method") == "Network.requestWillBeSent":
            self.requests.append(values["request"]["url"])

    # -- the page --------------------------------------------------------------------------------

    def view(
        self, size: tuple[int, int], dark: bool = False, calm: bool = False, ratio: float = 1,
        media: str = "",
    ) -> None:  # fmt: skip
        """The window, its colours, whether movement is unwelcome; a narrow one is touched.

        `media`: ``"print"`` shows the page as it is on paper.
        """
        width, height = size
        narrow = size == NARROW
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=ratio, mobile=narrow)  # fmt: skip
        self.call("Emulation.setTouchEmulationEnabled", enabled=narrow)
        features = {
            "prefers-color-scheme": "dark" if dark else "light",
            "prefers-reduced-motion": "reduce" if calm else "no-preference",
        }
        self.call("Emulation.setEmulatedMedia", media=media,
                  features=[{"name": n, "value": v} for n, v in features.items()])  # fmt: skip

    def open(self, path: Path, ready: str) -> None:
        """Load a file, and wait until an expression is true in it."""
        self.errors.clear()
        self.requests.clear()
        self.call("Page.navigate", url=path.resolve().as_uri())
        self.wait(ready)

    def wait(self, condition: str) -> None:
        """Until an expression is true in the page."""
        end = time.monotonic() + _SECONDS
        while not self.run(f"Boolean({condition})"):
            if time.monotonic() > end:
                raise BrowserError(f"{condition} does not become true; {self.errors}")
            time.sleep(0.05)

    def run(self, script: str) -> Any:
        """The value of an expression in the page, awaited where it is a promise."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True,
                           awaitPromise=True, userGesture=True)  # fmt: skip
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise BrowserError(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    def contrasts(self) -> list[tuple[float, str]]:
        """How each piece of text stands out against what is behind it, as WCAG 2.1 has it."""
        found: list[tuple[float, str]] = self.run(_CONTRASTS)
        return found

    def outside(self, scrolling: str = "") -> list[str]:
        """Elements that are wider than the window, but for what is in boxes that scroll."""
        found: list[str] = self.run(_OUTSIDE.replace("SCROLLING", json.dumps(scrolling)))
        return found

    def screenshot(self, path: Path, full: bool = True) -> None:
        """The page as a PNG file, all of it or what is in the window."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=full)
        path.write_bytes(base64.b64decode(shot["data"]))

    def middle(self, selector: str) -> tuple[float, float]:
        """The middle of an element, which is brought into the window and stands still there.

        What is clicked before the page is drawn anew, is clicked where it no longer is: it must be
        in one place for two frames, and on top of all else there.
        """
        box = self.run(
            f"(async () => {{ const e = document.querySelector({json.dumps(selector)});"
            "const frame = () => new Promise((drawn) => requestAnimationFrame(drawn));"
            "e.scrollIntoView({block: 'center', behavior: 'instant'});"
            "for (let before = '', left = 100; left; left--) {"
            "  await frame(); await frame();"
            "  const b = e.getBoundingClientRect();"
            "  const at = [b.left + b.width / 2, b.top + b.height / 2];"
            "  const top = document.elementFromPoint(...at);"
            "  if (`${at}` === before && (e.contains(top) || top?.contains(e))) return at;"
            "  before = `${at}`;"
            "} throw Error('it never stands still in the window'); })()"
        )
        return float(box[0]), float(box[1])

    def click(self, selector: str) -> None:
        """As a mouse does."""
        x, y = self.middle(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.mouse(kind, x, y)

    def mouse(self, kind: str, x: float, y: float) -> None:
        """One event of a mouse's first button."""
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1,
                  clickCount=0 if kind == "mouseMoved" else 1)  # fmt: skip

    def touch(self, kind: str, *point: float) -> None:
        """One event of a finger: touchStart, touchMove or touchEnd."""
        points = [{"x": point[0], "y": point[1]}] if point else []
        self.call("Input.dispatchTouchEvent", type=kind, touchPoints=points)

    def key(self, name: str) -> None:
        """Press and release a key, by its name in JavaScript."""
        code = {"Tab": 9, "Enter": 13, " ": 32, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39,
                "ArrowDown": 40, "Backspace": 8}[name]  # fmt: skip
        text = {" ": " ", "Enter": "\r"}.get(name, "")
        press = {"key": name, "windowsVirtualKeyCode": code}
        kind = "keyDown" if text else "rawKeyDown"
        self.call("Input.dispatchKeyEvent", type=kind, text=text, **press)
        self.call("Input.dispatchKeyEvent", type="keyUp", **press)
