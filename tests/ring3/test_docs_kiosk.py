"""docs/kiosk.md is followed to the letter in a bare Debian 12 and 13, with a virtual screen; then all is removed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from support.debian import BareDebian
from support.source import ROOT

PAGE = ROOT / "docs" / "kiosk.md"
RELEASES = ("bookworm", "trixie")
# What a desktop has, for a screen and for a broker of the test's own.
SCREEN = "apt-get install -y --no-install-recommends xvfb ./lanyard-testbed_*.deb"
# Prints the name and size of each window that is shown.
WINDOWS = """\
import sys, Xlib.display
root = Xlib.display.Display().screen().root
for window in root.query_tree().children:
    if window.get_attributes().map_state == 2:
        place = window.get_geometry()
        print(place.width, place.height)
"""
SESSION = """\
export XDG_RUNTIME_DIR=/tmp/session
mkdir -m 700 -p $XDG_RUNTIME_DIR
mkfifo /tmp/number
Xvfb -displayfd 3 -screen 0 1024x768x24 -nolisten tcp -noreset 3>/tmp/number >/dev/null 2>&1 &
read number </tmp/number
export DISPLAY=:$number
for n in $(seq 150); do
    python3 /packages/windows.py >/dev/null 2>&1 && break
    sleep 0.2
done
/usr/share/lanyard/kiosk/files/sessions/{name} >/tmp/session.log 2>&1 &
for n in $(seq 150); do
    python3 /packages/windows.py 2>/dev/null | grep -qx '1024 768' && break
    sleep 0.2
