"""What an examination finds: each broken link by a name of its own, with its cure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique

_INSTALL = "python3 -m bridge native-host --install"


@unique
class Fault(Enum):
    """A broken link. The value is its cure."""

    SETTINGS_BROKEN = "Mend that line of the file."
    NO_ORIGINS = 'Name the pages in /etc/lanyard/bridge.toml: origins = ["https://app.example"]'
    NO_BROWSER = "Install Chromium, Chrome, Edge or Firefox as a .deb or .rpm."
    CAGED_BROWSER = "Install this browser as a .deb or .rpm: in a snap or flatpak it can start no program of this PC."
    NO_MANIFEST = f"Tell the browsers of the program: {_INSTALL}"
    MANIFEST_NOT_JSON = f"Take that file away, then write it anew: {_INSTALL}"
    MANIFEST_WRONG_PATH = f"Write it anew, from where Lanyard is now: {_INSTALL}"
    MANIFEST_WRONG_EXTENSION = f"Name the extension as extension_ids in bridge.toml if it is yours, then: {_INSTALL}"
    HOST_NOT_EXECUTABLE = f"Make it executable again: {_INSTALL}"
    HOST_CRASHES = f"Start it in a terminal to see why; after an update of Python or Lanyard: {_INSTALL}"
    HOST_MUTE = "Look at what it waits for, with strace or py-spy."
    VERSION_MISMATCH = f"Install the same version of both, then: {_INSTALL}"
    EXTENSION_MISSING = "Install the extension in this browser, or have a policy install it."
    EXTENSION_DISABLED = "Switch the extension on, on the browser's page of extensions."
    EXTENSION_OLD = "Update the extension to the version of this program."
    POLICY_FORBIDS_HOST = "Allow uk.nhs.ncrs.auth in the policy NativeMessagingAllowlist; or install for all users."
    POLICY_FORBIDS_EXTENSION = "Allow the extension's id in the policy ExtensionSettings."
    NO_SESSION_FOLDER = (
        "Ask in a login session; after su or sudo, or in a job: export XDG_RUNTIME_DIR=/run/user/$(id -u)"
    )
    AGENT_NOT_RUNNING = "Start the agent: lanyard, or python3 agent.py"
    AGENT_OF_ANOTHER_USER = "End that process: nothing is sent to another user's program."
    AGENT_BROKEN = "Start the agent again, of the same version as this program."
    NOBODY_SIGNED_IN = "Put your card in, and sign in at the agent's window."
    LOOPBACK_DENIED = (
        "Allow the page to reach this PC: click the sign beside its address, or set the policy of `serve`."
    )
    PORT_TAKEN = "End that program, or choose another port in bridge.toml."
    PORT_SERVICE_TAKEN = (
        "End that program: pages look at these ports and no others, and believe the first that answers."
    )

    @property
    def key(self) -> str:
        """The fault's name for programs, such as no-manifest."""
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True)
class Finding:
    """What was found of one subject: a sentence, and the fault when something is wrong."""

    subject: str
    says: str
    fault: Fault | None = None

    def as_json(self) -> dict[str, str | None]:
        """Return the finding for programs; `fault` and `cure` are null when all is well."""
        fault = self.fault
        cure = fault.value if fault else None
        return {"subject": self.subject, "fault": fault.key if fault else None, "says": self.says, "cure": cure}


class Broken(Exception):
    """A check found this fault, and whatever depends on the link cannot be looked at."""

    def __init__(self, fault: Fault, says: str) -> None:
        super().__init__(says)
        self.fault = fault

    def finding(self, subject: str) -> Finding:
        """Return what was found, of this subject."""
        return Finding(subject, str(self), self.fault)
