"""A real Chromium without a window, started once for the test run and given to each test as new.

    def test_page(browser: Browser) -> None:
        browser.open("http://127.0.0.1:8036/")
        browser.find("h1")                              # waits for it
        browser.press(Keys.TAB, Keys.ENTER)             # as a person at the keyboard
        browser.resize(360, 740)
        browser.screenshot(folder / "phone.png")        # the whole page

Debian's `chromium` and `chromium-driver`, driven by selenium. Nothing is ever downloaded.
"""

from __future__ import annotations

import base64
import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.machine import need, program, wait_until

# No sandbox: CI is root in a container. The rest keeps Chromium from talking to anybody but us.
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-proxy-server",
)
# By a pipe, chromedriver finds Chromium also where no name localhost is known.
ARGUMENTS = (*QUIET, "--headless", "--remote-debugging-pipe", "--hide-scrollbars", "--force-color-profile=srgb")
SIZE = (1280, 900)

# Every element with text of its own that can be seen, its colours, and what is behind it.
TEXT_COLOURS = (Path(__file__).with_name("text_colours.js")).read_text()


class Browser:
    """One Chromium; `driver` is selenium's, for what is not here."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        """Go to a page and wait until it is loaded."""
        self.driver.get(url)

    def find(self, selector: str, deadline: float = 10.0) -> Any:
        """Return the first element for a CSS selector, as soon as there is one."""
        return wait_until(lambda: next(iter(self.all(selector)), None), deadline, selector)

    def all(self, selector: str) -> list[Any]:
        """Return the elements that there are now for a CSS selector."""
        return self.driver.find_elements("css selector", selector)

    def text(self, selector: str = "body") -> str:
        """Return what a person reads in the first such element; nothing when it is not there."""
        return str(self.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector))

    def wait(self, condition: Callable[[], Any], deadline: float = 10.0, what: str = "the page") -> Any:
        """Return the condition's first true value, or fail with what the page says."""
        try:
            return wait_until(condition, deadline, what)
        except pytest.fail.Exception as failure:
            pytest.fail(f"{failure}; the page says:\n{self.text()}", pytrace=False)

    def wait_for_text(self, text: str, selector: str = "body", deadline: float = 10.0) -> None:
        """Wait until an element says something."""
        self.wait(lambda: text in self.text(selector), deadline, f'"{text}" in {selector}')

    def press(self, *keys: str) -> None:
        """Press keys, one after another, wherever the keyboard is."""
        from selenium.webdriver import ActionChains

        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def focused(self) -> Any:
        """Return the element that has the keyboard."""
        return self.driver.switch_to.active_element

    def run(self, script: str, *arguments: Any) -> Any:
        """Run JavaScript in the page, return what it returns."""
        return self.driver.execute_script(script, *arguments)

    def run_async(self, script: str, *arguments: Any) -> Any:
        """Run JavaScript that calls its last argument, a function, with what to return."""
        return self.driver.execute_async_script(script, *arguments)

    def prefer(self, colours: str) -> None:
        """Be a browser whose user likes pages "light" or "dark"."""
        features = [{"name": "prefers-color-scheme", "value": colours}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def resize(self, width: int, height: int, zoom: float = 1) -> None:
        """Be a screen of this many pixels, on which pages are zoomed as by Ctrl and +."""
        size = {"width": round(width / zoom), "height": round(height / zoom), "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**size, "deviceScaleFactor": zoom})

    def screenshot(self, path: Path) -> None:
        """Write a picture of the whole page, also of what one would have to scroll to."""
        taken = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True})
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(taken["data"]))

    def wider_than_the_screen(self) -> list[str]:
        """Return what sticks out on the right of the page, or of a part that would have to scroll sideways."""
        return list(
            self.run(
                """
                const sticksOut = (box) => {
                  const edge = box.getBoundingClientRect().left + box.clientLeft + box.clientWidth + 1;
                  return [...box.querySelectorAll("*")].filter((e) => e.getBoundingClientRect().right > edge);
                };
                return [document.documentElement, ...document.querySelectorAll("body, body *")]
                  .filter((box) => box.checkVisibility() && box.scrollWidth > box.clientWidth + 1
                    && (box === document.documentElement || getComputedStyle(box).overflowX !== "visible"))
                  .flatMap(sticksOut).map((e) => e.outerHTML.slice(0, 120));
                """
            )
        )

    def low_contrast(self, least: float = 4.5) -> list[str]:
        """Return every visible text whose contrast with what is behind it is below `least` (WCAG 2.1, 1.4.3)."""
        found = {(entry["text"], contrast(entry["colour"], entry["behind"])) for entry in self.run(TEXT_COLOURS)}
        return sorted(f"{ratio:.2f} {text}" for text, ratio in found if ratio < least)

    def console(self) -> list[str]:
        """Return the errors and warnings of the page's console since the last call."""
        return [f"{entry['level']}: {entry['message']}" for entry in self.driver.get_log("browser")]

    def forget(self) -> None:
        """Be as new: one empty tab, no cookies, no storage, the usual size."""
        first, *others = self.driver.window_handles
        for handle in others:
            self.driver.switch_to.window(handle)
            self.driver.close()
        self.driver.switch_to.window(first)
        self.driver.get("about:blank")
        self.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
        self.driver.execute_cdp_cmd("Storage.clearDataForOrigin", {"origin": "*", "storageTypes": "all"})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        self.resize(*SIZE)
        self.console()


def contrast(one: list[float], other: list[float]) -> float:
    """Return the contrast ratio of two colours, each red, green, blue from 0 to 255 (WCAG 2.1)."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: list[float]) -> float:
    parts = [part / 255 for part in colour]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _at_loopback(service: type[Any]) -> type[Any]:
    """Selenium asks for `localhost`, which a bare Debian without a hosts file does not know."""

    class Service(service):  # type: ignore[misc]
        @property
        def service_url(self) -> str:
            return f"http://127.0.0.1:{self.port}"

        def is_connectable(self) -> bool:
            from selenium.webdriver.common.utils import is_connectable

            return bool(is_connectable(self.port, "127.0.0.1"))

    return Service


@contextlib.contextmanager
def own_chromium(
    profile: Path, *arguments: str, home: Path | None = None, binary: Path | None = None
) -> Iterator[Browser]:
    """Run a Chromium with a new profile; `home` is where it looks for .pki/nssdb, `binary` what is started for it."""
    need("chromium", "chromedriver", "selenium")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(binary or program("chromium"))
    options.set_capability("goog:loggingPrefs", {"browser": "WARNING"})
    for argument in (*ARGUMENTS, f"--user-data-dir={profile}", *arguments):
        options.add_argument(argument)
    environment = {**os.environ, "NO_PROXY": "127.0.0.1,localhost", "HOME": str(home or profile)}
    path = str(program("chromedriver"))
    service = _at_loopback(webdriver.ChromeService)(
        executable_path=path, env=environment, log_output=subprocess.DEVNULL
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")  # selenium itself talks to chromedriver by HTTP
        driver = webdriver.Chrome(options, service)
        try:
            driver.set_page_load_timeout(30)
            driver.set_script_timeout(30)
            yield Browser(driver)
        finally:
            driver.quit()


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The test run's one Chromium. Tests want `browser`, which is the same, emptied."""
    with own_chromium(tmp_path_factory.mktemp("chromium")) as started:
        yield started


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """Yield a Chromium that remembers nothing of the test before."""
    chromium.forget()
    yield chromium
    chromium.driver.get("about:blank")  # hangs up on servers that are about to end