done
python3 /packages/windows.py
cat /proc/[0-9]*/cmdline | tr '\\0' ' '
lanyard ticket --no-auth || echo "exit code $?"
cat /tmp/session.log
"""


# Where no daemon and no polkit runs. Says by GetStatus's word what the kiosk's screen shows. While the settings are
# wrong, the agent has no socket.
TRIAL = """\
pcscd --foreground --disable-polkit >/tmp/pcscd.log 2>&1 || pcscd --foreground >/tmp/pcscd.log 2>&1 &
su kiosk -s /bin/bash <<'USER'
export XDG_RUNTIME_DIR=/tmp/session
mkdir -m 700 -p $XDG_RUNTIME_DIR
mkfifo /tmp/number
Xvfb -displayfd 3 -screen 0 1024x768x24 -nolisten tcp -noreset 3>/tmp/number >/dev/null 2>&1 &
read number </tmp/number
export DISPLAY=:$number
cd ~
/usr/share/lanyard/kiosk/files/sessions/bare >/tmp/session.log 2>&1 &
shows() {{
    for n in $(seq 150); do
        status=$(python3 /packages/status.py 2>/dev/null) && [ "$status" = "$1" ] && break
        sleep 0.2
    done
    echo "shows $status"
}}
for n in $(seq 150); do grep -qs 'ca_file is' /tmp/session.log && break; sleep 0.2; done
{spine} >/tmp/spine.log 2>&1 &
for n in $(seq 150); do grep -qs https:// /tmp/spine.log && break; sleep 0.2; done
{run} >/tmp/card.log 2>&1 &
for n in $(seq 150); do lanyard-card status >/dev/null 2>&1 && break; sleep 0.2; done
shows no_card
{insert}
shows passcode
{remove}
shows no_card
cat /tmp/*.log
USER
"""
STATUS = """\
import json, os, socket
with socket.socket(socket.AF_UNIX) as agent:
    agent.connect(os.environ["XDG_RUNTIME_DIR"] + "/lanyard/agent")
    agent.sendall(b'{"method": "lanyard.Agent.GetStatus"}' + bytes(1))
    print(json.loads(agent.recv(4096).rstrip(bytes(1)))["parameters"]["state"])
"""
WITHOUT_CARDS = "## 8. Trying it without smartcards"


def commands(section: str = "") -> list[tuple[str, str]]:
    """Return the page's commands: who runs each, and what; of that section alone, or of the page without it."""
    before, heading, rest = PAGE.read_text().partition(WITHOUT_CARDS)
    this, following, after = rest.partition("\n## ")
    text = this if section else before + following + after
    lines = re.findall("^    ([#$]) (.*)$", text, re.MULTILINE)
    assert heading
    return [({"#": "root", "$": "kiosk"}[user], command) for user, command in lines]


def test_the_page_has_the_commands_that_are_followed() -> None:
    users = [user for user, _ in commands()]
    assert users.count("root") > 15
    assert users.count("kiosk") == 2
    assert [user for user, _ in commands(WITHOUT_CARDS)] == ["root"] * 3 + ["kiosk"] * 4


@pytest.mark.timeout(900)
@pytest.mark.parametrize("release", RELEASES)
def test_a_bare_debian_becomes_a_kiosk_and_a_bare_debian_again(
    release: str, bare_debian: Callable[[str], BareDebian]
) -> None:
    debian = bare_debian(release)
    (*steps, removal) = commands()
    follow(debian, steps)
    starts_its_sessions(debian)
    signs_in_with_the_testbed(debian)
    tries_it_without_cards(debian)
    upgrades(debian)
    user, command = removal
    assert command.startswith("apt-get remove")
    debian.run(command, user)
    is_gone(debian)


def follow(debian: BareDebian, steps: list[tuple[str, str]]) -> None:
    """Run each command, in the folder with the packages or the user's own."""
    for user, command in steps:
        if command.startswith("lanyard doctor"):
            looks(debian, command)
        else:
            debian.run(f"cd {'/packages' if user == 'root' else '~'} && {command}", user)
    assert "gas.example.nhs.uk" in debian.run("lanyard config")
    assert "locked.spine" in debian.run("lanyard --spine https://other.example config", "kiosk")
    key = "/org/gnome/login-screen/enable-smartcard-authentication"
    assert debian.run(f"DCONF_PROFILE=gdm dconf read {key} 2>/dev/null") == "false\n"


def looks(debian: BareDebian, command: str) -> None:
    """The settings are good; the service is bad, because no daemon runs in a chroot. The bundle says it as JSON."""
    said = debian.run(f"cd ~ && {command}", "kiosk", code=None)
    assert "good      settings: The sign-in service is https://gas.example.nhs.uk" in said, said
    assert "BAD       smartcard service: " in said, said
    if "--bundle" in command:
        report = json.loads((debian.root / "home/kiosk" / command.split()[-1]).read_text())
        assert any(package.startswith("lanyard ") for package in report["packages"])
        found = {each["subject"]: each["verdict"] for each in report["findings"]}
        assert found["guardian"] == "good", report


def starts_its_sessions(debian: BareDebian) -> None:
    """Each covers the screen, and answers at its socket that nobody has signed in."""
    debian.run(f"cd /packages && {SCREEN}")
    (debian.root / "packages/windows.py").write_text(WINDOWS)
    for name in ("bare", "openbox"):
        said = debian.run(SESSION.format(name=name), "kiosk")
        assert "1024 768" in said.splitlines(), said
        assert "exit code 11" in said, said
        assert ("openbox --config-file" in said) == (name == "openbox"), said
        assert "lanyard-kiosk hooks" in said, said
        assert "kiosk: journald is not there" in said, said  # the record's one word in a chroot


def signs_in_with_the_testbed(debian: BareDebian) -> None:
    """Settings that are locked keep the demonstration from another sign-in service: they are put away for it."""
    demo = "echo 123456 | lanyard --demo login --json"
    assert "locked" in debian.run(demo, "kiosk", code=2)
    debian.run("mv /etc/lanyard/agent.toml /root/")
    session = json.loads(debian.run(f"{demo} 2>/dev/null", "kiosk"))
    assert len(session["roles"]) == 3
    debian.run("mv /root/agent.toml /etc/lanyard/")


def tries_it_without_cards(debian: BareDebian) -> None:
    """The kiosk as it is set up, but for the address; a chroot's pcscd is started by hand."""
    (debian.root / "packages/status.py").write_text(STATUS)
    *settings, spine, run, insert, remove = commands(WITHOUT_CARDS)
    for user, command in settings:
        debian.run(f"cd /packages && {command}", user)
    each = {"spine": spine, "run": run, "insert": insert, "remove": remove}
    said = debian.run(TRIAL.format(**{name: command for name, (_, command) in each.items()}))
    shown = [line for line in said.splitlines() if line.startswith("shows ")]
    assert "locked.ca_file is /home/kiosk/" in said
    assert shown == ["shows no_card", "shows passcode", "shows no_card"], said


def upgrades(debian: BareDebian) -> None:
    settings = debian.run("cat /etc/lanyard/*")
    debian.run("cd /packages/newer && apt-get install -y --no-install-recommends ./lanyard*_9.9_all.deb")
    assert re.search(r"^ii +lanyard +9\.9", debian.run("dpkg -l lanyard"), re.MULTILINE)
    assert debian.run("cat /etc/lanyard/*") == settings
    debian.run("lanyard --version && lanyard-kiosk --version && lanyard-bridge --version && lanyard-card --version")


def is_gone(debian: BareDebian) -> None:
    """Nothing is left of the package but what the page has put into /etc; the testbed needs it, and goes with it."""
    left = [Path(folder) for folder in ("usr/share/lanyard", "usr/share/doc/lanyard", "usr/bin/lanyard")]
    assert not [str(path) for path in left if (debian.root / path).exists()]
    assert (debian.root / "etc/lanyard/agent.toml").exists()
