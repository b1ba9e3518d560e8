"""The pages for JUnit and Playwright: their files are compiled and run, but for what needs Testcontainers."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.cis2 import Application
from support.cis2_logout import LogoutAddress
from support.follower import Follower, commands
from support.installed import ROOT, Installed
from support.machine import need, program, unavailable
from support.pages import Page, files_of
from support.programs import npm_environment

from spine_stub import SpineStub

JUNIT, PLAYWRIGHT = (ROOT / "docs" / f"cis2-{name}.md" for name in ("junit", "playwright"))
TOKEN = "0123456789abcdef-of-these-tests"
# Does with Cis2 what SignInTest on the page does; the application signs in between two lines that it reads.
MAIN = """
class Main {
    public static void main(String[] words) throws Exception {
        var ca = java.nio.file.Files.readAllBytes(java.nio.file.Path.of(words[1]));
        var cis2 = new Cis2(words[0], ca, words[2]);
        cis2.reset();
        cis2.register(words[3]);
        cis2.signIn("555000000002");
        System.out.println("arranged");
        System.in.read();
        cis2.cardOut("555000000002");
        System.out.println(cis2.logouts("mine"));
        System.out.println(cis2.report("mine"));
        try {
            cis2.signIn("nobody");
        } catch (java.io.IOException wrong) {
            System.out.println(wrong.getMessage());
        }
    }
}
"""


def test_java_uses_the_control_api(
    spine_stub_factory: Callable[..., SpineStub], logout_address: LogoutAddress, tmp_path: Path
) -> None:
    need("javac", "java")
    token = tmp_path / "token"
    token.touch(0o600)
    token.write_text(TOKEN)
    spine = spine_stub_factory(control_token=token)
    (tmp_path / "Cis2.java").write_text(dict(files_of(Page.read(JUNIT)))["Cis2.java"])
    (tmp_path / "Main.java").write_text(MAIN)
    subprocess.run(["javac", "-Xlint:all", "-Werror", "Cis2.java", "Main.java"], cwd=tmp_path, check=True)
    client = (
        '{"id": "mine", "secret": "secret-of-mine", "redirect_uris": ["http://127.0.0.1/callback"], '
        f'"backchannel_logout_uri": "{logout_address.url}"}}'
    )
    command = ["java", "-cp", str(tmp_path), "Main", spine.url, str(spine.ca_file), TOKEN, client]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as java:
        assert java.stdout
        assert java.stdout.readline() == "arranged\n"
        application = Application(spine.url, spine.ca_file, id="mine", secret="secret-of-mine")
        application.token(application.code(login_hint=None))
        said, _ = java.communicate("\n", timeout=60)
    assert '"status":200' in said
    assert '<testsuite name="CIS2 conformance of mine"' in said
    assert 'says 400: {"error":"nobody who may sign in has the uid \'nobody\'"}' in said


@pytest.fixture
def follower(own_network: list[str], installed: Installed, tmp_path: Path) -> Iterator[Follower]:
    found = Follower(own_network, installed, tmp_path)
    yield found
    found.close()


@pytest.mark.timeout(300)
def test_playwright_signs_in_and_pulls_the_card(follower: Follower) -> None:
    need("node", "npm", "chromium")
    for name, text in files_of(Page.read(PLAYWRIGHT)):
        (follower.folder / name).write_text(text)
    install, run = commands(PLAYWRIGHT.read_text())
    # npm looks into the network of the machine, not into the one that has nothing but loopback.
    done = subprocess.run(
        [*install.split(), "--no-audit", "--no-fund"], cwd=follower.folder, capture_output=True, text=True,
        env=npm_environment(), timeout=100, check=False,
    )  # fmt: skip
    if done.returncode:
        unavailable(f"npm cannot get Playwright: {done.stderr[-500:]}")
    run = run.replace("/usr/bin/chromium", program("chromium") or "")
    assert "3 passed" in follower.follow(run)
