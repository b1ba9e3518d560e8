"""`bridge doctor` on a PC where all is well, and on it with one link broken: each has its own name and cure."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest
from support.bridge_pc import PC, write
from support.native_host import CHROMIUM_ID, LISTED
from support.source import ROOT

from bridge.doctor.cli import in_words
from bridge.doctor.examine import examine
from bridge.doctor.findings import Broken, Fault
from bridge.doctor.services import check_port, check_port_service


def test_a_pc_where_all_is_well(pc: PC) -> None:
    findings = list(examine(pc.around))
    assert [finding for finding in findings if finding.fault] == []
    assert len(findings) == 12
    assert all(in_words(finding).startswith("ok ") for finding in findings)


def settings_broken(pc: PC) -> None:
    pc.settings.write_text("origins = [")


def no_origins(pc: PC) -> None:
    pc.settings.write_text("")


def no_browser(pc: PC) -> None:
    for program in ("chromium", "firefox"):
        (pc.folder / "bin" / program).unlink()


def snap_browser(pc: PC) -> None:
    write(pc.folder / "bin/chromium", '#!/bin/sh\nexec /snap/bin/chromium "$@"\n')
    write(pc.folder / "root/snap/bin/chromium", "")


def flatpak_browser(pc: PC) -> None:
    (pc.folder / "bin/firefox").unlink()
    write(pc.folder / "home/.local/share/flatpak/exports/bin/org.mozilla.firefox", "")


def no_manifest(pc: PC) -> None:
    pc.manifest.unlink()


def not_json(pc: PC) -> None:
    pc.manifest.write_text("{")


def of_another_kind(pc: PC) -> None:
    pc.change(pc.manifest, name="org.example")


def wrong_path(pc: PC) -> None:
    pc.change(pc.manifest, path="/nowhere/native-host")


def relative_path(pc: PC) -> None:
    pc.change(pc.manifest, path="native-host")


def wrong_extension(pc: PC) -> None:
    pc.change(pc.manifest, allowed_origins=[f"chrome-extension://{'a' * 32}/"])


def extension_as_text(pc: PC) -> None:
    pc.change(pc.manifest, allowed_origins=f"chrome-extension://{CHROMIUM_ID}/")


def not_executable(pc: PC) -> None:
    pc.wrapper.chmod(0o644)


def crashes(pc: PC) -> None:
    pc.wrapper.write_text("#!/bin/sh\necho 'No module named bridge' >&2\nexit 1\n")


def no_interpreter(pc: PC) -> None:
    pc.wrapper.write_text("#!/nowhere/python\n")


def says_rubbish(pc: PC) -> None:
    pc.wrapper.write_text("#!/bin/sh\necho hello\n")


def never_ends(pc: PC) -> None:
    pc.wrapper.write_text("#!/bin/sh\nexec /usr/bin/yes\n")


def old_program(pc: PC) -> None:
    answer = '{"success": true, "data": {"version": "0.0.1"}}'
    pc.wrapper.write_text(f"#!/bin/sh\nprintf '\\0{len(answer):o}\\0\\0\\0{answer}'\n")


def no_extension(pc: PC) -> None:
    pc.preferences.write_text("{}")


def no_profile(pc: PC) -> None:
    pc.preferences.unlink()


def no_extension_in_firefox(pc: PC) -> None:
    write(pc.folder / "home/.mozilla/firefox/abc.default/extensions.json", '{"addons": [5]}')


def extension_off(pc: PC) -> None:
    pc.change(pc.preferences, extensions={"settings": {CHROMIUM_ID: {"path": "x", "disable_reasons": [1]}}})


def old_extension(pc: PC) -> None:
    pc.change(pc.preferences.parent / "Extensions/x/manifest.json", version="0.0.1")


def policy_blocks_host(pc: PC) -> None:
    pc.policy("etc/chromium/policies/managed/hosts.json", {"NativeMessagingBlocklist": ["*"]})


def policy_blocks_users_hosts(pc: PC) -> None:
    pc.policy("etc/chromium/policies/managed/hosts.json", {"NativeMessagingUserLevelHosts": False})


def policy_blocks_extensions(pc: PC) -> None:
    pc.policy("etc/chromium/policies/managed/x.json", {"ExtensionInstallBlocklist": ["*"]})


def policy_blocks_in_firefox(pc: PC) -> None:
    settings = {"ExtensionSettings": {"*": {"installation_mode": "blocked"}}}
    pc.policy("etc/firefox/policies/policies.json", {"policies": settings})


def agent_not_running(pc: PC) -> None:
    pc.agent.close()


def no_runtime_folder(pc: PC) -> None:
    del pc.environment["XDG_RUNTIME_DIR"]


def agent_of_another_version(pc: PC) -> None:
    pc.agent.answers = lambda _: {"error": "org.varlink.service.MethodNotFound", "parameters": {}}


def nobody_signed_in(pc: PC) -> None:
    pc.agent.answers = lambda _: {"parameters": {"state": "no_card"}}


def loopback_denied(pc: PC) -> None:
    denied = {"loopback_network": {f"{LISTED}:443,*": {"setting": 2}}}
    pc.change(pc.preferences, profile={"content_settings": {"exceptions": denied}})


def loopback_denied_by_policy(pc: PC) -> None:
    pc.policy("etc/chromium/policies/managed/x.json", {"LoopbackNetworkBlockedForUrls": [LISTED]})


FAULTS: list[tuple[Callable[[PC], None], Fault]] = [
    (settings_broken, Fault.SETTINGS_BROKEN),
    (no_origins, Fault.NO_ORIGINS),
    (no_browser, Fault.NO_BROWSER),
    (snap_browser, Fault.CAGED_BROWSER),
    (flatpak_browser, Fault.CAGED_BROWSER),
    (no_manifest, Fault.NO_MANIFEST),
    (not_json, Fault.MANIFEST_NOT_JSON),
    (of_another_kind, Fault.MANIFEST_NOT_JSON),
    (wrong_path, Fault.MANIFEST_WRONG_PATH),
    (relative_path, Fault.MANIFEST_WRONG_PATH),
    (wrong_extension, Fault.MANIFEST_WRONG_EXTENSION),
    (extension_as_text, Fault.MANIFEST_WRONG_EXTENSION),
    (not_executable, Fault.HOST_NOT_EXECUTABLE),
    (crashes, Fault.HOST_CRASHES),
    (no_interpreter, Fault.HOST_CRASHES),
    (says_rubbish, Fault.HOST_CRASHES),
    (never_ends, Fault.HOST_CRASHES),
    (old_program, Fault.VERSION_MISMATCH),
    (no_extension, Fault.EXTENSION_MISSING),
    (no_profile, Fault.EXTENSION_MISSING),
    (no_extension_in_firefox, Fault.EXTENSION_MISSING),
    (extension_off, Fault.EXTENSION_DISABLED),
    (old_extension, Fault.EXTENSION_OLD),
    (policy_blocks_host, Fault.POLICY_FORBIDS_HOST),
    (policy_blocks_users_hosts, Fault.POLICY_FORBIDS_HOST),
    (policy_blocks_extensions, Fault.POLICY_FORBIDS_EXTENSION),
    (policy_blocks_in_firefox, Fault.POLICY_FORBIDS_EXTENSION),
    (agent_not_running, Fault.AGENT_NOT_RUNNING),
    (no_runtime_folder, Fault.NO_SESSION_FOLDER),
    (agent_of_another_version, Fault.AGENT_BROKEN),
    (nobody_signed_in, Fault.NOBODY_SIGNED_IN),
    (loopback_denied, Fault.LOOPBACK_DENIED),
    (loopback_denied_by_policy, Fault.LOOPBACK_DENIED),
]


@pytest.mark.parametrize(("broken", "fault"), FAULTS, ids=[each.__name__ for each, _ in FAULTS])
def test_each_broken_link_has_its_own_name(pc: PC, broken: Callable[[PC], None], fault: Fault) -> None:
    broken(pc)
    assert pc.faults() == {fault}


def test_a_crash_is_told_with_its_last_words(pc: PC) -> None:
    crashes(pc)
    assert "ended with 1: No module named bridge" in "\n".join(map(in_words, examine(pc.around)))


@pytest.mark.parametrize("does", ["exec /bin/sleep 600", "/bin/sleep 600; true", "exec /usr/bin/yes >&2"])
def test_a_program_that_never_answers_is_given_up(pc: PC, monkeypatch: pytest.MonkeyPatch, does: str) -> None:
    monkeypatch.setattr("bridge.doctor.hosts.SECONDS", 0.2)
    pc.wrapper.write_text(f"#!/bin/sh\n{does}\n")
    assert pc.faults() == {Fault.HOST_MUTE}


def test_a_policy_that_installs_the_extension_is_enough(pc: PC) -> None:
    no_extension(pc)
    policy = {"ExtensionInstallBlocklist": ["*"], "ExtensionInstallForcelist": [f"{CHROMIUM_ID};https://x.example"]}
    pc.policy("etc/chromium/policies/managed/x.json", policy)
    assert pc.faults() == set()


def test_an_allowed_host_is_not_blocked_by_the_rule_for_all(pc: PC) -> None:
    policy = {"NativeMessagingBlocklist": ["*"], "NativeMessagingAllowlist": ["uk.nhs.ncrs.auth"]}
    pc.policy("etc/chromium/policies/managed/x.json", policy)
    assert pc.faults() == set()


@pytest.mark.parametrize("content", ["", "[]", "[" * 9999, '{"extensions": 5, "profile": []}', '{"addons": {}}'])
def test_files_of_browsers_that_are_damaged_are_no_crash(pc: PC, content: str) -> None:
    for path in (pc.preferences, pc.folder / "home/.mozilla/firefox/abc.default/extensions.json"):
        path.write_text(content)
    assert pc.faults() == {Fault.EXTENSION_MISSING}


def test_a_port_that_another_program_has(pc: PC) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        pc.settings.write_text(f'origins = ["{LISTED}"]\nport = {server.getsockname()[1]}\n')
        server.settimeout(10)
        monkey = pytest.MonkeyPatch()
        monkey.setattr("bridge.doctor.services._is_bridge", lambda port: False)
        assert pc.faults() == {Fault.PORT_TAKEN}
        monkey.undo()


def test_a_port_that_another_user_has(pc: PC, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.doctor.services.owner_of_listener", lambda port: 65534)
    with pytest.raises(Broken, match="is taken by a program of user 65534") as taken:
        check_port(pc.around)
    assert "bridge.toml" in taken.value.fault.value
    with pytest.raises(Broken, match="43487 by user 65534") as taken:
        check_port_service(pc.around)
    assert "bridge.toml" not in taken.value.fault.value  # the ports are fixed


def test_a_runtime_folder_that_another_user_has(pc: PC, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 4002)
    assert pc.faults() == {Fault.NO_SESSION_FOLDER}


def test_every_fault_has_a_test() -> None:
    made = {fault for _, fault in FAULTS} | {Fault.HOST_MUTE, Fault.AGENT_OF_ANOTHER_USER}
    made |= {Fault.PORT_TAKEN, Fault.PORT_SERVICE_TAKEN}
    assert made == set(Fault)


def test_the_command_for_programs_and_for_people(pc: PC) -> None:
    environment = os.environ | pc.environment | {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    environment.pop("XDG_CONFIG_HOME", None)
    command = [sys.executable, "-m", "bridge", "doctor"]
    ended = subprocess.run([*command, "--json"], env=environment, capture_output=True, text=True)
    findings = json.loads(ended.stdout)
    assert ended.returncode == 1
    assert findings[0] == {
        "subject": "settings",
        "fault": "no-origins",
        "says": "No page may ask: the bridge is off until pages are named.",
        "cure": Fault.NO_ORIGINS.value,
    }
    said = subprocess.run(command, env=environment, capture_output=True, text=True).stdout
    assert said.startswith("BROKEN  settings: No page may ask")


@pytest.mark.parametrize("command", [["doctor"], ["doctor", "--json"], ["--help"]])
def test_a_reader_that_has_gone_is_no_crash(pc: PC, command: list[str]) -> None:
    environment = os.environ | pc.environment | {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as pipe:
        program = [sys.executable, "-m", "bridge", *command]
        ended = subprocess.run(program, env=environment, stdout=pipe, stderr=subprocess.PIPE, text=True)
    assert (ended.returncode, ended.stderr) == (1, "")
