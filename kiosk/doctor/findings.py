"""What an examination finds: each trouble by a name of its own, with how bad it is and its cure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """How a thing is. Doubtful: a sign-in works, or may work, and yet somebody should look at it."""

    GOOD = "good"
    DOUBTFUL = "doubtful"
    BAD = "bad"


BAD, DOUBTFUL = Verdict.BAD, Verdict.DOUBTFUL
_FILES = "the folder kiosk/files of Lanyard"


class Trouble(Enum):
    """What can be wrong: how bad that is, the agent's exit code for it, and what to do next."""

    CHECK_FAILED = DOUBTFUL, 1, "This could not be looked at. Look by hand, and report it as a fault of Lanyard."
    # settings
    SETTINGS_BROKEN = BAD, 2, "Mend that line; `python3 agent.py config` shows every setting and where it comes from."
    NO_BROKER = BAD, 2, 'Name the sign-in service in /etc/lanyard/agent.toml: spine = "https://HOST"'
    # what runs
    AGENT_NOT_RUNNING = DOUBTFUL, 12, "Start it: systemctl --user start lanyard-agent, or: lanyard --kiosk"
    HOOKS_NOT_RUNNING = BAD, 2, "Start them: systemctl --user start lanyard-hooks, or: lanyard-kiosk hooks"
    KEYBOARD_TAKEN = DOUBTFUL, 1, "End the program that holds it, most often an open menu or a screen locker."
    # smartcard service
    NO_LIBRARY = BAD, 3, "Install it: apt install libpcsclite1"
    SERVICE_NOT_INSTALLED = BAD, 3, "Install it: apt install pcscd"
    SERVICE_MASKED = BAD, 3, "Let it start again: systemctl unmask pcscd.socket && systemctl start pcscd.socket"
    SERVICE_STOPPED = BAD, 3, "Start it, now and with the PC: systemctl enable --now pcscd.socket"
    SERVICE_DEAD = BAD, 3, "Start it anew: systemctl restart pcscd.socket; if it ends again: journalctl -u pcscd"
    SERVICE_SOCKET_CLOSED = BAD, 3, "Let users in, as pcscd's own unit does: systemctl restart pcscd.socket"
    SERVICE_REFUSES = BAD, 3, f"Put the polkit rule of {_FILES} into /etc/polkit-1/rules.d, with the user's name in it."
    # readers
    NO_READER = BAD, 3, "Plug the card reader in; try another port and another cable."
    READER_NOT_FOUND = BAD, 3, "Name one that is connected as `reader`, or leave the setting out to use any."
    NO_DRIVER = BAD, 3, "Install the driver: apt install libccid, then plug the reader in again."
    READER_NOT_TAKEN = BAD, 3, "Plug the reader in again; then look why with: journalctl -u pcscd"
    TEST_READER = (
        DOUBTFUL,
        3,
        "On a PC that is not for tests remove it, because the network can put a card in:"
        + (" apt remove vsmartcard-vpcd"),
    )
    # cards
    NO_CARD = DOUBTFUL, 4, "Put the card in, and look again."
    CARD_NOT_USABLE = BAD, 4, "Try another card. Series 8 cards want their maker's software: reader = 'pkcs11:'"
    CARD_OF_OLD_SERIES = BAD, 4, "Ask your local smartcard team for a card of series 9 or 10."
    CARD_BUSY = BAD, 4, "End the program that holds the card: see the line about other programs."
    CARD_MUTE = BAD, 4, "Wipe the chip and put the card in again; then try another card, then another reader."
    CARD_LOCKED = BAD, 6, "Unlock it at digital.nhs.uk/unlock, or ask your local smartcard team."
    LAST_TRY = DOUBTFUL, 6, "One more wrong passcode locks it. Set a new one: python3 agent.py passcode"
    NO_CERTIFICATE = BAD, 7, "Ask your local smartcard team to set the card up."
    CARD_EXPIRED = BAD, 7, "Ask your local smartcard team to renew it. If that cannot be, set this PC's clock."
    CARD_NOT_YET_VALID = BAD, 7, "Set this PC's clock; if that is right, ask your local smartcard team."
    CARD_EXPIRES_SOON = DOUBTFUL, 7, "Renew it before then."
    # middleware, and who else uses cards
    NO_TOKEN_LIBRARY = BAD, 3, "Install it: apt install python3-pykcs11"
    NO_MODULE = BAD, 3, "Install the card's software; a file in /usr/share/p11-kit/modules must name its library."
    MODULE_MISSING = DOUBTFUL, 3, "Install that software again, or remove the file that names it."
    CARD_TAKEN_BY_GNUPG = (
        DOUBTFUL,
        4,
        "Keep it from readers: put `disable-ccid` into ~/.gnupg/scdaemon.conf, then: " + ("gpgconf --kill scdaemon"),
    )
    OTHER_PROGRAMS = DOUBTFUL, 4, "If a card is busy or asks twice, end them first."
    # network
    NAME_UNKNOWN = BAD, 8, "Check `spine` for a slip of the pen. The name may exist on the health network only."
    NO_NAME_SERVICE = BAD, 8, "Check cable or Wi-Fi, then the DNS server: resolvectl status, or /etc/resolv.conf"
    PORT_CLOSED = BAD, 8, "Check the port in `spine`; then ask whoever runs that service."
    PORT_SILENT = (
        BAD,
        8,
        "A firewall drops it: ask the network's administrator to let this PC reach that host and port.",
    )
    NO_ROUTE = BAD, 8, "Check cable, Wi-Fi and VPN; then the route: ip route get ADDRESS"
    PROXY_IGNORED = DOUBTFUL, 8, "The agent uses no proxy: the sign-in service must be reachable without one."
    NOT_TLS = BAD, 8, "Check the port in `spine`: what answers there speaks no TLS."
    TLS_TOO_OLD = (
        BAD,
        8,
        "The other side must speak TLS 1.2 or later: ask whoever runs it, or whoever inspects TLS here.",
    )
    TLS_UNKNOWN_CA = (
        BAD,
        8,
        "Name the CA in `ca_file`. If its name is a firewall's: have this host left out of inspection.",
    )
    TLS_EXPIRED = (
        BAD,
        8,
        "Check this PC's clock; if that is right, whoever runs the service must renew its certificate.",
    )
    TLS_WRONG_NAME = BAD, 8, "Use in `spine` a name that is in the certificate."
    TLS_REFUSED = BAD, 8, "Ask whoever runs the service, and whoever inspects TLS in this network."
    BROKER_FAILS = BAD, 9, "The network is fine. Try again in a few minutes, then ask whoever runs the service."
    CLOCK_OFF = DOUBTFUL, 8, "Set the clock, and keep it set: timedatectl set-ntp true"
    CLOCK_WRONG = BAD, 8, "Set the clock, and keep it set: timedatectl set-ntp true"
    # desktop
    NO_TK = BAD, 2, "Install it: apt install python3-tk"
    NO_DISPLAY = BAD, 2, "Start the agent in the desktop's session; without a desktop: python3 agent.py login"
    DISPLAY_REFUSES = BAD, 2, "Start the agent as the user whose desktop it is; check DISPLAY and XAUTHORITY."
    NO_XLIB = BAD, 2, "Install it: apt install python3-xlib"
    WAYLAND = DOUBTFUL, 2, "Choose an X11 session at the log-in (GNOME on Xorg, or openbox)."
    WAYLAND_KIOSK = BAD, 2, "Choose an X11 session at the log-in: on Wayland no program can cover the screen."
    DESKTOP_SIGN_IN = (
        DOUBTFUL,
        3,
        "Switch it off: step 6 of docs/kiosk.md (the dconf files of kiosk/files; dconf update)",
    )
    DCONF_STALE = DOUBTFUL, 3, "Make the settings count: dconf update"
    DESKTOP_LOCK_UNSEEN = DOUBTFUL, 2, "Use the agent's own Lock button, or a desktop that tells (GNOME, KDE)."
    # this PC's safety
    SWAP_READABLE = DOUBTFUL, 1, "Encrypt it, use zram, or switch it off: swapoff -a, and out of /etc/fstab"
    LITTLE_LOCKED_MEMORY = DOUBTFUL, 1, "Raise it in the agent's unit: LimitMEMLOCK=8M"
    GUARDIAN_FAILS = BAD, 1, "Without it a crash leaves a session open: start `python3 agent.py guardian` to see why."
    NO_SESSION_FOLDER = BAD, 2, "Log in at the screen, or: export XDG_RUNTIME_DIR=/run/user/$(id -u)"
    USER_PROCESSES_KILLED = DOUBTFUL, 1, "Set KillUserProcesses=no in logind.conf, or no log-out outlives the session."
    BRIDGE_FAILS = DOUBTFUL, 1, "Start it to see why: python3 -m bridge doctor"
    BRIDGE_BROKEN = DOUBTFUL, 1, "See: python3 -m bridge doctor"

    def __init__(self, verdict: Verdict, exit_code: int, cure: str) -> None:
        self.verdict, self.exit_code, self.cure = verdict, exit_code, cure


@dataclass(frozen=True)
class Finding:
    """What was found of one subject. `trouble` is None where it is as it should be."""

    subject: str
    says: str
    trouble: Trouble | None = None
    cure: str = ""

    @property
    def verdict(self) -> Verdict:
        return self.trouble.verdict if self.trouble else Verdict.GOOD

    @property
    def next_step(self) -> str:
        """Return what to do: empty where nothing is."""
        return self.cure or (self.trouble.cure if self.trouble else "")

    def as_json(self) -> dict[str, str | None]:
        """Return subject, verdict, trouble (its name), says and cure; the last two null where all is well."""
        name = self.trouble.name.lower() if self.trouble else None
        cure = self.next_step or None
        return {
            "subject": self.subject,
            "verdict": self.verdict.value,
            "trouble": name,
            "says": self.says,
            "cure": cure,
        }


Findings = Iterator[Finding]


class Stop(Exception):
    """Ends a look at something with this finding, because what comes after it cannot be looked at."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.says)
        self.finding = finding
