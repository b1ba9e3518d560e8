"""docs/testing-with-cis2.md, "Trust the test CA": each program trusts it after what the page says, and not before."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.browser import QUIET
from support.firefox import own_firefox
from support.follower import Follower, commands
from support.installed import ROOT, Installed
from support.machine import need

from spine_stub import SpineStub

TOLD = (
    (ROOT / "docs" / "testing-with-cis2.md").read_text().partition("\n## Trust the test CA\n")[2].partition("\n## ")[0]
)
ADDRESS = "https://127.0.0.1:8443/healthz"
JAVA = """
import java.net.URI;
import java.net.http.*;

class Ask {
    public static void main(String[] words) throws Exception {
        var request = HttpRequest.newBuilder(URI.create(words[0])).build();
        System.out.print(HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).body());
    }
}
"""
PROGRAMS = {
    "CURL_CA_BUNDLE": (["curl"], f"curl -s {ADDRESS}"),
    "REQUESTS_CA_BUNDLE": (["requests"], f"python3 -c 'import requests; print(requests.get(\"{ADDRESS}\").text)'"),
    "SSL_CERT_FILE": (
        [],
        f"python3 -c 'from urllib.request import urlopen; print(urlopen(\"{ADDRESS}\").read().decode())'",
    ),
    "NODE_EXTRA_CA_CERTS": (["node"], f"node -e 'fetch(\"{ADDRESS}\").then((r) => r.text()).then(console.log)'"),
}


@pytest.fixture
def follower(own_network: list[str], installed: Installed, tmp_path: Path) -> Iterator[Follower]:
    found = Follower(own_network, installed, tmp_path)
    found.follow("python3 -m spine_stub")
    yield found
    found.close()


def says_ok(follower: Follower, command: str) -> bool:
    """Whether a program gets the reply; None of them takes a certificate that it does not trust."""
    done = follower.run(command)
    assert done.returncode == 0 or "ok" not in done.stdout.split()
    return "ok" in done.stdout.split()


def test_every_variable_is_told() -> None:
    assert set(re.findall(r"`([A-Z_]+)(?:=[^`]*)?`", TOLD)) == set(PROGRAMS)


@pytest.mark.parametrize("variable", PROGRAMS)
def test_a_program_trusts_it_by_a_variable(follower: Follower, variable: str) -> None:
    needs, command = PROGRAMS[variable]
    need(*needs)
    assert not says_ok(follower, command)
    assert says_ok(follower, f"export {variable}=~/.local/share/lanyard/ca.pem; {command}")


def test_java_trusts_it_by_a_file_of_certificates(follower: Follower) -> None:
    need("java", "keytool")
    (follower.folder / "Ask.java").write_text(JAVA)
    (keytool,) = [command for command in commands(TOLD) if command.startswith("keytool")]
    follower.follow(keytool)
    (options,) = re.findall(r"`java (-D[^`]*)`", TOLD)
    assert not says_ok(follower, f"java Ask.java {ADDRESS}")
    assert says_ok(follower, f"java {options} Ask.java {ADDRESS}")


def test_chromium_trusts_it_by_its_database_until_it_is_taken_out(follower: Follower) -> None:
    need("certutil", "chromium")
    browse = f"timeout 60 chromium {' '.join(QUIET)} --headless --dump-dom {ADDRESS} | sed 's/<[^>]*>/ /g'"
    assert not says_ok(follower, browse)
    for command in commands(TOLD):
        if not command.startswith("keytool"):
            follower.follow(command)
    assert says_ok(follower, browse)
    (out,) = re.findall(r"`(certutil .*? -D .*?)`", TOLD)
    follower.follow(out)
    assert not says_ok(follower, browse)


def test_firefox_trusts_it_by_a_policy(spine_stub: SpineStub, tmp_path: Path) -> None:
    need("firefox-esr", "websocket")
    (policy,) = re.findall(r'^    (\{"policies".*)$', TOLD, re.MULTILINE)
    told = json.loads(policy)["policies"]
    told["Certificates"]["Install"] = [str(spine_stub.ca_file)]
    with own_firefox(tmp_path, told) as firefox:
        firefox.open(f"{spine_stub.url}/healthz")
        assert firefox.run("document.body.innerText").strip() == "ok"


def test_a_command_for_the_whole_system_is_debians() -> None:
    (command,) = re.findall(r"^    # (.*)$", TOLD, re.MULTILINE)
    program = command.split("&&")[-1].strip()
    assert subprocess.run(["which", program], capture_output=True, check=False).returncode == 0
    assert "/usr/local/share/ca-certificates/lanyard.crt" in command
