"""Makes the pictures of README and docs/ anew, from the programs as they are.

    python tests/pictures.py [window] [roles] [console] [clinic] [cis2] [report] [tray] [screens]

Needs what the window and the pages are tested with: Xvfb, xdotool, imagemagick, chromium, chromium-driver, selenium and
aiohttp. Look at what comes out before it is committed.

`screens` (tox -e pictures) are all screens of a shared PC, in each language, size of text and of monitor, under
build/screens/, with a sheet of each kind; those that README shows go to docs/pictures/.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from examples.made_up_client import MadeUpClient, SignInFailed  # noqa: E402
from examples.serve_ward_list import CLIENT, serving  # noqa: E402
from examples.ward_list_in_a_hurry import WardListInAHurry  # noqa: E402
from support.browser import own_chromium  # noqa: E402
from support.emulator import SELECT_PIV, EmulatorProgram  # noqa: E402
from support.emulator_links import CardReader  # noqa: E402
from support.machine import TIED_TO_THE_RUN, stop, wait_until  # noqa: E402
from support.screen import Display, own_display  # noqa: E402
from support.spine_client import Card, Client  # noqa: E402

from agent import LANGUAGES  # noqa: E402
from emulator.service.control import request  # noqa: E402
from spine_stub import SpineStub  # noqa: E402
from spine_stub.clinic.service import Application  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
SCREENS = ROOT / "build" / "screens"
MONITORS = "1024x768", "1920x1080", "3840x2160"
SHOWN = {"passcode-wrong": "en", "change-role": "en", "locked": "en", "waiting": "cy"}  # what README shows of them
SETTLED = 1.0  # seconds until a window or page has drawn what it knows
APDUS = (
    f"{SELECT_PIV}00",
    "00200080",
    "00CB3FFF055C035FC10500",
    "0020008008303030303030FFFF",
    "0020008008313233343536FFFF",
    "0087119E267C2482008120" + "00" * 33,
)
"""Choose PIV, ask for the tries, read the certificate, a wrong passcode, the right one, a signature by 9E."""


class Mistaken(MadeUpClient):
    """Signs the challenge's base64 in place of its bytes."""

    def _sign(self, challenge: bytes, card: Path) -> bytes:
        return super()._sign(base64.b64encode(challenge), card)


def window(screen: Display, log: Path) -> None:
    """The passcode being typed in the demonstration."""
    wait_until(lambda: log.exists() and "authactivate" in log.read_text(), 60, "a card that has been read")
    screen.type("1234")
    take(screen, "window")


def roles(screen: Display, log: Path) -> None:
    """The choice of a role in the demonstration."""
    window(screen, log)
    screen.type("56")
    screen.key("Return")
    wait_until(lambda: "authvalidate" in log.read_text(), 30, "roles")
    take(screen, "roles")


def take(screen: Display, name: str) -> None:
    time.sleep(SETTLED)
    screen.screenshot(PICTURES / f"{name}.png")


def with_demonstration(picture: Callable[[Display, Path], None]) -> None:
    with tempfile.TemporaryDirectory() as folder, own_display() as screen:
        log = Path(folder) / "log"
        command = [sys.executable, "agent.py", "--demo", "--log-level", "debug", "--log-file", str(log)]
        process = subprocess.Popen([*TIED_TO_THE_RUN, *command], cwd=ROOT, env=screen.environment)
        try:
            picture(screen, log)
        finally:
            stop(process)


def console() -> None:
    """A refused sign-in, explained."""
    with SpineStub() as spine, tempfile.TemporaryDirectory() as folder:
        with contextlib.suppress(SignInFailed):
            Mistaken(spine.url, spine.ca_file).sign_in("555000000001", spine.card("three-roles"))
        with own_chromium(Path(folder), "--ignore-certificate-errors") as browser:
            browser.resize(1100, 830)
            browser.open(f"{spine.url}/stub/")
            browser.find("main a[href*='sign-in/']").click()
            time.sleep(SETTLED)
            browser.driver.save_screenshot(str(PICTURES / "console.png"))


def clinic() -> None:
    """Somebody who has signed in to the clinical application: the page has a ticket, as from the extension."""
    with SpineStub() as spine, Application(spine.url, spine.data) as served, tempfile.TemporaryDirectory() as folder:
        client = Client(spine.url, spine.ca_file)
        ticket = client.sign_in(Card.load(spine.data, "one-role"))
        client.get("/saml/RoleSelectionGP.jsp", token=ticket, selectedRoleUid="555100000201")
        with own_chromium(Path(folder), "--ignore-certificate-errors") as browser:
            browser.resize(1000, 700)
            source = f"window.nhsAuth = {{ getToken: (callback) => callback(null, {json.dumps(ticket)}) }};"
            browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": source})
            browser.open(served.url)
            browser.find("#signed-out .go").click()
            browser.find(".tasks")
            time.sleep(SETTLED)
            browser.driver.save_screenshot(str(PICTURES / "clinic.png"))


