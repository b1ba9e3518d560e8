"""Looks at a page as its readers have it: light and dark, on a phone and on a projector."""

from __future__ import annotations

from pathlib import Path

from support.browser import Browser

SIZES = {"phone": (360, 740), "small": (1024, 768), "projector": (1920, 1080)}
BROKEN = r"""return [...document.querySelectorAll('button, time, td, td > *')].filter(element => {
    const text = element.innerText.trim();
    const range = document.createRange();
    range.selectNodeContents(element);
    const lines = new Set([...range.getClientRects()].map(box => Math.round(box.bottom / 8)));
    const isWord = /^(\S{1,20}|\d+ \w+, [\d:]+)$/.test(text);
    return element.children.length == 0 && isWord && lines.size > 1;
}).map(element => element.innerText)"""
"""Single words, times and uids that are on more than one line."""


def look(browser: Browser, url: str, pictures: Path) -> list[str]:
    """What is wrong with a page, light and dark, small and large; a picture is kept where something is."""
    wrong: list[str] = []
    for scheme in ("light", "dark"):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        for name, size in SIZES.items():
            browser.resize(*size)
            browser.open(url)
            browser.run("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
            found = browser.wider_than_the_screen() + browser.low_contrast() + browser.console() + browser.run(BROKEN)
            wrong += [f"{scheme} {name}: {what}" for what in found]
            if found:
                browser.screenshot(pictures / f"{scheme}-{name}.png")
    return wrong