def cis2() -> None:
    """Who signs in to an application: with a smartcard, or as one of these people."""
    with SpineStub() as spine, tempfile.TemporaryDirectory() as folder:
        asked = {
            "client_id": "example-application", "redirect_uri": "http://127.0.0.1/callback", "response_type": "code",
            "scope": "openid selectedrole", "state": "state", "nonce": "nonce",
        }  # fmt: skip
        with own_chromium(Path(folder), "--ignore-certificate-errors") as browser:
            browser.resize(1000, 860)
            browser.open(f"{spine.cis2.issuer}/authorize?{urlencode(asked)}")
            browser.find("#card:not([hidden])")
            time.sleep(SETTLED)
            browser.driver.save_screenshot(str(PICTURES / "cis2.png"))


def report() -> None:
    """The conformance report of an application with ten faults."""
    with SpineStub() as spine, tempfile.TemporaryDirectory() as folder:
        with serving(spine.url, spine.ca_file, WardListInAHurry) as address:
            command = [
                sys.executable,
                "-m",
                "spine_stub",
                "--data",
                str(spine.data),
                "probe",
                CLIENT,
                "--url",
                spine.url,
            ]
            subprocess.run([*command, "--protected", address, "--signed-in", "Patients of"], cwd=ROOT, check=False)
        with own_chromium(Path(folder), "--ignore-certificate-errors") as browser:
            browser.resize(1100, 900)
            browser.open(f"{spine.url}/stub/cis2/report/{CLIENT}")
            time.sleep(SETTLED)
            browser.driver.save_screenshot(str(PICTURES / "report.png"))


def tray() -> None:
    """A card in the reader, what programs said to it, and others with faults."""
    with SpineStub() as spine, tempfile.TemporaryDirectory() as folder, contextlib.closing(CardReader()) as reader:
        emulator = EmulatorProgram(spine.data, reader.address, None, "--tray", "0")
        try:
            emulator.ready()
            url = str(wait_until(lambda: request(spine.data, command="status")["tray"], what="the tray"))
            emulator.ask("fault", "expired", "slow")
            with reader.answering_in_background():
                emulator.ask("insert", "one-role")
            for apdu in APDUS:
                reader.exchange(apdu)
            with own_chromium(Path(folder)) as browser:
                browser.resize(1280, 900)
                browser.open(url)
                browser.find(".card")
                time.sleep(SETTLED)
                browser.driver.save_screenshot(str(PICTURES / "tray.png"))
        finally:
            stop(emulator.process)


def make_sheet(folder: Path, sheet: Path) -> None:
    """All pictures of a folder on one, small. They are made small one by one: together they are too much for memory."""
    with tempfile.TemporaryDirectory() as small:
        pictures = sorted(folder.glob("*.png"))
        subprocess.run(["mogrify", "-path", small, "-resize", "480x", *map(str, pictures)], check=True)
        shown = [f"{small}/{picture.name}" for picture in pictures]
        tiles = ["-tile", "8x", "-geometry", "+4+4", str(sheet)]
        subprocess.run(["montage", "-label", "%t", *shown, *tiles], check=True)


def screens() -> None:
    """Every screen of a shared PC, and the sheets."""
    for monitor, language, percent in itertools.product(MONITORS, LANGUAGES, ("100", "200")):
        kind = SCREENS / monitor / f"{language}-{percent}"
        command = [sys.executable, "-m", "support.scenes", str(kind), language, percent]
        with own_display(monitor) as screen:
            environment = screen.environment | {"PYTHONPATH": os.pathsep.join(sys.path[:2])}
            subprocess.run([*TIED_TO_THE_RUN, *command], env=environment, check=True)
        make_sheet(kind, SCREENS / f"{monitor}-{kind.name}.jpg")
    for scene, language in SHOWN.items():
        taken = SCREENS / MONITORS[0] / f"{language}-100" / f"{scene}.png"
        shutil.copy(taken, PICTURES / f"kiosk-{scene}.png")


MAKERS: dict[str, Callable[[], None]] = {
    "window": lambda: with_demonstration(window),
    "roles": lambda: with_demonstration(roles),
    "console": console,
    "clinic": clinic,
    "cis2": cis2,
    "report": report,
    "tray": tray,
    "screens": screens,
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usual = ["roles", "console", "clinic", "cis2", "report", "tray"]
    parser.add_argument(
        "wanted", nargs="*", choices=[*MAKERS], default=usual, metavar="PICTURE", help=", ".join(MAKERS)
    )
    for wanted in parser.parse_args().wanted:
        MAKERS[wanted]()
