#!/usr/bin/env python3
"""Lanyard: an open identity agent for NHS smartcards, in one file.

A person puts a card into the reader of a shared PC, types a passcode and is signed in at the Spine Security
Broker; the card is pulled and the PC is clean for the next person.

    python3 agent.py --demo                          everything at once, no card, reader or network needed
    python3 agent.py --spine https://HOST            the window, with the smartcard readers of this PC
    python3 agent.py --spine https://HOST login      the same sign-in in the terminal

How to read this file: each section uses only the ones above it.

    Constants and enums     the words of SP 800-73-4, ISO 7816-4 and of our own login
    Errors                  every way a sign-in can fail: a sentence, what to do next, an exit code
    TLV and APDU            bytes to and from the card
    Card session            the PIV application; PC/SC readers
    PKCS#11 tokens          the other way to a card: its maker's own software
    CMS and XML messages    what is signed and what travels to the broker
    Broker client           the four requests over one kept-alive TLS connection
    Login table             (state, event) -> (next state, action), nothing else
    Worker bridge           the threads, and the conductor that carries out the table's actions
    Front ends              the window and the terminal, two faces of the same table
    Ticket socket           what other programs get, and how
    Configuration and logging, Main

The passcode and the ticket are never logged, stored, or left in a widget.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import calendar
import codecs
import contextlib
import ctypes
import dataclasses
import errno
import fcntl
import functools
import gc
import gettext
import hashlib
import html
import http.client
import io
import itertools
import json
import logging
import os
import queue
import re
import resource
import secrets
import select
import shutil
import signal
import socket
import ssl
import stat
import struct
import subprocess
import sys
import termios
import threading
import time
import tomllib
import traceback
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import Enum, IntEnum, StrEnum, auto
from getpass import getpass
from pathlib import Path
from string import digits
from typing import Any, NoReturn, Protocol, TextIO, TypeVar
from urllib.parse import quote, unquote_to_bytes, urlencode, urlsplit
from xml.etree.ElementTree import Element, ParseError, SubElement, tostring

try:
    from asn1crypto import algos, cms, core, keys, tsp, x509
    from asn1crypto import parser as asn1
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring
except ModuleNotFoundError as error:
    if __name__ != "__main__":
        raise
    sys.exit(f"{sys.executable} has no {error.name}. Use the Python that README.md installs it for: /usr/bin/python3.")

# --- Constants and enums -------------------------------------------------------------------------------------

VERSION = "0.1.0"
LOG = logging.getLogger("lanyard")
Clock = Callable[[], float]  # seconds, from any beginning
boottime: Clock = functools.partial(time.clock_gettime, time.CLOCK_BOOTTIME)  # goes on while the PC sleeps, never jumps
T = TypeVar("T")
PIV_AID = bytes.fromhex("A000000308000010000100")  # SP 800-73-4 part 1, section 2.2
EXPIRY_WARNING_DAYS = 90  # the Windows agent asks from 90 days before the end (docs/protocol.md, section 7)
CHALLENGE_FRESH_SECONDS = 120  # the broker takes a challenge for 5 minutes; stay well inside
CARD_ANSWER_SECONDS = 10  # the longest a working card thinks about one command
CARD_OPERATION_SECONDS = 20  # the longest that reading the card, or signing, may take in all
CARD_LEAVING_SECONDS = 1.5  # the longest until a card that was pulled is seen to be gone
CARDS_TOGETHER_SECONDS = 0.3  # the longest between the news of two cards that are in already
CARD_BUSY_SECONDS = 10  # how long another program is given to be done with the card
CONNECT_SECONDS, ANSWER_SECONDS = 5, 15
INSIST_SECONDS = 600  # how long a log-out that is not confirmed is tried again
HOOKS_AWAY = "Nobody can sign in yet: what tidies up after each person is not running. Tell your service desk."
PROGRAMS_END = "The programs of who was here before are being ended. Then signing in goes on by itself."
PR_SET_PDEATHSIG = 1  # linux/prctl.h
GUARDIAN_SECONDS = 90  # the longest that the guardian takes: to connect, and LATE_ANSWER_SECONDS
# Freed memory is overwritten (glibc's manual, Memory Allocation Tunables), and Python frees all of its own there.
FORGETFUL = {"PYTHONMALLOC": "malloc", "GLIBC_TUNABLES": "glibc.malloc.perturb=255:glibc.malloc.tcache_count=0"}
FORGETFUL |= {"LD_BIND_NOW": "1"}  # or ld.so writes the CPU's registers to a thread's stack, and with them a ticket
DESKTOP_ANSWER_SECONDS = 10
BROKER_AGAIN_SECONDS = 10  # while the broker is away
WATCH_AGAIN_SECONDS = 2  # after a failure of the reader, or while there is a mistake in the settings
KEEP_ALIVE_SECONDS = 60  # between two times that the broker is told of a session's use
DOCTOR_SECONDS = 90  # for what `doctor` starts and waits for
CHECK_TIME_SECONDS = 5  # how soon an end of the session is noticed after the PC has slept
MOST_CALLS_AT_ONCE = 20  # of the worker threads, before the window is drawn again
LATE_ANSWER_SECONDS = 60  # an answer that opens a session is waited for, so that it can be ended
LONGEST_REPLY = 4 << 20  # bytes on the wire, with headers and framing; 1,000 roles need about 200 kB
LONGEST_MESSAGE = 2 * LONGEST_REPLY  # bytes between agent and guardian: a reply in base64
LONGEST_DOCUMENT = 100 << 20  # bytes that `sign` signs
LONGEST_PARAMETER, MOST_ROLES = 4096, 1000
LONGEST_CERTIFICATE = 64 << 10  # bytes, after decompression
RECOGNISED_BYTES = 200  # of a certificate: less than a card's shortest whole answer, more than a serial number is long
LONGEST_NOTICES = 1 << 20  # characters
LONGEST_LINE = 1000  # characters of a technical line
LONGEST_ANSWER = 65548  # bytes that a reader may hand over at once: MAX_BUFFER_SIZE_EXTENDED of PCSC/pcsclite.h
SHORTEST_NEW_PASSCODE = 6  # docs/protocol.md, section 7
LONGEST_PASSCODE = 8  # SP 800-73-4 part 2, section 2.4.3
PASSCODE = re.compile("[0-9]{4,8}")  # NHS passcodes have had 4 to 8 digits over the years
CONTACTLESS = re.compile(r"(?i:contactless|picc|nfc)|(?:\b|\d)CL\b")  # in a reader's name
VPCD_PORT = 35963  # where the embedded reader of demo.py, and vpcd, wait for a card


class Digest(StrEnum):
    """The digest under the signature. SHA-1 is what series 4 to 6 cards signed with."""

    SHA256 = "sha256"
    SHA1 = "sha1"


class Purpose(Enum):
    """What a key is for. An NHS smartcard has one for each, and tells them apart by their certificates."""

    SIGN_IN = "the challenge"
    COMMITMENT = "the document"  # in the sense of a signature by hand


class Instruction(IntEnum):
    """The instructions the agent sends: SP 800-73-4 part 2, table 2."""

    VERIFY = 0x20
    CHANGE_REFERENCE_DATA = 0x24
    RESET_RETRY_COUNTER = 0x2C
    GENERAL_AUTHENTICATE = 0x87
    SELECT = 0xA4
    GET_RESPONSE = 0xC0
    GET_DATA = 0xCB


class StatusWord(IntEnum):
    """What of a card's answers the agent acts on (SP 800-73-4 part 1, table 6). The names are told as words."""

    SUCCESS = 0x9000
    VERIFICATION_FAILED = 0x6300
    AUTHENTICATION_METHOD_BLOCKED = 0x6983
    INCORRECT_DATA = 0x6A80
    FILE_NOT_FOUND = 0x6A82
    REFERENCE_NOT_FOUND = 0x6A88


class Tag(IntEnum):
    """BER-TLV tags: SP 800-73-4 part 1, table 10, and part 2, table 7."""

    DATA_OBJECT_LIST = 0x5C
    DATA_OBJECT = 0x53
    CERTIFICATE = 0x70
    DYNAMIC_AUTHENTICATION = 0x7C
    DISCOVERY = 0x7E
    CHALLENGE = 0x81
    RESPONSE = 0x82
    PIN_USAGE_POLICY = 0x5F2F


# Key reference, and the object with its certificate: SP 800-73-4 part 1, tables 3 and 4b.
PIV_KEYS = {Purpose.SIGN_IN: (0x9A, bytes.fromhex("5FC105")), Purpose.COMMITMENT: (0x9C, bytes.fromhex("5FC10A"))}
APPLICATION_PASSCODE, GLOBAL_PASSCODE = 0x80, 0x00  # key references
# What a card without PIV can be, and what to do if it is not: take it out. By how its ATR begins: PC/SC part 3, section
# 3.1.3.2.3.2 (cards with a memory only); docs/protocol.md, section 7.
DOOR_PASS, BANK_CARD = "This is a door pass, or another card that cannot sign in.", "This is a bank card."
FOREIGN_ATRS = {
    bytes.fromhex("3B8F8001804F0CA000000306"): DOOR_PASS,
    bytes.fromhex("3BF91800008131FE454A434F50"): "This looks like an NHS smartcard of series 5 or 6, which are over. "
    "Ask your local smartcard team for a new one.",
}
# By what it selects: EMV Book 1 and Book B; ETSI TS 101 220; ICAO Doc 9303 part 10; NXP's DESFire; NFC Forum's Type 4
# Tag; FIDO CTAP; the OpenPGP card.
FOREIGN_APPLICATIONS = {
    b"2PAY.SYS.DDF01": BANK_CARD,
    b"1PAY.SYS.DDF01": BANK_CARD,
    bytes.fromhex("A0000000871002"): "This is a phone's SIM card.",
    bytes.fromhex("A0000002471001"): "This is a passport or an identity card.",
    bytes.fromhex("D2760000850100"): DOOR_PASS,
    bytes.fromhex("D2760000850101"): DOOR_PASS,
    bytes.fromhex("A0000006472F0001"): "This is a security key, not an NHS smartcard.",
    bytes.fromhex("D27600012401"): "This is a card for e-mail (OpenPGP), not an NHS smartcard.",
}
OWN_CARD = "Take it out, and put your NHS smartcard in."
BOTH_PASSCODES, GLOBAL_PREFERRED = 0x60, 0x20  # the two bytes of the PIN usage policy
COMMAND_CHAINING = 0x10  # ISO 7816-4, class byte, bit 5
LONGEST_COMMAND_DATA = 255

# PCSC/pcsclite.h
SCOPE_SYSTEM, SHARE_SHARED, LEAVE_CARD, RESET_CARD = 2, 2, 0, 1
PROTOCOL_T0, PROTOCOL_T1 = 1, 2
STATE_CHANGED, STATE_PRESENT = 0x0002, 0x0020
MOST_READERS = 16
FOR_EVER, LOOK_AGAIN_MILLISECONDS = 0xFFFFFFFF, 2000
PLUG_AND_PLAY = b"\\\\?PnP?\\Notification"  # the reader whose state changes when a reader comes or goes


@dataclass(frozen=True)
class Step:
    """One step of the story that --explain tells: what happened, its technical line, how long it took."""

    plain: str
    technical: str
    milliseconds: float | None

    def __str__(self) -> str:
        took = "" if self.milliseconds is None else f"  {self.milliseconds:.1f} ms"
        return f"{self.plain}  [{self.technical}]{took}" if self.technical else f"{self.plain}{took}"


LISTENERS: list[Callable[[Step], None]] = []  # called in whatever thread tells


def tell(plain: str, technical: str = "", since: float | None = None, level: int = logging.DEBUG) -> None:
    """Tell one step, begun at `since` (time.perf_counter), to the log at `level` and to whoever explains."""
    if LISTENERS or LOG.isEnabledFor(level):
        step = Step(plain, technical, None if since is None else (time.perf_counter() - since) * 1000)
        LOG.log(level, "%s", step)
        for listen in LISTENERS:
            listen(step)


def clean(text: str, longest: int = 200) -> str:
    """One line of text from a card, a reader, a broker or a file's name, as it may be shown and logged.

    Line breaks, escape sequences, and what reorders or hides text (Unicode categories C and Z) become spaces.
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 2 * longest]).split())
    return line if len(line) <= longest else line[: longest - 1] + "\u2026"


LANGUAGES = {"en": "English", "cy": "Cymraeg"}  # of the window, as their speakers call them
CATALOGUES = Path(__file__).with_name("locale"), Path(sys.prefix, "share", "locale")  # a checkout's, an installed one's


class Sentences:
    """The catalogue of the window's language, keyed by the English sentence; English itself needs none."""

    language = "en"
    catalogue = gettext.NullTranslations()

    @classmethod
    def speak(cls, language: str) -> None:
        """From now on `_` and `counted` speak this language. One whose catalogue is not here leaves English."""
        found = find_catalogue(language)
        cls.language, cls.catalogue = (language, found) if found else ("en", gettext.NullTranslations())


def find_catalogue(language: str) -> gettext.GNUTranslations | None:
    """None where there is none that can be read."""
    for folder in CATALOGUES:
        with contextlib.suppress(OSError, ValueError, struct.error):  # struct.error: cut off
            return gettext.translation("lanyard", folder, [language])
    return None


def _(sentence: str, **values: object) -> str:
    """A sentence that people see, in their language, with the values in place of their {names}."""
    said = Sentences.catalogue.gettext(sentence) if sentence else ""
    return said.format_map(values) if values else said


def describe_status(status: int) -> str:
    """A status word in words: '63C2 2 tries left' (ISO 7816-4, table 6)."""
    if status & 0xFFF0 == 0x63C0:
        left = status & 0x0F
        meaning = f"{left} {'try' if left == 1 else 'tries'} left"
    elif status >> 8 == 0x61:
        meaning = "more can be read"
    else:
        known = status in list(StatusWord)
        meaning = StatusWord(status).name.replace("_", " ").lower() if known else "not known to the agent"
    return f"{status:04X} {meaning}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number of things, in the language of `_`: 1 role, 3 roles, 2 tries."""
    one, several = f"{{}} {noun}", f"{{}} {plural or noun + 's'}"
    return Sentences.catalogue.ngettext(one, several, number).format(number)


# --- Errors --------------------------------------------------------------------------------------------------


class Fault(Enum):
    """Every way for a sign-in to fail: its exit code, and for the person in front what is wrong and what to do."""

    UNEXPECTED = 1, "Something unexpected happened. Try again. If it happens again, tell your service desk."
    USAGE = 2, "The agent was not started correctly. See: python3 agent.py --help"
    NO_READER = 3, "No card reader is connected to this PC. Plug the card reader in, or tell your service desk."
    READER_NOT_FOUND = 3, "This PC's card reader is not connected. Plug it in, or tell your service desk."
    NO_SERVICE = 3, "The smartcard service of this PC is not running. Ask your service desk to start it (called pcscd)."
    SERVICE_REFUSES = 3, "This PC's smartcard service refuses this program. Ask your service desk to allow it (polkit)."
    NO_LIBRARY = 3, "This PC has no software for smartcard readers. Ask your service desk to install it (libpcsclite1)."
    NO_TOKEN_LIBRARY = 3, "This PC lacks software for PKCS#11. Ask your service desk to install it (python3-pykcs11)."
    MODULE_FAILED = 3, "The card's own software on this PC has failed. Try again, or tell your service desk."
    NO_CARD = 4, "There is no card in the reader. Put your card in and try again."
    CARD_NOT_USABLE = 4, "This card cannot be used here. If it is your NHS smartcard, tell your service desk its kind."
    KEY_NOT_USABLE = 4, "This card's kind of key is not supported. If it is your NHS smartcard, tell your service desk."
    CARD_AMBIGUOUS = 4, "Several certificates on this card would do. Name one: --reader 'pkcs11:object=...'."
    SEVERAL_CARDS = 4, "Several cards are in. Leave in the one that is meant, or name its reader: --reader NAME."
    CARD_MUTE = 4, "The card does not answer. Check that the chip is clean and the right way up, and put it in again."
    CARD_BUSY = 4, "Another program is using the card. Close other programs that use smartcards, then try again."
    CARD_NONSENSE = 4, "The card does not do what it is asked. Put it in again. If that fails, tell your service desk."
    WRONG_PASSCODE = 5, "That passcode is not right. Check your passcode and type it again."
    NO_PASSCODE = 5, "That cannot be a passcode, so it was not tried. A passcode has 4 to 8 digits."
    WEAK_PASSCODE = 5, "Others could guess that passcode. Choose another one, of 6 to 8 digits."
    LAST_TRY_KEPT = 5, "The passcode was not tried: 1 try is left. Sign in where you can confirm that it is used."
    CARD_LOCKED = 6, "This card is locked. Unlock it at digital.nhs.uk/unlock, or ask your local smartcard team."
    NO_CERTIFICATE = 7, "This card is empty. Ask your local smartcard team to set it up."
    BAD_CERTIFICATE = 7, "This card's certificate cannot be read. Ask your local smartcard team to set it up again."
    CARD_EXPIRED = 7, "This card has expired. Ask your local smartcard team to renew it, or check this PC's date."
    NOT_YET_VALID = 7, "This card is not valid yet. Check this PC's date, or ask your local smartcard team."
    UNREACHABLE = 8, "The sign-in service cannot be reached. Check the network cable or Wi-Fi, then try again."
    BROKER_TIMEOUT = 8, "The sign-in service takes too long to answer. Wait a moment, then try again."
    NOT_TRUSTED = 8, "The sign-in service could not prove who it is. Nothing was sent to it. Tell your service desk."
    BROKER_REFUSED = 9, "The sign-in service did not accept this card. Try again, or ask your local smartcard team."
    BROKER_FAULT = 9, "The sign-in service has a problem of its own. Your card is fine. Try again in a few minutes."
    BROKER_NONSENSE = 9, "The sign-in service gave an answer that makes no sense. Try again, or tell your service desk."
    ROLE_REFUSED = 9, "The sign-in service did not accept that role. Sign in again and choose another one."
    TIME_UP = 9, "Your time is up, so you were signed out. Sign in again to go on."
    IDLE_TOO_LONG = 9, "Your session was not used for too long, so you were signed out. Sign in again to go on."
    PARKED_TOO_LONG = 9, "Your session waited too long for your card, so you were signed out. Sign in again to go on."
    PARKED_TOO_MANY = 9, "Too many others used this PC meanwhile, so you were signed out. Sign in again to go on."
    ENDED_BY_BROKER = 9, "The sign-in service has ended your session. Sign in again to go on."
    CARD_REMOVED = 10, "The card was taken out. Put it in again to sign in."
    NO_TICKET = 11, "Nobody is signed in, so there is no ticket. Sign in first."
    NOT_RUNNING = 12, "The agent is not running. Start it, then sign in."
    GIVEN_UP = 13, "The person at this PC did not want that. Ask again when they are ready."
    RUNS_ALREADY = 2, "The agent is running already. Use its window, which is in front now, or close that first."
    INTERRUPTED = 130, "Stopped. Nobody is signed in."

    def __init__(self, exit_code: int, sentence: str) -> None:
        what, *advice = sentence.split(". ", 1)
        self.exit_code, self.says, self.advice = exit_code, what.rstrip(".") + ".", "".join(advice)


HELD_ON_ADVICE = {  # where the card is contactless
    Fault.CARD_MUTE: "Hold it flat on the reader, and leave it there until you are asked to take it away.",
    Fault.CARD_NONSENSE: "Put it into a reader that takes the whole card: some cards do not sign otherwise.",
}
CARD_FAULTS = {fault for fault in Fault if fault.exit_code in (4, 7)}  # another card may do
LASTING_FAULTS = {fault for fault in Fault if fault.exit_code in (6, 7)}  # nothing helps here
OVER = Fault.TIME_UP, Fault.IDLE_TOO_LONG, Fault.PARKED_TOO_LONG, Fault.PARKED_TOO_MANY, Fault.ENDED_BY_BROKER


class AgentError(Exception):
    """A fault and what is known of it: one `technical` line for the service desk, which never holds a secret.

    `says` and `advice` are for the person in front; where they are not given, they are the fault's own, in the
    language that is spoken when they are asked for.
    """

    def __init__(self, fault: Fault, technical: str = "", *, says: str = "", advice: str = "") -> None:
        super().__init__(technical)
        self.fault, self.technical = fault, clean(technical, LONGEST_LINE)
        self._says, self._advice = clean(says, LONGEST_LINE), advice

    @property
    def says(self) -> str:
        return self._says or _(self.fault.says)

    @property
    def advice(self) -> str:
        return self._advice or _(self.fault.advice)

    def __str__(self) -> str:
        return f"{self.says} {self.advice}".strip()


class UsageError(AgentError):
    def __init__(self, says: str, advice: str = "") -> None:
        super().__init__(Fault.USAGE, says=says, advice=advice)


def describe_tries(left: int | None) -> str:
    """A sentence to put behind another one, empty where the card does not say."""
    return "" if left is None else " " + _("{tries} left.", tries=counted(left, "try", "tries"))


def given_up(seconds: int, technical: str) -> AgentError:
    """For a card that has not answered for so long."""
    says = _("The card was given up, because it has not answered for {seconds} seconds.", seconds=seconds)
    return AgentError(Fault.CARD_MUTE, f"{technical} within {seconds} s", says=says)


class WrongPasscode(AgentError):
    def __init__(self, tries_left: int | None) -> None:
        """`tries_left`: None where the card does not say."""
        status = StatusWord.VERIFICATION_FAILED if tries_left is None else 0x63C0 | tries_left
        super().__init__(Fault.WRONG_PASSCODE, f"VERIFY \u2192 {describe_status(status)}")
        self.tries_left = tries_left

    @property
    def says(self) -> str:
        return super().says + describe_tries(self.tries_left)


@dataclass(frozen=True)
class Contacts:
    """Where the settings send people who need help, each empty where this PC's settings name none."""

    service_desk: str = ""
    renewal_address: str = ""

    def beside(self, sentence: str) -> str:
        """What to put behind a sentence that sends people there, empty behind all others."""
        where = []
        if self.renewal_address and re.search(_("renew"), sentence, re.IGNORECASE):
            where.append(_("Renew it at {address}.", address=self.renewal_address))
        if self.service_desk and re.search(_("service desk|smartcard team"), sentence):  # a pattern in each language
            where.append(_("Service desk: {where}.", where=self.service_desk))
        return " ".join(where)


def told(where: str, error: BaseException) -> AgentError:
    """What a person is told of an error, without the tracebacks, whose frames hold passcode and ticket."""
    if not isinstance(error, AgentError):  # logged without its text, which could be a secret
        LOG.error("%s in %s\n%s", type(error).__name__, where, "".join(traceback.format_tb(error.__traceback__)))
        error = AgentError(Fault.UNEXPECTED, type(error).__name__)
    error.__traceback__ = error.__context__ = error.__cause__ = None
    return error


# --- TLV and APDU --------------------------------------------------------------------------------------------


def tries_left(status: int) -> int | None:
    """The passcode tries that a status word reports, None where it reports none.

    63CX is the standard's way (SP 800-73-4 part 2, 3.2.1); early YubiKeys say 630X. 6300 says nothing.
    """
    if status == StatusWord.AUTHENTICATION_METHOD_BLOCKED:
        return 0
    if status & 0xFFF0 == 0x63C0 or 0x6300 < status <= 0x630F:
        return status & 0x0F
    return None


def wipe(secret: bytearray) -> None:
    """Overwrite it with zeros."""
    secret[:] = bytes(len(secret))


def encode_tlv(tag: int, value: bytes) -> bytes:
    """One BER-TLV object with a one-byte tag and the shortest length field (ISO 7816-4, 5.2.2)."""
    return bytes(asn1.emit(tag >> 6, tag >> 5 & 1, tag & 0x1F, value))


def decode_tlvs(data: bytes) -> dict[int, bytes]:
    """One level of BER-TLV objects as {tag: value}; 00 and FF between them are filler (ISO 7816-4, 5.2.2.1).

    Raises CARD_NONSENSE where a length runs past the end or a tag comes twice.
    """
    objects: dict[int, bytes] = {}
    try:
        while data := data.lstrip(b"\x00\xff"):
            size = asn1.peek(data)
            _, _, number, _, value, _ = asn1.parse(data[:size])
            tag = data[0] if number < 31 else data[0] << 8 | number  # one byte, or two
            if tag in objects:
                raise AgentError(Fault.CARD_NONSENSE, f"TLV {tag:02X} comes twice")
            objects[tag], data = value, data[size:]
    except ValueError:
        raise AgentError(Fault.CARD_NONSENSE, f"TLV ends in the middle, in the last {len(data)} bytes") from None
    return objects


@dataclass(frozen=True)
class Command:
    """A command APDU (ISO 7816-4, 5.1) and the plain words for it. Data over 255 bytes is sent chained."""

    instruction: Instruction
    p1: int
    p2: int
    data: bytes | bytearray = field(default=b"", repr=False)
    plain: str = ""
    secret: bool = False  # the data is a passcode: never shown, and wiped once sent
    answer_expected: bool = True

    def apdus(self) -> Iterator[bytearray]:
        """The APDUs that carry this command, in order: all but the last with the chaining bit."""
        starts = range(0, max(1, len(self.data)), LONGEST_COMMAND_DATA)
        for start in starts:
            is_last, data = start == starts[-1], memoryview(self.data)[start : start + LONGEST_COMMAND_DATA]
            apdu = bytearray([0x00 if is_last else COMMAND_CHAINING, self.instruction, self.p1, self.p2])
            if data:
                apdu.append(len(data))
                apdu += data
            if is_last and self.answer_expected:
                apdu.append(0)  # Le: as much as there is
            yield apdu

    def __str__(self) -> str:
        header = bytes([0, self.instruction, self.p1, self.p2]).hex(" ").upper()
        name = self.instruction.name.replace("_", " ")
        body = "" if not self.data else " passcode hidden" if self.secret else f" {len(self.data)} bytes"
        return f"{name} {header}{body}"


class CardLink(Protocol):
    """An open way to a card, inside one transaction."""

    def transmit(self, apdu: bytearray) -> bytes:
        """Data and status word, within CARD_ANSWER_SECONDS. Keeps no copy of the APDU. Raises CARD_REMOVED, ..."""


def exchange(link: CardLink, command: Command, first_only: bool = False) -> tuple[bytes, int]:
    """Send a command and collect its whole answer: (data, status word). Nobody above sees 61xx or 6Cxx.

    `first_only`: no more than the first piece of data, which with the protocol T=0 comes by a GET RESPONSE.
    """
    started = time.perf_counter()
    data, status = _send(link, command)
    while status >> 8 == 0x61 and not (data and first_only):
        more, status = _transmit(link, bytearray([0, Instruction.GET_RESPONSE, 0, 0, status & 0xFF]))
        if not more or len(data) > LONGEST_CERTIFICATE:
            raise AgentError(Fault.CARD_NONSENSE, f"{command}: the answer does not end, {len(data)} bytes so far")
        data += more
    answer = f", {len(data)} bytes" if data else ""
    tell(command.plain, f"{command} \u2192 {describe_status(status)}{answer}", started)
    return data, status


def _send(link: CardLink, command: Command) -> tuple[bytes, int]:
    """The answer to the last APDU of a command, or to that of a chain which the card refuses."""
    data, status = b"", int(StatusWord.SUCCESS)
    for apdu in command.apdus():
        ends_in_le = command.answer_expected and not apdu[0] & COMMAND_CHAINING
        try:
            data, status = _transmit(link, apdu, ends_in_le)
        finally:
            if command.secret:
                wipe(apdu)
        if status != StatusWord.SUCCESS:
            break
    return data, status


def _transmit(link: CardLink, apdu: bytearray, ends_in_le: bool = True) -> tuple[bytes, int]:
    """One APDU: data and status word. Where the card answers 6Cxx to an Le, again with the Le that it names."""
    answer = link.transmit(apdu)
    if len(answer) == 2 and answer[0] == 0x6C and ends_in_le:
        answer = link.transmit(apdu[:-1] + answer[1:])
    if len(answer) < 2:
        raise AgentError(Fault.CARD_NONSENSE, f"an answer of {len(answer)} bytes, a status word has 2")
    return answer[:-2], int.from_bytes(answer[-2:], "big")


# --- Card session --------------------------------------------------------------------------------------------


class Passcode:
    """What the person typed. Never shown, and overwritten when no longer needed."""

    def __init__(self, text: str) -> None:
        """Raises NO_PASSCODE for what is not 4 to 8 digits: no card is asked, and no try spent."""
        if not PASSCODE.fullmatch(text):
            raise AgentError(Fault.NO_PASSCODE)
        self._digits = bytearray(text, "ascii")
        kept = (ctypes.c_char * len(text)).from_buffer(self._digits)
        ctypes.CDLL(None).mlock(kept, ctypes.sizeof(kept))  # never in swap, where the person's limit allows that

    @contextlib.contextmanager
    def typed(self) -> Iterator[bytearray]:
        """A copy of the digits, which is overwritten afterwards. Raises NO_PASSCODE once forgotten."""
        if 0 in self._digits:  # forgotten meanwhile: zeros would cost a try
            raise AgentError(Fault.NO_PASSCODE)
        digits = self._digits[:]
        try:
            yield digits
        finally:
            wipe(digits)

    def padded(self) -> bytearray:
        """8 bytes, for the caller to wipe, padded with FF (SP 800-73-4 part 2, section 2.4.3). Raises as `typed`."""
        with self.typed() as digits:
            return digits.ljust(LONGEST_PASSCODE, b"\xff")

    def is_same(self, other: Passcode) -> bool:
        return self._digits == other._digits

    def forget(self) -> None:
        wipe(self._digits)

    def check_new(self, uid: str, old: Passcode | None = None) -> None:
        """Raises WEAK_PASSCODE, with the reason, for what is not to become the passcode of that person's card."""
        with self.typed() as typed:
            steps = {(after - before) % 10 for before, after in itertools.pairwise(typed)}
            view = memoryview(typed)  # whose slices are no copies
            repeats = any(view[size:] == view[:-size] for size in range(1, len(typed) // 2 + 1))
            reasons = (
                (_("A new passcode has 6 to 8 digits."), len(typed) < SHORTEST_NEW_PASSCODE),
                (_("That passcode repeats itself."), repeats),
                (_("The digits of that passcode count up or down."), steps in ({1}, {9})),
                (_("That passcode is part of your number, which is printed on the card."), typed in uid.encode()),
                (_("That is the passcode that you have now."), old is not None and self.is_same(old)),
            )
        for says, is_so in reasons:
            if is_so:
                raise AgentError(Fault.WEAK_PASSCODE, says=says)


@dataclass(frozen=True)
class Algorithm:
    """A key type the agent can use: SP 800-78-4, table 6-2, and Yubico's identifiers for longer RSA keys."""

    identifier: int
    name: str
    key_bytes: int
    is_rsa: bool


ALGORITHMS = {
    "rsa 1024": Algorithm(0x06, "RSA 1024", 128, True),
    "rsa 2048": Algorithm(0x07, "RSA 2048", 256, True),
    "rsa 3072": Algorithm(0x05, "RSA 3072", 384, True),
    "rsa 4096": Algorithm(0x16, "RSA 4096", 512, True),
    "secp256r1": Algorithm(0x11, "ECC P-256", 32, False),
    "secp384r1": Algorithm(0x14, "ECC P-384", 48, False),
}


def hashing(digest: Digest) -> dict[str, Any]:
    """The AlgorithmIdentifier of a digest, as signatures have it (RFC 8017, section 9.2, note 1)."""
    return {"algorithm": digest.value, "parameters": core.Null()}


def hashed_to_sign(message: bytes, digest: Digest, is_rsa: bool) -> bytes:
    """What is signed of a message: for RSA DigestInfo (RFC 8017, 9.2, step 2), for ECC the bare hash."""
    hashed = hashlib.new(digest.value, message).digest()
    if not is_rsa:
        return hashed
    return bytes(algos.DigestInfo({"digest_algorithm": hashing(digest), "digest": hashed}).dump())


def signature_block(message: bytes, digest: Digest, algorithm: Algorithm) -> bytes:
    """What the card's key works on: an EMSA-PKCS1-v1_5 block (RFC 8017, 9.2) for RSA, the bare hash for ECC."""
    encoded = hashed_to_sign(message, digest, algorithm.is_rsa)
    if not algorithm.is_rsa:
        return encoded
    return b"\x00\x01" + b"\xff" * (algorithm.key_bytes - len(encoded) - 3) + b"\x00" + encoded


@dataclass(frozen=True)
class Certificate:
    """The card's authentication certificate: whose card it is, which key it has, until when."""

    der: bytes = field(repr=False)
    uid: str
    not_before: datetime
    not_after: datetime
    algorithm: Algorithm
    purpose: Purpose = Purpose.SIGN_IN
    label: str = ""  # a token's name for it

    @classmethod
    def parse(cls, data: bytes) -> Certificate:
        """From DER, whatever filler is behind it. Raises BAD_CERTIFICATE where it is no person's, KEY_NOT_USABLE."""
        try:
            der = data[: asn1.peek(data)]
            parsed = x509.Certificate.load(der, strict=True)
            attributes = [attribute for each in parsed.subject.chosen for attribute in each]
            names = [each["value"].native for each in attributes if each["type"].native == "common_name"]
            _ = parsed.issuer, parsed.serial_number  # what is parsed late is to fail here, not after VERIFY
            _ = parsed["signature_algorithm"].native, parsed["tbs_certificate"]["signature"].native
            return cls(
                der=der,
                uid=clean(names[-1]),  # of several the most specific
                not_before=_in_utc(parsed.not_valid_before),
                not_after=_in_utc(parsed.not_valid_after),
                algorithm=_algorithm(parsed.public_key),
            )
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise AgentError(
                Fault.BAD_CERTIFICATE, f"{type(error).__name__} in a certificate of {len(data)} bytes"
            ) from None

    def days_left(self, now: datetime) -> int:
        return (self.not_after - now).days

    def ends_soon(self, now: datetime) -> bool:
        return self.days_left(now) <= EXPIRY_WARNING_DAYS


def _in_utc(moment: object) -> datetime:
    """Raises ValueError for the year 0, which asn1crypto takes and datetime does not have."""
    if not isinstance(moment, datetime):
        raise ValueError("no year of the calendar")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _algorithm(key: keys.PublicKeyInfo) -> Algorithm:
    """Raises KEY_NOT_USABLE."""
    kind = str(key.algorithm)
    if kind == "rsa":
        kind += f" {key.bit_size}"
    elif kind == "ec":
        kind = str(key.curve[1])
    if kind not in ALGORITHMS:
        raise AgentError(Fault.KEY_NOT_USABLE, f"key 9A: {kind}")
    return ALGORITHMS[kind]


@dataclass(frozen=True)
class CardFacts:
    """What is read from a card before anybody typed a passcode. `tries_left` is None where the card won't say."""

    certificate: Certificate
    tries_left: int | None
    own_pad: bool = False  # the passcode is typed on the reader
    others: tuple[Certificate, ...] = ()  # that would do as well: the person is asked

    def check(self, now: datetime) -> None:
        """Raises CARD_LOCKED, CARD_EXPIRED, NOT_YET_VALID."""
        certificate = self.certificate
        if now > certificate.not_after:
            raise AgentError(Fault.CARD_EXPIRED, f"valid until {certificate.not_after:%d %B %Y %H:%M} UTC")
        if now < certificate.not_before:
            raise AgentError(Fault.NOT_YET_VALID, f"valid from {certificate.not_before:%d %B %Y %H:%M} UTC")
        if self.tries_left == 0:
            raise AgentError(Fault.CARD_LOCKED, "VERIFY without data: no tries left, and none was spent")


class IdentityCard(Protocol):
    """What a sign-in needs of a card, whatever the way to it."""

    def facts(self, purpose: Purpose = Purpose.SIGN_IN) -> CardFacts:
        """Spends no try. Raises AgentError."""

    def recognise(self, certificate: Certificate) -> None:
        """Before a passcode that was typed for the card with this certificate. Raises AgentError for another card."""

    def sign(
        self, passcode: Passcode | None, messages: Sequence[bytes], digest: Digest, certificate: Certificate
    ) -> list[bytes]:
        """A signature over each, by the key of a certificate that `facts` named. The passcode is shown before each.

        None in its place: it is typed on the reader. Raises WrongPasscode, CARD_LOCKED, AgentError.
        """

    def change_passcode(self, old: Passcode, new: Passcode) -> None:
        """Raises as `sign`."""

    def unblock(self, code: Passcode, new: Passcode) -> None:
        """A new passcode by the unblocking code. Raises WrongPasscode, CARD_LOCKED: the code's own tries count."""


class PivCard:
    """The PIV application of one card, from insertion to removal (SP 800-73-4 part 2)."""

    def __init__(self, link: CardLink, clock: Clock = time.monotonic, atr: bytes = b"") -> None:
        self._link, self._clock, self._atr = link, clock, atr
        self._ends = 0.0
        self.passcode_shown = False  # since select(): the card must be reset before others get it

    def select(self) -> None:
        """Begin an operation, which has CARD_OPERATION_SECONDS. Raises CARD_NOT_USABLE where there is no PIV."""
        self.passcode_shown, self._ends = False, self._clock() + CARD_OPERATION_SECONDS
        plain = "Ask the card for its identity application (PIV)"
        command = Command(Instruction.SELECT, 0x04, 0x00, PIV_AID, plain)
        status = exchange(self, command)[1]
        if status != StatusWord.SUCCESS:
            says, *more = re.split(r"(?<=\.) ", _(self._explain()), maxsplit=1)
            technical = f"{command} \u2192 {describe_status(status)}, ATR {self._atr.hex(' ').upper()}"
            advice = "".join(more) or (says and _(OWN_CARD))
            raise AgentError(Fault.CARD_NOT_USABLE, technical, says=says, advice=advice)

    def _explain(self) -> str:
        """What a card without PIV is, as far as its ATR and the applications on it say."""
        for beginning, what in FOREIGN_ATRS.items():
            if self._atr.startswith(beginning):
                return what
        for identifier, what in FOREIGN_APPLICATIONS.items():
            command = Command(Instruction.SELECT, 0x04, 0x00, identifier, "Ask whether the card is of another kind")
            if exchange(self, command)[1] == StatusWord.SUCCESS:
                return what
        return ""

    def transmit(self, apdu: bytearray) -> bytes:
        """As its link, but not beyond the end of the operation, however short each command was."""
        if self._clock() >= self._ends:
            raise given_up(CARD_OPERATION_SECONDS, "not done")
        return self._link.transmit(apdu)

    def facts(self, purpose: Purpose = Purpose.SIGN_IN) -> CardFacts:
        return CardFacts(tries_left=self._tries_left(), certificate=self._read_certificate(purpose))

    def recognise(self, certificate: Certificate) -> None:
        """Of the certificate only the first piece is fetched: serial number and issuer are at its beginning."""
        command = self._get_data(PIV_KEYS[certificate.purpose][1], "Make sure that it is still the same card")
        beginning, _ = exchange(self, command, first_only=True)
        if certificate.der[:RECOGNISED_BYTES] in beginning:
            return
        if self._read_certificate(certificate.purpose).der != certificate.der:  # it may be compressed
            raise AgentError(Fault.CARD_NONSENSE, "another card is in its place")

    def sign(
        self, passcode: Passcode | None, messages: Sequence[bytes], digest: Digest, certificate: Certificate
    ) -> list[bytes]:
        if passcode is None:  # a PIV reader's own pad is not used
            raise AgentError(Fault.NO_PASSCODE)
        signatures = []
        try:
            for message in messages:
                self._ends = self._clock() + CARD_OPERATION_SECONDS
                self._show(Instruction.VERIFY, "Show the passcode to the card, which checks it itself", passcode)
                block = signature_block(message, digest, certificate.algorithm)
                signatures.append(self._authenticate(block, certificate))
        finally:
            passcode.forget()
        return signatures

    def change_passcode(self, old: Passcode, new: Passcode) -> None:
        """Part 2, section 3.2.2."""
        self._show(Instruction.CHANGE_REFERENCE_DATA, "Change the passcode", old, new)

    def unblock(self, code: Passcode, new: Passcode) -> None:
        """Part 2, section 3.2.3."""
        self._show(Instruction.RESET_RETRY_COUNTER, "Set a new passcode by the unblocking code", code, new)

    @staticmethod
    def _expect_success(command: Command, status: int, refused: Fault = Fault.CARD_NONSENSE) -> None:
        if status != StatusWord.SUCCESS:
            raise AgentError(refused, f"{command} \u2192 {describe_status(status)}")

    @functools.cached_property
    def _reference(self) -> int:
        """The key reference of the holder's passcode, as the Discovery object has it (part 1, section 3.3.2)."""
        data, _ = exchange(self, self._get_data(bytes([Tag.DISCOVERY]), "Ask which passcode its holder uses"))
        with contextlib.suppress(AgentError):  # optional, and many a card's is odd
            policy = decode_tlvs(decode_tlvs(data).get(Tag.DISCOVERY, b"")).get(Tag.PIN_USAGE_POLICY, b"")
            if len(policy) == 2 and policy[0] & BOTH_PASSCODES == BOTH_PASSCODES and policy[1] == GLOBAL_PREFERRED:
                return GLOBAL_PASSCODE
        return APPLICATION_PASSCODE

    def _tries_left(self) -> int | None:
        """Passcode tries left, asked without spending one (part 2, section 3.2.1). None where not said."""
        plain = "Ask how many passcode tries are left"
        command = Command(Instruction.VERIFY, 0, self._reference, plain=plain, answer_expected=False)
        return tries_left(exchange(self, command)[1])

    @staticmethod
    def _get_data(identifier: bytes, plain: str) -> Command:
        return Command(Instruction.GET_DATA, 0x3F, 0xFF, encode_tlv(Tag.DATA_OBJECT_LIST, identifier), plain)

    def _read_certificate(self, purpose: Purpose) -> Certificate:
        """Of the key for that. Raises NO_CERTIFICATE, BAD_CERTIFICATE."""
        reference, identifier = PIV_KEYS[purpose]
        command = self._get_data(identifier, f"Read the certificate that says whose card this is (key {reference:X})")
        data, status = exchange(self, command)
        missing = status in (StatusWord.FILE_NOT_FOUND, StatusWord.REFERENCE_NOT_FOUND)
        self._expect_success(command, status, Fault.NO_CERTIFICATE if missing else Fault.CARD_NONSENSE)
        certificate = Certificate.parse(_unpack_certificate(data))
        if not (certificate.uid.isascii() and certificate.uid.isdigit()):  # docs/protocol.md, section 7
            says = _("This is not an NHS smartcard: it is in the name of {name}.", name=certificate.uid)
            raise AgentError(Fault.CARD_NOT_USABLE, "the common name is no uid", says=says, advice=_(OWN_CARD))
        return dataclasses.replace(certificate, purpose=purpose)

    def _show(self, instruction: Instruction, plain: str, *passcodes: Passcode) -> None:
        """A command whose data are passcodes, the first of which is checked. Raises WrongPasscode, CARD_LOCKED."""
        padded = [passcode.padded() for passcode in passcodes]
        data = bytearray().join(padded)
        command = Command(instruction, 0, self._reference, data, plain, True, answer_expected=False)
        self.passcode_shown = True
        try:
            status = exchange(self, command)[1]
        finally:
            for each in (data, *padded):
                wipe(each)
            for passcode in passcodes if instruction is not Instruction.VERIFY else ():  # which may come again
                passcode.forget()
        left = self._tries_left() if status == StatusWord.VERIFICATION_FAILED else tries_left(status)
        if left == 0:
            raise AgentError(Fault.CARD_LOCKED, f"{instruction.name} \u2192 {describe_status(status)}")
        if status >> 8 == 0x63:
            raise WrongPasscode(left)
        if status == StatusWord.INCORRECT_DATA:  # of a new passcode
            says, advice = _("This card does not take that new passcode."), _("Choose one of 6 to 8 digits.")
            raise AgentError(Fault.NO_PASSCODE, f"{command} \u2192 {describe_status(status)}", says=says, advice=advice)
        self._expect_success(command, status)

    def _authenticate(self, block: bytes, certificate: Certificate) -> bytes:
        """The private-key operation over a prepared block (part 2, section 3.2.4 and appendix A.4)."""
        algorithm, (reference, _) = certificate.algorithm, PIV_KEYS[certificate.purpose]
        plain = f"The card signs {certificate.purpose.value}; its private key never leaves it"
        wanted = encode_tlv(Tag.RESPONSE, b"") + encode_tlv(Tag.CHALLENGE, block)
        template = encode_tlv(Tag.DYNAMIC_AUTHENTICATION, wanted)
        command = Command(Instruction.GENERAL_AUTHENTICATE, algorithm.identifier, reference, template, plain)
        data, status = exchange(self, command)
        self._expect_success(command, status)
        signature = decode_tlvs(decode_tlvs(data).get(Tag.DYNAMIC_AUTHENTICATION, b"")).get(Tag.RESPONSE, b"")
        if not signature or (algorithm.is_rsa and len(signature) != algorithm.key_bytes):
            raise AgentError(Fault.CARD_NONSENSE, f"{command}: a signature of {len(signature)} bytes")
        return signature


def _unpack_certificate(data: bytes) -> bytes:
    """DER out of the data object 53 { 70 certificate, 71 information }.

    Whether it is compressed, its first bytes say: of the information byte bit 1 means so in the standard, bit 8 in
    what OpenSC wrote until 2014, and some writers leave it 0.
    """
    stored = decode_tlvs(decode_tlvs(data).get(Tag.DATA_OBJECT, b"")).get(Tag.CERTIFICATE, b"")
    if not stored:
        raise AgentError(Fault.NO_CERTIFICATE, "the certificate's data object is empty")
    if stored[0] == 0x30:  # a SEQUENCE, as every certificate is
        return stored
    if stored[:2] == b"\x01\x00":  # Net iD puts this and a length of 2 bytes before a compressed one
        stored = stored[4:]
    unzip = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # gzip or zlib, by its header
    with contextlib.suppress(zlib.error):
        der = unzip.decompress(stored, LONGEST_CERTIFICATE)
        if unzip.eof:
            return der
    raise AgentError(Fault.BAD_CERTIFICATE, "the compressed certificate is damaged, or does not end")


@dataclass(frozen=True, eq=False)
class CardIn:
    """A card went in. Two insertions are never equal, so that nothing of one is used for the next."""

    reader: str  # its name, as it may be shown
    atr: bytes

    @property
    def is_held_on(self) -> bool:
        """It is contactless, and so gets its ATR from the reader (PC/SC part 3, section 3.1.3.2.3)."""
        made = len(self.atr) > 3 and self.atr[0] == 0x3B and self.atr[1] >> 4 == 8 and self.atr[2:4] == b"\x80\x01"
        return made or is_contactless(self.reader)


def is_contactless(reader: str) -> bool:
    """As far as its name says."""
    return bool(CONTACTLESS.search(reader))


@dataclass(frozen=True)
class CardOut:
    card: CardIn


@dataclass(frozen=True)
class ReaderReady:
    """There is a reader, without a card."""

    readers: tuple[str, ...] = field(default=(), compare=False)  # the names of all, as they may be shown


@dataclass(frozen=True)
class ReaderLost:
    """There is no reader, or no way to it: whatever card was in counts as out."""

    error: AgentError


ReaderNews = CardIn | CardOut | ReaderReady | ReaderLost
Report = Callable[[ReaderNews], None]


class CardSource(Protocol):
    """A way to cards. `watch` blocks in a thread of its own; the other methods belong to the card worker."""

    def watch(self, report: Report) -> None:
        """Report each card that comes and goes, until closed. Raises AgentError: watch again later."""

    def open(self, card: CardIn) -> contextlib.AbstractContextManager[IdentityCard]:
        """One operation that no other program can come between; a card that was shown a passcode is reset after it.

        No wait is endless. Raises CARD_REMOVED, CARD_BUSY, AgentError.
        """

    def close(self) -> None: ...


class Lane(threading.Thread):
    """A worker thread: what is slow runs here, one job after the other."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._jobs: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self.start()

    def submit(self, *jobs: Callable[[], object] | None) -> None:
        """None ends the lane after the jobs before it."""
        for job in jobs:
            self._jobs.put(job)

    def run(self) -> None:
        for job in iter(self._jobs.get, None):
            try:
                job()
            except Exception as error:  # the jobs behind it must still be done
                told("a lane", error)
            del job  # or it would keep what it knows of a person until the next one comes


# PC/SC, by ctypes from pcsc-lite's winscard.h. (pyscard takes no reader's name beyond ASCII, lists no reader at all
# beside one whose name is not UTF-8, and leaves the passcode in freed memory.)
LONG, DWORD = ctypes.c_long, ctypes.c_ulong


class ReaderState(ctypes.Structure):
    """SCARD_READERSTATE of PCSC/pcsclite.h."""

    _fields_ = (
        ("szReader", ctypes.c_char_p),
        ("pvUserData", ctypes.c_void_p),
        ("dwCurrentState", DWORD),
        ("dwEventState", DWORD),
        ("cbAtr", DWORD),
        ("rgbAtr", ctypes.c_ubyte * 33),
    )


class PcscResult(IntEnum):
    """The results of PCSC/pcsclite.h that the agent acts on."""

    SUCCESS = 0
    CANCELLED = 0x80100002
    INVALID_HANDLE = 0x80100003
    UNKNOWN_READER = 0x80100009
    TIMEOUT = 0x8010000A
    SHARING_VIOLATION = 0x8010000B
    NO_SMARTCARD = 0x8010000C
    PROTO_MISMATCH = 0x8010000F  # with how another program uses the card
    COMM_ERROR = 0x80100013
    READER_UNAVAILABLE = 0x80100017
    NO_SERVICE = 0x8010001D
    SERVICE_STOPPED = 0x8010001E
    NO_READERS_AVAILABLE = 0x8010002E
    RESET_CARD = 0x80100068
    REMOVED_CARD = 0x80100069
    SECURITY_VIOLATION = 0x8010006A


_R = PcscResult
PCSC_FAULTS: dict[Fault, Sequence[int]] = {  # all other results: CARD_MUTE
    Fault.CARD_BUSY: (_R.SHARING_VIOLATION, _R.PROTO_MISMATCH),
    Fault.CARD_REMOVED: (_R.REMOVED_CARD, _R.NO_SMARTCARD, _R.UNKNOWN_READER, _R.READER_UNAVAILABLE),
    Fault.NO_SERVICE: (_R.NO_SERVICE, _R.SERVICE_STOPPED, _R.COMM_ERROR, _R.INVALID_HANDLE, _R.SECURITY_VIOLATION),
}
WAITS_FOR_OTHERS = "SCardConnect", "SCardReconnect", "SCardBeginTransaction"  # until their transactions end
NO_STATUS_CHANGE = _R.CANCELLED, _R.UNKNOWN_READER, _R.READER_UNAVAILABLE  # a reader can go before the wait


class PcscContext:
    """A connection to the smartcard service. Its calls are made in a thread of its own, each with a time limit.

    A call that does not come back (another program's transaction, a mute card) holds up that thread alone.
    """

    def __init__(self, library: Any) -> None:
        self.handle = LONG()
        self.is_closed = False
        self._library = library
        self._lane = Lane("PC/SC")
        refused = PcscResult.SECURITY_VIOLATION  # here by polkit; later on a service says so that is being stopped
        if self.call("SCardEstablishContext", SCOPE_SYSTEM, None, None, ctypes.byref(self.handle), expected=[refused]):
            self.close()
            raise AgentError(Fault.SERVICE_REFUSES, f"SCardEstablishContext: {refused:08X} of pcsclite.h")

    def call(self, function: str, *arguments: Any, expected: Sequence[int] = (), seconds: float | None = None) -> int:
        """A function's result: SUCCESS, or one that is expected. After any other the context is closed.

        Raises what PCSC_FAULTS makes of the result, CARD_BUSY or CARD_MUTE where it does not come in time.
        """
        shares = function in WAITS_FOR_OTHERS
        results: queue.SimpleQueue[int] = queue.SimpleQueue()
        sized = [DWORD(each) if isinstance(each, int) else each for each in arguments]
        self._lane.submit(lambda: results.put(getattr(self._library, function)(*sized) & 0xFFFFFFFF))
        try:
            result = results.get(timeout=seconds or (CARD_BUSY_SECONDS if shares else CARD_ANSWER_SECONDS))
        except queue.Empty:
            self.close()
            technical = f"{function} does not come back"
            if shares:
                raise AgentError(Fault.CARD_BUSY, technical) from None
            raise given_up(CARD_ANSWER_SECONDS, technical) from None
        if result not in (PcscResult.SUCCESS, *expected):
            self.close()
            fault = next((fault for fault, results in PCSC_FAULTS.items() if result in results), Fault.CARD_MUTE)
            raise AgentError(fault, f"{function}: {result:08X} of pcsclite.h")
        return result

    def close(self) -> None:
        """Once the last call has come back. The service then resets a card that is in a transaction of this context."""
        self.is_closed = True
        self._lane.submit(lambda: self._library.SCardReleaseContext(self.handle), None)


class PcscLink(PcscContext):
    """A card that is connected through PC/SC: the way to it, and its PIV application."""

    def __init__(self, library: Any, card: CardIn, reader: bytes) -> None:
        """Raises AgentError."""
        super().__init__(library)
        self.card = card
        self.piv = PivCard(self, atr=card.atr)
        self._handle, self._protocol = LONG(), DWORD()
        mode, ends = (SHARE_SHARED, PROTOCOL_T0 | PROTOCOL_T1), time.monotonic() + CARD_BUSY_SECONDS
        opened = ctypes.byref(self._handle), ctypes.byref(self._protocol)
        while self.call("SCardConnect", self.handle, reader, *mode, *opened, expected=[PcscResult.SHARING_VIOLATION]):
            if time.monotonic() >= ends:  # another program has the card for itself, and mostly for a moment
                self.close()
                raise AgentError(Fault.CARD_BUSY, "SCardConnect: another program has the card for itself")
            time.sleep(0.1)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[PivCard]:
        """One operation with the card, PIV selected. Raises CARD_BUSY, CARD_REMOVED, ..."""
        begin = "SCardBeginTransaction", self._handle
        if self.call(*begin, expected=[PcscResult.RESET_CARD]):  # by another program, since our last transaction
            mode = (SHARE_SHARED, self._protocol.value, LEAVE_CARD)
            self.call("SCardReconnect", self._handle, *mode, ctypes.byref(self._protocol))
            self.call(*begin)
        try:
            self.piv.select()
            yield self.piv
        finally:
            if not self.is_closed:
                self._end()

    def reset(self) -> None:
        self.call("SCardDisconnect", self._handle, RESET_CARD)

    def _end(self) -> None:
        started = time.perf_counter()
        disposition = RESET_CARD if self.piv.passcode_shown else LEAVE_CARD
        with contextlib.suppress(AgentError):
            self.call("SCardEndTransaction", self._handle, disposition)
        if disposition == RESET_CARD:
            tell("Lock the card again, so that no other program finds it open", "card reset", started)

    def transmit(self, apdu: bytearray) -> bytes:
        size = len(apdu)
        if self._protocol.value == PROTOCOL_T0:  # one length byte: no Le behind data, 00 for neither (ISO 7816-3, 12.2)
            apdu = apdu if size > 4 else apdu + b"\x00"
            size = min(len(apdu), 5 + apdu[4])
        request = (DWORD * 2)(self._protocol.value, 2 * ctypes.sizeof(DWORD))  # SCARD_IO_REQUEST
        sent = (ctypes.c_ubyte * len(apdu)).from_buffer(apdu)  # the bytes themselves: no copy of a passcode
        answer, length = ctypes.create_string_buffer(LONGEST_ANSWER), DWORD(LONGEST_ANSWER)
        self.call("SCardTransmit", self._handle, request, sent, size, None, answer, ctypes.byref(length))
        if not length.value:  # what vpcd makes of a card that is pulled while it is asked
            raise AgentError(Fault.CARD_MUTE, "an answer of 0 bytes")
        return ctypes.string_at(answer, length.value)


class PcscReader:
    """The readers of this PC, through the smartcard service (PC/SC; winscard.h names)."""

    def __init__(self, name: str = "", library: Any = None) -> None:
        """`name`: only readers with this in their name. Raises NO_LIBRARY."""
        try:
            self._library = library or ctypes.CDLL("libpcsclite.so.1")
        except OSError as error:
            raise AgentError(Fault.NO_LIBRARY, str(error)) from None
        self._name = "" if name == "pcsc" else name
        self._cards: dict[tuple[bytes, int], CardIn] = {}  # by reader's name and its count of insertions and removals
        self._changed = threading.Condition()
        self._link: PcscLink | None = None
        self._watching: PcscContext | None = None
        self._closed = threading.Event()

    def watch(self, report: Report) -> None:
        """With a context of its own: a blocking status change would hold up every other call on it."""
        try:
            with contextlib.closing(PcscContext(self._library)) as self._watching:
                self._watch_readers(self._watching, report)
        except AgentError as error:
            fault = error.fault if error.fault is Fault.SERVICE_REFUSES else Fault.NO_SERVICE
            raise AgentError(fault, error.technical) from None
        finally:
            self._keep({})

    def _watch_readers(self, context: PcscContext, report: Report) -> None:
        known: dict[bytes, int] = {}
        before: list[bytes] | None = None
        while not self._closed.is_set():
            there = list_readers(context)
            names = [name for name in there if self._name in shown(name)]
            if not names:
                self._keep({})
            if there != before:
                before = there
                report(ReaderReady((*map(shown, names),)) if names else ReaderLost(self._not_found(there)))
            if states := self._wait(context, names, known):
                known = {state.szReader: state.dwEventState & ~STATE_CHANGED for state in states}
                self._report_cards(report, states)

    def _not_found(self, there: Iterable[bytes]) -> AgentError:
        if not there:
            return AgentError(Fault.NO_READER)
        names = clean("; ".join(map(shown, there)), LONGEST_LINE)
        advice = f"{_(Fault.READER_NOT_FOUND.advice)} {_('Connected: {names}.', names=names)}"
        says = _("The card reader \u201c{name}\u201d is not connected.", name=clean(self._name))
        return AgentError(Fault.READER_NOT_FOUND, f"--reader {self._name}", says=says, advice=advice)

    def _wait(self, context: PcscContext, names: list[bytes], known: dict[bytes, int]) -> Iterable[ReaderState]:
        """Blocks until a reader or a card comes or goes; none where it ended for nothing.

        pcscd takes MOST_READERS at a time, and before version 2.4 it has no more. Before 2.3 it tells only of readers
        that come during the wait: so after a change, look once more whether another came before it.
        """
        names = names if len(names) == MOST_READERS else [*names, PLUG_AND_PLAY]
        states = (ReaderState * len(names))(*(ReaderState(name, None, known.get(name, 0)) for name in names))
        wait = FOR_EVER if {*names} == known.keys() and PLUG_AND_PLAY in names else LOOK_AGAIN_MILLISECONDS
        arguments = "SCardGetStatusChange", context.handle, wait, states, len(states)
        expected = (PcscResult.TIMEOUT, *NO_STATUS_CHANGE)
        if context.call(*arguments, expected=expected, seconds=threading.TIMEOUT_MAX) in NO_STATUS_CHANGE:
            self._closed.wait(0.1)
            return ()
        return states

    def _report_cards(self, report: Report, states: Iterable[ReaderState]) -> None:
        """The high half of a state counts insertions and removals: a quick swap shows as a new number."""
        present, before = [state for state in states if state.dwEventState & STATE_PRESENT], self._cards
        places = {(state.szReader, state.dwEventState >> 16): bytes(state.rgbAtr[: state.cbAtr]) for state in present}
        cards = {place: before.get(place) or CardIn(shown(place[0]), atr) for place, atr in places.items()}
        self._keep(cards)
        for card in [before[place] for place in before if place not in cards]:
            report(CardOut(card))
        for card in [cards[place] for place in cards if place not in before]:
            report(card)

    def _keep(self, cards: dict[tuple[bytes, int], CardIn]) -> None:
        with self._changed:
            self._cards = cards
            self._changed.notify_all()

    @contextlib.contextmanager
    def open(self, card: CardIn) -> Iterator[IdentityCard]:
        """Stays connected only from reading a card to signing with it, so that the card keeps its power meanwhile."""
        try:
            with self._linked(card).transaction() as piv:
                yield piv
        except AgentError as error:
            self._let_go()
            if error.fault is Fault.CARD_MUTE and self._is_leaving(card):
                raise AgentError(Fault.CARD_REMOVED, error.technical) from None
            raise
        if piv.passcode_shown:
            self._let_go()

    def _linked(self, card: CardIn) -> PcscLink:
        if self._link is None or self._link.card is not card:
            self._let_go()
            reader = next((reader for (reader, _), each in self._cards.items() if each is card), None)
            if reader is None:
                raise AgentError(Fault.CARD_REMOVED)
            self._link = PcscLink(self._library, card, reader)
        return self._link

    def _let_go(self) -> None:
        if self._link and not self._link.is_closed:
            self._link.close()
        self._link = None

    def _reset(self, card: CardIn) -> None:
        """Lock a card that was unlocked in another way, so that no other program finds it open."""
        with contextlib.suppress(AgentError):
            self._linked(card).reset()
        self._let_go()

    def _is_leaving(self, card: CardIn) -> bool:
        """A pulled card fails first, and is seen to be gone a moment later: drivers look every 0.4 s, or later."""
        with self._changed:
            return self._changed.wait_for(lambda: card not in self._cards.values(), CARD_LEAVING_SECONDS)

    def close(self) -> None:
        self._closed.set()
        if self._watching:
            self._library.SCardCancel(self._watching.handle)


def list_readers(context: PcscContext) -> list[bytes]:
    """The names of all readers, in whatever encoding their makers chose."""
    names, size = ctypes.create_string_buffer(LONGEST_ANSWER), DWORD(LONGEST_ANSWER)
    listing = "SCardListReaders", context.handle, None, names, ctypes.byref(size)
    none = context.call(*listing, expected=[PcscResult.NO_READERS_AVAILABLE])
    return [] if none else [name for name in ctypes.string_at(names, size.value).split(b"\0") if name]


def shown(reader: bytes) -> str:
    """A reader's name, as it may be shown."""
    return clean(reader.decode(errors="replace"))


# --- PKCS#11 tokens ------------------------------------------------------------------------------------------

# A module is other people's code: it runs in a child process, which may hang or crash. Names are of PKCS#11 2.40.
MODULE_SECONDS, MODULE_SLOW_SECONDS = 60, 2  # the longest that a module may take, and until that is told
MODULE_START_SECONDS = 10  # the longest at the start: until then no card is noticed
# p11-kit's: a file of the latter folder replaces one of the same name in the former (pkcs11.conf(5)).
MODULE_FOLDERS = Path("/usr/share/p11-kit/modules"), Path("/etc/pkcs11/modules")
TOKEN_FIELDS = {"token": "label", "manufacturer": "manufacturerID", "model": "model", "serial": "serialNumber"}
URI_ATTRIBUTES = (*TOKEN_FIELDS, "id", "object", "type", "module-path")
URI_PART = re.compile(rf"({'|'.join(URI_ATTRIBUTES)})=((?:[^%]|%[0-9A-Fa-f]{{2}})*)")
SIGN_IN_PURPOSES = {"client_auth", "microsoft_smart_card_logon", "any_extended_key_usage"}
MODULE_FAULTS = {  # by pkcs11t.h's names, less CKR_; all other results: CARD_MUTE
    Fault.CARD_REMOVED: "DEVICE_REMOVED SESSION_CLOSED SESSION_HANDLE_INVALID SLOT_ID_INVALID TOKEN_NOT_PRESENT",
    Fault.CARD_BUSY: "SESSION_COUNT SESSION_EXISTS USER_ALREADY_LOGGED_IN USER_ANOTHER_ALREADY_LOGGED_IN",
    Fault.CARD_NOT_USABLE: "FUNCTION_NOT_SUPPORTED PIN_EXPIRED TOKEN_NOT_RECOGNIZED TOKEN_WRITE_PROTECTED "
    "USER_NOT_LOGGED_IN USER_PIN_NOT_INITIALIZED USER_TYPE_INVALID",
    Fault.KEY_NOT_USABLE: "KEY_FUNCTION_NOT_PERMITTED KEY_HANDLE_INVALID KEY_SIZE_RANGE KEY_TYPE_INCONSISTENT "
    "MECHANISM_INVALID MECHANISM_PARAM_INVALID",
    Fault.CARD_LOCKED: "PIN_LOCKED",
    Fault.NO_PASSCODE: "PIN_INVALID PIN_LEN_RANGE",
    Fault.GIVEN_UP: "CANCEL FUNCTION_CANCELED",
    Fault.NO_TOKEN_LIBRARY: "ImportError",
}


def parse_pkcs11_uri(uri: str) -> dict[str, str]:
    """What names a token, a certificate and a module (RFC 7512); `id` in hexadecimal digits. Raises UsageError."""
    parts = [part for part in re.split("[;?&]", uri.removeprefix("pkcs11:")) if part]
    if any(part.startswith("pin-") for part in parts):
        raise UsageError("--reader names a passcode.", "Leave pin-source and pin-value out: its owner types it.")
    values = {part[1]: unquote_to_bytes(part[2]) for part in map(URI_PART.fullmatch, parts) if part}
    if len(values) < len(parts):
        advice = f"These may come, each once: {', '.join(URI_ATTRIBUTES)}. In a value a space is %20."
        raise UsageError(f"--reader {uri} is no PKCS#11 URI that the agent understands.", advice)
    return {name: value.hex() if name == "id" else os.fsdecode(value) for name, value in values.items()}


def pkcs11_modules() -> list[str]:
    """The modules that p11-kit knows, but for its own: the proxy to all of them, and the store of CA certificates."""
    files = {path.name: path for folder in MODULE_FOLDERS for path in sorted(folder.glob("*.module"))}
    text = "\n".join(path.read_text(errors="replace") for path in files.values())
    folders = [*Path("/usr").glob("lib*/pkcs11/*"), *Path("/usr").glob("lib*/*/pkcs11/*")]  # for names without one
    places = {path.name: str(path) for path in folders}
    named = re.findall(r"^module:[ \t]*(\S+)", text, re.MULTILINE)
    return [places.get(name, name) for name in named if not Path(name).name.startswith("p11-kit-")]


def fitness(certificate: x509.Certificate, purpose: Purpose) -> int:
    """How well a certificate fits a purpose, 0 for not at all: by its key usages (RFC 5280, 4.2.1.3 and 4.2.1.12).

    Of those to sign in with, the better one says so, and is the NHS's own (docs/protocol.md, section 7).
    """
    usage = certificate.key_usage_value.native if certificate.key_usage_value else None
    purposes = certificate.extended_key_usage_value.native if certificate.extended_key_usage_value else None
    if purpose is Purpose.COMMITMENT:
        return int(usage is not None and "non_repudiation" in usage)
    if usage is not None and ("digital_signature" not in usage or "non_repudiation" in usage):
        return 0
    if certificate.ca or (purposes is not None and not SIGN_IN_PURPOSES & {*purposes}):
        return 0
    of_nhs = str(certificate.issuer.native.get("organization_name")).lower() == "nhs"
    return 1 + (usage is not None) + 2 * of_nhs


@dataclass(frozen=True)
class TokenKey:
    """A certificate on a token. Its private key lies there too, under the same CKA_ID (hexadecimal)."""

    slot: int
    id: str
    certificate: Certificate
    fitness: Mapping[Purpose, int]
    tries_left: int | None
    own_pad: bool


def token_keys(found: Any) -> list[TokenKey]:
    """What the child has found on tokens. Raises MODULE_FAILED; a certificate that is odd is left out."""
    keys = []
    try:
        for slot, identifier, label, encoded, tries_left, own_pad in found:
            der, tries = base64.b64decode(encoded), {None: None, 0: 0, 1: 1}[tries_left]
            with contextlib.suppress(AgentError):
                certificate = dataclasses.replace(Certificate.parse(der), label=clean(label))
                parsed = x509.Certificate.load(certificate.der)
                fits = {purpose: fitness(parsed, purpose) for purpose in Purpose}
                keys.append(TokenKey(int(slot), str(identifier), certificate, fits, tries, own_pad is True))
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        raise AgentError(Fault.MODULE_FAILED, f"certificates that make no sense: {type(error).__name__}") from None
    return keys


def read_module_answer(line: bytes, module: str) -> Any:
    """What a line from the child says. Raises MODULE_FAILED for what is no answer, and the error that it tells of."""
    try:
        result, answer = json.loads(line)
        tries_left = {None: None, 0: 0, 1: 1}[answer] if result != "OK" else None
    except (ValueError, TypeError, LookupError, RecursionError):
        why = "an answer that makes no sense" if line else "it ended, or took too long"
        raise AgentError(Fault.MODULE_FAILED, f"{module}: {why}") from None
    if result == "OK":
        return answer
    if result == "PIN_INCORRECT" and tries_left != 0:
        raise WrongPasscode(tries_left)
    if result == "Load":
        says = _("{module} cannot be loaded: it is no PKCS#11 module for this PC.", module=module)
        raise AgentError(Fault.MODULE_FAILED, f"{module}: not loaded", says=says)
    name = "PIN_LOCKED" if result == "PIN_INCORRECT" else result
    faults = (fault for fault, names in MODULE_FAULTS.items() if name in names.split())
    raise AgentError(next(faults, Fault.CARD_MUTE), f"{module}: CKR_{name}")


class TokenCard:
    """A card as one PKCS#11 module shows it, and the agent's end of the pipe to the child with that module.

    A request and its answer are a line of JSON each. A passcode goes through the pipe alone, on a line of its own.
    """

    CHILD = "pkcs11-module"  # a command of agent.py; for this class, not for people

    def __init__(self, module: str, card: CardIn, seconds: float) -> None:
        """`seconds`: the longest that an answer may take."""
        self.card, self.passcode_shown = card, False
        self._module, self._seconds = module, seconds
        self._keys: list[TokenKey] = []
        self._pipe, its = socket.socketpair()
        self._answers = self._pipe.makefile("rb")
        command, end = [sys.executable, str(Path(__file__).resolve()), self.CHILD], its.fileno()
        silent, environment = subprocess.DEVNULL, os.environ | {"LD_BIND_NOW": ""}  # a module may lack what it names
        self._child = subprocess.Popen(
            command, stdin=end, stdout=end, stderr=silent, cwd="/", env=environment, start_new_session=True
        )
        its.close()

    def find(self, uri: Mapping[str, str]) -> None:
        """Look for certificates that it names. Raises AgentError where there is none to sign in with."""
        found = self._ask("find", removable=bool(self.card.atr), reader=self.card.reader, uri=uri)
        self._keys = token_keys(found)
        self.facts()

    def facts(self, purpose: Purpose = Purpose.SIGN_IN) -> CardFacts:
        best = max((key.fitness[purpose] for key in self._keys), default=0)
        if not best:
            raise AgentError(Fault.NO_CERTIFICATE, f"none of its certificates ({len(self._keys)}) is for this")
        key, *others = [key for key in self._keys if key.fitness[purpose] == best]
        own, *rest = (dataclasses.replace(each.certificate, purpose=purpose) for each in (key, *others))
        return CardFacts(own, key.tries_left, key.own_pad, tuple(rest))

    def recognise(self, certificate: Certificate) -> None:
        self._key(certificate)

    def sign(
        self, passcode: Passcode | None, messages: Sequence[bytes], digest: Digest, certificate: Certificate
    ) -> list[bytes]:
        key, is_rsa = self._key(certificate), certificate.algorithm.is_rsa
        encoded = [base64.b64encode(message).decode() for message in messages]
        asked = {"slot": key.slot, "key": key.id, "is_rsa": is_rsa, "digest": digest, "messages": encoded}
        answer = self._ask("sign", passcode, **asked)
        try:
            raw = [base64.b64decode(each) for each, _ in zip(answer, messages, strict=True)]
            return raw if is_rsa else [bytes(algos.DSASignature.from_p1363(each).dump()) for each in raw]
        except (ValueError, TypeError) as error:
            raise AgentError(Fault.MODULE_FAILED, f"signatures that make no sense: {type(error).__name__}") from None

    def change_passcode(self, old: Passcode, new: Passcode) -> None:
        self._ask("change", old, new, slot=self._key(self.facts().certificate).slot)

    def unblock(self, code: Passcode, new: Passcode) -> None:
        self._ask("unblock", code, new, slot=self._key(self.facts().certificate).slot)

    def _key(self, certificate: Certificate) -> TokenKey:
        for key in self._keys:
            if key.certificate.der == certificate.der:
                return key
        raise AgentError(Fault.CARD_NOT_USABLE, "its certificate is another one than before")

    def _ask(self, what: str, *passcodes: Passcode | None, **arguments: object) -> Any:
        """The child's answer, in time. Raises MODULE_FAILED, and the error that the module tells of.

        A passcode that is None is typed on the reader.
        """
        typed = [passcode for passcode in passcodes if passcode]
        self.passcode_shown = self.passcode_shown or bool(passcodes)
        started, line = time.perf_counter(), b""
        with contextlib.suppress(OSError):  # it has ended
            self._pipe.settimeout(self._seconds)
            self._pipe.sendall(json.dumps([self._module, what, arguments, len(typed)]).encode() + b"\n")
            for passcode in typed:
                with passcode.typed() as digits:
                    self._pipe.sendall(digits)
                    self._pipe.sendall(b"\n")
            self._pipe.settimeout(MODULE_SLOW_SECONDS)
            try:
                self._pipe.recv(1, socket.MSG_PEEK)
            except TimeoutError:
                given = f"{self._module} is given {self._seconds} s"
                tell("The card's own software is slow", given, level=logging.WARNING)
            self._pipe.settimeout(max(0.1, self._seconds - MODULE_SLOW_SECONDS))
            line = self._answers.readline(LONGEST_REPLY)
        for passcode in typed:
            passcode.forget()
        tell("Ask the card's own software (PKCS#11)", f"{what}, {len(line)} bytes of {self._module}", started)
        return read_module_answer(line, self._module)

    def end(self) -> None:
        """From any thread: whoever waits for an answer gets MODULE_FAILED."""
        self._child.kill()

    def close(self) -> None:
        self.end()
        self._child.wait()
        self._answers.close()
        self._pipe.close()


class TokenReader(PcscReader):
    """Cards through the PKCS#11 modules of this PC, which are asked one at a time.

    That a card comes or goes PC/SC tells: modules notice it late or never. A token in no reader is always there.
    """

    def __init__(self, uri: str, library: Any = None) -> None:
        """Raises UsageError, NO_LIBRARY."""
        super().__init__(library=library)
        self._uri = parse_pkcs11_uri(uri)
        named = self._uri.pop("module-path", None)
        if named is not None and not Path(named).is_file():
            raise UsageError(f"--reader names a module that is no file: {named}")
        self._modules = pkcs11_modules() if named is None else [named]
        self._token: TokenCard | None = None  # what is used, or tried

    def watch(self, report: Report) -> None:
        fixed = CardIn("no reader", b"")
        try:
            self._find(fixed, MODULE_START_SECONDS)
        except AgentError as error:
            if error.fault.exit_code == 3 and len(self._modules) == 1:
                raise
            super().watch(lambda news: self._pass_on(news, report))
        else:
            report(fixed)
            self._closed.wait()

    def _pass_on(self, news: ReaderNews, report: Report) -> None:
        """The child ends with its card, even one whose module hangs, and with no other."""
        token = self._token
        if token and (isinstance(news, ReaderLost) or news == CardOut(token.card)):
            token.end()
        report(news)

    @contextlib.contextmanager
    def open(self, card: CardIn) -> Iterator[IdentityCard]:
        token = None
        try:
            token = self._find(card)
            yield token
        except AgentError as error:
            self._forget()
            may_be_gone = error.fault in {Fault.MODULE_FAILED, *CARD_FAULTS}
            if may_be_gone and card.atr and self._is_leaving(card):
                raise AgentError(Fault.CARD_REMOVED, error.technical) from None
            raise
        finally:
            if token and token.passcode_shown:
                self._forget()
                self._reset(card)

    def _find(self, card: CardIn, seconds: float | None = None) -> TokenCard:
        """What the first module shows that can sign in; one that has failed is asked last. Raises AgentError."""
        if self._token and self._token.card is card:
            return self._token
        problem = AgentError(Fault.CARD_NOT_USABLE, "no PKCS#11 module of this PC knows it")
        for module in self._modules:
            self._forget()
            self._token = token = TokenCard(module, card, seconds or MODULE_SECONDS)
            try:
                token.find(self._uri)
                return token
            except AgentError as error:
                problem = error if problem.fault is Fault.CARD_NOT_USABLE else problem
                if error.fault is Fault.MODULE_FAILED:
                    self._modules = [*(each for each in self._modules if each != module), module]
        self._forget()
        raise problem

    def _forget(self) -> None:
        """The module's process ends, and with it all that it knows of a passcode."""
        token, self._token = self._token, None
        if token:
            token.close()

    def close(self) -> None:
        super().close()
        self._forget()


class TokenModule:
    """In the child: one module, through PyKCS11. What the agent asks for is a method of that name."""

    def answer(self, line: bytes, pins: Sequence[str]) -> tuple[str, Any]:
        """A result's name and, as it succeeded or failed, what was asked for or the tries left."""
        path, what, arguments, _ = json.loads(line)
        try:
            import PyKCS11  # in this process alone

            self.names = PyKCS11
            if not hasattr(self, "module"):
                module = PyKCS11.PyKCS11Lib()
                module.load(path)
                self.module = module
            return "OK", getattr(self, what)(*pins, **arguments)
        except ImportError:
            return "ImportError", None
        except PyKCS11.PyKCS11Error as error:
            name = str(PyKCS11.CKR.get(error.value, error)).removeprefix("CKR_")
            return name, self._tries_left(arguments["slot"]) if name == "PIN_INCORRECT" and what != "unblock" else None

    def find(self, removable: bool, reader: str, uri: Mapping[str, str]) -> list[Any]:
        """The certificates on tokens that the URI names, in this reader where slots say so: for `token_keys`."""
        names, found = self.names, []
        slots = {slot: self.module.getSlotInfo(slot) for slot in self.module.getSlotList(tokenPresent=True)}
        kind = [slot for slot, it in slots.items() if bool(it.flags & names.CKF_REMOVABLE_DEVICE) == removable]
        here = [slot for slot in kind if clean(slots[slot].slotDescription.strip("\0 ")) == reader] or kind
        named = [(slot, token) for slot in here if (token := self._token(slot, uri))]
        self._check(0 if named else names.CKR_TOKEN_NOT_RECOGNIZED)
        for slot, token in named:
            session = self.module.openSession(slot)
            has_pad = bool(token.flags & names.CKF_PROTECTED_AUTHENTICATION_PATH)
            for each in session.findObjects([(names.CKA_CLASS, names.CKO_CERTIFICATE)]):
                wanted = [names.CKA_ID, names.CKA_LABEL, names.CKA_VALUE]
                identifier, label, der = (bytes(it or ()) for it in session.getAttributeValue(each, wanted, True))
                texts = {"id": identifier.hex(), "object": label.decode(errors="replace")}
                if all(uri.get(name, text) == text for name, text in texts.items()):
                    encoded = base64.b64encode(der).decode()
                    found.append([slot, *texts.values(), encoded, self._tries_left(slot), has_pad])
            session.closeSession()  # beside a read-only one the security officer cannot log in
        return found

    def _token(self, slot: int, uri: Mapping[str, str]) -> Any:
        """What is known of the token in a slot; None where the URI names another, or the module does not know it."""
        with contextlib.suppress(self.names.PyKCS11Error):
            token = self.module.getTokenInfo(slot)
            texts = {name: str(getattr(token, field)).strip("\0 ") for name, field in TOKEN_FIELDS.items()}
            named = all(uri.get(name, text) == text for name, text in texts.items())
            return token if named and token.flags & self.names.CKF_TOKEN_INITIALIZED else None

    def _tries_left(self, slot: int) -> int | None:
        """Of a token's flags these two say a number."""
        flags = self.module.getTokenInfo(slot).flags
        last = 1 if flags & self.names.CKF_USER_PIN_FINAL_TRY else None
        return 0 if flags & self.names.CKF_USER_PIN_LOCKED else last

    def sign(
        self, pin: str = "", *, slot: int, key: str, is_rsa: bool, digest: str, messages: Sequence[str]
    ) -> list[str]:
        """Signatures in base64. Without a PIN it is typed at the reader's pad."""
        names, session = self.names, self.module.openSession(slot)
        session.login(pin)
        try:
            found = session.findObjects([(names.CKA_CLASS, names.CKO_PRIVATE_KEY), (names.CKA_ID, bytes.fromhex(key))])
            self._check(0 if found else names.CKR_KEY_HANDLE_INVALID)
            mechanism, prepare = self._mechanism(slot, is_rsa, Digest(digest))
            again = session.getAttributeValue(found[0], [names.CKA_ALWAYS_AUTHENTICATE])[0]
            signatures = []
            for message in messages:
                self._check(session.lib.C_SignInit(session.session, mechanism.to_native(), found[0]))
                if again:
                    session.login(pin, names.CKU_CONTEXT_SPECIFIC)
                data, signature = names.ckbytelist(prepare(base64.b64decode(message))), names.ckbytelist()
                for _ in ("its length", "itself"):
                    self._check(session.lib.C_Sign(session.session, data, signature))
                signatures.append(base64.b64encode(bytes(signature)).decode())
            return signatures
        finally:
            with contextlib.suppress(names.PyKCS11Error):
                session.logout()

    def _mechanism(self, slot: int, is_rsa: bool, digest: Digest) -> tuple[Any, Callable[[bytes], bytes]]:
        """One that signs what we have hashed, where the token has it, or else one that hashes itself."""
        raw, combined = "CKM_ECDSA", f"CKM_ECDSA_{digest.name}"
        if is_rsa:
            raw, combined = "CKM_RSA_PKCS", f"CKM_{digest.name}_RSA_PKCS"
        try:
            self.module.getMechanismInfo(slot, raw)
        except self.names.PyKCS11Error:
            return self.names.Mechanism(self.names.CKM[combined]), lambda message: message
        return self.names.Mechanism(self.names.CKM[raw]), lambda message: hashed_to_sign(message, digest, is_rsa)

    def change(self, old: str, new: str, *, slot: int) -> None:
        self.module.openSession(slot, self.names.CKF_RW_SESSION).setPin(old, new)

    def unblock(self, code: str, new: str, *, slot: int) -> None:
        """As the security officer, whose PIN is the unblocking code."""
        session = self.module.openSession(slot, self.names.CKF_RW_SESSION)
        session.login(code, self.names.CKU_SO)
        session.initPin(new)
        session.logout()

    def _check(self, result: int) -> None:
        if result:
            raise self.names.PyKCS11Error(result)


def serve_module() -> int:
    """The child itself: answers each line with a line until the pipe closes, and does not outlive the agent."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a module prints is no answer
    module = TokenModule()
    for line in sys.stdin.buffer:
        pins = [sys.stdin.buffer.readline()[:-1].decode() for _ in range(json.loads(line)[-1])]
        answers.write(json.dumps(module.answer(line, pins)).encode() + b"\n")
        answers.flush()
    return 0


# --- CMS and XML messages ------------------------------------------------------------------------------------


def unsigned_data(message: bytes, digest: Digest, certificate: Certificate) -> cms.ContentInfo:
    """CMS SignedData (RFC 5652, section 5) but for its signature: version 1, one signer, no signed attributes."""
    parsed = x509.Certificate.load(certificate.der)
    signing = "rsassa_pkcs1v15" if certificate.algorithm.is_rsa else f"{digest.value}_ecdsa"
    issued = {"issuer": parsed.issuer, "serial_number": parsed.serial_number}
    signer = {
        "version": "v1",
        "sid": cms.SignerIdentifier("issuer_and_serial_number", issued),
        "digest_algorithm": hashing(digest),
        "signature_algorithm": {"algorithm": signing},
        "signature": b"",
    }
    content = {
        "version": "v1",
        "digest_algorithms": [hashing(digest)],
        "encap_content_info": {"content_type": "data", "content": message},
        "certificates": [parsed],
        "signer_infos": [signer],
    }
    return cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(content)})


def signed_data(unsigned: cms.ContentInfo, signature: bytes) -> bytes:
    """The SignedData with its signature, DER."""
    unsigned["content"]["signer_infos"][0]["signature"] = signature
    return bytes(unsigned.dump())


def unsigned_commitment(content: bytes, digest: Digest, certificate: Certificate, now: datetime) -> cms.ContentInfo:
    """CAdES-BES (ETSI EN 319 122-1, section 6) but for its signature: what is signed is `signed_attributes`."""
    unsigned, parsed = unsigned_data(content, digest, certificate), x509.Certificate.load(certificate.der)
    issued = {"issuer": [x509.GeneralName("directory_name", parsed.issuer)], "serial_number": parsed.serial_number}
    certified = {"cert_hash": hashlib.sha256(certificate.der).digest(), "issuer_serial": issued}
    values = {
        "content_type": "data",
        "signing_time": cms.Time("utc_time", now),
        "message_digest": hashlib.new(digest.value, content).digest(),
        "signing_certificate_v2": tsp.SigningCertificateV2({"certs": [certified]}),
    }
    signer = unsigned["content"]["signer_infos"][0]
    signer["signed_attrs"] = [{"type": name, "values": [value]} for name, value in values.items()]
    return unsigned


def signed_attributes(unsigned: cms.ContentInfo) -> bytes:
    """As a signature covers them: a SET OF, DER, without the tag that they have in the message (RFC 5652, 5.4)."""
    return bytes(unsigned["content"]["signer_infos"][0]["signed_attrs"].untag().dump(force=True))


SMIME_HEADER = """\
MIME-Version: 1.0
Content-Disposition: attachment; filename="smime.p7m"
Content-Type: application/x-pkcs7-mime; name="smime.p7m"
Content-Transfer-Encoding: base64

"""


def smime_response(der: bytes) -> str:
    """The `response` parameter: base64 of (S/MIME header and base64 of the CMS), as on the real wire."""
    return base64.b64encode(SMIME_HEADER.encode() + base64.b64encode(der)).decode()


def gp_object(parameters: Mapping[str, str]) -> bytes:
    """A request: gpOBJECT XML with one gpPARAM each (docs/protocol.md, section 2)."""
    root = Element("gpOBJECT")
    for name, value in parameters.items():
        attributes = {"name": name} | ({"encoding": "base64"} if name == "response" else {})
        SubElement(root, "gpPARAM", attributes).text = value
    return b'<!DOCTYPE USER SYSTEM "gpOBJECT.DTD">' + tostring(root)


@dataclass(frozen=True)
class Role:
    """A job role of the person at one organisation. `org_code` is None where the broker leaves it out."""

    id: str
    org_code: str | None
    org_name: str
    group: str
    sub_group: str
    name: str


WORK = r'"(?P<group>[^"]*)"\s*:\s*"(?P<sub_group>[^"]*)"\s*:\s*"(?P<name>[^"]*)"'
ROLE_TEXT = re.compile(rf"(?P<org_name>.*),\s*{WORK}", re.DOTALL)
RAW_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#[0-9]+|#x[0-9A-Fa-f]+);)")
STATUS = re.compile(r"<STATUS>\s*([^<]*?)\s*</STATUS>", re.IGNORECASE)
REFUSALS = ("Failed To Validate", "Invalid input request")
ENCODING = re.compile(r"""(?:encoding|charset)\s*=\s*["']?([\w.-]+)""", re.IGNORECASE)
BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
ENCODINGS = ("utf-8", "utf-16", "ascii", "iso8859-1", "iso8859-15", "cp1252")  # Python's names


def decode_reply(body: bytes, content_type: str = "") -> str:
    """A reply's text: by its byte order mark, its XML declaration or its Content-Type, else UTF-8 (RFC 7303, 3).

    Raises BROKER_NONSENSE where that is not so, or names an encoding that no broker has.
    """
    declaration, is_there, _ = body[:200].decode("latin-1").partition("?>")
    named = ENCODING.search(f"{declaration if is_there else ''} {content_type}")
    encoding = named[1] if named else "utf-8"
    encoding = next((name for mark, name in BYTE_ORDER_MARKS.items() if body.startswith(mark)), encoding)
    try:
        if codecs.lookup(encoding).name not in ENCODINGS:
            raise LookupError
        return body.decode(encoding).strip("\ufeff \t\r\n")
    except (LookupError, UnicodeError):
        raise AgentError(Fault.BROKER_NONSENSE, f"the reply is not text in {encoding}") from None


def status_words(text: str) -> str:
    """What a page of the broker says, such as `<HTML><STATUS>OK</STATUS></HTML>`; empty where it says nothing."""
    return clean(found[1]) if (found := STATUS.search(text)) else ""


@dataclass(frozen=True)
class GpAnswer:
    """A reply of the broker: its parameters by name, and the elements of its roles in order."""

    parameters: Mapping[str, str] = field(repr=False)
    role_elements: Sequence[Element]

    @classmethod
    def parse(cls, text: str) -> GpAnswer:
        """Raises BROKER_NONSENSE for what is no gpOBJECT, BROKER_REFUSED for one of the two refusals."""
        try:
            root = _parse_xml(text)
            if root.tag != "gpOBJECT":
                raise ValueError
        except (ParseError, DefusedXmlException, ValueError, RecursionError) as error:
            if refusal := next((words for words in REFUSALS if words in text), ""):
                raise AgentError(Fault.BROKER_REFUSED, refusal) from None
            raise AgentError(Fault.BROKER_NONSENSE, f"not the XML we know: {type(error).__name__}") from None
        elements = [(element.get("name", ""), element) for element in root.iter("gpPARAM")]
        roles = [element for name, element in elements if name.startswith("nhsjobrole")]
        parameters = {
            name: (element.text or "").strip() for name, element in elements if not name.startswith("nhsjobrole")
        }
        if len(parameters) + len(roles) < len(elements):
            raise AgentError(Fault.BROKER_NONSENSE, "a parameter comes twice")
        return cls(parameters, roles)

    def roles(self) -> tuple[Role, ...]:
        """The roles in order. One that cannot be read is left out and logged. Raises BROKER_NONSENSE if all are odd."""
        roles: dict[str, Role] = {}
        for element in self.role_elements[:MOST_ROLES]:
            role = _parse_role(element)
            if role and role.id not in roles:
                roles[role.id] = role
            else:
                LOG.warning("a role is left out, it is odd or comes twice: %s", clean(str(element.attrib)))
        if self.role_elements and not roles:
            raise AgentError(Fault.BROKER_NONSENSE, f"none of {len(self.role_elements)} roles can be read")
        return tuple(roles.values())

    def required(self, name: str) -> str:
        """A parameter. Raises BROKER_NONSENSE for one that is missing, or longer than any that makes sense."""
        value = self.parameters.get(name, "")
        if not 0 < len(value) <= LONGEST_PARAMETER:
            raise AgentError(Fault.BROKER_NONSENSE, f"{name} of {len(value)} characters")
        return value

    def minutes(self, name: str) -> int:
        """A time limit. Raises BROKER_NONSENSE for what is no number of minutes in a year."""
        value = self.required(name)
        if not (value.isascii() and value.isdigit() and len(value) <= 6 and int(value)):
            raise AgentError(Fault.BROKER_NONSENSE, f"{name} is no number of minutes")
        return int(value)


def _parse_xml(text: str) -> Element:
    """No DTD is fetched and no entity expanded (defusedxml's default). The real broker's bare `&` is mended."""
    try:
        return fromstring(text)
    except ParseError:
        return fromstring(RAW_AMPERSAND.sub("&amp;", text))


def _parse_role(element: Element) -> Role | None:
    """None for what is no role."""
    match = ROLE_TEXT.fullmatch((element.text or "").strip())
    identifier, org_code = element.get("id", ""), element.get("orgcode")
    if not match or not identifier or clean(identifier) != identifier:
        return None
    words = {name: clean(value) for name, value in match.groupdict().items()}
    return Role(id=identifier, org_code=clean(org_code) if org_code else None, **words)


# --- Broker client -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Challenge:
    """What the broker wants signed: 48 bytes on the real wire. `received`, by boottime(): it ages in sleep too."""

    encoded: str
    data: bytes
    server_signature: str
    received: float


@dataclass(frozen=True)
class Session:
    """A person signed in at the broker. The ticket is in no repr and in no log."""

    uid: str
    cn: str
    ticket: str = field(repr=False)
    roles: tuple[Role, ...]
    max_minutes: int
    idle_minutes: int
    logout_url: str
    session_url: str = ""  # where the broker is told that the session is used


HEADERS = {
    "User-Agent": f"Mozilla/4.0(compatible;IE;GACv10. 0. 0. 1) Lanyard/{VERSION}",
    "Accept-Encoding": "identity",
    "Content-Type": "text/xml",
}
REPLY_HEADERS = "Content-Type", "Content-Encoding", "X-Spine-Stub-Reason"
Reply = tuple[int, Mapping[str, str]]  # its status, and of its headers those


class BoundedSocket(ssl.SSLSocket):
    """TLS on which a whole reply has the socket's time limit, and a size limit on the bytes that come in.

    A socket's own time limit begins anew with every byte, and libraries count what they have unpacked.
    """

    _due: float | None = None
    _received = 0

    def sendall(self, data: Any, flags: int = 0) -> None:
        super().sendall(data, flags)
        self._due, self._received = None, 0

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        """Raises TimeoutError, BROKER_NONSENSE."""
        limit = self.gettimeout() or 0.0
        self._due = self._due or time.monotonic() + limit
        left = self._due - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.settimeout(left)
        try:
            received = super().recv_into(buffer, nbytes, flags)
        finally:
            self.settimeout(limit)
        self._received += received
        if self._received > LONGEST_REPLY:
            raise AgentError(Fault.BROKER_NONSENSE, f"a reply of over {LONGEST_REPLY} bytes")
        return received


class Broker:
    """One person's conversation with the Spine Security Broker, over one kept-alive connection.

    Every request has a connect and an answer time limit and a size limit. Who is trusted is what the configuration
    says, one CA file or else the system's CAs. Proxies of the environment are not used.
    """

    def __init__(self, spine: str, ca_file: Path | None) -> None:
        self._spine = spine.rstrip("/")
        self._ca_file = ca_file
        self.reply = bytearray()  # the body of the last one, as far as it came
        self._used = boottime()  # when the connection was, at last
        self.open_session: Session | None = None  # even by an answer that is of no use here
        self._can_cut = self._is_leaving = False  # the request under way opens nothing; only the log-out is asked yet
        self._log_session_id = "".join(secrets.choice("ABCDEFGHJKLMNPQRSTUVWXYZ23456789") for _ in range(10))

    def activate(self) -> Challenge:
        """Ask for a challenge. Raises AgentError."""
        plain = "Ask the sign-in service for a challenge to sign"
        answer = self._post("activate", plain, self._parameters("ACTIVATION"))
        encoded = answer.required("challenge")
        try:
            data = base64.b64decode(encoded)
        except ValueError:
            raise AgentError(Fault.BROKER_NONSENSE, "the challenge is not base64") from None
        if not 16 <= len(data) <= 1024:
            raise AgentError(Fault.BROKER_NONSENSE, f"a challenge of {len(data)} bytes")
        return Challenge(encoded, data, answer.required("signature"), boottime())

    def validate(self, uid: str, challenge: Challenge, der: bytes) -> Session:
        """Send the signed challenge back. Raises AgentError; there may be an `open_session` even then."""
        signed = {
            "challenge": challenge.encoded,
            "signature": challenge.server_signature,
            "uid": uid,
            "card_type": "p11",
            "response": smime_response(der),
            "mobility": "0",
        }
        plain = "Send the signed challenge to the sign-in service, which checks it"
        try:
            answer = self._post("validate", plain, self._parameters("AUTHENTICATION") | signed, opens_for=uid)
            self.open_session = session = _session(uid, answer)
        except AgentError:
            if ticket := find_ticket(self.reply):
                self.open_session = Session(uid, "", ticket, (), 0, 0, "")
            raise
        return session

    def open(self, uid: str, path: str, body: bytes) -> Reply:
        """Post what may open a session for this person; `reply` has what came, even where it raises AgentError."""
        return self._exchange("POST", path, body, LATE_ANSWER_SECONDS)

    def select_role(self, session: Session, role: Role) -> None:
        """Tell the broker which role the person works in now. Raises ROLE_REFUSED, ENDED_BY_BROKER, AgentError."""
        query = {"token": session.ticket, "selectedRoleUid": role.id, "ssbMode": "0"}
        query |= {"fallbackStatus": "0", "gacVersion": VERSION}
        url = f"{self._spine}/saml/RoleSelectionGP.jsp?{urlencode(query)}"
        words = self._ask("GET", url, "Tell the sign-in service which role was chosen", can_cut=True)
        if words != "OK":
            fault = Fault.ENDED_BY_BROKER if ticket_is_over(words) else Fault.ROLE_REFUSED
            raise AgentError(fault, f"role {role.id}: {words}")

    def keep_alive(self, session: Session) -> None:
        """Have the idle limit begin anew. No other host gets the ticket. Raises ENDED_BY_BROKER, AgentError."""
        if not is_same_host(session.session_url, self._spine):
            raise AgentError(Fault.UNREACHABLE, "the session address is another host's")
        parameters = self._parameters("UPDATE") | {"sso_ticket": session.ticket, "uid": session.uid}
        plain = "Tell the sign-in service that the session is used"
        words = self._ask("POST", session.session_url, plain, body=gp_object(parameters), can_cut=True)
        if words != "OK":
            fault = Fault.ENDED_BY_BROKER if ticket_is_over(words) else Fault.BROKER_NONSENSE
            raise AgentError(fault, f"the session was not kept: {words}")

    def leave(self) -> None:
        """From another thread: what may be cut off fails at once, and nothing but the log-out is asked any more."""
        self._is_leaving = True
        link = self._connection.sock if "_connection" in vars(self) else None
        if link and self._can_cut:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(link, socket.SHUT_RDWR)  # and not SSLSocket's, which forgets its TLS first

    def log_out(self, session: Session) -> None:
        """End the session, if it is not over at the broker. No other host gets the ticket. Raises AgentError."""
        self._is_leaving = False
        parameters = self._parameters("LOGOUT") | {"sso_ticket": session.ticket, "uid": session.uid}
        same_host = session.logout_url.startswith(self._spine + "/")
        url = session.logout_url if same_host else f"{self._spine}/login/authlogout"
        plain = "Tell the sign-in service that the session is over"
        words = self._ask("POST", url, plain, body=gp_object(parameters))
        if words != "OK" and not ticket_is_over(words):
            raise AgentError(Fault.BROKER_NONSENSE, f"the log-out was not confirmed: {words}")

    def let_go(self, settled: bool) -> None:
        """Nothing is done about the open session any more. It is `settled` where it is over, or is to stay open."""
        self.open_session = None

    def connect(self) -> None:
        """Be ready for a request; where that cannot be, the request says so."""
        with contextlib.suppress(OSError, ValueError):
            self._connect(ANSWER_SECONDS)

    def close(self) -> None:
        self._disconnect()

    def _disconnect(self) -> None:
        if "_connection" in vars(self):
            self._connection.close()

    @functools.cached_property
    def _connection(self) -> http.client.HTTPSConnection:
        """Made with the first request and not before: the system's CAs take a while to read."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # which checks the certificate, and the name in it
        context.load_verify_locations(self._ca_file) if self._ca_file else context.load_default_certs()
        context.sslsocket_class = BoundedSocket
        parts = urlsplit(self._spine)
        return http.client.HTTPSConnection(parts.hostname or "", parts.port, context=context)

    def _connect(self, seconds: float) -> http.client.HTTPSConnection:
        """The connection, on which a reply may take so long; a new one where the broker has ended the last.

        One that has rested for long may have been forgotten on the way, while the PC slept: nobody would answer there.
        """
        connection, rested = self._connection, boottime() - self._used
        if connection.sock and (rested > CHALLENGE_FRESH_SECONDS or speaks_first(connection.sock)):
            connection.close()
        self._used = boottime()
        if connection.sock is None:
            connection.timeout = CONNECT_SECONDS
            connection.connect()
        connection.sock.settimeout(seconds)
        return connection

    @functools.cached_property
    def _device_id(self) -> str:
        """With this PC's address towards the broker, whose name is looked up for that: not before the first request."""
        parts, address = urlsplit(self._spine), "0.0.0.0"  # noqa: S104  the protocol's "not known", nothing is bound
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((parts.hostname, parts.port or 443))  # sends nothing
            address = probe.getsockname()[0]
        return f"{secrets.token_hex(4)},ClientIP={address}"

    def _parameters(self, service: str) -> dict[str, str]:
        return {
            "auth_method": "3",
            "app_url": "NHST",
            "log_session_id": self._log_session_id,
            "device_id": self._device_id,
            "service": service,
        }

    def _post(self, endpoint: str, plain: str, parameters: Mapping[str, str], **what: Any) -> GpAnswer:
        url = f"{self._spine}/login/auth{endpoint}"
        text, reason = self._request("POST", url, plain, gp_object(parameters), **what)
        if reason:
            raise AgentError(Fault.BROKER_REFUSED, reason)
        return GpAnswer.parse(text)

    def _ask(self, method: str, url: str, plain: str, body: bytes = b"", **what: Any) -> str:
        """The words of the page that is the reply."""
        text, reason = self._request(method, url, plain, body, **what)
        return f"{status_words(text)} {reason}".strip()

    def _request(
        self, method: str, url: str, plain: str, body: bytes, can_cut: bool = False, opens_for: str = ""
    ) -> tuple[str, str]:
        """One request: its reply's text, and the reason that our own stand-in gives developers for a refusal."""
        self._can_cut = can_cut
        if self._is_leaving:
            raise AgentError(Fault.INTERRUPTED)
        # By hand: urlsplit would keep it, and so the ticket.
        started, path = time.perf_counter(), "/" + url.partition("://")[2].partition("/")[2]
        line = f"{method} {urlsplit(self._spine).netloc}{path.partition('?')[0]}"
        try:
            status, headers = (
                self.open(opens_for, path, body) if opens_for else self._exchange(method, path, body, ANSWER_SECONDS)
            )
        except AgentError as error:
            raise AgentError(error.fault, f"{line}: {error.technical}") from None
        finally:
            self._can_cut = False
        tell(plain, f"{line} \u2192 {status}, {len(self.reply)} bytes", started)
        reason = clean(headers["X-Spine-Stub-Reason"], 80)
        if status != 200:
            raise AgentError(Fault.BROKER_FAULT, f"{line} \u2192 HTTP {status} {reason}")
        if encoding := headers["Content-Encoding"]:
            raise AgentError(Fault.BROKER_NONSENSE, f"{line}: a reply packed by {encoding}, which was not asked for")
        return decode_reply(bytes(self.reply), headers["Content-Type"]), reason

    def _exchange(self, method: str, path: str, body: bytes, seconds: float) -> Reply:
        """As `open`."""
        self.reply.clear()
        try:
            connection = self._connect(seconds)
            connection.request(method, quote(path, safe="%/?=&:;,+@~$!*'()"), body or None, HEADERS)
            with connection.getresponse() as answer:
                while piece := answer.read1():
                    self.reply += piece
            if answer.length:
                raise http.client.IncompleteRead(b"")
        except Exception as error:  # a hostile reply makes http.client raise nearly anything
            self._disconnect()
            raise error if isinstance(error, AgentError) else _broker_error(error) from None
        return answer.status, {name: answer.headers.get(name, "") for name in REPLY_HEADERS}


def speaks_first(connection: socket.socket) -> bool:
    """Whether the broker says anything unasked, most often that it closes. TLS 1.3's session tickets do not count."""
    if not is_readable(connection):
        return False
    connection.settimeout(0)
    try:
        connection.recv(1)
    except ssl.SSLWantReadError:
        return False
    except OSError:
        pass
    return True


def is_readable(connection: socket.socket) -> bool:
    """Whether there is anything to read, or the other side has closed it."""
    waiting = select.poll()
    waiting.register(connection, select.POLLIN)
    return bool(waiting.poll(0))


def is_same_host(url: str, spine: str) -> bool:
    """Whether an address that the broker gives is its own, and over TLS."""
    try:
        there, here = urlsplit(url), urlsplit(spine)
        return there.scheme == "https" and (there.hostname, there.port or 443) == (here.hostname, here.port or 443)
    except ValueError:
        return False


def ticket_is_over(words: str) -> bool:
    """Whether the broker says so: it has ended the session, or never had it."""
    return "INVALID TOKEN" in words.upper() or words.endswith("ticket-not-valid")


def _session(uid: str, answer: GpAnswer) -> Session:
    """Raises BROKER_NONSENSE."""
    return Session(
        uid=uid,
        cn=clean(answer.required("cn")),
        ticket=answer.required("sso_ticket"),
        roles=answer.roles(),
        max_minutes=answer.minutes("sso_max_session_time"),
        idle_minutes=answer.minutes("sso_session_time"),
        logout_url=answer.required("sso_logout_url"),
        session_url=answer.parameters.get("sso_session_url", ""),
    )


def find_ticket(reply: bytes | bytearray) -> str:
    """The ticket in one that is cut short or cannot be read, empty where there is none. UTF-16's NULs go."""
    found = re.search(rb"""name=["']sso_ticket["'][^>]*>\s*([!-;=-~]{1,4096})""", reply.replace(b"\0", b""))
    return html.unescape(found[1].decode("ascii")) if found else ""


def _broker_error(error: Exception) -> AgentError:
    """What a failed request was, in the system's own words. http.client's may hold the URL and so the ticket."""
    match error:
        case TimeoutError():
            return AgentError(Fault.BROKER_TIMEOUT, "no whole reply in time")
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError() | http.client.IncompleteRead():
            return AgentError(Fault.UNREACHABLE, "the connection ended in the middle")
        case ssl.SSLError():
            return AgentError(Fault.NOT_TRUSTED, str(getattr(error, "verify_message", error.reason)))
        case OSError():
            return AgentError(Fault.UNREACHABLE, str(error.strerror or type(error).__name__))
    return AgentError(Fault.BROKER_NONSENSE, type(error).__name__)


# --- Login table ---------------------------------------------------------------------------------------------


class State(Enum):
    """Where a sign-in is. The window has a screen for each."""

    NO_READER = auto()
    WAITING = auto()
    READING = auto()
    READING_TYPED = auto()  # Enter came before the card was read
    CHOOSING_CARD = auto()  # several cards are in that would do
    CHOOSING_CERTIFICATE = auto()  # a token has several that would do
    PASSCODE = auto()
    LAST_TRY = auto()  # as PASSCODE, one try left
    CONFIRMING = auto()  # "use the last try?"
    SIGNING_IN = auto()
    CHOOSING_ROLE = auto()
    SELECTING_ROLE = auto()
    SIGNED_IN = auto()
    LOCKED = auto()  # as WAITING, while the session of who was here last is kept for their card
    SIGNED_OUT = auto()  # the card is still in
    PROBLEM = auto()


class Cue(Enum):
    """What can happen and says no more than that it has."""

    CARD_READ = auto()  # the card says whose it is, and takes a passcode: see the attempt's facts
    CARD_READ_LAST_TRY = auto()  # as CARD_READ, but one more wrong passcode locks the card
    CARD_READ_OWN_PAD = auto()  # as CARD_READ, but the passcode is typed on the reader
    CARD_READ_OWN_PAD_LAST_TRY = auto()
    CARD_READ_SEVERAL = auto()  # one of several certificates is to be chosen first
    SEVERAL_CARDS = auto()  # another card that is in would do as well: one is to be chosen first
    CARD_UNUSABLE = auto()  # the card that was read cannot be used, and another card is in
    NO_CARD_LEFT = auto()  # there is no card in any reader that could be read
    CONFIRMED = auto()  # the person wants the last try to be spent
    CANCELLED = auto()  # the person gave up waiting, or does not want the last try to be spent
    ROLE_SELECTED = auto()  # the broker knows the chosen role
    RESUMED = auto()  # the card has proved that it is the one whose session is kept
    LOCK = auto()  # the person pressed Lock, or a program asked for it
    DESKTOP_LOCKED = auto()  # the desktop says that it has locked its screen
    PASSCODE_DUE = auto()  # the session has gone on without its card for long enough
    OTHER_CARD = auto()  # the card that was put in is not that of who is signed in
    KEPT_ALIVE = auto()  # the broker knows that the session is used; no more than its time left changes
    LOG_OUT = auto()  # the person pressed Log out
    DISMISSED = auto()  # the person has read what was said, and wants to go on with the card that is in


CARD_READ = {Cue.CARD_READ, Cue.CARD_READ_LAST_TRY, Cue.CARD_READ_OWN_PAD, Cue.CARD_READ_OWN_PAD_LAST_TRY}


@dataclass(frozen=True)
class CardChosen:
    card: CardIn  # of several that are in


@dataclass(frozen=True)
class PasscodeTyped:
    passcode: Passcode  # typed for the card of this attempt


@dataclass(frozen=True)
class Validated:
    session: Session  # that the broker has opened, for a person with several roles


class ValidatedOneRole(Validated):
    """For a person with one role: there is nothing to choose."""


class ValidatedNoRole(Validated):
    """For a person without a role."""


@dataclass(frozen=True)
class RoleChosen:
    role: Role


@dataclass(frozen=True)
class Failed:
    error: AgentError


class PasscodeWrong(Failed):
    """The card did not take the passcode; several tries are left."""


class PasscodeWrongLastTry(Failed):
    """The card did not take the passcode; one try is left."""


class AnswerLate(Failed):
    """The broker did not answer in time to the signed challenge; it may yet open a session."""


@dataclass(frozen=True)
class LogOutEnded:
    confirmed: bool  # by the broker


Event = Cue | CardChosen | PasscodeTyped | Validated | RoleChosen | Failed | LogOutEnded | ReaderNews


def kind(event: Event) -> Cue | type[Event]:
    """What the table tells events apart by."""
    return event if isinstance(event, Cue) else type(event)


def reason_of(event: Event) -> str:
    """Why a session is locked or over, in the word that programs get."""
    if isinstance(event, Failed):
        return FAULT_REASONS.get(event.error.fault, "failed")
    return REASONS.get(kind(event), "failed")


FAULT_REASONS = {
    Fault.TIME_UP: "time_up",
    Fault.IDLE_TOO_LONG: "idle",
    Fault.PARKED_TOO_LONG: "parked_too_long",
    Fault.PARKED_TOO_MANY: "parked_too_many",
    Fault.ENDED_BY_BROKER: "ended_by_broker",
    Fault.CARD_REMOVED: "card_out",
}
REASONS: dict[Cue | type[Event], str] = {
    CardOut: "card_out",
    ReaderLost: "reader_lost",
    Cue.LOG_OUT: "logged_out",
    Cue.CANCELLED: "logged_out",
    Cue.LOCK: "lock",
    Cue.DESKTOP_LOCKED: "desktop_locked",
    Cue.PASSCODE_DUE: "passcode_due",
    Cue.OTHER_CARD: "other_card",
}


@dataclass(frozen=True)
class SignedIn:
    """Who is signed in, with the chosen role (None: the person has none, or has not chosen).

    The session `started` at, and the broker last took its ticket at (`used`), these seconds of the conductor's clock.
    """

    session: Session
    role: Role | None
    certificate: Certificate
    started: float
    used: float
    id: str = field(default_factory=lambda: secrets.token_hex(8))  # what programs know the session by

    def limit(self) -> tuple[float, Fault]:
        """When the first of the broker's two limits is reached, and what to tell the person then."""
        longest = self.started + 60 * self.session.max_minutes, Fault.TIME_UP
        unused = self.used + 60 * self.session.idle_minutes, Fault.IDLE_TOO_LONG
        return unused if unused[0] < longest[0] else longest


class Action(Enum):
    """What is done on the way to the next state."""

    NOTHING = auto()
    READ_CARD = auto()  # drop what was, read the card, fetch a challenge
    GIVE_UP = auto()  # forget the passcode, and end the session that an answer which is of no use may have opened
    SIGN_IN = auto()
    SELECT_ROLE = auto()
    LOCK = auto()  # keep the session for its owner's card and passcode
    LOCK_AND_READ = auto()  # the same, and read the card that is in
    RECOGNISE = auto()  # find out whether the card that was put in is that of who is signed in
    RESUME = auto()  # go on with the session that was kept
    LEAVE = auto()  # drop everything of this card; a session that is kept waits on
    END_SESSION = auto()  # at the broker and here; drop everything of this person


class Mode(Enum):
    """What becomes of a session without its card."""

    NORMAL = auto()  # it ends at once
    ENHANCED_NORMAL = auto()  # it ends at once; after the desktop was locked it needs the passcode
    SESSION_LOCK_PERSISTENCE = auto()  # it is locked, until its card and passcode come back
    MOBILITY = auto()  # it goes on for a while, then is locked


OUTLIVING_CARD = Mode.SESSION_LOCK_PERSISTENCE, Mode.MOBILITY
Moves = dict[tuple[State, Cue | type[Event]], tuple[State, Action]]
UNDISTURBED = State.NO_READER, State.PROBLEM  # they say what is wrong already
UNDECIDED = State.READING, State.CHOOSING_CARD, State.CHOOSING_CERTIFICATE, State.PASSCODE, State.LAST_TRY
NO_ROLE_YET = State.SIGNING_IN, State.CHOOSING_ROLE, State.SELECTING_ROLE  # there is no session yet that could be kept

BASE: Moves = {
    # A session's time is up, or this program is mistaken. The states that await a Failed have rows of their own below.
    **{(state, Failed): (State.PROBLEM, Action.END_SESSION) for state in State if state not in UNDISTURBED},
    # The reader is gone, and with it whatever was going on.
    **{(state, ReaderLost): (State.NO_READER, Action.END_SESSION) for state in State if state is not State.NO_READER},
    (State.NO_READER, ReaderReady): (State.WAITING, Action.NOTHING),
    (State.NO_READER, CardIn): (State.READING, Action.READ_CARD),
    (State.WAITING, CardIn): (State.READING, Action.READ_CARD),
    (State.WAITING, LogOutEnded): (State.WAITING, Action.NOTHING),
    # Nobody has typed a passcode yet: it can still be asked which card is meant.
    **{(state, Cue.SEVERAL_CARDS): (State.CHOOSING_CARD, Action.GIVE_UP) for state in UNDECIDED},
    (State.CHOOSING_CARD, CardChosen): (State.READING, Action.READ_CARD),
    (State.CHOOSING_CARD, Failed): (State.PROBLEM, Action.GIVE_UP),
    (State.READING, Cue.CARD_READ): (State.PASSCODE, Action.NOTHING),
    (State.READING, Cue.CARD_READ_LAST_TRY): (State.LAST_TRY, Action.NOTHING),
    (State.READING, Cue.CARD_READ_OWN_PAD): (State.SIGNING_IN, Action.SIGN_IN),
    (State.READING, Cue.CARD_READ_OWN_PAD_LAST_TRY): (State.CONFIRMING, Action.NOTHING),
    (State.READING, Cue.CARD_READ_SEVERAL): (State.CHOOSING_CERTIFICATE, Action.NOTHING),
    (State.READING, Cue.CARD_UNUSABLE): (State.READING, Action.READ_CARD),
    (State.READING, Cue.NO_CARD_LEFT): (State.WAITING, Action.END_SESSION),
    (State.READING, PasscodeTyped): (State.READING_TYPED, Action.NOTHING),
    (State.READING, Failed): (State.PROBLEM, Action.GIVE_UP),
    (State.READING_TYPED, Cue.CARD_READ): (State.SIGNING_IN, Action.SIGN_IN),
    (State.READING_TYPED, Cue.CARD_READ_LAST_TRY): (State.CONFIRMING, Action.NOTHING),
    (State.READING_TYPED, Cue.CARD_READ_OWN_PAD): (State.SIGNING_IN, Action.SIGN_IN),
    (State.READING_TYPED, Cue.CARD_READ_OWN_PAD_LAST_TRY): (State.CONFIRMING, Action.NOTHING),
    (State.READING_TYPED, Cue.CARD_READ_SEVERAL): (State.CHOOSING_CERTIFICATE, Action.GIVE_UP),
    (State.READING_TYPED, Cue.CARD_UNUSABLE): (State.READING, Action.READ_CARD),
    (State.READING_TYPED, Failed): (State.PROBLEM, Action.GIVE_UP),
    (State.READING_TYPED, Cue.CANCELLED): (State.READING, Action.READ_CARD),
    (State.CHOOSING_CERTIFICATE, Cue.CARD_READ): (State.PASSCODE, Action.NOTHING),
    (State.CHOOSING_CERTIFICATE, Cue.CARD_READ_LAST_TRY): (State.LAST_TRY, Action.NOTHING),
    (State.CHOOSING_CERTIFICATE, Cue.CARD_READ_OWN_PAD): (State.SIGNING_IN, Action.SIGN_IN),
    (State.CHOOSING_CERTIFICATE, Cue.CARD_READ_OWN_PAD_LAST_TRY): (State.CONFIRMING, Action.NOTHING),
    (State.CHOOSING_CERTIFICATE, Failed): (State.PROBLEM, Action.GIVE_UP),
    (State.PASSCODE, PasscodeTyped): (State.SIGNING_IN, Action.SIGN_IN),
    (State.PASSCODE, Cue.DISMISSED): (State.READING, Action.READ_CARD),
    (State.LAST_TRY, PasscodeTyped): (State.CONFIRMING, Action.NOTHING),
    (State.LAST_TRY, Cue.DISMISSED): (State.READING, Action.READ_CARD),
    (State.CONFIRMING, Cue.CONFIRMED): (State.SIGNING_IN, Action.SIGN_IN),
    (State.CONFIRMING, Cue.CANCELLED): (State.LAST_TRY, Action.GIVE_UP),
    (State.SIGNING_IN, PasscodeWrong): (State.PASSCODE, Action.GIVE_UP),
    (State.SIGNING_IN, PasscodeWrongLastTry): (State.LAST_TRY, Action.GIVE_UP),
    (State.SIGNING_IN, ValidatedNoRole): (State.SIGNED_IN, Action.NOTHING),
    (State.SIGNING_IN, ValidatedOneRole): (State.SELECTING_ROLE, Action.SELECT_ROLE),
    (State.SIGNING_IN, Validated): (State.CHOOSING_ROLE, Action.NOTHING),
    (State.SIGNING_IN, Failed): (State.PROBLEM, Action.GIVE_UP),
    (State.SIGNING_IN, AnswerLate): (State.PROBLEM, Action.GIVE_UP),
    (State.SIGNING_IN, Cue.CANCELLED): (State.READING, Action.READ_CARD),
    (State.SIGNING_IN, Cue.RESUMED): (State.SIGNED_IN, Action.RESUME),
    (State.CHOOSING_ROLE, RoleChosen): (State.SELECTING_ROLE, Action.SELECT_ROLE),
    (State.CHOOSING_ROLE, Cue.LOG_OUT): (State.SIGNED_OUT, Action.END_SESSION),
    (State.SELECTING_ROLE, Cue.ROLE_SELECTED): (State.SIGNED_IN, Action.NOTHING),
    (State.SELECTING_ROLE, Cue.CANCELLED): (State.SIGNED_OUT, Action.END_SESSION),
    (State.SIGNED_IN, Cue.LOG_OUT): (State.SIGNED_OUT, Action.END_SESSION),
    (State.SIGNED_IN, RoleChosen): (State.SIGNED_IN, Action.NOTHING),  # see Conductor.change_role
    (State.SIGNED_IN, Cue.LOCK): (State.READING, Action.LOCK_AND_READ),
    (State.LOCKED, CardIn): (State.READING, Action.READ_CARD),
    (State.LOCKED, LogOutEnded): (State.LOCKED, Action.NOTHING),
    (State.SIGNED_OUT, Cue.DISMISSED): (State.READING, Action.READ_CARD),
    (State.SIGNED_OUT, CardIn): (State.READING, Action.READ_CARD),
    (State.SIGNED_OUT, LogOutEnded): (State.SIGNED_OUT, Action.NOTHING),
    (State.PROBLEM, Cue.DISMISSED): (State.READING, Action.READ_CARD),
    (State.PROBLEM, CardIn): (State.READING, Action.READ_CARD),
    (State.PROBLEM, LogOutEnded): (State.PROBLEM, Action.NOTHING),
}

WITH_CARD = [state for state in State if state not in (State.NO_READER, State.WAITING, State.LOCKED)]
# Where a session is bound to its card.
CARD_OUT_ENDS: Moves = {(state, CardOut): (State.WAITING, Action.END_SESSION) for state in WITH_CARD}
# Where it outlives its card, but not before its role is chosen. What is said here of SIGNED_IN is each mode's own.
CARD_OUT_KEEPS: Moves = {
    **{(state, ReaderLost): (State.NO_READER, Action.LEAVE) for state in State if state is not State.NO_READER},
    (State.READING, Cue.NO_CARD_LEFT): (State.WAITING, Action.LEAVE),
    **{(state, CardOut): (State.WAITING, Action.LEAVE) for state in WITH_CARD},
    (State.CHOOSING_ROLE, CardOut): (State.WAITING, Action.END_SESSION),
    (State.SELECTING_ROLE, CardOut): (State.WAITING, Action.END_SESSION),
    (State.SIGNED_OUT, CardOut): (State.WAITING, Action.END_SESSION),
}

# In each, WAITING becomes LOCKED while the session of who was here last is kept.
TABLES: Mapping[Mode, Moves] = {
    Mode.NORMAL: BASE | CARD_OUT_ENDS,
    Mode.ENHANCED_NORMAL: BASE
    | CARD_OUT_ENDS
    | {(state, Cue.DESKTOP_LOCKED): (State.READING, Action.READ_CARD) for state in NO_ROLE_YET}
    | {(State.SIGNED_IN, Cue.DESKTOP_LOCKED): (State.READING, Action.LOCK_AND_READ)},
    Mode.SESSION_LOCK_PERSISTENCE: BASE
    | CARD_OUT_KEEPS
    | {
        (State.SIGNED_IN, CardOut): (State.WAITING, Action.LOCK),
        (State.SIGNED_IN, ReaderLost): (State.NO_READER, Action.LOCK),
    },
    Mode.MOBILITY: BASE
    | CARD_OUT_KEEPS
    | {
        (State.SIGNED_IN, CardOut): (State.SIGNED_IN, Action.NOTHING),
        (State.SIGNED_IN, ReaderLost): (State.SIGNED_IN, Action.NOTHING),
        (State.SIGNED_IN, CardIn): (State.SIGNED_IN, Action.RECOGNISE),
        (State.SIGNED_IN, Cue.OTHER_CARD): (State.READING, Action.LOCK_AND_READ),
        (State.SIGNED_IN, Cue.PASSCODE_DUE): (State.READING, Action.LOCK_AND_READ),
    },
}


# --- Worker bridge -------------------------------------------------------------------------------------------


class Bridge:
    """Carries calls from worker threads to the one thread that owns the screen, which sleeps until one comes."""

    def __init__(self) -> None:
        self.on_error: Callable[[Exception], object] = functools.partial(told, "a call")
        self._calls: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._reading, self._writing = socket.socketpair()
        self._reading.setblocking(False)
        self._writing.setblocking(False)

    def call(self, function: Callable[..., object], *arguments: object) -> None:
        """From any thread: have the owner's thread call this soon, in order."""
        self._calls.put(functools.partial(function, *arguments))
        with contextlib.suppress(OSError):  # full: the owner has been woken already; closed: has gone
            self._writing.send(b"\0")

    def run_pending(self) -> None:
        """From the owner's thread: make all calls that have come. One that fails is `on_error`'s business."""
        with contextlib.suppress(BlockingIOError):
            self._reading.recv(4096)
        for _ in range(MOST_CALLS_AT_ONCE):
            if self._calls.empty():
                return
            try:
                self._calls.get_nowait()()
            except Exception as error:
                self.on_error(error)
        self.call(lambda: None)  # come back: the window is to do something else as well

    def wait(self, seconds: float | None = None) -> bool:
        """From the owner's thread: sleep until there is a call, then make it. False if none came in time."""
        woken = bool(select.select([self._reading], [], [], seconds)[0])
        self.run_pending()
        return woken

    def fileno(self) -> int:
        """Readable when there is a call."""
        return self._reading.fileno()

    def interrupt_on_signals(self) -> None:
        """From now on Ctrl-C and a service stop are calls too: KeyboardInterrupt comes between two others.

        In the middle of one it could be lost (in Tk) or leave a lock broken (in Thread.start, RuntimeError).
        """
        signal.set_wakeup_fd(self._writing.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is signal.default_int_handler:  # and not ignored, as under nohup
                signal.signal(number, lambda *what: self.call(lambda: signal.default_int_handler(*what)))

    def close(self) -> None:
        self._reading.close()
        self._writing.close()


class Channel:
    """One sign-in's way between agent and guardian, with an end for each: JSON objects, a line each."""

    def __init__(self, end: socket.socket, seconds: float | None = None) -> None:
        """`seconds`: the longest that the other side may take."""
        end.settimeout(seconds)
        self._end, self._lines = end, end.makefile("rb")

    def send(self, **message: object) -> None:
        """Raises OSError."""
        self._end.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> dict[str, Any]:
        """Raises OSError, EOFError where the other side has gone or makes no sense."""
        try:
            return dict(json.loads(self._lines.readline(LONGEST_MESSAGE)))
        except (ValueError, TypeError, RecursionError):
            raise EOFError from None

    def is_over(self) -> bool:
        """Whether the guardian has gone, which says nothing without being asked."""
        return is_readable(self._end)

    def close(self) -> None:
        self._lines.close()
        self._end.close()


class Guardian:
    """The agent's end of the pipe to the guardian, a process that opens its sessions and ends those that are left.

    So there is always one that knows the ticket, whichever of the two dies: by kill -9, out of memory, or when the X
    server has gone (Xlib ends the process). Through the pipe go the ends of channels, one for each sign-in.
    """

    COMMAND = "guardian"  # of agent.py; for this class, not for people

    def __init__(self, spine: str, ca_file: Path | None) -> None:
        self._broker = spine, ca_file.absolute() if ca_file else None
        self.lock = threading.RLock()
        self.holding: set[GuardedBroker] = set()  # those whose sessions it holds
        self._start(own_scope())

    def new_broker(self) -> Broker:
        return GuardedBroker(self, *self._broker)

    def channel(self) -> Channel:
        """From any thread. A guardian that is not there any more is started again. Raises OSError."""
        with self.lock:
            if is_readable(self._pipe):  # it says nothing here: it has gone
                LOG.warning("the guardian was gone, and is started again")
                self.close()
                self._start([])
                for broker in self.holding:
                    broker.hold(self._hand_over())
            return self._hand_over()

    def close(self, seconds: float = 0.1) -> None:
        """Nothing more comes: the guardian ends once it has nothing to do, which most often is at once."""
        self._pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)

    def _start(self, scope: Sequence[str]) -> None:
        """No other process that the agent starts gets an end of the pipe, through which each message comes whole."""
        self._pipe, its = socket.socketpair(type=socket.SOCK_SEQPACKET)
        command, end = [*scope, sys.executable, str(Path(__file__).resolve()), self.COMMAND], its.fileno()
        silent: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, stdin=end, cwd="/", start_new_session=True, **silent)
        its.close()

    def _hand_over(self) -> Channel:
        ours, its = socket.socketpair()
        with its:
            socket.send_fds(self._pipe, [json.dumps(self._broker, default=str).encode()], [its.fileno()])
        return Channel(ours, GUARDIAN_SECONDS)


class GuardedBroker(Broker):
    """The broker as the agent asks it. What may open a session the guardian posts, and then holds the session."""

    def __init__(self, guardian: Guardian, spine: str, ca_file: Path | None) -> None:
        super().__init__(spine, ca_file)
        self._guardian = guardian
        self._channel: Channel | None = None

    def activate(self) -> Challenge:
        """While the person types, the guardian connects."""
        challenge = super().activate()
        self._ready_channel()
        return challenge

    def validate(self, uid: str, challenge: Challenge, der: bytes) -> Session:
        try:
            return super().validate(uid, challenge, der)
        finally:
            if self.open_session:
                with self._guardian.lock:
                    self.hold(self._ready_channel())
                    self._guardian.holding.add(self)

    def open(self, uid: str, path: str, body: bytes) -> Reply:
        channel = self._ready_channel()
        try:
            channel.send(uid=uid, path=path, body=body.decode())
            answer = channel.receive()
            self.reply[:] = base64.b64decode(answer["reply"])
            if "fault" in answer:
                raise AgentError(Fault[answer["fault"]], str(answer["technical"]))
            return int(answer["status"]), {name: str(answer["headers"][name]) for name in REPLY_HEADERS}
        except (OSError, EOFError, LookupError, ValueError, TypeError) as error:
            self.close()  # what it may open yet, the guardian ends
            raise AgentError(Fault.UNEXPECTED, f"the guardian has failed: {type(error).__name__}") from None

    def hold(self, channel: Channel) -> None:
        """From any thread: have the guardian hold the session, at this channel from now on."""
        before, self._channel, session = self._channel, channel, self.open_session
        if before and before is not channel:
            before.close()
        if session:
            with contextlib.suppress(OSError):
                channel.send(uid=session.uid, ticket=session.ticket, logout_url=session.logout_url)

    def let_go(self, settled: bool) -> None:
        """The guardian ends what is not settled."""
        super().let_go(settled)
        with self._guardian.lock:
            self._guardian.holding.discard(self)
            if settled and self._channel:
                with contextlib.suppress(OSError):
                    self._channel.send(uid="", ticket="", logout_url="")
            self.close()

    def close(self) -> None:
        super().close()
        if self._channel:
            self._channel.close()
        self._channel = None

    def _ready_channel(self) -> Channel:
        """Raises AgentError."""
        if self._channel and self._channel.is_over():
            self._channel.close()
            self._channel = None
        try:
            channel = self._channel = self._channel or self._guardian.channel()
        except OSError as error:
            raise AgentError(Fault.UNEXPECTED, f"no guardian: {error.strerror}") from None
        return channel


def own_scope() -> Sequence[str]:
    """What to put before a command that is to outlive the systemd unit we are in; nothing where that cannot be."""
    manager = Path(os.environ.get("XDG_RUNTIME_DIR", ""), "systemd/private")
    if "INVOCATION_ID" in os.environ and manager.is_socket() and shutil.which("systemd-run"):
        return ["systemd-run", "--user", "--scope", "--quiet", "--collect", "--"]
    return []


def guard() -> int:
    """The guardian itself: watch over each sign-in that comes through the pipe, until that closes."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    keep_memory_private()
    with socket.socket(fileno=sys.stdin.fileno()) as pipe:
        while ends := (received := socket.recv_fds(pipe, LONGEST_PARAMETER, 1))[1]:
            broker = json.loads(received[0])
            with contextlib.suppress(RuntimeError):  # no thread can be had: the channel closes, and the agent sees it
                threading.Thread(target=watch_over, args=(socket.socket(fileno=ends[0]), *broker)).start()
    return 0  # when these threads have ended


def watch_over(end: socket.socket, spine: str, ca_file: Path | None) -> None:
    """A sign-in: post the signed challenge, and hold the session that is opened until told that it is settled.

    It is ended where the channel closes without that, or makes no sense.
    """
    held: Session | None = None
    with (
        contextlib.suppress(Exception),
        contextlib.closing(Channel(end)) as channel,
        contextlib.closing(Broker(spine, ca_file)) as broker,
    ):
        broker.connect()
        while True:
            message, answer = channel.receive(), None
            if body := message.pop("body", ""):
                answer = post_for_agent(broker, message["path"], body)
                message |= {"ticket": find_ticket(broker.reply), "logout_url": ""}
            uid, ticket, logout_url = (str(message[name]) for name in ("uid", "ticket", "logout_url"))
            held = Session(uid, "", ticket, (), 0, 0, logout_url) if ticket else None
            if answer:
                channel.send(**answer)
                broker.close()
    if held:
        insist(held, spine, ca_file)


def post_for_agent(broker: Broker, path: str, body: str) -> dict[str, object]:
    """What the agent gets to know: all of the reply, even where there is a fault."""
    answer: dict[str, object] = {}
    try:
        answer["status"], answer["headers"] = broker.open("", path, body.encode())
    except AgentError as error:
        answer = {"fault": error.fault.name, "technical": error.technical}
    return answer | {"reply": base64.b64encode(broker.reply).decode()}


def insist(session: Session, spine: str, ca_file: Path | None) -> None:
    """Asks the broker to end a session until it says that it has, or has none such, for INSIST_SECONDS."""
    ends, pause = boottime() + INSIST_SECONDS, 1.0
    while boottime() < ends:
        away = contextlib.suppress(AgentError, OSError)  # the broker, or for a moment the file of its CA
        with away, contextlib.closing(Broker(spine, ca_file)) as broker:
            broker.log_out(session)
            return
        time.sleep(pause)
        pause = min(2 * pause, 30)


def keep_memory_private() -> None:
    """Leaves no core dump, and lets no other program of this person read this one's memory (prctl(2))."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE of linux/prctl.h


def forget_freed_memory() -> None:
    """Starts this program anew, in the same process, unless it overwrites what it frees. See docs/safety.md."""
    if not FORGETFUL.items() <= os.environ.items():
        os.environ.update(FORGETFUL)
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606


class Notices:
    """Of whose card ends soon, who has been told so today: as salted hashes, of certificates, in a file of one day.

    A file that cannot be read, or not written, is as none: then this agent's memory does until it ends.
    """

    def __init__(self, path: Path | None = None, today: Callable[[], date] = date.today) -> None:
        self._path, self._today = path, today
        self._day, self._salt, self._told = "", b"", set[str]()
        if path:
            with contextlib.suppress(OSError, ValueError, TypeError, LookupError, RecursionError):
                self._read(path)

    def is_due(self, certificate: Certificate) -> bool:
        hashed = self._hash(certificate)
        return hashed not in self._told

    def told(self, certificate: Certificate) -> None:
        """From now on it is not due, until tomorrow."""
        hashed = self._hash(certificate)  # first: it may begin a new day
        self._told.add(hashed)
        if self._path:
            with contextlib.suppress(OSError):
                self._write(self._path)

    def _hash(self, certificate: Certificate) -> str:
        if self._day != (today := self._today().isoformat()):
            self._day, self._salt, self._told = today, secrets.token_bytes(16), set()
        return hashlib.sha256(self._salt + certificate.der).hexdigest()

    def _read(self, path: Path) -> None:
        kept = json.loads(read_text(path)[:LONGEST_NOTICES])
        salt, told = bytes.fromhex(kept["salt"]), {str(each) for each in kept["told"]}
        self._day, self._salt, self._told = str(kept["day"]), salt, told

    def _write(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        new.unlink(missing_ok=True)
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump({"day": self._day, "salt": self._salt.hex(), "told": sorted(self._told)}, file)
        new.rename(path)


@dataclass(eq=False)
class Attempt:
    """Everything of one person, from card in to card out; dropped whole, so that nothing reaches the next.

    That includes a lane for the broker: a hanging answer for one person holds up nobody else.
    """

    card: CardIn
    broker: Broker
    logged_out: Callable[[Attempt, LogOutEnded], None]  # called on the lane
    lane: Lane = field(default_factory=lambda: Lane("broker"))
    facts: CardFacts | None = None
    passcode: Passcode | None = None
    signed_in: SignedIn | None = None
    prefetched: Challenge | None = None
    unsigned_data: Callable[..., cms.ContentInfo] = field(default_factory=lambda: functools.lru_cache(1)(unsigned_data))
    stays_open: bool = False  # whoever got the ticket ends the session
    is_told: bool = False  # programs know of the session
    ends_soon: bool = False  # its certificate, of which the person is told today
    out_since: float | None = None  # when the card was taken out and the session went on
    parked_since: float | None = None  # when another person's card came
    asked_at: float = 0.0  # when the broker was last told that the session is used
    waited: float = 0.0  # seconds from the passcode on, without those in which the person chose a role

    def forget_passcode(self) -> None:
        if self.passcode:
            self.passcode.forget()
        self.passcode = None

    def end(self) -> None:
        """Forget everything, log out if anybody is signed in, then close the connection and the lane."""
        self.forget_passcode()
        self.facts = self.signed_in = None
        self.broker.leave()
        self.lane.submit(self.log_out, self.broker.close, None)

    # What runs on the lane.

    def prefetch(self) -> AgentError | None:
        """While the person types. A failure, which is returned, is not theirs yet: it is tried again after Enter."""
        try:
            self.challenge()
        except AgentError as error:
            tell("The sign-in service does not answer yet; it is tried again after the passcode", error.technical)
            return error
        return None

    def challenge(self) -> Challenge:
        """One that is fresh. Raises AgentError."""
        stale = boottime() - CHALLENGE_FRESH_SECONDS
        if self.prefetched is None or self.prefetched.received < stale:
            self.prefetched = self.broker.activate()
        return self.prefetched

    def validate(self, uid: str, challenge: Challenge, der: bytes) -> Session:
        """Raises AgentError; even then there can be a session, which `log_out` ends."""
        self.prefetched = None  # good for one use
        return self.broker.validate(uid, challenge, der)

    def log_out(self) -> None:
        """The session is over here whatever the broker says; where it says nothing, the guardian goes on asking."""
        session = self.broker.open_session
        if session and self.stays_open:
            self.broker.let_go(settled=True)
        elif session:
            confirmed = self._is_ended(session)
            self.broker.let_go(settled=confirmed)
            self.logged_out(self, LogOutEnded(confirmed))

    def _is_ended(self, session: Session) -> bool:
        try:
            self.broker.log_out(session)
        except AgentError as error:
            tell("The sign-in service did not confirm the log-out", error.technical, level=logging.WARNING)
            return False
        tell("The sign-in service confirmed the log-out", level=logging.INFO)
        return True


@dataclass(frozen=True)
class Signing:
    """What the key for content commitment is to sign: each payload by itself, or the only one as a CMS message."""

    payloads: Sequence[bytes] = field(repr=False)
    digest: Digest
    as_cms: bool
    detached: bool = False  # the message is without what it signs


@dataclass(frozen=True, eq=False)
class Request:
    """What a program wants of the person: an answer to the question, or where there is none that they sign in.

    The answer is False where the person does not want to; to a signing it is what the program gets, or what failed.
    """

    origin: str  # of the page that asks, empty where it is no page
    program: str  # a hint: any program can look like another one
    question: str
    answer: Callable[[bool | Mapping[str, Any] | AgentError], None]
    signing: Signing | None = None

    @property
    def who(self) -> str:
        """Who asks: the page, or else the program. A long name is told by its end, as people are by their surname."""
        who = clean(self.origin, LONGEST_LINE) or self.program
        return who if len(who) <= 70 else f"{who[:12]}\u2026{who[-57:]}"


@dataclass(frozen=True)
class SessionEvent:
    """What programs are told of a session: signed_in, locked, resumed, role_changed or signed_out, and why."""

    event: str
    signed_in: SignedIn
    reader: str
    reason: str | None = None
    seconds: float = 0.0  # the person has waited, from the passcode on; at its end or lock: since the session began

    @property
    def leaves_programs(self) -> bool:
        """Whether its person's programs are to be ended or stopped, before anybody else comes."""
        return self.event == "signed_out" or self.reason == "parked"


@dataclass(eq=False)
class Conductor:
    """Carries out the table: takes events on the owner's thread, runs slow work on lanes, tells the face."""

    source: CardSource
    new_broker: Callable[[], Broker]
    bridge: Bridge
    digest: Digest
    clock: Clock = boottime
    mode: Mode = Mode.NORMAL
    mobility_minutes: int = 30
    parked_sessions: int = 3
    parked_minutes: int = 15
    notices: Notices = field(default_factory=Notices)

    def __post_init__(self) -> None:
        self.state = State.WAITING
        self.attempt: Attempt | None = None  # of the card that is in, or was when the session began
        self.locked: Attempt | None = None  # whose session is kept, and was here last
        self.parked: dict[str, Attempt] = {}  # those whose sessions are kept while others use the PC, by uid
        self.ended: dict[str, Fault] = {}  # why sessions are over whose owners were not here, by uid
        self.problem: AgentError | None = None  # what the person is told
        self.log_out_confirmed: bool | None = None  # what the broker said to the last log-out; None: nothing yet
        self.readers: tuple[str, ...] = ()
        self.cards: list[CardIn] = []  # those that are in
        self.owners: dict[CardIn, CardFacts] = {}  # whose they are, as far as they have been read
        self.broker_away: AgentError | None = None  # it did not answer when it was last asked
        self.on_change: Callable[[State], None] = lambda before: None
        self.on_cards: Callable[[], None] = lambda: None  # another card came or went
        self.on_move: Callable[[State, Event], None] = lambda before, event: None
        self.request: Request | None = None  # what a program wants of the person
        self.on_request: Callable[[], None] = lambda: None
        self.on_session: Callable[[SessionEvent], None] = lambda event: None
        self.on_show: Callable[[], None] = lambda: None  # the person is to look here
        self.held = ""  # why nobody can sign in at present
        self.notice = ""  # what has failed around the agent
        self.on_notice: Callable[[], object] = lambda: None  # one of the two has changed, or whether the broker is away
        self.has_keyboard = True  # the screen gets what is typed
        self._waits: tuple[Attempt, State, Callable[[], object]] | None = None  # whose sign-in is held up, what follows
        self._moved = self.clock()
        self._untold: list[SessionEvent] = []
        self._reason = ""  # of what happens now
        self._timer: threading.Timer | None = None
        self._card: CardIn | None = None  # the one that all is about
        self._broker_timer: threading.Timer | None = None
        self._looking: Broker | None = None  # for the broker, while it is away
        self._look_lock = threading.Lock()
        self._unusable: set[CardIn] = set()
        self._asked: set[CardIn] = set()  # those among which the person has chosen
        self._card_lane = Lane("card")
        self._lanes = [self._card_lane]
        self._closed = threading.Event()
        self.bridge.on_error = self.unexpected

    def start(self) -> None:
        threading.Thread(target=self._watch, name="reader", daemon=True).start()
        if self.mode is Mode.ENHANCED_NORMAL:
            threading.Thread(target=self._watch_desktop, name="desktop", daemon=True).start()

    def end_all(self) -> None:
        """The agent ends, and its window has gone: end every session, and tell programs while they can be told."""
        self._closed.set()
        self.on_change, self.on_notice = lambda before: None, lambda: None
        self._reason = "agent_ended"
        self._end_session()
        for attempt in self.parked.values():
            self._end(attempt)
        self.parked.clear()
        self._tell_programs()

    def close(self, seconds: float = 5) -> None:
        """End what is going on. The broker has that long to hear of it; what it may open yet, the guardian ends."""
        self.end_all()
        self.handle(Cue.LOG_OUT)
        if self._broker_timer:
            self._broker_timer.cancel()
        self._card_lane.submit(None)
        ends = time.monotonic() + seconds
        for lane in self._lanes:
            lane.join(max(0.0, ends - time.monotonic()))
        self.source.close()

    def signed_in(self) -> SignedIn:
        """Who is signed in. Raises UNEXPECTED when nobody is."""
        if self.attempt is None or self.attempt.signed_in is None:
            raise AgentError(Fault.UNEXPECTED, "signed in without a session")
        return self.attempt.signed_in

    def seconds_left(self) -> float:
        """Until the session reaches the first of its limits. Raises UNEXPECTED when nobody is signed in."""
        return self.signed_in().limit()[0] - self.clock()

    def sessions(self) -> list[Attempt]:
        """All that are open: of who is here, and of those whose cards are awaited."""
        return [each for each in (self.attempt, self.locked, *self.parked.values()) if each and each.signed_in]

    def must_tell_of_end(self) -> bool:
        """Whether who is signed in is to be told that the card ends soon; from then on not again today."""
        attempt = self.attempt
        if attempt is None or attempt.facts is None or not attempt.ends_soon:
            return False
        attempt.ends_soon = False
        self.notices.told(attempt.facts.certificate)
        return True

    def kept(self) -> Attempt | None:
        """Whose session waits for the card that is in: the same certificate, not only the same name."""
        facts = self.attempt.facts if self.attempt else None
        waiting = (each for each in self.sessions() if each is not self.attempt and each.signed_in)
        return next((each for each in waiting if facts and is_of(each, facts.certificate)), None)

    # What a person does. Each is ignored where the table has no use for it.

    def type_passcode(self, text: str) -> bool:
        """Whether it was taken. Raises NO_PASSCODE, with nothing spent.

        It is not while one of several cards is being read: nobody has been told yet whose passcode it would be.
        """
        unknown = self.state is State.READING and len(self.cards) > 1
        if unknown or (self.attempt and self._must_ask(self.attempt)):
            return False
        if (self.state, PasscodeTyped) not in TABLES[self.mode]:
            return False
        self.handle(PasscodeTyped(Passcode(text)))
        return True

    def use_certificate(self, certificate: Certificate) -> None:
        """One of several that would do. Ignored where none is to be chosen."""
        attempt = self.attempt
        if self.state is State.CHOOSING_CERTIFICATE and attempt and attempt.facts:
            facts = attempt.facts = dataclasses.replace(attempt.facts, certificate=certificate, others=())
            self._run(attempt.lane, attempt, lambda: self._ready(attempt, facts))

    def use_card(self, do: Callable[[IdentityCard], T], then: Callable[[T | AgentError], None]) -> None:
        """Do something with the card of who is here, and tell its outcome on the owner's thread."""
        attempt, facts = self.attempt, self.attempt and self.attempt.facts

        def work() -> None:
            try:
                if attempt is None:
                    raise AgentError(Fault.CARD_REMOVED)
                with self.source.open(attempt.card) as card:
                    if facts:
                        card.recognise(facts.certificate)
                    outcome: T | AgentError = do(card)
            except Exception as error:
                outcome = told("the card's thread", error)
            self.bridge.call(then, outcome)

        self._card_lane.submit(work)

    def lock(self) -> None:
        """Keep the session for its owner's card and passcode."""
        self.handle(Cue.LOCK)

    def change_role(self, role: Role, refused: Callable[[AgentError], None]) -> None:
        """Have the broker take another role; where it does not, the session goes on with the one that it has."""
        attempt = self.attempt
        if attempt is None or attempt.signed_in is None or self.state is not State.SIGNED_IN:
            refused(AgentError(Fault.NO_TICKET))
            return
        session, before = attempt.signed_in.session, attempt.signed_in.role

        def taken() -> None:
            if attempt is self.attempt:
                self.handle(RoleChosen(role))
            else:  # locked meanwhile
                self._keep_of(attempt, RoleChosen(role))
                self._tell_programs()

        def change() -> None:
            try:
                attempt.broker.select_role(session, role)
                self.bridge.call(taken)
            except Exception as error:
                failure = told("the broker's lane", error)
                if before:  # the broker may have taken the other one all the same
                    with contextlib.suppress(Exception):
                        attempt.broker.select_role(session, before)
                self.bridge.call(refused, failure)
                self._broker_says(attempt, failure)

        attempt.lane.submit(change)

    def active(self) -> None:
        """Somebody works with the session: have the broker's idle limit begin anew, at most once a minute."""
        attempt = self.attempt
        if self.state is State.SIGNED_IN and attempt and attempt.signed_in:
            last = max(attempt.asked_at, attempt.signed_in.used)
            if self.clock() - last >= KEEP_ALIVE_SECONDS:
                self._keep_alive(attempt, attempt.signed_in.session)

    def _keep_alive(self, attempt: Attempt, session: Session) -> None:
        now = attempt.asked_at = self.clock()

        def ask() -> None:
            try:
                attempt.broker.keep_alive(session)
                self.bridge.call(self._kept_alive, attempt, now)
            except AgentError as error:
                tell("The sign-in service was not told that the session is used", error.technical)
                self._broker_says(attempt, error)

        attempt.lane.submit(ask)

    def _kept_alive(self, attempt: Attempt, used: float) -> None:
        if attempt.signed_in:
            attempt.signed_in = dataclasses.replace(attempt.signed_in, used=used)
            self.on_move(self.state, Cue.KEPT_ALIVE)

    def _broker_says(self, attempt: Attempt, error: AgentError) -> None:
        if error.fault is Fault.ENDED_BY_BROKER:
            self.bridge.call(self._reached, attempt, error.fault)

    def ask(self, request: Request | None) -> None:
        """Show this in the place of what was asked before; None: nothing is wanted any more."""
        self.request = request
        self.on_request()

    def handle(self, event: Event) -> None:
        """Move as the table says, act, and tell the face."""
        move = TABLES[self.mode].get((self.state, kind(event)))
        if move is None:
            return
        before, (self.state, action) = self.state, move
        self._reason = reason_of(event)
        self._count_time(before)
        self._keep(event, self.attempt)
        self._act(action)
        if self.state is State.WAITING and self.locked:
            self.state = State.LOCKED
        if self.state is State.SIGNED_IN and self.attempt and not self.attempt.is_told:
            self.attempt.is_told = True
            self._note("signed_in", self.attempt, seconds=self.attempt.waited)
        self.on_move(before, event)
        self._tell_programs()
        self.on_change(before)
        self._look_at_the_time()
        if action in (Action.GIVE_UP, Action.END_SESSION) or isinstance(event, LogOutEnded):
            self.bridge.call(gc.collect)  # an error and its frames keep each other, and with them a reply with a ticket

    def _act(self, action: Action) -> None:
        actions: Mapping[Action, Callable[[], None]] = {
            Action.NOTHING: lambda: None,
            Action.READ_CARD: self._read_card,
            Action.GIVE_UP: self._give_up,
            Action.SIGN_IN: self._sign_in,
            Action.SELECT_ROLE: self._select_role,
            Action.LOCK: self._lock,
            Action.LOCK_AND_READ: self._lock_and_read,
            Action.RECOGNISE: self._recognise,
            Action.RESUME: self._resume,
            Action.LEAVE: self._leave,
            Action.END_SESSION: self._end_session,
        }
        actions[action]()

    def _count_time(self, before: State) -> None:
        now, since = self.clock(), self._moved
        self._moved = now
        if self.attempt and before in (State.SIGNING_IN, State.SELECTING_ROLE):
            self.attempt.waited += now - since
        elif self.attempt and self.state is State.SIGNING_IN:
            self.attempt.waited = 0.0

    def hold(self, why: str) -> None:
        """Nobody signs in, or goes on, until this is called with nothing; who has typed a passcode by then does."""
        self.held, waits = why, self._waits
        if why:
            LOG.info("%s", why)
        elif waits:
            self._waits = None
            if waits[:2] == (self.attempt, self.state):
                waits[2]()
        self.on_notice()

    def warn(self, what: str) -> None:
        """Show that something around the agent has failed, until the next person comes."""
        if what:
            LOG.warning("%s", what)
        self.notice = what
        self.on_notice()

    def unexpected(self, error: BaseException) -> None:
        """Something failed on the owner's thread: log it, end the session and say so. What goes on, goes on."""
        try:
            self.handle(Failed(told("the owner's thread", error)))
        except Exception as again:  # there is no way to say it either
            told("the owner's thread", again)

    def _keep(self, event: Event, attempt: Attempt | None) -> None:
        match event:
            case CardIn():
                self._card = event
            case CardChosen(card):
                self._card, self._asked = card, {*self.cards}
            case Cue.DISMISSED:
                self._unusable.clear()
                self._asked.clear()
            case LogOutEnded(confirmed):
                self.log_out_confirmed = confirmed
            case Failed(error) | ReaderLost(error):
                self.problem = error
                tell(error.fault.says, f"{error.fault.name} {error.technical}", level=logging.INFO)
        if attempt:
            self._keep_of(attempt, event)

    def _keep_of(self, attempt: Attempt, event: Event) -> None:
        match event:
            case PasscodeTyped(passcode):
                attempt.passcode = passcode
            case Validated(session) if attempt.facts:
                now, role = self.clock(), session.roles[0] if len(session.roles) == 1 else None
                attempt.signed_in = SignedIn(session, role, attempt.facts.certificate, now, now)
            case RoleChosen(role) if attempt.signed_in:
                attempt.signed_in = dataclasses.replace(attempt.signed_in, role=role)
                if attempt.is_told:
                    attempt.signed_in = dataclasses.replace(attempt.signed_in, used=self.clock())
                    self._note("role_changed", attempt)
            case Cue.ROLE_SELECTED if attempt.signed_in:
                attempt.signed_in = dataclasses.replace(attempt.signed_in, used=self.clock())
            case CardOut() | ReaderLost() if attempt.out_since is None:
                attempt.out_since = self.clock()

    # What the reader reports.

    def _watch(self) -> None:
        """Runs in a thread of its own. Whatever goes wrong there is told, and tried again."""
        report = functools.partial(self.bridge.call, self._reader_news)
        while not self._closed.is_set():
            try:
                self.source.watch(report)
                return
            except Exception as error:
                report(ReaderLost(told("the reader's thread", error)))
            self._closed.wait(WATCH_AGAIN_SECONDS)

    def _watch_desktop(self) -> None:
        """Runs in a thread of its own. Where the desktop does not tell, the agent's own Lock is left."""
        told_of = ""
        while not self._closed.is_set():
            try:
                watch_desktop(functools.partial(self.bridge.call, self.handle, Cue.DESKTOP_LOCKED))
            except Exception as error:
                if type(error).__name__ != told_of:
                    told_of = type(error).__name__
                    says = "The desktop does not say when it is locked"
                    tell(says, clean(f"{told_of}: {error}"), level=logging.WARNING)
            self._closed.wait(WATCH_AGAIN_SECONDS)

    def _reader_news(self, news: ReaderNews) -> None:
        """A card that is not the one all is about comes and goes without a word."""
        match news:
            case CardIn():
                self.cards.append(news)
                tell("A card was put in", f"ATR {news.atr.hex(' ').upper()}, {news.reader}", level=logging.INFO)
            case CardOut(card):
                tell("The card was taken out", card.reader, level=logging.INFO)
                self._card_gone(card)
            case ReaderReady(readers):
                self.readers = readers
            case ReaderLost():
                self.cards, self._card, self.readers = [], None, ()
                self.owners.clear()
        if not isinstance(news, CardOut):
            self.handle(news)
        if self.attempt:
            self._must_ask(self.attempt)
        self.on_cards()

    def _card_gone(self, card: CardIn) -> None:
        """With the next card that is in, all begins as if it had just been put in."""
        self.cards = [each for each in self.cards if each is not card]
        self._unusable.discard(card)
        self.owners.pop(card, None)
        if card is self._card:
            self._card = None
            self._asked.clear()
            self.handle(CardOut(card))
            is_kept = self.state in (State.SIGNED_IN, State.LOCKED)  # then a card that lies there is nobody coming
            if not is_kept and (following := self._next_card()):
                self.handle(following)
        elif self.locked and card is self.locked.card and self.mode not in OUTLIVING_CARD:
            self._reached(self.locked, Fault.CARD_REMOVED)

    def _unread(self) -> list[CardIn]:
        """The other cards that are in, and of which it is not known yet whether they would do."""
        return [card for card in self.cards if card not in {self._card, *self.owners, *self._unusable}]

    def _must_ask(self, attempt: Attempt, again: Callable[[], object] | None = None) -> bool:
        """Whether the person is to say first which card is meant, or the other cards are to be read before.

        After reading them, `again` is called (without one: this method). Nobody has been asked for a passcode yet.
        """
        if attempt is not self.attempt or attempt.facts is None or self.state not in UNDECIDED:
            return False
        if self.locked and self.kept() is self.locked:  # who locked this PC goes on without a question
            return False
        self.owners[attempt.card] = attempt.facts
        if unread := self._unread():
            again = again or functools.partial(self._must_ask, attempt)
            self._card_lane.submit(functools.partial(self._read_others, unread, again))
        elif self.owners.keys() - {attempt.card} - self._asked:
            self.handle(Cue.SEVERAL_CARDS)
        elif self.state is State.CHOOSING_CARD:  # the others have gone
            self.handle(CardChosen(attempt.card))
        else:
            return False
        return True

    def _read_others(self, cards: Sequence[CardIn], then: Callable[[], object]) -> None:
        """Runs on the card's lane."""
        for card in cards:
            try:
                with self.source.open(card) as identity:
                    facts = identity.facts()
                self.bridge.call(self._keep_owner, card, facts)
            except Exception as error:
                self.bridge.call(self._keep_owner, card, told("the card's thread", error))
        self.bridge.call(then)

    def _keep_owner(self, card: CardIn, outcome: CardFacts | AgentError) -> None:
        if isinstance(outcome, CardFacts) and card in self.cards:
            self.owners[card] = outcome
        elif isinstance(outcome, AgentError) and card in self.cards:
            says = f"The card in {card.reader} is passed over"
            tell(says, f"{outcome.fault.name} {outcome.technical}", level=logging.INFO)
            self._unusable.add(card)

    def _next_card(self) -> CardIn | None:
        """The card to read: the one that all is about, or else the first that is not known to be unusable."""
        usable = [card for card in self.cards if card not in self._unusable]
        return self._card if self._card in usable else next(iter(usable), None)

    # What is done, on the owner's thread.

    def _read_card(self) -> None:
        self._leave()
        self.problem = self.log_out_confirmed = None
        card = self._card = self._next_card()
        if card is None:
            self.bridge.call(self.handle, Cue.NO_CARD_LEFT)
            return
        logged_out = functools.partial(self.bridge.call, self._log_out_ended)
        attempt = self.attempt = Attempt(card, self.new_broker(), logged_out)
        attempt.lane.submit(lambda: self.bridge.call(self._broker_seen, attempt.prefetch()))
        self._run(self._card_lane, attempt, lambda: self._facts_of(attempt))

    def look_for_broker(self) -> None:
        """Have it known whether the broker answers, before anybody comes; while it does not, every few seconds."""
        self._broker_timer = None

        def look() -> None:
            away = None
            try:
                with self._look_lock:
                    self._looking = self._looking or self.new_broker()  # kept meanwhile: TLS takes long to set up
                    self._looking.activate()
                    self._looking.close()
                    self._looking = None
            except AgentError as error:
                away = error
            self.bridge.call(self._broker_seen, away)

        Lane("broker check").submit(look, None)

    def _broker_seen(self, away: AgentError | None) -> None:
        changed = str(away) != str(self.broker_away)
        self.broker_away = away
        if self._broker_timer:
            self._broker_timer.cancel()
        again = away is not None and not self._closed.is_set()
        function = BROKER_AGAIN_SECONDS, self.bridge.call, self.look_for_broker
        self._broker_timer = start_timer(*function) if again else None
        if changed:
            self.on_cards()
            self.on_notice()

    def _give_up(self) -> None:
        self._waits = None  # it may know the ticket
        if self.attempt:
            self.attempt.forget_passcode()
            self.attempt.lane.submit(self.attempt.log_out)

    def _sign_in(self) -> None:
        """The challenge comes first: where the broker is away, no passcode try is spent."""
        attempt = self.attempt
        if attempt is None or attempt.facts is None or (attempt.passcode is None and not attempt.facts.own_pad):
            return
        if self.held:
            self._waits = attempt, self.state, self._sign_in
            return
        certificate, passcode = attempt.facts.certificate, attempt.passcode
        if self.kept():
            self._run(self._card_lane, attempt, lambda: self._prove(attempt, certificate, passcode))
            return

        def sign(challenge: Challenge) -> None:
            self._run(self._card_lane, attempt, lambda: self._sign(attempt, certificate, passcode, challenge))

        self._run(attempt.lane, attempt, lambda: sign(attempt.challenge()))

    def _select_role(self) -> None:
        attempt = self.attempt
        if attempt is None or attempt.signed_in is None or attempt.signed_in.role is None:
            return
        session, role = attempt.signed_in.session, attempt.signed_in.role
        tell(f"The role is {role.name}", f"id {role.id}")

        def select() -> Event:
            attempt.broker.select_role(session, role)
            return Cue.ROLE_SELECTED

        self._run(attempt.lane, attempt, select)

    def _log_out_ended(self, attempt: Attempt, event: LogOutEnded) -> None:
        """Of one that was parked whoever is here is told nothing."""
        if attempt.parked_since is None:
            self.handle(event)
        else:
            gc.collect()

    def _leave(self) -> None:
        self._waits = None
        if self.attempt:
            self._end(self.attempt)
        self.attempt = None

    def _end_session(self) -> None:
        self._leave()
        if self.locked and self._reason == "card_out" and self.locked.card in self.cards:
            return  # it was another's
        if self.locked:
            self._end(self.locked)
        self.locked = None

    def _end(self, attempt: Attempt) -> None:
        if attempt.signed_in:
            tell("The session is over", self._reason)
        if attempt.is_told:
            self._note("signed_out", attempt, self._reason)
        attempt.end()
        self._lanes = [lane for lane in self._lanes if lane.is_alive()] + [attempt.lane]

    # Sessions that are kept.

    def _lock(self) -> None:
        """Keep the session of who is here."""
        if self.attempt:
            self.locked, self.attempt = self.attempt, None
            self._note("locked", self.locked, self._reason)

    def _lock_and_read(self) -> None:
        self._lock()
        self._read_card()

    def _make_way(self) -> None:
        """For who has just proved to be here: who is locked, if that is another person, is parked."""
        attempt, back = self.locked, self.kept()
        if attempt is None or attempt.signed_in is None or attempt is back:
            return
        uid = attempt.signed_in.session.uid
        self.locked, attempt.parked_since = None, self.clock()
        self._note("locked", attempt, "parked")
        too_many = [self.parked.pop(uid)] if uid in self.parked else []  # signed in twice, by two cards
        self.parked[uid] = attempt
        waiting = [each for each in self.parked.values() if each is not back]
        too_many += waiting[: max(0, len(waiting) - (self.parked_sessions if self.mode in OUTLIVING_CARD else 0))]
        for each in too_many:
            self._end_kept(each, Fault.PARKED_TOO_MANY)
        self._tell_programs()

    def _end_kept(self, attempt: Attempt, why: Fault) -> None:
        """Its owner is told when they come next."""
        if attempt.signed_in and why in OVER:
            self.ended[attempt.signed_in.session.uid] = why
        self._reason = FAULT_REASONS[why]
        self._end(attempt)
        self.locked = None if attempt is self.locked else self.locked
        self.parked = {uid: each for uid, each in self.parked.items() if each is not attempt}

    def _resume(self) -> None:
        """What was kept takes the place of the attempt that has proved the card to be its own."""
        kept, attempt = self.kept(), self.attempt
        if kept is None or attempt is None:
            raise AgentError(Fault.UNEXPECTED, "no session is kept")
        kept.card, kept.facts, kept.out_since, kept.parked_since = attempt.card, attempt.facts, None, None
        self._leave()
        self.attempt, self.locked = kept, None
        self.parked = {uid: each for uid, each in self.parked.items() if each is not kept}
        self._note("resumed", kept, seconds=attempt.waited)
        if kept.signed_in:  # the broker may have ended it meanwhile
            self._keep_alive(kept, kept.signed_in.session)

    def _recognise(self) -> None:
        """A card comes while somebody is signed in, and does without it. A second card beside it is no matter."""
        attempt, card = self.attempt, self._card
        if attempt is None or card is None or attempt.card in self.cards:
            self._card = attempt.card if attempt else None
            return

        def recognise() -> Event | None:
            with contextlib.suppress(AgentError), self.source.open(card) as identity:  # what cannot be read is nobody's
                if not is_of(attempt, identity.facts().certificate):
                    return Cue.OTHER_CARD
                attempt.card = card
            return None

        self._run(self._card_lane, attempt, recognise)

    def _note(self, event: str, attempt: Attempt, reason: str | None = None, seconds: float | None = None) -> None:
        if signed_in := attempt.signed_in:
            took = self.clock() - signed_in.started if seconds is None else seconds
            what = f"Session {signed_in.id}: {event.replace('_', ' ')}{f', {reason}' if reason else ''}"
            tell(what, f"{took:.1f} s, {attempt.card.reader}", level=logging.INFO)  # no name: for administrators
            self._untold.append(SessionEvent(event, signed_in, attempt.card.reader, reason, took))
            if event in ("signed_in", "resumed"):
                self.ended.pop(signed_in.session.uid, None)
        if event in ("signed_in", "resumed"):
            self.warn("")

    def _tell_programs(self) -> None:
        """Once what they would ask for then is as they are told."""
        while self._untold:
            self.on_session(self._untold.pop(0))

    def _limit(self, attempt: Attempt) -> tuple[float, Fault | Cue]:
        """When a session reaches the first of its limits, and what that is."""
        limits: list[tuple[float, Fault | Cue]] = [attempt.signed_in.limit()] if attempt.signed_in else []
        if attempt.parked_since is not None:
            limits.append((attempt.parked_since + 60 * self.parked_minutes, Fault.PARKED_TOO_LONG))
        elif attempt is self.attempt and attempt.out_since is not None:
            limits.append((attempt.out_since + 60 * self.mobility_minutes, Cue.PASSCODE_DUE))
        return min(limits, key=lambda limit: limit[0])

    def _look_at_the_time(self) -> None:
        """A timer stands still while the PC sleeps, and the clock does not: so look again every few seconds."""
        if self._timer:
            self._timer.cancel()
        for attempt in self.sessions():
            ends, what = self._limit(attempt)
            if ends <= self.clock():
                self._reached(attempt, what)
                return
        left = [self._limit(attempt)[0] - self.clock() for attempt in self.sessions()]
        if left:
            self._timer = start_timer(min(*left, CHECK_TIME_SECONDS), self.bridge.call, self._look_at_the_time)

    def _reached(self, attempt: Attempt, what: Fault | Cue) -> None:
        """A limit of a session, or its end. Of that of one that is parked nobody else is told."""
        if attempt not in self.sessions():
            return
        if isinstance(what, Cue):
            self.handle(what)
            return
        nobody_else = attempt is self.locked and not (self.attempt and self.attempt.facts)
        is_here = nobody_else or attempt in (self.attempt, self.kept())
        if attempt is not self.attempt:
            self._end_kept(attempt, what)
        if is_here:
            self.handle(Failed(AgentError(what)))
        self._tell_programs()
        self._look_at_the_time()

    # What runs on the lanes. Each job returns the event that it ends with.

    def _run(self, lane: Lane, attempt: Attempt, job: Callable[[], Event | None]) -> None:
        """Run a job on a lane, then hand its event to the owner's thread."""

        def work() -> None:
            try:
                event = job()
            except Exception as error:
                event = Failed(told("a worker", error))
            if event:
                self.bridge.call(self._job_ended, attempt, event)

        lane.submit(work)

    def _job_ended(self, attempt: Attempt, event: Event) -> None:
        """Of no interest where the person is gone by now."""
        if attempt is not self.attempt or self._must_ask(attempt, functools.partial(self._job_ended, attempt, event)):
            return
        if type(event) is Failed:
            self._failed(attempt, event.error)
            return
        if isinstance(event, Validated) or event is Cue.RESUMED:
            self._make_way()
            if self.held:
                self._waits = attempt, self.state, functools.partial(self.handle, event)
                return
        self.handle(event)

    def _failed(self, attempt: Attempt, error: AgentError) -> None:
        if error.fault is Fault.CARD_REMOVED:
            self._card_gone(attempt.card)
            return
        if isinstance(error, WrongPasscode) and not (attempt.facts and attempt.facts.own_pad):
            self.handle(PasscodeWrongLastTry(error) if error.tries_left == 1 else PasscodeWrong(error))
            return
        if attempt.facts is None and error.fault in CARD_FAULTS:
            self._unusable.add(attempt.card)
            if self._next_card():
                tell(error.fault.says, f"{error.fault.name} {error.technical}", level=logging.INFO)
                self.handle(Cue.CARD_UNUSABLE)
                return
        if error.fault in HELD_ON_ADVICE and attempt.card.is_held_on:
            advice = _(HELD_ON_ADVICE[error.fault])
            error = AgentError(error.fault, error.technical, says=error.says, advice=advice)
        if len(self.cards) > 1:
            which = _("(This is about the card in {reader}.)", reader=attempt.card.reader)
            error = AgentError(error.fault, error.technical, says=error.says, advice=f"{error.advice} {which}".strip())
        self.handle(Failed(error))

    def _facts_of(self, attempt: Attempt) -> Event:
        with self.source.open(attempt.card) as identity:
            facts = attempt.facts = identity.facts()  # kept where it cannot be used as well: it names its owner
        certificate = facts.certificate
        until, key = f"{certificate.not_after:%d %b %Y}", certificate.algorithm.name
        tell("The card names its owner", f"uid {certificate.uid}, until {until}; {key}")
        return Cue.CARD_READ_SEVERAL if facts.others else self._ready(attempt, facts)

    def _ready(self, attempt: Attempt, facts: CardFacts) -> Cue:
        """Raises AgentError where the card cannot be used."""
        now = datetime.now(UTC)
        facts.check(now)
        attempt.ends_soon = facts.certificate.ends_soon(now) and self.notices.is_due(facts.certificate)
        attempt.lane.submit(functools.partial(self._prepare, attempt, facts.certificate))
        if facts.own_pad:
            return Cue.CARD_READ_OWN_PAD_LAST_TRY if facts.tries_left == 1 else Cue.CARD_READ_OWN_PAD
        return Cue.CARD_READ_LAST_TRY if facts.tries_left == 1 else Cue.CARD_READ

    def _prepare(self, attempt: Attempt, certificate: Certificate) -> None:
        """After the prefetch, while the person types: after Enter only the signature is put in."""
        if attempt.prefetched:
            attempt.unsigned_data(attempt.prefetched.data, self.digest, certificate)

    def _sign(
        self, attempt: Attempt, certificate: Certificate, passcode: Passcode | None, challenge: Challenge
    ) -> None:
        """The broker is asked while the card is reset."""
        unsigned = attempt.unsigned_data(challenge.data, self.digest, certificate)
        with self.source.open(attempt.card) as identity:
            identity.recognise(certificate)
            der = signed_data(unsigned, *identity.sign(passcode, [challenge.data], self.digest, certificate))
            says = f"challenge of {len(challenge.data)} bytes, {self.digest.name}; message of {len(der)} bytes"
            tell("Put challenge, signature and certificate into one signed message (CMS)", says)
            validate = functools.partial(self._validate, attempt, certificate.uid, challenge, der)
            self._run(attempt.lane, attempt, validate)

    def _prove(self, attempt: Attempt, certificate: Certificate, passcode: Passcode | None) -> Cue:
        """The card signs something random: the same card with its passcode, whether the broker is there or not."""
        challenge = secrets.token_bytes(32)
        with self.source.open(attempt.card) as identity:
            identity.recognise(certificate)
            signatures = identity.sign(passcode, [challenge], self.digest, certificate)
        if not is_signature(signatures[0], challenge, self.digest, certificate):
            raise AgentError(Fault.CARD_NONSENSE, "its signature is not by the key of its certificate")
        tell("The card has proved that it is the same one; the session goes on", level=logging.INFO)
        return Cue.RESUMED

    def _validate(self, attempt: Attempt, uid: str, challenge: Challenge, der: bytes) -> Event:
        """The person waits ANSWER_SECONDS. The lane waits longer, to end a session that is opened too late."""
        late = AnswerLate(AgentError(Fault.BROKER_TIMEOUT, f"no answer within {ANSWER_SECONDS} s"))
        patience = start_timer(ANSWER_SECONDS, self.bridge.call, self._job_ended, attempt, late)
        try:
            session = attempt.validate(uid, challenge, der)
        finally:
            patience.cancel()
        roles = len(session.roles)
        says = f"uid {session.uid}, roles: {roles}, minutes: {session.max_minutes}"
        tell(f"Signed in as {session.cn}", says)
        return {0: ValidatedNoRole, 1: ValidatedOneRole}.get(roles, Validated)(session)


LOGIND = "org.freedesktop.login1"


def watch_desktop(has_locked: Callable[[], object]) -> NoReturn:
    """Call this each time that the desktop locks its screen, by logind's LockedHint, which GNOME and KDE set.

    The signal Lock is a request, and proves nothing. Raises ImportError without jeepney (python3-jeepney), OSError and
    DBusErrorResponse where there is no system bus, no logind, or no session of this desktop.
    """
    from jeepney import DBusAddress, MatchRule, Properties, message_bus, new_method_call
    from jeepney.io.blocking import open_dbus_connection
    from jeepney.wrappers import unwrap_msg

    with open_dbus_connection("SYSTEM") as bus:

        def ask(message: Any) -> Any:
            return unwrap_msg(bus.send_and_get_reply(message, timeout=DESKTOP_ANSWER_SECONDS))[0]

        manager = DBusAddress("/org/freedesktop/login1", LOGIND, f"{LOGIND}.Manager")
        if number := os.environ.get("XDG_SESSION_ID"):
            path = ask(new_method_call(manager, "GetSession", "s", (number,)))
        else:  # as a unit of the user's systemd we are in no session: it is the one with the display
            user = DBusAddress(ask(new_method_call(manager, "GetUser", "u", (os.getuid(),))), LOGIND, f"{LOGIND}.User")
            path = ask(Properties(user).get("Display"))[1][1]
        changes = MatchRule(type="signal", interface="org.freedesktop.DBus.Properties", path=path)
        bus.send_and_get_reply(message_bus.AddMatch(changes), timeout=DESKTOP_ANSWER_SECONDS)
        hint, was_locked = Properties(DBusAddress(path, LOGIND, f"{LOGIND}.Session")).get("LockedHint"), False
        with bus.filter(changes) as signals:
            while True:
                is_locked = ask(hint)[1]
                if is_locked and not was_locked:
                    has_locked()
                was_locked = is_locked
                bus.recv_until_filtered(signals)


def is_of(attempt: Attempt, certificate: Certificate) -> bool:
    """Whether somebody signed in with this certificate."""
    return attempt.signed_in is not None and attempt.signed_in.certificate.der == certificate.der


def is_signature(signature: bytes, message: bytes, digest: Digest, certificate: Certificate) -> bool:
    """Whether it is one over the message by the certificate's key (RSA: PKCS #1 v1.5; ECDSA: DER)."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.x509 import load_der_x509_certificate

    key, hashing = load_der_x509_certificate(certificate.der).public_key(), getattr(hashes, digest.name)()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, padding.PKCS1v15(), hashing)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, message, ec.ECDSA(hashing))
        else:
            return False
    except InvalidSignature:
        return False
    return True


def sign_documents(
    card: IdentityCard, signing: Signing, certificate: Certificate, passcode: Passcode | None
) -> dict[str, Any]:
    """What a program gets for them, in base64: `cms`, or `certificate` and `signatures`. Raises as card.commit."""
    payloads, unsigned = signing.payloads, None
    if signing.as_cms:
        unsigned = unsigned_commitment(payloads[0], signing.digest, certificate, datetime.now(UTC))
        payloads = [signed_attributes(unsigned)]
    signatures = card.sign(passcode, payloads, signing.digest, certificate)
    if unsigned:
        if signing.detached:
            unsigned["content"]["encap_content_info"] = {"content_type": "data"}
        return {"cms": base64.b64encode(signed_data(unsigned, signatures[0])).decode()}
    encoded = [base64.b64encode(each).decode() for each in (certificate.der, *signatures)]
    return {"certificate": encoded[0], "signatures": encoded[1:]}


def signer_facts(card: IdentityCard) -> CardFacts:
    """Whose signature the card gives, once it is known that it gives one. Raises AgentError."""
    facts = card.facts(Purpose.COMMITMENT)
    facts.check(datetime.now(UTC))
    if facts.others:
        raise AgentError(Fault.CARD_AMBIGUOUS, "for content commitment")
    return facts


def start_timer(seconds: float, function: Callable[..., object], *arguments: object) -> threading.Timer:
    """Calls the function after that time, in a thread of its own."""
    timer = threading.Timer(seconds, function, arguments)
    timer.daemon = True
    timer.start()
    return timer


# --- Front ends ----------------------------------------------------------------------------------------------

with contextlib.suppress(ImportError):  # a PC for the terminal only: see wants_terminal
    import tkinter as tk
    from tkinter import font as tkfont
    from tkinter import ttk
with contextlib.suppress(ImportError):  # for screen readers: see Voice
    import accesskit


def describe_time_left(seconds: float) -> str:
    """Time left as people say it, rounded up to minutes."""
    minutes = max(0, int(-(-seconds // 60)))
    hours, minutes = divmod(minutes, 60)
    parts = counted(hours, "hour") if hours else "", counted(minutes, "minute") if minutes else ""
    return " ".join(filter(None, parts)) or _("less than a minute")


def describe_date(moment: datetime) -> str:
    """A date as people say it: 3 May 2027."""
    return f"{moment.day} {_(calendar.month_name[moment.month])} {moment.year}"


def describe_expiry(certificate: Certificate, now: datetime) -> str:
    """The sentence for a card that ends soon, empty for one that does not."""
    if not certificate.ends_soon(now):
        return ""
    days = certificate.days_left(now)
    soon = {0: _("today"), 1: _("tomorrow")}
    when, date = soon.get(days) or _("in {days}", days=counted(days, "day")), describe_date(certificate.not_after)
    return _("Your card expires {when}, on {date}. Renew it before then.", when=when, date=date)


def describe_place(role: Role) -> str:
    """Where: the organisation and its code."""
    return f"{role.org_name} ({role.org_code})" if role.org_code else role.org_name


def describe_role(role: Role) -> str:
    """One line: what and where."""
    return _("{role} at {place}", role=role.name, place=describe_place(role))


def describe_owner(conductor: Conductor) -> str:
    """Whose card all is about, as far as it is known, and which where several are in."""
    attempt = conductor.attempt
    uid = attempt.facts.certificate.uid if attempt and attempt.facts else ""
    several = len(conductor.cards) > 1 or len(conductor.readers) > 1
    reader = attempt.card.reader if attempt and several else ""
    if uid and reader:
        return _("Card of {uid} in {reader}", uid=uid, reader=reader)
    return _("Card of {uid}", uid=uid) if uid else _("Card in {reader}", reader=reader) if reader else ""


def describe_card(card: CardIn, facts: CardFacts) -> str:
    """Two lines that tell it apart from the other cards that are in: whose it is, and where."""
    wrong = ""
    try:
        facts.check(datetime.now(UTC))
    except AgentError as error:
        wrong = f": {error.says}"
    return f"{facts.certificate.uid}{wrong}\n{_('in {reader}', reader=card.reader)}"


def put_card_in(conductor: Conductor) -> str:
    """What to do with a card, so that the readers of this PC get it: on a contactless one it is held."""
    held = [is_contactless(reader) for reader in conductor.readers]
    if held and all(held):
        return _("Hold your card on the reader")
    return _("Put your card into the reader, or hold it on") if any(held) else _("Put your card into the reader")


def leave_it_there(conductor: Conductor) -> str:
    """What is said while the card is in use."""
    held = [is_contactless(reader) for reader in conductor.readers]
    return _("Leave your card on the reader.") if held and all(held) else _("Leave your card in the reader.")


def describe_broker(conductor: Conductor) -> str:
    """What is wrong with the broker, said before a passcode is typed; empty for who goes on without it."""
    away = conductor.broker_away
    if away is None or conductor.kept():
        return ""
    return f"{away.says} {_('It is asked again every few seconds.')}"


def uses_own_pad(conductor: Conductor) -> bool:
    """Whether the passcode is typed on the reader."""
    return bool(conductor.attempt and conductor.attempt.facts and conductor.attempt.facts.own_pad)


def certificates_to_choose(conductor: Conductor) -> dict[Certificate, str]:
    """Those of the card that is in, each with a line that tells it apart from the others."""
    facts, lines = conductor.attempt and conductor.attempt.facts, {}
    for each in (facts.certificate, *facts.others) if facts else ():
        until = _("{uid}, until {date}", uid=each.uid, date=describe_date(each.not_after))
        lines[each] = f"{each.label}: {until}" if each.label else until
    return lines


def numbered(lines: Iterable[str]) -> list[str]:
    """With the numbers by which one of them is chosen."""
    return [f"{number:3}  {line}" for number, line in enumerate(lines, 1)]


def find_role(roles: Sequence[Role], wanted: str) -> Role:
    """The role with this id, or the N-th from 1. Raises UsageError."""
    for role in roles:
        if role.id == wanted:
            return role
    if wanted.isascii() and wanted.isdigit() and 1 <= int(wanted) <= len(roles):
        return roles[int(wanted) - 1]
    numbers = f"1 to {len(roles)}" if roles else "none"
    raise UsageError(f"You have no role {wanted}.", f"Your roles are numbered {numbers}; a role's id works too.")


NOT_CONFIRMED = "The sign-in service did not confirm that you are signed out. It is asked again for 10 minutes."
TYPE_ON_READER = "Type your passcode on the card reader"  # which has a pad of its own
LAST_TRY_QUESTION = "One try is left. If this passcode is wrong too, the card locks. Use it? [y/N] "
YES = "y", "yes"
WHICH_CARD = "Which card is yours? Number: "


class Terminal:
    """The sign-in in a terminal, or in a script: questions and progress on stderr, the outcome returned."""

    def __init__(self, conductor: Conductor, bridge: Bridge, role: str | None, wait: float | None) -> None:
        """`wait`: seconds to wait for a card, None for as long as it takes."""
        self._conductor = conductor
        self._bridge = bridge
        self._role = role
        self._wait = wait
        self._interactive = sys.stdin.isatty()
        self._asked = ""  # the question that is open
        self._failed: AgentError | None = None
        conductor.on_change = self._state_changed
        conductor.on_request = self._requested

    def _requested(self) -> None:
        """A program asks. A question to who is signed in needs the window."""
        if request := self._conductor.request:
            self._say(f"{request.who} asks you to sign in." if not request.question else f"{request.who} is refused.")
            if request.question:
                request.answer(False)

    def sign_in(self) -> SignedIn:
        """Blocks until signed in. Raises the AgentError that ended it."""
        self._say("Put your card into the reader.")
        ends = None if self._wait is None else time.monotonic() + self._wait
        while not self._is_done():
            left = None if ends is None or self._conductor.attempt else max(0.0, ends - time.monotonic())
            if not self._bridge.wait(left):
                raise self._conductor.problem or AgentError(Fault.NO_CARD)
        signed_in = self._conductor.signed_in()
        if self._role:  # nobody chooses where there is one role, or none
            find_role(signed_in.session.roles, self._role)
        return signed_in

    def stay(self) -> None:
        """Stay signed in until Enter is pressed, the card is pulled or the time is up."""
        self._say("Press Enter to log out, or pull the card.")
        if self._ask("") is not None:
            self._conductor.handle(Cue.LOG_OUT)

    def show_step(self, step: Step) -> None:
        """--explain: tell one step, above the question that is open."""
        took = "" if step.milliseconds is None else f"{step.milliseconds:8.1f} ms  "
        self._print(f"{took:13}{step.plain}")
        if step.technical:
            self._print(f"{'':13}  {step.technical}")

    def _state_changed(self, before: State) -> None:
        """What ends the sign-in is kept: more can have happened by the time that anybody looks."""
        problem = self._conductor.problem or AgentError(Fault.UNEXPECTED)
        match self._conductor.state:
            case State.PASSCODE | State.LAST_TRY if before is State.SIGNING_IN:
                self._again(problem)
            case State.PASSCODE | State.LAST_TRY:
                self._say(describe_owner(self._conductor))
            case State.SIGNING_IN if uses_own_pad(self._conductor):
                self._print(_(TYPE_ON_READER))
            case State.WAITING if before not in (State.NO_READER, State.WAITING):
                self._failed = self._failed or AgentError(Fault.CARD_REMOVED)
            case State.NO_READER if self._interactive and self._wait is None:
                self._say(str(problem))
            case State.NO_READER | State.PROBLEM:
                self._failed = self._failed or problem

    def _is_done(self) -> bool:
        """Ask what is to be asked now, if anything. Raises the AgentError that ended it."""
        while self._failed is None:
            match self._conductor.state:
                case State.PASSCODE | State.LAST_TRY:
                    self._ask_passcode()
                case State.CONFIRMING:
                    self._ask_whether_to_use_the_last_try()
                case State.CHOOSING_CARD:
                    self._choose_card()
                case State.CHOOSING_CERTIFICATE:
                    self._choose_certificate()
                case State.CHOOSING_ROLE if self._role or self._interactive:
                    self._choose_role()
                case state:
                    return state in (State.CHOOSING_ROLE, State.SIGNED_IN)
        raise self._failed

    def _ask_passcode(self) -> None:
        passcode = self._ask("Passcode: " if self._interactive else "", hidden=True)
        try:
            if passcode is not None:
                self._conductor.type_passcode(passcode)
        except AgentError as error:
            self._again(error)

    def _again(self, error: AgentError) -> None:
        """A person is told, and asked once more; a script ends."""
        if self._interactive:
            self._say(str(error))
        else:
            self._failed = error

    def _ask_whether_to_use_the_last_try(self) -> None:
        if not self._interactive:
            raise AgentError(Fault.LAST_TRY_KEPT)
        answer = self._ask(LAST_TRY_QUESTION)
        if answer is not None and answer.strip().lower() not in YES:
            raise AgentError(Fault.INTERRUPTED)
        if answer:
            self._conductor.handle(Cue.CONFIRMED)

    def _choose_card(self) -> None:
        cards = {card: describe_card(card, facts) for card, facts in self._conductor.owners.items()}
        if card := self._choose(cards, WHICH_CARD, Fault.SEVERAL_CARDS):
            self._conductor.handle(CardChosen(card))

    def _choose_certificate(self) -> None:
        several = certificates_to_choose(self._conductor)
        if certificate := self._choose(several, "Which certificate? Number: ", Fault.CARD_AMBIGUOUS):
            self._conductor.use_certificate(certificate)

    def _choose(self, among: Mapping[T, str], question: str, fault: Fault) -> T | None:
        """Nobody chooses for a script, which gets the fault: it names one in --reader."""
        lines = [line.replace("\n", " ") for line in among.values()]
        if not self._interactive:
            raise AgentError(fault, "; ".join(lines))
        self._say("\n".join(numbered(lines)))
        wanted = (self._ask(question) or "").strip()
        return dict(zip(map(str, range(1, len(lines) + 1)), among, strict=True)).get(wanted)

    def _choose_role(self) -> None:
        roles = self._conductor.signed_in().session.roles
        if not self._role:
            self._say("\n".join(numbered(map(describe_role, roles))))
        wanted = self._role or self._ask("Which role? Number: ")
        try:
            if wanted:
                self._conductor.handle(RoleChosen(find_role(roles, wanted.strip())))
        except UsageError as error:
            if self._role:
                raise
            self._say(str(error))

    def _say(self, sentence: str) -> None:
        if self._interactive:
            self._print(sentence)

    def _print(self, line: str) -> None:
        """Write over the question that is open, and ask it again below: it stays the last line."""
        if self._asked:
            line = f"\r{line:{len(self._asked)}}\n{self._asked}"
        print(line, end="" if self._asked else "\n", file=sys.stderr, flush=True)

    def _ask(self, question: str, *, hidden: bool = False) -> str | None:
        """The answer; None if by then there is nothing to ask any more. Raises INTERRUPTED at the end of a terminal.

        At a terminal, a line that comes before SETTLE_SECONDS have passed was meant for the question before.
        """
        about = self._conductor.state, self._conductor.attempt
        while True:
            settled = time.monotonic() + SETTLE_SECONDS
            with self._question(question, hidden):
                answer = self._read_line(about)
            if answer is None or hidden or not self._interactive or time.monotonic() >= settled:
                return answer

    def _read_line(self, about: tuple[State, Attempt | None]) -> str | None:
        """Meanwhile everything else goes on. What was typed for a card that is out by now is nobody's answer."""
        line = b""
        while about == (self._conductor.state, self._conductor.attempt):
            if self._bridge in select.select([sys.stdin, self._bridge], [], [])[0]:
                self._bridge.run_pending()
                continue
            line += (piece := os.read(sys.stdin.fileno(), LONGEST_LINE))
            if self._interactive and not line:
                raise AgentError(Fault.INTERRUPTED)
            if not piece or b"\n" in line or len(line) > LONGEST_LINE:
                return line.partition(b"\n")[0].decode(errors="replace").rstrip("\r")
        return None

    @contextlib.contextmanager
    def _question(self, question: str, hidden: bool) -> Iterator[None]:
        """Asks on stderr: stdout is for the results. What is typed before or after is dropped; `hidden`: not shown."""
        before = termios.tcgetattr(sys.stdin) if self._interactive else []
        if before:
            shown = before[3] & ~termios.ECHO if hidden else before[3]
            termios.tcsetattr(sys.stdin, termios.TCSAFLUSH, [*before[:3], shown, *before[4:]])
        self._asked = question
        print(question and f"\r{question}", end="", file=sys.stderr, flush=True)
        try:
            yield
        finally:
            self._asked = ""
            if before:
                termios.tcsetattr(sys.stdin, termios.TCSAFLUSH, before)
            if before and hidden:
                print(file=sys.stderr)


# What is done in the terminal with a card alone: nobody is signed in by it.

OpenCard = Callable[[], contextlib.AbstractContextManager[IdentityCard]]


def find_card(source: CardSource, seconds: float | None, started: Callable[[], None]) -> OpenCard:
    """What opens the card that is in, or comes first in that time (None: however long it takes).

    `started` is called when the reader is watched. Raises NO_CARD, SEVERAL_CARDS, and what is wrong with the reader.
    """
    news: queue.SimpleQueue[ReaderNews] = queue.SimpleQueue()

    def watch() -> None:
        try:
            source.watch(news.put)
        except Exception as error:
            news.put(ReaderLost(told("the reader's thread", error)))

    threading.Thread(target=watch, name="reader", daemon=True).start()
    started()
    return functools.partial(source.open, choose_card(source, first_cards(news, seconds)))


def first_cards(news: queue.SimpleQueue[ReaderNews], seconds: float | None) -> list[CardIn]:
    """All that are in, or the first that comes. Raises NO_CARD, and what is wrong with the reader."""
    ends, problem = time.monotonic() + (seconds or 0), AgentError(Fault.NO_CARD)
    while True:
        try:
            latest = news.get(timeout=None if seconds is None else max(0.0, ends - time.monotonic()))
        except queue.Empty:
            raise problem from None
        if isinstance(latest, CardIn):
            cards = [latest]
            with contextlib.suppress(queue.Empty):  # a reader reports those that are in one after another, at once
                while isinstance(another := news.get(timeout=CARDS_TOGETHER_SECONDS), CardIn):
                    cards.append(another)
            return cards
        problem = latest.error if isinstance(latest, ReaderLost) else AgentError(Fault.NO_CARD)


def choose_card(source: CardSource, cards: Sequence[CardIn]) -> CardIn:
    """Of several that can be used the one that the person names. Raises SEVERAL_CARDS where nobody does."""
    owners: dict[CardIn, CardFacts] = {}
    for card in cards if len(cards) > 1 else ():
        with contextlib.suppress(AgentError), source.open(card) as identity:
            owners[card] = identity.facts()
    if len(owners) <= 1:
        return next(iter(owners), cards[0])
    lines = [describe_card(card, facts).replace("\n", " ") for card, facts in owners.items()]
    wanted = ask("\n".join([*numbered(lines), WHICH_CARD]))
    if wanted not in map(str, range(1, len(lines) + 1)):
        raise AgentError(Fault.SEVERAL_CARDS, "; ".join(lines))
    return list(owners)[int(wanted) - 1]


def ask(question: str) -> str:
    """What the person at the terminal says, empty where there is none."""
    if not sys.stdin.isatty():
        return ""
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()


def ask_passcode(question: str) -> Passcode:
    """From the terminal, which does not show it, or else a line of stdin. Raises INTERRUPTED, NO_PASSCODE."""
    try:
        return Passcode(getpass(question) if sys.stdin.isatty() else input())
    except EOFError:
        raise AgentError(Fault.INTERRUPTED, says="Stopped: no passcode was given, so nothing was done.") from None


def ask_new_passcode(uid: str, old: Passcode | None = None) -> Passcode:
    """At a terminal until it will do, and twice. Raises INTERRUPTED, NO_PASSCODE, WEAK_PASSCODE."""
    while True:
        new = ask_passcode("New passcode: ")
        try:
            new.check_new(uid, old)
        except AgentError as error:
            new.forget()
            if not sys.stdin.isatty():
                raise
            print(error, file=sys.stderr)
            continue
        if not sys.stdin.isatty() or ask_passcode("New passcode again: ").is_same(new):
            return new
        print("The two are not the same.", file=sys.stderr)


def spend_last_try(facts: CardFacts) -> None:
    """Raises LAST_TRY_KEPT unless there are more tries, or somebody says yes."""
    if facts.tries_left == 1 and ask(LAST_TRY_QUESTION).lower() not in YES:
        raise AgentError(Fault.LAST_TRY_KEPT)


def sign_file(open_card: OpenCard, options: argparse.Namespace, digest: Digest) -> None:
    """`sign FILE`: the CMS message on stdout. Raises AgentError."""
    if sys.stdout.isatty():
        raise UsageError("The signature is bytes, which a terminal cannot show.", "Write it to a file: > FILE.p7m")
    try:
        with open(options.file, "rb") as file:
            content = file.read(LONGEST_DOCUMENT + 1)
    except OSError as error:
        raise UsageError(f"{options.file} cannot be read: {error.strerror}.") from None
    if len(content) > LONGEST_DOCUMENT:
        raise UsageError(f"{options.file} has more than {LONGEST_DOCUMENT >> 20} MiB.")
    with open_card() as card:
        facts = signer_facts(card)
    hashed = hashlib.new(digest, content).hexdigest()
    what = f"{clean(options.file)}, {counted(len(content), 'byte')}, {digest} {hashed}"
    print(f"You sign as {facts.certificate.uid}, as if by hand: {what}", file=sys.stderr)
    if facts.own_pad:
        print(_(TYPE_ON_READER), file=sys.stderr)
    passcode = None if facts.own_pad else ask_passcode("Passcode: ")
    spend_last_try(facts)
    with open_card() as card:
        card.recognise(facts.certificate)
        signed = sign_documents(card, Signing([content], digest, True, options.detached), facts.certificate, passcode)
    sys.stdout.buffer.write(base64.b64decode(signed["cms"]))


def change_passcode(open_card: OpenCard, *_: object) -> None:
    """`passcode`. Raises AgentError."""
    with open_card() as card:
        facts = card.facts()
    if facts.tries_left == 0:
        raise AgentError(Fault.CARD_LOCKED, advice="Set a new passcode by the unblocking code: agent.py unlock")
    print(f"Card of {facts.certificate.uid}.{describe_tries(facts.tries_left)}", file=sys.stderr)
    old = ask_passcode("Passcode: ")
    new = ask_new_passcode(facts.certificate.uid, old)
    spend_last_try(facts)
    with open_card() as card:
        card.recognise(facts.certificate)
        card.change_passcode(old, new)
    print("The passcode is changed.")


def unblock(card: IdentityCard, code: Passcode, new: Passcode) -> None:
    """As the card's own, with errors that speak of the unblocking code."""
    try:
        card.unblock(code, new)
    except WrongPasscode as error:
        says = _("That unblocking code is not right.") + describe_tries(error.tries_left)
        advice = _("Check it and try again.")
        raise AgentError(Fault.WRONG_PASSCODE, error.technical, says=says, advice=advice) from None
    except AgentError as error:
        if error.fault is not Fault.CARD_LOCKED:
            raise
        says, advice = _("The unblocking code is locked too."), _("Ask your local smartcard team for another card.")
        raise AgentError(Fault.CARD_LOCKED, error.technical, says=says, advice=advice) from None


def unlock(open_card: OpenCard, *_: object) -> None:
    """`unlock`. Raises AgentError."""
    with open_card() as card:
        facts = card.facts()
    print(f"Card of {facts.certificate.uid}. A wrong unblocking code costs one of its own tries.", file=sys.stderr)
    code = ask_passcode("Unblocking code: ")
    new = ask_new_passcode(facts.certificate.uid)
    with open_card() as card:
        card.recognise(facts.certificate)
        unblock(card, code, new)
    print("The card has its new passcode.")


CARD_COMMANDS: dict[str, Callable[[OpenCard, argparse.Namespace, Digest], None]] = {
    "sign": sign_file,
    "passcode": change_passcode,
    "unlock": unlock,
}


class Colour(StrEnum):
    """After the NHS design system's published values."""

    BLUE = "#005eb8"
    GREEN = "#007f3b"
    RED = "#d5281b"
    TEXT = "#212b32"
    SECONDARY = "#4c6272"
    PAGE = "#f0f4f5"
    WHITE = "#ffffff"
    FOCUS = "#ffeb3b"
    AMBER = "#ffb81c"
    LINE = "#d8dde0"


# What the contrast theme has in the place of a colour: each text then has 7:1 (WCAG 2.2, 1.4.6).
CONTRAST = {
    Colour.BLUE: "#003087",
    Colour.GREEN: "#00401e",
    Colour.RED: "#8a1538",
    Colour.TEXT: "#000000",
    Colour.SECONDARY: "#212b32",
    Colour.PAGE: "#ffffff",
}
# In pixels of a plain screen, as all sizes here: on a larger or denser one Theme.px says how many it takes.
FONT_SIZES = {"title": 30, "heading": 22, "body": 18, "small": 14, "pad": 24, "mono": 12, "dots": 34}
BAR_FONT_SIZES = {"bar": 18, "fine": 14}
COLUMN = 880  # the widest that a screen with text of the usual size gets: it is in the middle of a wide monitor
SQUEEZES = 1.0, 0.9, 0.8, 0.7, 0.6, 0.5  # how much of large text is tried, until a screen fits
TOUCH = 44  # the least height of a button (WCAG 2.2, 2.5.5)
DELETE = "\u232b"  # what the key with this on it does
DOT = "\u2022"  # in every font narrower than the digit by which a field is measured
PROGRESS_AFTER_MS = 300
CARD_SLOW_MS = 2000  # until a card that is being read is called slow
EARLY_TYPING_MS = 3000  # digits typed before the card is noticed are kept that long
NO_CARD_IN = State.WAITING, State.LOCKED
RETAKE_MS, GRAB_AGAIN_MS = 5, 50  # after a window came before a kiosk's; while another program holds a grab
FAILED_AGAIN_MS = 1000  # after an error
TOUCHED_SECONDS = 60  # whoever has touched keyboard or pointer since then is there
AMBER_SECONDS, ASK_SECONDS = 300, 120  # before a session's end: the time is marked; the person is asked
SETTLE_SECONDS = 0.4  # Enter or a click that comes sooner was meant for the screen before

# What each style adds to the one behind its first dot, and at last to ".". Fonts are called as in FONT_SIZES.
STYLES: dict[str, dict[str, Any]] = {
    ".": {"background": Colour.PAGE, "foreground": Colour.TEXT, "font": "body", "bordercolor": Colour.WHITE},
    "Title.TLabel": {"font": "title"},
    "Heading.TLabel": {"font": "heading"},
    "Quiet.TLabel": {"foreground": Colour.SECONDARY},
    "Time.TLabel": {"foreground": Colour.SECONDARY},
    "Red.TLabel": {"foreground": Colour.RED},
    "Red.Title.TLabel": {"foreground": Colour.RED},
    "Green.Title.TLabel": {"foreground": Colour.GREEN},
    "Mono.TLabel": {"foreground": Colour.SECONDARY, "font": "mono"},
    "Bar.TFrame": {"background": Colour.WHITE},
    "Bar.TLabel": {"background": Colour.WHITE, "font": "heading"},
    "Quiet.Bar.TLabel": {"foreground": Colour.SECONDARY, "font": "small"},
    "Session.TLabel": {"background": Colour.WHITE, "font": "bar"},
    "Quiet.Session.TLabel": {"foreground": Colour.SECONDARY, "font": "fine"},
    "Red.Session.TLabel": {"foreground": Colour.RED, "font": "fine"},
    "Amber.Session.TLabel": {"background": Colour.AMBER},
    "Session.TButton": {"font": "bar"},
    "Notice.TLabel": {"background": Colour.RED, "foreground": Colour.WHITE, "padding": (40, 12)},
    "List.TLabel": {"background": Colour.WHITE, "padding": (12, 8)},
    "Header.TLabel": {"background": Colour.BLUE, "foreground": Colour.WHITE, "font": "pad", "padding": (40, 8)},
    "TButton": {"anchor": "center", "padding": (24, 12), "width": 0},
    "Pad.TButton": {"font": "pad", "padding": (8, 6), "width": 5},
    "Treeview": {"indent": 0, "background": Colour.WHITE, "fieldbackground": Colour.WHITE, "lightcolor": Colour.WHITE},
    "TScrollbar": {"arrowsize": (TOUCH,), "gripcount": 0, "troughcolor": Colour.WHITE},
    "TProgressbar": {"background": Colour.BLUE, "troughcolor": Colour.LINE},
}


class Theme:
    """The fonts, colours and sizes of every widget. A screen names a style and settles nothing itself.

    `scale` is how much larger than on a plain screen all is, `zoom` how much larger text is. In a kiosk all is as
    large as the monitor allows, but for the bar over people's work: that is as large as they can read and touch.
    """

    def __init__(self, root: tk.Tk, kiosk: bool, contrast: bool) -> None:
        self._kiosk, self._colours = kiosk, CONTRAST if contrast else {}
        self._dense = max(1.0, round(float(root.tk.call("tk", "scaling")) / (96 / 72), 1))
        self.scale = self.zoom = self.squeeze = 1.0
        sans = "Arial" if "Arial" in tkfont.families(root) else "sans-serif"
        self.fonts = {name: tkfont.Font(root, name=name, family=sans) for name in FONT_SIZES | BAR_FONT_SIZES}
        self.fonts["mono"].configure(family="monospace")
        for name in ("title", "heading", "pad"):
            self.fonts[name].configure(weight="bold")
        self.style = ttk.Style(root)
        self.style.theme_use("clam")  # the one whose colours can be set
        root.configure(background=self.colour(Colour.PAGE))
        root.option_add("*TButton.cursor", "hand2")
        self.fit(root.winfo_screenwidth(), root.winfo_screenheight())
        self.button("TButton", Colour.GREEN, Colour.WHITE)
        self.button("Quiet.TButton", Colour.SECONDARY, Colour.WHITE)
        self.button("Pad.TButton", Colour.WHITE, Colour.TEXT)
        self.button("Session.TButton", Colour.SECONDARY, Colour.WHITE)
        blue, dark = self.colour(Colour.BLUE), self.colour(Colour.TEXT)
        self.style.map("Treeview", background=[("selected", blue)], foreground=[("selected", Colour.WHITE)])
        self.style.map("Treeview", bordercolor=[("focus", dark)], lightcolor=[("focus", dark)])
        fills = [("disabled", Colour.WHITE), ("", Colour.LINE)]  # unseen where everything fits
        self.style.map("TScrollbar", background=fills, lightcolor=fills, darkcolor=fills, arrowcolor=fills[:1])

    def colour(self, colour: Colour) -> str:
        """What to show this colour as."""
        return self._colours.get(colour, colour)

    def px(self, *pixels: float) -> Any:
        """These sizes of a plain screen on this one: one as a number, several as a tuple."""
        scaled = tuple(round(each * self.scale) for each in pixels)
        return scaled if len(scaled) > 1 else scaled[0]

    def fit(self, width: int, height: int) -> None:
        """Suit a monitor of that size."""
        larger, self._largest = self.zoom / self.scale, height // 16
        self.scale = max(self._dense, min(width / 853, height / 640)) if self._kiosk else self._dense
        self.fonts["pad"].configure(size=-self.px(FONT_SIZES["pad"]))
        for name, options in STYLES.items():
            sizes = {key: self.px(*value) for key, value in options.items() if key in ("padding", "arrowsize")}
            colours = {key: self.colour(value) for key, value in options.items() if isinstance(value, Colour)}
            self.style.configure(name, **(options | sizes | colours))
        self.resize(self.scale * larger)

    def resize(self, zoom: float, squeeze: float = 1.0) -> None:
        """Larger or smaller text, 75 % to 250 %; what is large already grows no further than it must.

        `squeeze`: of larger text, how much a screen has room for.
        """
        self.zoom, self.squeeze = min(2.5 * self.scale, max(0.75 * self.scale, zoom)), squeeze
        text = max(min(self.zoom, self.scale), self.zoom * squeeze)
        largest = max(self._largest, round(FONT_SIZES["body"] * text))
        for name, pixels in FONT_SIZES.items():
            if name != "pad":  # as large as the screen allows, where it must stay for those who only touch
                self.fonts[name].configure(size=-min(largest, round(pixels * text)))
        slim = max(self._dense, 0.65 * self.scale)
        for name, pixels in BAR_FONT_SIZES.items():
            self.fonts[name].configure(size=-round(pixels * slim * self.zoom / self.scale))
        above = max(2, round(TOUCH * slim) - self.fonts["bar"].metrics("linespace")) // 2
        self.style.configure("Session.TButton", padding=(round(14 * slim), above))
        self.style.configure("Treeview", rowheight=2 * self.fonts["body"].metrics("linespace") + self.px(16))

    def button(self, name: str, background: Colour, foreground: Colour) -> None:
        """Make it a style of flat buttons: with the keyboard on it yellow with a dark edge, grey when disabled."""
        dark, grey = self.colour(Colour.TEXT), self.colour(Colour.SECONDARY)
        foregrounds = [("focus", dark), ("disabled", grey), ("", self.colour(foreground))]
        edges = [("focus", dark), ("disabled", Colour.LINE), ("", self.colour(background))]
        fills = [("focus", Colour.FOCUS), *edges[1:]]
        self.style.map(name, background=fills, focuscolor=fills, foreground=foregrounds)
        self.style.map(name, bordercolor=edges, lightcolor=edges, darkcolor=edges)

    def field(self, parent: tk.Misc, name: str, font: str, **options: Any) -> tk.Entry:
        """A field to type in. It is no themed one: the cursor of those blinks, which would wake an idle PC."""
        field = tk.Entry(parent, name=name, font=self.fonts[font], insertofftime=0, relief="flat", **options)
        dark, grey = self.colour(Colour.TEXT), self.colour(Colour.SECONDARY)
        field.configure(background=Colour.WHITE, foreground=dark, exportselection=False)
        field.configure(highlightthickness=self.px(4), highlightcolor=dark, highlightbackground=grey)
        if tk_has_a_voice(field):
            for what, value in ("set_acc_role", "Entry"), ("set_acc_name", describe_field(field)):
                field.tk.call("tk", "accessible", what, field, value)
            field.tk.call("tk", "accessible", "add_acc_object", field)
        return field

    def text(self, parent: tk.Misc, font: str, background: Colour, **options: Any) -> tk.Text:
        """A text to read."""
        colours = {"background": self.colour(background), "foreground": self.colour(Colour.TEXT)}
        text = tk.Text(parent, font=self.fonts[font], wrap="word", height=1, **colours, **options)  # type: ignore[arg-type]
        text.configure(relief="flat", highlightthickness=0, exportselection=False, insertofftime=0)
        return text


def describe_field(field: tk.Misc) -> str:
    """The name of a field to type in, for those who do not see what stands over it."""
    return {"passcode": _("Passcode"), "search": _("Find")}.get(field.winfo_name(), "")


def tk_has_a_voice(widget: tk.Misc) -> bool:
    """Whether Tk itself tells screen readers of its widgets, as it can from 9.1 on (TIP 733), fields without names."""
    return bool(widget.tk.eval("info commands ::tk::accessible::check_screenreader"))


# What is not told of by itself: what always stands there, and the time while there is much of it.
SILENT = {"Header.TLabel", "Mono.TLabel", "Session.TLabel", "Quiet.Session.TLabel", "Time.TLabel"}


class View:
    """What can be seen of the window now, as accesskit's nodes: each widget in the order of Tab, each row of a list."""

    def __init__(self, root: tk.Tk) -> None:
        self.places: dict[int, tuple[str, str]] = {}  # widget and row of each node, by its number
        self._nodes: list[tuple[int, Any]] = []
        self._role, self._focus, self._heading, self._pressing = accesskit.Role, root.focus_get(), "", ""
        window = accesskit.Node(self._role.WINDOW)
        window.set_label(root.title())
        window.set_children([number for widget in visible(root) for number in self._tell_of(widget)])
        focused = self._number(self._focus, first_selected(self._focus))
        self.update = accesskit.TreeUpdate(focused if focused in self.places else 0)
        self.update.tree = accesskit.Tree(0)
        self.update.nodes.extend([(0, window), *self._nodes])

    def _tell_of(self, widget: Any) -> Iterator[int]:
        match widget.winfo_class():
            case "TLabel":
                yield from self._sentence(widget, str(widget.cget("text")), str(widget.cget("style")))
            case "Text":
                yield from self._sentence(widget, widget.get("1.0", "end").strip(), widget.winfo_name())
            case "TButton":
                yield self._button(widget)
            case "Entry":
                yield self._field(widget)
            case "Treeview":
                yield from self._list(widget)
            case "TProgressbar":
                yield self._node(self._role.PROGRESS_INDICATOR, widget)[0]

    def _number(self, widget: Any, row: str) -> int:
        """The same in each view, and of nothing else: Tk's names are never used again."""
        return hash((str(widget), row)) & sys.maxsize

    def _node(self, role: Any, widget: Any, row: str = "", label: str = "") -> tuple[int, Any]:
        number, node = self._number(widget, row), accesskit.Node(role)
        node.set_label(label or self._heading)
        self.places[number] = str(widget), row
        self._nodes.append((number, node))
        return number, node

    def _sentence(self, widget: Any, text: str, style: str, row: str = "") -> Iterator[int]:
        """What is new of it is announced, and before everything else where it is red or amber."""
        if not text:
            return
        is_heading = "Title" in style or "Heading" in style
        number, node = self._node(self._role.HEADING if is_heading else self._role.LABEL, widget, row, text)
        node.set_value(text)  # the name of a label, as that of a heading is its label
        if is_heading:
            self._heading = text
        if style not in SILENT:
            is_pressing = bool(re.search("Red|Amber", style))
            node.set_live(accesskit.Live.ASSERTIVE if is_pressing else accesskit.Live.POLITE)
            self._pressing = text if is_pressing else self._pressing
        yield number

    def _button(self, widget: Any) -> int:
        text = str(widget.cget("text"))
        number, node = self._node(self._role.BUTTON, widget, label=_("Delete") if text == DELETE else text)
        node.add_action(accesskit.Action.CLICK)
        if widget.instate(["disabled"]):
            node.set_disabled()
        else:
            node.add_action(accesskit.Action.FOCUS)
        return number

    def _field(self, widget: Any) -> int:
        """With its text in a node of its own, as accesskit wants it. Of a passcode that is as many dots."""
        hidden = str(widget.cget("show"))
        role = self._role.PASSWORD_INPUT if hidden else self._role.TEXT_INPUT
        text = hidden * len(widget.get()) if hidden else widget.get()
        number, node = self._node(role, widget, label=describe_field(widget))
        node.set_description(self._pressing)  # Orca of Debian 12 says this, and no announcement
        run_number, run = self._node(self._role.TEXT_RUN, widget, "text")
        run.clear_label()
        run.set_value(text)
        run.set_character_lengths([len(each.encode()) for each in text])
        caret = accesskit.TextPosition(run_number, min(widget.index("insert"), len(text)))
        node.set_text_selection(accesskit.TextSelection(caret, caret))
        node.push_child(run_number)
        node.add_action(accesskit.Action.FOCUS)
        return number

    def _list(self, widget: Any) -> Iterator[int]:
        """While the keyboard is in the field that searches it, the row that is chosen is announced."""
        number, node = self._node(self._role.LIST_BOX, widget)
        rows, chosen = widget.get_children(), first_selected(widget)
        node.set_size_of_set(len(rows))
        for place, row in enumerate(rows):
            text = ", ".join(widget.item(row, "text").splitlines())
            row_number, option = self._node(self._role.LIST_BOX_OPTION, widget, row, text)
            option.set_position_in_set(place)
            option.set_selected(row == chosen)
            option.add_action(accesskit.Action.CLICK)
            node.push_child(row_number)
            if row == chosen and widget is not self._focus:
                yield from self._sentence(widget, text, "", "chosen")
        yield number


def visible(widget: tk.Misc) -> Iterator[tk.Misc]:
    """All below it that can be seen, in the order of Tab. The window itself can be hidden while its bar shows."""
    for child in widget.winfo_children():
        if child.winfo_viewable():
            yield child
        yield from visible(child)


def first_selected(widget: Any) -> str:
    """The row that is chosen in a list, empty where none is, or it is no list."""
    return next(iter(widget.selection()), "") if isinstance(widget, ttk.Treeview) else ""


class Voice:
    """What a screen reader is told of the window, by accesskit (extra a11y) through AT-SPI, while one listens.

    A widget's name is its own text; a sentence that is new is announced; of a passcode only its length is told. What
    a screen reader presses is pressed as by hand: too soon after the screen came, it does nothing.

    Accesskit calls its handlers in a thread of its own, holding a lock that `update_if_active` waits for while it
    keeps all other Python code from running. Python code in a handler could be interrupted just then, for ever: so
    the handlers are a queue's `put`, which is not.
    """

    def __init__(self, root: tk.Tk, bridge: Bridge) -> None:
        self._root, self._bridge = root, bridge
        self._listens, self._timer = False, ""
        self._places: dict[int, tuple[str, str]] = {}
        self._news: queue.SimpleQueue[Any] = queue.SimpleQueue()  # True: somebody listens; an Event: nobody; requests
        begins = functools.partial(self._news.put, True)
        self._adapter = accesskit.unix.Adapter(begins, self._news.put, self._falls_silent)
        threading.Thread(target=self._forward, name="voice", daemon=True).start()
        for event in ("<FocusIn>", "<KeyRelease>", "<ButtonRelease>", "<<TreeviewSelect>>", "<<Fit>>"):
            root.bind_all(event, lambda event: self._look(50), add="+")

    def close(self) -> None:
        """Tell nothing more."""
        self._listens = False
        self._news.put(None)

    def _falls_silent(self) -> None:
        """Called without that lock. Nobody can begin to listen again before the owner's thread knows of this."""
        known = threading.Event()
        self._news.put(known)
        known.wait(5)

    def _forward(self) -> None:
        while (news := self._news.get()) is not None:
            self._bridge.call(self._hear, news)

    def _hear(self, news: Any) -> None:
        if news is True or isinstance(news, threading.Event):
            self._listens = news is True
            self._look(0)
        if isinstance(news, threading.Event):
            news.set()
        elif news is not True and self._listens:
            self._act(news.target, news.action)

    def _act(self, number: int, action: Any) -> None:
        """What a screen reader does for its person. What has gone from the window meanwhile is not known any more."""
        path, row = self._places.get(number, ("", ""))
        if not path or not self._root.tk.getboolean(self._root.tk.call("winfo", "exists", path)):
            return
        widget: Any = self._root.nametowidget(path)
        if isinstance(widget, ttk.Treeview) and widget.exists(row):
            widget.selection_set(row)
            widget.focus(row)
        if isinstance(widget, ttk.Button) and action == accesskit.Action.CLICK:
            widget.invoke()
        elif action in (accesskit.Action.CLICK, accesskit.Action.FOCUS):
            widget.focus_set()

    def _look(self, milliseconds: int) -> None:
        """Soon, and then each second: not every text that changes makes an event."""
        if self._timer:
            self._root.after_cancel(self._timer)
        self._timer = self._root.after(milliseconds, self._tell) if self._listens else ""

    def _tell(self) -> None:
        try:
            view = View(self._root)
            self._places = view.places
            self._adapter.update_if_active(lambda: view.update)
            self._adapter.update_window_focus_state(self._root.focus_displayof() is not None)
        except BaseException as error:  # a panic of accesskit's is no Exception; the window goes on without a voice
            self._listens = False
            told("the voice", error)
        self._look(1000)


class Window:
    """The agent's window: one screen for each state of the table."""

    def __init__(
        self,
        conductor: Conductor,
        bridge: Bridge,
        kiosk: bool,
        clock: Clock = boottime,
        contacts: Contacts = Contacts(),
        contrast: bool = False,
        language: str = "en",
        doctor: Sequence[str] = (),
    ) -> None:
        """`doctor`: the command that looks at this PC, where there is one."""
        self.conductor = conductor
        self.doctor = doctor
        self.bridge = bridge
        self.contacts = contacts
        self.clock = clock
        self.early_typing = ""  # while the card is being noticed: it goes to its passcode
        self.root = tk.Tk(className="Lanyard")
        self.root.report_callback_exception = lambda kind, error, trace: conductor.unexpected(error)
        self._first_language = language
        Sentences.speak(language)
        self.root.title(_("Lanyard: sign in with your smartcard"))
        self.theme = Theme(self.root, kiosk, contrast)
        self._make_stage()
        self.over: type[Screen] | None = None  # what covers the state's screen, or the work of who is signed in
        self.cover = Cover(self) if kiosk else None
        self.session_bar = SessionBar(self, self.cover) if self.cover else None
        if not kiosk:
            self.stage.pack(fill="both", expand=True)
            self.root.geometry(f"{min(1024, self.root.winfo_screenwidth())}x{min(768, self.root.winfo_screenheight())}")
            self.root.protocol("WM_DELETE_WINDOW", self.root.quit)
        self.root.tk.createfilehandler(bridge, tk.READABLE, lambda *_: bridge.run_pending())
        self.screen: Screen = SCREENS[conductor.state](self)
        self.screen.refresh()
        conductor.on_change = self._state_changed
        conductor.on_cards = lambda: self.screen.refresh()
        conductor.on_request, conductor.on_show = self._requested, self.show
        # Later: most that holds up a sign-in is over by then.
        conductor.on_notice = lambda: self.root.after(PROGRESS_AFTER_MS, self._show_notice)
        self.content.bind("<Configure>", lambda event: self.fit(afresh=False))
        self._bind_keys()
        ours = "accesskit" in sys.modules and not tk_has_a_voice(self.root)
        self._voice = Voice(self.root, bridge) if ours else None
        if self.cover:
            self.cover.go_up()

    def _make_stage(self) -> None:
        """The part of the window that shows something."""
        self.stage = ttk.Frame(self.root)
        ttk.Label(self.stage, text="Lanyard", style="Header.TLabel").pack(side="top", fill="x")
        self.foot, self.content = ttk.Frame(self.stage), ttk.Frame(self.stage)
        self.foot.pack(side="bottom", fill="x")
        self.bar = RequestBar(self)
        self.content.pack(side="left", fill="both", expand=True)
        self.notice = ttk.Label(self.stage, style="Notice.TLabel")

    def _bind_keys(self) -> None:
        self.root.bind("<Key>", self._key_pressed)
        self.root.event_add("<<Larger>>", "<Control-plus>", "<Control-equal>")
        self.root.bind("<<Larger>>", lambda event: self.zoom(1.25))
        self.root.bind("<Control-minus>", lambda event: self.zoom(0.8))
        self.root.event_add("<<Enter>>", "<Return>", "<KP_Enter>")
        self.root.bind_class("TButton", "<<Enter>>", lambda event: self.root.tk.call(event.widget, "invoke"))

    def zoom(self, factor: float) -> None:
        """Larger or smaller text, until the next person comes."""
        self.theme.resize(self.theme.zoom * factor)
        self.fit()

    def speak(self, language: str) -> None:
        """Another language, until the next person comes."""
        Sentences.speak(language)
        self._state_changed(self.conductor.state)

    def fit(self, afresh: bool = True) -> None:
        """Have the screen make do with the room there is. Who puts something beside it is asked first.

        Not `afresh`: text that was made smaller to fit stays so, or its growing and shrinking would never end.
        """
        self.root.update_idletasks()
        self.root.event_generate("<<Fit>>")
        self.bar.fit(self.stage.winfo_width())
        if self.session_bar:
            self.session_bar.place()
        self.root.update_idletasks()
        width, height = self.content.winfo_width(), self.content.winfo_height()
        side = max(0, width - round(COLUMN * self.theme.zoom)) // 2
        self.screen.frame.pack_configure(padx=side)
        for squeeze in (each for each in SQUEEZES if afresh or each <= self.theme.squeeze):
            if squeeze != self.theme.squeeze:
                self.theme.resize(self.theme.zoom, squeeze)
                self.root.update_idletasks()
            self.screen.fit(width - 2 * side, height)
            if self.screen.frame.winfo_reqheight() <= height:
                break
        if not self.screen.fills:
            self.screen.frame.pack_configure(pady=(max(0, height - self.screen.frame.winfo_reqheight()) // 3, 0))

    def show(self) -> None:
        """Come to the front, with the keyboard."""
        if self.cover:
            if self.conductor.state is State.SIGNED_IN:
                self.come_over(SCREENS[State.SIGNED_IN])
            return
        self.root.deiconify()
        self.root.lift()
        if self.root.focus_displayof() is None:  # window managers keep a window back that only asks to be raised
            self.root.attributes("-topmost", True)
            self.root.attributes("-topmost", False)
            self.screen.first.focus_force()

    def close(self) -> None:
        self.root.tk.deletefilehandler(self.bridge)  # Tcl has it for the whole thread, and the number may be another's
        for part in (self._voice, self.cover):
            if part:
                part.close()
        with contextlib.suppress(tk.TclError):  # another program can have destroyed it
            self.root.destroy()

    def _state_changed(self, before: State) -> None:
        """A new screen, or where that would take away what is typed or moves, the same one told of the change."""
        state = self.conductor.state
        if state in (*NO_CARD_IN, State.NO_READER) and state is not before:
            self.theme.resize(self.theme.scale)
            Sentences.speak(self._first_language)
            self.root.event_generate("<<NextPerson>>")
        if before is State.SIGNED_IN or before is not state:
            self.over = None
        if state is State.SIGNED_IN is not before and self.conductor.must_tell_of_end() and self.cover:
            self.over = EndsSoonScreen
        self._renew()
        if state not in NO_CARD_IN:
            self.early_typing = ""

    def come_over(self, screen: type[Screen] | None) -> None:
        """Have this screen cover that of the state, or the work of who is signed in; None: step back."""
        self.over = screen
        self._renew()

    def _wanted(self) -> type[Screen]:
        state, request = self.conductor.state, self.conductor.request
        if state is State.SIGNED_IN and request and request.question:
            return SigningScreen if request.signing else QuestionScreen
        return self.over or SCREENS[state]

    def _renew(self) -> None:
        wanted = self._wanted()
        works = wanted is SCREENS[State.SIGNED_IN] and not self.over
        if self.session_bar and not works:
            self.session_bar.hide()
        if type(self.screen) is not wanted or not wanted.stays:
            self.screen.close()
            for left in self.content.winfo_children():  # of a screen that could not be built
                left.destroy()
            self.screen = wanted(self)
        self.root.title(_("Lanyard: sign in with your smartcard"))
        self.screen.refresh()
        self.fit()
        if self.cover and self.session_bar and works:
            self.cover.step_aside()
            self.session_bar.show()
        elif self.cover:
            self.cover.go_up()

    def _show_notice(self) -> None:
        """What holds up a sign-in, or has failed around the agent."""
        held = _(self.conductor.held) if self.conductor.held and self.conductor.state is not State.SIGNED_IN else ""
        text = " ".join(filter(None, [held, self.contacts.beside(held), self.conductor.notice]))
        self.notice.configure(text=text, wraplength=max(1, self.stage.winfo_width() - self.theme.px(80)))
        if not text:
            self.notice.pack_forget()
        elif not self.notice.winfo_manager():
            self.notice.pack(side="top", fill="x", before=self.content)
        self.fit()

    def _requested(self) -> None:
        self.bar.refresh()
        if self.conductor.state is State.SIGNED_IN:
            self._renew()
        self.fit()
        if self.conductor.request and not self.cover:
            self.show()

    def _key_pressed(self, event: tk.Event[tk.Misc]) -> None:
        """What is typed while the keyboard is on no field is the screen's."""
        if event.char.isalnum() and not isinstance(event.widget, tk.Entry):
            self.screen.typed(event.char)


def describe_program(request: Request) -> str:
    """Empty where the program itself is named as who asks."""
    return _("Program: {program}", program=request.program) if request.origin else ""


def is_wayland(environment: Mapping[str, str]) -> bool:
    """Whether the desktop is one where no program can cover the screen, take the keyboard or keep an edge free."""
    return bool(environment.get("WAYLAND_DISPLAY")) or environment.get("XDG_SESSION_TYPE") == "wayland"


class Cover:
    """A kiosk's hold on an X11 screen, by python-xlib: over every monitor, on top, with keyboard and pointer.

    It sleeps until X tells that another window came before this one, or that a monitor changed. Raises UsageError.
    """

    def __init__(self, window: Window) -> None:
        try:
            import Xlib.display
            from Xlib.ext import randr
        except ImportError:
            raise UsageError("A kiosk needs python-xlib (python3-xlib), which is not installed.") from None
        self._x, self._window, self._root = Xlib.X, window, window.root
        self._display = Xlib.display.Display(self._root.winfo_screen())
        self._display.set_error_handler(lambda *what: None)  # about a window that has just gone
        self._screen = self._display.screen().root
        self._be_the_only_one()
        self.is_up = self._holds = False  # over everything; with every key and click
        self._top: tk.Misc = self._root  # what is kept on top
        self._before: Any = None  # the window that had the keyboard
        self._later = ""  # the timer of the next try
        self._root.withdraw()
        self._root.overrideredirect(True)
        self._root.protocol("WM_DELETE_WINDOW", lambda: None)
        for kind in ("Entry", "Text"):  # what somebody else copied does not come in, and nothing goes out
            for event in ("<<Paste>>", "<<PasteSelection>>", "<<Copy>>", "<<Cut>>"):
                self._root.unbind_class(kind, event)
        self._screen.xrandr_select_input(randr.RRScreenChangeNotifyMask)
        self._follow_monitors()
        self._gone, self._bad_window = Xlib.error.ConnectionClosedError, Xlib.error.BadDrawable
        self._root.tk.createfilehandler(self._display, tk.READABLE, lambda *_: self._x_tells())

    def _be_the_only_one(self) -> None:
        """Two covers of one screen would fight for it. Raises RUNS_ALREADY."""
        name = self._display.intern_atom("_LANYARD_KIOSK")
        self._display.grab_server()
        if self._display.get_selection_owner(name):
            self._display.close()
            raise AgentError(Fault.RUNS_ALREADY)
        self._only = self._screen.create_window(0, 0, 1, 1, 0, 0)
        self._only.set_selection_owner(name, self._x.CurrentTime)
        self._display.ungrab_server()
        self._send()

    def go_up(self) -> None:
        """Cover all, from now on."""
        if self.is_up:
            return
        self.is_up, self._holds, self._top = True, False, self._root
        self._before = self._display.get_input_focus().focus
        self._root.deiconify()
        self._frame = self._frame_of(self._root)
        self._frame.change_attributes(event_mask=self._x.FocusChangeMask)
        self._watch(others=True)
        self._hold()

    def step_aside(self) -> None:
        """Let people work, and give the keyboard back to the window that had it."""
        if not self.is_up:
            return
        self.is_up = self._window.conductor.has_keyboard = False
        self._root.grab_release()
        self._display.set_input_focus(self._before, self._x.RevertToPointerRoot, self._x.CurrentTime)
        self._display.sync()  # where that window has gone, it is for X to say who has the keyboard
        self._root.withdraw()
        self._watch(others=False)

    def reserve(self, bar: tk.Toplevel, height: int) -> None:
        """Have maximised windows leave that much of the first monitor's top to the bar, on all desktops.

        Where there is no window manager, the bar is kept on top. (Extended Window Manager Hints 1.3.)
        """
        left, top, width = self.monitor[:3]
        self._top, self._frame = bar, self._frame_of(bar)
        atom, strut = self._display.intern_atom, [0, 0, top + height, 0, 0, 0, 0, 0, left, left + width - 1, 0, 0]
        self._frame.change_property(atom("_NET_WM_STRUT_PARTIAL"), atom("CARDINAL"), 32, strut)
        self._frame.change_property(atom("_NET_WM_DESKTOP"), atom("CARDINAL"), 32, [0xFFFFFFFF])
        self._watch(others=not self._is_managed())

    def _is_managed(self) -> bool:
        """Whether a window manager runs: what one that has died said of itself is still there."""
        name = self._display.intern_atom("_NET_SUPPORTING_WM_CHECK")
        says = self._screen.get_full_property(name, 0)
        with contextlib.suppress(self._bad_window):
            return bool(says and self._display.create_resource_object("window", says.value[0]).get_geometry())
        return False

    def idle_seconds(self) -> float:
        """How long nobody has touched keyboard or pointer, as X's screen saver extension says."""
        if not self._display.has_extension("MIT-SCREEN-SAVER"):
            return float("inf")
        return float(self._screen.screensaver_query_info().idle) / 1000

    def forget_selections(self) -> None:
        """Nobody pastes what somebody before them has selected or copied."""
        nobody = self._display.create_resource_object("window", self._x.NONE)
        for name in ("PRIMARY", "SECONDARY", "CLIPBOARD"):
            nobody.set_selection_owner(self._display.intern_atom(name), self._x.CurrentTime)
        self._send()

    def close(self) -> None:
        """Let go of the screen."""
        self._root.tk.deletefilehandler(self._display)
        self._only.destroy()
        self._display.sync()  # the next one may follow at once
        self._display.close()

    def _frame_of(self, widget: tk.Misc) -> Any:
        """What X and window managers take for this window of Tk's."""
        window = self._display.create_resource_object("window", widget.winfo_id())
        self._root.update_idletasks()
        self._root.winfo_pointerx()  # has to have an answer, so that X has done by then all that Tk asked for
        return window.query_tree().parent

    def _watch(self, others: bool) -> None:
        """Be told of the screen's changes, and of those of the windows on it."""
        mask = self._x.StructureNotifyMask | (self._x.SubstructureNotifyMask if others else 0)
        self._screen.change_attributes(event_mask=mask)
        self._send()

    def _send(self) -> None:
        """Let X have what it was asked. What it told while it answered wakes nobody."""
        self._display.flush()
        if self._display.pending_events():
            self._root.after_idle(self._x_tells)

    def _x_tells(self) -> None:
        """Nothing that goes wrong here ends the window, but that X has gone."""
        try:
            self._handle_events()
        except self._gone:
            raise
        except Exception as error:
            self._window.bridge.on_error(error)

    def _handle_events(self) -> None:
        lost = False
        while self._display.pending_events():
            event = self._display.next_event()
            window = getattr(event, "window", self._frame)  # a change of the keyboard has none
            if window == self._screen:
                self._follow_monitors()
            elif event.type == self._x.FocusOut:
                lost |= event.mode in (self._x.NotifyNormal, self._x.NotifyWhileGrabbed)
            elif window != self._frame:
                lost |= event.type in (self._x.MapNotify, self._x.ConfigureNotify, self._x.CirculateNotify)
            elif event.type == self._x.UnmapNotify:
                lost, self._holds = True, False
        if lost and not self._later:
            self._later = self._root.after(RETAKE_MS, self._hold)

    def _hold(self) -> None:
        """Until it holds; whatever fails meanwhile, it is tried again."""
        self._later = self._root.after(FAILED_AGAIN_MS, self._hold)
        self._take_hold()
        self._root.after_cancel(self._later)
        self._later = self._root.after(GRAB_AGAIN_MS, self._hold) if self.is_up and not self._holds else ""

    def _take_hold(self) -> None:
        self._top.lift()
        if not self.is_up:
            return
        self._root.deiconify()
        self._display.set_input_focus(self._frame, self._x.RevertToPointerRoot, self._x.CurrentTime)
        if not self._holds and self._nobody_grabs():
            with contextlib.suppress(tk.TclError):
                self._root.grab_release()
                self._root.grab_set_global()
                self._holds = True
        self._window.conductor.has_keyboard = self._holds
        self._send()

    def _nobody_grabs(self) -> bool:
        """Whether another program holds neither keyboard nor pointer. (Tk would wait a second for the pointer.)"""
        now, mode = self._x.CurrentTime, self._x.GrabModeAsync
        pointer = self._frame.grab_pointer(True, 0, mode, mode, self._x.NONE, self._x.NONE, now)
        keyboard = self._frame.grab_keyboard(True, mode, mode, now)
        self._display.ungrab_pointer(now)
        self._display.ungrab_keyboard(now)
        self._display.sync()
        return bool(pointer == keyboard == self._x.GrabSuccess)

    def _follow_monitors(self) -> None:
        """Be as large as all of them, and show what there is to show on the first."""
        whole = self._screen.get_geometry()
        left, top, width, height = self.monitor = self._first_monitor() or (0, 0, whole.width, whole.height)
        self._root.geometry(f"{whole.width}x{whole.height}+0+0")
        self._window.stage.place(x=left, y=top, width=width, height=height)
        self._window.theme.fit(width, height)
        self._root.after_idle(self._window.fit)

    def _first_monitor(self) -> tuple[int, int, int, int] | None:
        with contextlib.suppress(AttributeError):  # an X server from before RandR 1.5 (2015)
            found = sorted(self._screen.xrandr_get_monitors().monitors, key=lambda each: not each.primary)
            return next(((m.x, m.y, m.width_in_pixels, m.height_in_pixels) for m in found), None)
        return None


class Settling:
    """Holds its buttons back for SETTLE_SECONDS: a second Enter, Space or click was meant for what was there before."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.settle()

    def settle(self) -> None:
        """From now on the buttons mean something new."""
        self._settled = self.window.clock() + SETTLE_SECONDS

    def deliberate(self, command: Callable[[], object]) -> Callable[..., object]:
        """The command, for a button or an event, that does nothing until then."""
        return lambda event=None: command() if self.window.clock() >= self._settled else None


class RequestBar(Settling):
    """Over each screen, while a program waits for somebody to sign in: who that is, and a way to refuse."""

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self._frame = ttk.Frame(window.stage, style="Bar.TFrame", padding=window.theme.px(40, 12))
        self._who = ttk.Label(self._frame, style="Bar.TLabel")
        self._program = ttk.Label(self._frame, style="Quiet.Bar.TLabel")
        self._refuse = ttk.Button(self._frame, style="Quiet.TButton", command=self.deliberate(self._refused))
        self._who.pack(fill="x")
        self._program.pack(fill="x")

    def refresh(self) -> None:
        request = self.window.conductor.request
        if request is None or request.question:
            self._frame.pack_forget()
            return
        self.settle()
        self._refuse.configure(text=_("Do not sign in"))
        self._who.configure(text=_("{who} asks you to sign in", who=request.who))
        self._program.configure(text=describe_program(request))
        self._frame.pack(side="top", fill="x", before=self.window.content)

    def fit(self, width: int) -> None:
        room, button = width - self.window.theme.px(100), self._refuse.winfo_reqwidth()
        beside = button < room // 3
        self._refuse.pack(side="right" if beside else "bottom", anchor="w", before=self._who)
        for label in (self._who, self._program):
            label.configure(wraplength=max(1, room - button if beside else room))

    def _refused(self) -> None:
        request = self.window.conductor.request
        if request and not request.question:
            request.answer(False)


class SessionBar(Settling):
    """A kiosk's slim strip over people's work: who is signed in as what, the time left, and the ways to stop."""

    def __init__(self, window: Window, cover: Cover) -> None:
        super().__init__(window)
        self._cover = cover
        self._bar = tk.Toplevel(window.root)
        self._bar.withdraw()
        self._bar.attributes("-type", "dock")
        self._bar.protocol("WM_DELETE_WINDOW", lambda: None)
        self._frame = ttk.Frame(self._bar, style="Bar.TFrame")
        self._frame.pack(fill="both", expand=True)
        self._frame.columnconfigure(0, weight=1)
        self._who = ttk.Label(self._frame, style="Session.TLabel")
        self._role = ttk.Label(self._frame, style="Quiet.Session.TLabel")
        for row, label in enumerate((self._who, self._role)):  # what else there is to know and to do of the session
            label.configure(cursor="hand2")
            label.bind("<Button-1>", self.deliberate(lambda: window.come_over(SCREENS[State.SIGNED_IN])))
            label.grid(row=row, column=0, sticky="w", padx=(8, 0))
        self._time = ttk.Label(self._frame, padding=(8, 0))
        self._time.grid(row=0, column=1, rowspan=2, sticky="ns")
        self._buttons = ttk.Frame(self._frame, style="Bar.TFrame")
        self.foot = ttk.Frame(self._bar)
        self.foot.pack(side="bottom", fill="x")
        self._session: Session | None = None
        self._shown = self._asked = False
        self._timer = ""

    def _offer(self, text: str, does: Callable[[], object]) -> None:
        command = self.deliberate(does)
        button = ttk.Button(self._buttons, text=text, command=command, style="Session.TButton", takefocus=False)
        button.pack(side="left", padx=(4, 0))

    def show(self) -> None:
        """While the person works."""
        session = self.window.conductor.signed_in().session
        if session is not self._session:
            self._forget()
            self._session, self._asked = session, False
            self._bar.title(_("Lanyard: your session"))
            self._offer(_("Lock"), lambda: self.window.conductor.handle(Cue.LOCK))
            if len(session.roles) > 1:
                self._offer(_("Change role"), lambda: self.window.come_over(RolesScreen))
            self._offer(_("Log out"), lambda: self.window.conductor.handle(Cue.LOG_OUT))
            self._cover.forget_selections()
        if not self._shown:
            self.settle()
        self._shown = True
        self._tell_time()
        self.place()

    def hide(self) -> None:
        """While something covers the work, or nobody is signed in."""
        self._shown = False
        self._bar.withdraw()
        for label in (self._who, self._role, self._time):
            label.configure(text="")
        if self.window.conductor.state is not State.SIGNED_IN:
            self._forget()

    def _forget(self) -> None:
        self._session = None
        for button in self._buttons.winfo_children():
            button.destroy()

    def place(self) -> None:
        """Name, role and time beside the buttons, or over them where the text is large and the monitor small."""
        if not self._shown:
            return
        signed_in, fonts = self.window.conductor.signed_in(), self.window.theme.fonts
        left, top, width = self._cover.monitor[:3]
        self._bar.update_idletasks()
        beside = self._time.winfo_reqwidth() + self._buttons.winfo_reqwidth()
        across = width - beside >= width // 3
        room = width - (beside if across else self._time.winfo_reqwidth()) - 16
        role = describe_role(signed_in.role) if signed_in.role else _("No role")
        self._who.configure(text=shorten(signed_in.session.cn, fonts["bar"], room))
        failed = self.window.conductor.notice
        style = "Red.Session.TLabel" if failed else "Quiet.Session.TLabel"
        self._role.configure(text=shorten(failed or role, fonts["fine"], room), style=style)
        where = {"row": 0, "column": 2, "rowspan": 2} if across else {"row": 2, "column": 0, "columnspan": 2}
        self._buttons.grid(**where, sticky="w")  # type: ignore[arg-type]
        self._bar.update_idletasks()
        height = self._frame.winfo_reqheight() + (self.foot.winfo_reqheight() if self.foot.winfo_children() else 0)
        self._bar.geometry(f"{width}x{height}+{left}+{top}")
        self._cover.reserve(self._bar, height)
        self._bar.deiconify()

    def _tell_time(self) -> None:
        """Once a minute, when the minutes change."""
        if self._timer:
            self._bar.after_cancel(self._timer)
        self._timer = ""
        if self.window.conductor.state is not State.SIGNED_IN:
            return
        if self._cover.idle_seconds() < TOUCHED_SECONDS:
            self.window.conductor.active()
        left = self.window.conductor.seconds_left()
        style = "Amber.Session.TLabel" if left <= AMBER_SECONDS else "Quiet.Session.TLabel"
        self._time.configure(text=_("Time left: {time}", time=describe_time_left(left)), style=style)
        self._timer = self._bar.after(int((left % 60 or 60) * 1000) + 50, self._tell_time)
        asks, self._asked = left <= ASK_SECONDS and not self._asked, left <= ASK_SECONDS
        if asks:
            self.window.come_over(TimeScreen)


def shorten(text: str, font: tkfont.Font, width: int) -> str:
    """The text, or as much of its beginning as that many pixels hold."""
    if font.measure(text) <= width:
        return text
    return next((cut for end in range(len(text), 0, -1) if font.measure(cut := f"{text[:end]}\u2026") <= width), "")


class Screen(Settling):
    """A screen: one sentence of what to do now, one thing to do. The keyboard begins on a field or on nothing."""

    fills = False  # takes all the room there is
    stays = False  # from one of its states to the next

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self.conductor = window.conductor
        self.px = window.theme.px
        self.frame = ttk.Frame(window.content, padding=self.px(40, 24))
        self.frame.pack(fill="both" if self.fills else "x", expand=self.fills)
        self.actions = ttk.Frame(self.frame)
        self.actions.pack(side="bottom", fill="x")  # packed first: where there is too little room, they still show
        self._rows: list[ttk.Frame] = []  # of the buttons
        self.first: tk.Misc = self.frame  # has the keyboard on arrival
        self._timer = ""
        self.build()
        self.first.focus_set()
        self.actions.lift()  # last in the order of Tab

    def build(self) -> None:
        """Make the widgets."""

    def refresh(self) -> None:
        """Show what has changed."""

    def typed(self, character: str) -> None:
        """A letter or digit was typed while the keyboard was on no field."""

    def after(self, milliseconds: int, call: Callable[[], None]) -> None:
        """Have this called, and nothing else that was to be called later."""
        if self._timer:
            self.frame.after_cancel(self._timer)
        self._timer = self.frame.after(milliseconds, call)

    def close(self) -> None:
        if self._timer:
            self.frame.after_cancel(self._timer)
        self.frame.destroy()

    def fit(self, width: int, height: int) -> None:
        """Make do with that many pixels: buttons that do not fit side by side stand in several rows."""
        buttons = [each for each in self.actions.winfo_children() if isinstance(each, (ttk.Button, tk.Entry))]
        room, apart = width - self.px(84), self.px(0, 16)
        self.window.theme.style.configure("TButton", wraplength=max(1, room - self.px(64)))  # less a button's padding
        for row in self._rows:
            row.destroy()
        self._rows, left = [], 0
        for button in buttons:
            wide = button.winfo_reqwidth() + apart[1]
            if wide > left:
                self._rows.append(ttk.Frame(self.actions))
                self._rows[-1].pack(anchor="w")
                left = room
            left -= wide
            button.pack(in_=self._rows[-1], side="left", fill="y", padx=apart, pady=self.px(8, 0))
            button.lift()
        for margin in 24, 4, 0:
            self.frame.configure(padding=self.px(40, margin))
            self.frame.update_idletasks()
            if self.frame.winfo_reqheight() <= height:
                break

    def while_here(self, call: Callable[..., object]) -> Callable[..., Any]:
        """The call, for what comes later: nothing is done where another screen has come meanwhile."""
        return lambda *what: call(*what) if self.window.screen is self else None

    def step_back(self, card_has_changed: bool) -> None:
        """To the screen of the state, where the table can do so with a card that is read again."""
        if card_has_changed:
            self.conductor.handle(Cue.DISMISSED)
        if self.window.screen is self:
            self.window.come_over(None)

    def label(self, text: str, style: str = "TLabel") -> ttk.Label:
        label = ttk.Label(self.frame, text=text, style=style)
        label.pack(fill="x", pady=self.px(0, 10))
        label.bind("<Configure>", lambda event: label.configure(wraplength=event.width - 4))
        return label

    def advice(self, sentence: str, style: str = "TLabel") -> None:
        """What to do, and where to turn when that is to ask somebody."""
        self.label(sentence, style)
        if where := self.window.contacts.beside(sentence):
            self.label(where)

    def offer_doctor(self) -> None:
        if self.window.doctor:
            self.button(_("Check this PC"), functools.partial(self.window.come_over, DoctorScreen), "Quiet.TButton")

    def button(self, text: str, does: Event | Callable[[], object], style: str = "TButton") -> ttk.Button:
        command = self.deliberate(does if callable(does) else lambda: self.conductor.handle(does))
        return ttk.Button(self.actions, text=text, command=command, style=style)


class WaitingScreen(Screen):
    """What a free PC shows."""

    def build(self) -> None:
        self._title = self.label("", "Title.TLabel")
        self.label(_("Then type your passcode. You can start typing straight away."), "Quiet.TLabel")
        if self.conductor.log_out_confirmed is False:
            self.label(_("The last log-out was not confirmed. It is asked for again, for 10 minutes."), "Red.TLabel")
        if Sentences.language != "en":
            self.label(_("No speaker of this language has checked these words yet."), "Quiet.TLabel")
        self._broker = self.label("", "Red.TLabel")
        for language, name in LANGUAGES.items():
            if language != Sentences.language and (language == "en" or find_catalogue(language)):
                self.button(name, functools.partial(self.window.speak, language), "Quiet.TButton")
        self.offer_doctor()
        self.after(EARLY_TYPING_MS, self._forget)

    def refresh(self) -> None:
        self._title.configure(text=put_card_in(self.conductor))
        self._broker.configure(text=describe_broker(self.conductor))

    def typed(self, character: str) -> None:
        if character in digits:
            self.window.early_typing = (self.window.early_typing + character)[:LONGEST_PASSCODE]
            self.after(EARLY_TYPING_MS, self._forget)

    def _forget(self) -> None:
        self.window.early_typing = ""


class LockedScreen(WaitingScreen):
    """The session of who was here last is kept; others can sign in all the same."""

    def build(self) -> None:
        self.label(_("This PC is locked"), "Title.TLabel")
        locked = self.conductor.locked
        if locked and locked.signed_in:
            name = locked.signed_in.session.cn
            self.label(_("{name}: put your card in and type your passcode to go on.", name=name))
        self.label(_("Anybody else: put your own card in to sign in."), "Quiet.TLabel")
        self.after(EARLY_TYPING_MS, self._forget)

    def refresh(self) -> None:
        """Nothing of it changes by itself."""


class PasscodeField:
    """Shows a dot for each digit. The digits are never Tk's, which leaves what it frees as it was."""

    def __init__(self, entry: tk.Entry) -> None:
        self.entry, self._digits = entry, bytearray()
        entry.bindtags([tag for tag in entry.bindtags() if tag != "Entry"])  # what any other field does with keys
        entry.bind("<Key>", lambda event: self.type(event.char))
        entry.bind("<Control-Key>", lambda event: None)
        entry.bind("<Alt-Key>", lambda event: None)
        entry.bind("<BackSpace>", lambda event: self.erase())
        entry.bind("<Button-1>", lambda event: entry.focus_set())

    def get(self) -> str:
        return self._digits.decode()

    def type(self, text: str) -> None:
        """Digits, as many as a passcode has; anything else is not taken."""
        if text.isascii() and text.isdigit():
            self._digits += text[: LONGEST_PASSCODE - len(self._digits)].encode()
            self._show()

    def erase(self) -> None:
        """The last digit."""
        self._digits[-1:] = b""
        self._show()

    def clear(self) -> None:
        wipe(self._digits)
        self._digits.clear()
        self._show()

    def _show(self) -> None:
        self.entry.delete(0, "end")
        self.entry.insert(0, DOT * len(self._digits))


class TypingScreen(Screen):
    """A passcode is typed here, on the keyboard, or on the number pad by those who only touch."""

    def take(self) -> None:
        """Do what Enter and the first button are for."""

    def add_field(self, says: str) -> None:
        """The field, the button that takes what is in it, and the pad. That works at once: it harms nobody."""
        entry = self.window.theme.field(self.actions, "passcode", "dots", show=DOT, width=LONGEST_PASSCODE + 1)
        entry.bind("<<Enter>>", self.deliberate(self.take))
        self.first, self.field = entry, PasscodeField(entry)
        self.button(says, self.take)
        self._pad = ttk.Frame(self.frame)
        clear = _("Clear")
        commands = {clear: self.field.clear, DELETE: self.field.erase}
        for place, key in enumerate([*"123456789", clear, "0", DELETE]):
            command = commands.get(key, functools.partial(self.field.type, key))
            button = ttk.Button(self._pad, text=key, command=command, style="Pad.TButton", takefocus=False)
            button.grid(row=place // 3, column=place % 3, padx=self.px(0, 8), pady=self.px(0, 8), sticky="nsew")

    def typed(self, character: str) -> None:
        self.field.type(character)

    def fit(self, width: int, height: int) -> None:
        """Without room for the number pad the keyboard is left, by which text was made that large."""
        self._pad.pack(side="bottom", anchor="w", pady=self.px(20, 0), before=self.actions)
        super().fit(width, height)
        if self.frame.winfo_reqheight() > height:
            self._pad.pack_forget()
            self.frame.update_idletasks()

    def close(self) -> None:
        self.field.clear()
        super().close()


class PasscodeScreen(TypingScreen):
    """Stays while the card is read, so that what is typed early is kept, for this card only."""

    stays = True

    def build(self) -> None:
        self.label(_("Type your passcode"), "Title.TLabel")
        self._whose = self.label("")
        self._notice = self.label("", "Quiet.TLabel")
        self._card: CardIn | None = None
        self._is_slow = False
        self.after(CARD_SLOW_MS, self._say_slow)
        self.add_field(_("Sign in"))
        self.field.type(self.window.early_typing)
        self.button(_("Change passcode"), self._change, "Quiet.TButton")

    def _say_slow(self) -> None:
        if self.conductor.state is State.READING:
            self._is_slow = True
            self.refresh()
            self.window.fit()

    def _change(self) -> None:
        if self.conductor.state in (State.PASSCODE, State.LAST_TRY):
            self.window.come_over(ChangeScreen)

    def refresh(self) -> None:
        attempt = self.conductor.attempt
        if attempt and attempt.card is not self._card:
            if self._card:
                self.field.clear()  # typed for the card before
            self._card = attempt.card
        self._whose.configure(text=describe_owner(self.conductor))
        text, style = self._most_pressing()
        self._notice.configure(text=text, style=style)

    def _most_pressing(self) -> tuple[str, str]:
        attempt, state = self.conductor.attempt, self.conductor.state
        problem = str(self.conductor.problem or "")
        wrong = " ".join(filter(None, [problem, describe_broker(self.conductor)]))
        if state is State.LAST_TRY:
            return f"{wrong or _('One try left.')} {_('A wrong passcode now locks the card.')}", "Red.TLabel"
        if wrong:
            return wrong, "Red.TLabel"
        facts = attempt.facts if attempt and state is not State.READING else None
        if facts is None and self._is_slow:
            says = _(
                "Your card is slow. If it does not answer, it is given up after {seconds} seconds.",
                seconds=CARD_OPERATION_SECONDS,
            )
            return says, "TLabel"
        if attempt is None or facts is None:
            return _("Your card is being read. You can type already."), "Quiet.TLabel"
        if self.conductor.kept():
            return _("Your session is locked. Your passcode lets you go on."), "TLabel"
        if why := self.conductor.ended.get(facts.certificate.uid):
            return str(AgentError(why)), "TLabel"
        ends = describe_expiry(facts.certificate, datetime.now(UTC)) if attempt.ends_soon else ""
        ends = f"{ends} {self.window.contacts.beside(ends)}".strip()
        return (ends, "TLabel") if ends else (_("Then press Enter or Sign in."), "Quiet.TLabel")

    def take(self) -> None:
        typed = self.field.get()
        self.field.clear()
        try:
            if typed and not self.conductor.type_passcode(typed):
                self.field.type(typed)  # it is not known yet whose passcode it is
                self._notice.configure(text=_("Your card is being read. You can type already."), style="Quiet.TLabel")
        except AgentError as error:
            self._notice.configure(text=str(error), style="Red.TLabel")
            self.window.fit()


class ChangeScreen(TypingScreen):
    """A new passcode for the card that is in: first the one that it has, then the new one twice."""

    QUESTION = "Type the passcode that you have now"

    def build(self) -> None:
        facts = self.conductor.attempt.facts if self.conductor.attempt else None
        if facts is None:
            raise AgentError(Fault.UNEXPECTED, "no card to change the passcode of")
        self._facts = facts
        self._known: Passcode | None = None
        self._new: Passcode | None = None
        self._waits = self._is_used = False  # for the card; it has been asked, so that what was read of it is stale
        self._title = self.label("", "Title.TLabel")
        self.label(describe_owner(self.conductor))
        self._notice = self.label("", "Quiet.TLabel")
        self.add_field(_("Go on"))
        self.button(_("Cancel"), lambda: self.step_back(self._is_used), "Quiet.TButton")
        self._ask(_(self.QUESTION), self._first_notice())

    def _first_notice(self) -> str:
        last = _("A wrong passcode now locks the card.") if self._facts.tries_left == 1 else ""
        return f"{describe_tries(self._facts.tries_left)} {last}".strip()

    def _set(self, card: IdentityCard, known: Passcode, new: Passcode) -> None:
        card.change_passcode(known, new)

    def _ask(self, question: str, says: str, style: str = "Quiet.TLabel") -> None:
        self.field.clear()
        self._title.configure(text=question)
        self._notice.configure(text=says, style=style)
        self.settle()

    def take(self) -> None:
        typed = self.field.get()
        if not typed or self._waits:
            return
        self.field.clear()
        passcode = None
        try:
            passcode = Passcode(typed)
            self._take(passcode)
        except AgentError as error:
            if passcode:
                passcode.forget()
            self._notice.configure(text=str(error), style="Red.TLabel")
        self.window.fit()

    def _take(self, typed: Passcode) -> None:
        """Raises WEAK_PASSCODE."""
        choose = _("Choose a new passcode")
        if self._known is None:
            self._known = typed
            self._ask(choose, _("6 to 8 digits that others would not guess."))
        elif self._new is None:
            typed.check_new(self._facts.certificate.uid, self._known)
            self._new = typed
            self._ask(_("Type the new passcode again"), "")
        elif typed.is_same(self._new):
            typed.forget()
            self._waits = self._is_used = True
            self._ask(_("Setting your new passcode"), leave_it_there(self.conductor))
            change = functools.partial(self._set, known=self._known, new=self._new)
            self.conductor.use_card(change, self.while_here(self._done))
        else:
            typed.forget()
            self._new.forget()
            self._new = None
            self._ask(choose, _("The two were not the same."), "Red.TLabel")

    def _done(self, outcome: AgentError | None) -> None:
        if outcome is None:
            self.window.come_over(ChangedScreen)
            return
        self._forget()
        self._waits = outcome.fault is Fault.CARD_LOCKED  # for nothing any more
        if self._waits:
            self._ask(outcome.says, outcome.advice, "Red.TLabel")
        else:
            self._ask(_(self.QUESTION), str(outcome), "Red.TLabel")
        self.window.fit()

    def _forget(self) -> None:
        for passcode in filter(None, (self._known, self._new)):
            passcode.forget()
        self._known = self._new = None

    def close(self) -> None:
        if not self._waits:  # the card has them, and forgets them
            self._forget()
        super().close()


class UnlockScreen(ChangeScreen):
    """A new passcode for a card that is locked, by its unblocking code."""

    QUESTION = "Type the unblocking code of the card"

    def _first_notice(self) -> str:
        return _("Your local smartcard team has it. A wrong code costs one of its own tries.")

    def _set(self, card: IdentityCard, known: Passcode, new: Passcode) -> None:
        unblock(card, known, new)


class ChangedScreen(Screen):
    """The card has its new passcode."""

    def build(self) -> None:
        self.label(_("Your new passcode is set"), "Green.Title.TLabel")
        self.label(_("Use it from now on. Tell it to nobody."))
        self.button(_("Go on"), functools.partial(self.step_back, card_has_changed=True))


class ConfirmScreen(Screen):
    """Asks before the last try is spent."""

    def build(self) -> None:
        self.label(_("This is the last try"), "Title.TLabel")
        self.label(describe_owner(self.conductor))
        self.label(_("If this passcode is wrong too, your card is locked and you need help to unlock it."))
        self.button(_("No, let me type it again"), Cue.CANCELLED)
        self.button(_("Yes, use this passcode"), Cue.CONFIRMED, "Quiet.TButton")


class BusyScreen(Screen):
    """Says nothing for 300 ms: most sign-ins are over by then."""

    stays = True

    def build(self) -> None:
        self._title = self.label("", "Title.TLabel")
        self.after(PROGRESS_AFTER_MS, self._show_progress)

    def refresh(self) -> None:
        says = {
            State.READING_TYPED: _("Reading your card"),
            State.SIGNING_IN: _("Opening your session again") if self.conductor.kept() else _("Signing you in"),
            State.SELECTING_ROLE: _("Starting your session"),
        }
        on_reader = self.conductor.state is State.SIGNING_IN and uses_own_pad(self.conductor)
        self._title.configure(text=_(TYPE_ON_READER) if on_reader else says[self.conductor.state])

    def _show_progress(self) -> None:
        self.label(leave_it_there(self.conductor), "Quiet.TLabel")
        moving = ttk.Progressbar(self.frame, mode="indeterminate")
        moving.pack(fill="x", pady=self.px(8, 24), ipady=self.px(4))
        moving.start(30)
        self.button(_("Cancel"), Cue.CANCELLED, "Quiet.TButton")
        self.settle()
        self.window.fit()


class CardsScreen(Screen):
    """Asks which of the cards that are in is meant. Nothing is chosen beforehand."""

    def build(self) -> None:
        self.label(_("Which card is yours?"), "Title.TLabel")
        self.label(_("The number is printed on the card. Or take out the card that is not yours."))
        for card, facts in self.conductor.owners.items():
            self.button(describe_card(card, facts), CardChosen(card), "Quiet.TButton")


class CertificatesScreen(Screen):
    """Asks which of a card's certificates is meant. Nothing is chosen beforehand."""

    def build(self) -> None:
        self.label(_("Which of these is for signing in?"), "Title.TLabel")
        self.advice(_("Your card has several certificates that would do. Ask your service desk if you do not know."))
        for certificate, says in certificates_to_choose(self.conductor).items():
            choose = functools.partial(self.conductor.use_certificate, certificate)
            self.button(says, choose, "Quiet.TButton")


class RolesScreen(Screen):
    """Search as you type; arrows, Enter, a click or a finger choose. Nothing is chosen beforehand.

    Who is signed in can change to another role here, over their work.
    """

    fills = True

    def build(self) -> None:
        session = self.conductor.signed_in().session
        self._roles, self._name = session.roles, session.cn
        self._changes = self.conductor.state is State.SIGNED_IN
        self.label(_("Change your role") if self._changes else _("Choose your role"), "Title.TLabel")
        self._count = self.label("", "Quiet.TLabel")
        self.first = self.search = self._make_search()
        self.list = self._make_list()
        self._whole = self.label("", "Quiet.TLabel")
        self._whole.pack_forget()
        self._nothing = ttk.Label(self.list, text=_("Nothing found. Type less."), style="List.TLabel")
        self._use = self.button(_("Use this role"), self._choose)
        if self._changes:
            self.button(_("Keep my role"), functools.partial(self.window.come_over, None), "Quiet.TButton")
        else:
            self.button(_("Log out"), Cue.LOG_OUT, "Quiet.TButton")
        for widget in (self.search, self.list):
            widget.bind("<<Enter>>", self.deliberate(self._choose))
        self._search("")

    def _make_search(self) -> tk.Entry:
        row = ttk.Frame(self.frame)
        row.pack(fill="x", pady=self.px(0, 12))
        ttk.Label(row, text=_("Find")).pack(side="left", padx=self.px(0, 12))
        search = self.window.theme.field(row, "search", "body", validate="key")
        search.configure(validatecommand=(search.register(self._search), "%P"))  # with the text that it is to have
        search.bind("<Down>", lambda event: self._move(1))
        search.bind("<Up>", lambda event: self._move(-1))
        search.pack(fill="x", ipady=self.px(6))
        return search

    def _make_list(self) -> ttk.Treeview:
        frame = ttk.Frame(self.frame)
        frame.pack(fill="both", expand=True)
        roles = ttk.Treeview(frame, show="tree", selectmode="browse", height=2)
        bar = ttk.Scrollbar(frame, command=roles.yview)
        bar.pack(side="right", fill="y")
        roles.pack(side="left", fill="both", expand=True)
        roles.configure(yscrollcommand=bar.set)
        roles.bind("<Double-1>", self.deliberate(self._choose))
        roles.bind("<<TreeviewSelect>>", lambda event: self._allow())
        roles.bind("<FocusIn>", lambda event: None if roles.selection() else self._move(1))
        return roles

    def typed(self, character: str) -> None:
        self.search.insert("end", character)
        self.search.focus_set()

    def _search(self, text: str) -> bool:
        """List the roles that have all words."""
        words = text.lower().split()
        self.list.delete(*self.list.get_children())
        for number, role in enumerate(self._roles):
            all_of_it = " ".join(filter(None, dataclasses.astuple(role))).lower()
            if all(word in all_of_it for word in words):  # the code before the name: what is too long is cut off
                where = f"{role.org_code or ''} {role.org_name}".strip()
                self.list.insert("", "end", str(number), text=f"{role.name}\n{where}")
        found, all_roles = len(self.list.get_children()), counted(len(self._roles), "role")
        count = _("{found} of {roles}", found=found, roles=all_roles) if words else all_roles
        self._count.configure(text=f"{self._name}: {count}")
        self._nothing.place_forget()
        if not found:
            self._nothing.place(x=0, y=0)
        elif words:
            self._move(1)
        self._allow()
        return True

    def _allow(self) -> None:
        chosen = self.list.selection()
        self._use.state(["!disabled" if chosen else "disabled"])
        room, font = self.list.column("#0", "width") - self.px(24), self.window.theme.fonts["body"]
        lines = self.list.item(chosen[0], "text").split("\n") if chosen else []
        says = "\n".join(line for line in lines if font.measure(line) > room)
        if says != self._whole.cget("text"):  # the lines of the chosen one that the list cuts off
            self._whole.configure(text=says)
            if says:
                self._whole.pack(fill="x", pady=self.px(0, 10))
            else:
                self._whole.pack_forget()
            self.window.fit()
        for row in chosen:
            self.list.see(row)

    def _move(self, step: int) -> str:
        rows, chosen = self.list.get_children(), self.list.selection()
        there = self.list.index(chosen[0]) + step if chosen else 0
        if 0 <= there < len(rows):
            self.list.selection_set(rows[there])
            self.list.focus(rows[there])
        return "break"

    def _choose(self) -> None:
        for row in self.list.selection():
            role = self._roles[int(row)]
            if self._changes:
                self._count.configure(text=_("Changing your role ..."))
                self.conductor.change_role(role, self.while_here(self._refused))
            else:
                self.conductor.handle(RoleChosen(role))

    def _refused(self, error: AgentError) -> None:
        self._count.configure(text=_("You keep your role. {why}", why=str(error)), style="Red.TLabel")
        self.window.fit()


class TimeScreen(Screen):
    """Over the work of who is signed in, two minutes before the end."""

    def build(self) -> None:
        if self.conductor.signed_in().limit()[1] is Fault.IDLE_TOO_LONG:
            self.label(_("Do you want to stay signed in?"), "Title.TLabel")
            self.label(_("You are logged out in 2 minutes, because nobody has used the session."))
            self.button(_("Stay signed in"), self._stay)
        else:
            self.label(_("Your session ends in 2 minutes"), "Title.TLabel")
            self.label(_("Save your work now. You can sign in again at once."))
            self.button(_("Go on working"), self._stay)
        self.button(_("Log out"), Cue.LOG_OUT, "Quiet.TButton")

    def _stay(self) -> None:
        self.conductor.active()
        self.window.come_over(None)


class EndsSoonScreen(Screen):
    """Over the work of who is signed in, once a day: the card is to be renewed."""

    def build(self) -> None:
        self.label(_("Your card ends soon"), "Title.TLabel")
        self.advice(describe_expiry(self.conductor.signed_in().certificate, datetime.now(UTC)))
        self.button(_("Go on working"), lambda: self.window.come_over(None))


WITHOUT_CARD = {
    Mode.NORMAL: "Taking your card out logs you out.",
    Mode.ENHANCED_NORMAL: "Taking your card out logs you out.",
    Mode.SESSION_LOCK_PERSISTENCE: "Taking your card out locks this PC. Your session waits for your card.",
    Mode.MOBILITY: "You can take your card with you. Later you are asked for it and for your passcode again.",
}


class SessionScreen(Screen):
    """Who is signed in, as what, where and for how long."""

    def build(self) -> None:
        signed_in = self.conductor.signed_in()
        role = signed_in.role
        self.label(_("You are signed in"), "Green.Title.TLabel")
        self.label(signed_in.session.cn, "Heading.TLabel")
        if role:
            self.label(role.name)
            self.label(describe_place(role), "Quiet.TLabel")
        else:
            self.label(_("You have no role at any organisation, so most applications will not let you in."))
            self.advice(_("Ask your local smartcard team to give you a role."), "Quiet.TLabel")
        self._time = self.label("", "Time.TLabel")
        if ends := describe_expiry(signed_in.certificate, datetime.now(UTC)):
            self.advice(ends, "Red.TLabel")
        self.label(_(WITHOUT_CARD[self.conductor.mode]), "Quiet.TLabel")
        if self.window.cover:
            self.button(_("Go on working"), lambda: self.window.come_over(None))
        if len(signed_in.session.roles) > 1:
            self.button(_("Change role"), lambda: self.window.come_over(RolesScreen), "Quiet.TButton")
        self.button(_("Lock"), Cue.LOCK, "Quiet.TButton")
        if not uses_own_pad(self.conductor):
            self.button(_("Change passcode"), lambda: self.window.come_over(ChangeScreen), "Quiet.TButton")
        self.button(_("Log out"), Cue.LOG_OUT, "Quiet.TButton")
        self._show_time()

    def _show_time(self) -> None:
        """Changes once a minute, when the minutes do."""
        left = self.conductor.seconds_left()
        style = "Red.TLabel" if left <= AMBER_SECONDS else "Time.TLabel"
        self._time.configure(text=_("Time left: {time}", time=describe_time_left(left)), style=style)
        self.after(int((left % 60 or 60) * 1000) + 50, self._show_time)


class QuestionScreen(Screen):
    """What a program asks the person who is signed in."""

    def build(self) -> None:
        request = self.conductor.request
        if request:
            self.label(_("{who} asks", who=request.who), "Heading.TLabel")
            if request.origin:  # over the question, whose length is the program's choice
                self.label(describe_program(request), "Quiet.TLabel")
            self.label(request.question)
            self.button(_("No"), lambda: request.answer(False))
            self.button(_("Yes"), lambda: request.answer(True), "Quiet.TButton")


class SigningScreen(TypingScreen):
    """A program wants the person's signature: who asks, on what, on how much; with the passcode, each time."""

    def build(self) -> None:
        request = self.conductor.request
        if request is None or request.signing is None:
            raise AgentError(Fault.UNEXPECTED, "a screen without a request")
        self._request, self._signing = request, request.signing
        self._facts: CardFacts | None = None  # None while there is nothing to type a passcode for
        documents = counted(len(self._signing.payloads), "document")
        self.label(_("Sign {documents}?", documents=documents), "Title.TLabel")
        self._notice = self.label(_("Your card is being read."), "Quiet.TLabel")
        self._notice.pack(side="bottom")  # before what a program says: it never takes this line's room
        who = _("{who} asks for your signature:", who=request.who)
        self._text = self._make_text("\n".join(filter(None, (who, describe_program(request), request.question))))
        self.add_field(_("Sign"))
        for key, step in (("<Up>", -1), ("<Down>", 1), ("<Prior>", -3), ("<Next>", 3)):
            self.field.entry.bind(key, lambda event, step=step: self._text.yview_scroll(step, "units"))  # type: ignore[misc]
        self.button(_("Do not sign"), functools.partial(request.answer, False), "Quiet.TButton")
        self.conductor.use_card(signer_facts, self.while_here(self._read))

    def _make_text(self, says: str) -> tk.Text:
        """What a program says, with a bar to scroll by where it does not fit."""
        frame = ttk.Frame(self.frame)
        frame.pack(fill="x", pady=self.px(0, 10))
        text = self.window.theme.text(frame, "body", Colour.PAGE, takefocus=False, cursor="arrow")
        text.insert("1.0", says)
        self._bar = ttk.Scrollbar(frame, command=text.yview)
        text.pack(side="left", fill="x", expand=True)
        text.configure(state="disabled", yscrollcommand=self._bar.set)
        return text

    def fit(self, width: int, height: int) -> None:
        """The number pad goes first, and then of the text what does not fit."""
        lines = int(self.frame.tk.call(self._text, "count", "-displaylines", "1.0", "end") or 1)
        self._text.configure(height=lines)
        super().fit(width, height)
        self.frame.update_idletasks()
        over = self.frame.winfo_reqheight() - height
        self._bar.pack_forget()
        if over > 0:
            self._bar.pack(side="right", fill="y", before=self._text)
            self._text.configure(height=max(1, lines + -over // self.window.theme.fonts["body"].metrics("linespace")))

    def _read(self, outcome: CardFacts | AgentError) -> None:
        if isinstance(outcome, AgentError):
            self._request.answer(outcome)
            return
        self._facts = outcome
        says = _("You sign as {uid}, as if by hand.", uid=outcome.certificate.uid)
        self._ask_again(says + describe_tries(outcome.tries_left), "Quiet.TLabel")

    def _ask_again(self, says: str, style: str) -> None:
        last = self._facts is not None and self._facts.tries_left == 1
        text = f"{says} {_('A wrong passcode now locks the card.')}" if last else says
        self._notice.configure(text=text, style="Red.TLabel" if last else style)
        self.window.fit()

    def take(self) -> None:
        typed, facts = self.field.get(), self._facts
        if facts is None or not (typed or facts.own_pad):
            return
        if self._text.yview()[1] < 1:
            self._ask_again(_("Read to the end of what you are to sign: it goes on below."), "TLabel")
            return
        self.field.clear()
        try:
            passcode = None if facts.own_pad else Passcode(typed)
        except AgentError as error:
            self._ask_again(str(error), "Red.TLabel")
            return
        self._facts = None
        self._notice.configure(text=_(TYPE_ON_READER) if facts.own_pad else _("Signing ..."), style="Quiet.TLabel")
        signed = self.while_here(functools.partial(self._signed, facts))
        self.conductor.use_card(lambda card: sign_documents(card, self._signing, facts.certificate, passcode), signed)

    def _signed(self, facts: CardFacts, outcome: Mapping[str, Any] | AgentError) -> None:
        if isinstance(outcome, WrongPasscode):
            self._facts = dataclasses.replace(facts, tries_left=outcome.tries_left)
            self._ask_again(str(outcome), "Red.TLabel")
        else:
            self._request.answer(outcome)


class SignedOutScreen(Screen):
    """After Log out, while the card is still in."""

    def build(self) -> None:
        confirmed = self.conductor.log_out_confirmed
        titles = {
            None: _("Signing you out"),
            True: _("You are signed out"),
            False: _("You are signed out on this PC only"),
        }
        self.label(titles[confirmed], "Title.TLabel")
        if confirmed is False:
            self.label(_(NOT_CONFIRMED), "Red.TLabel")
        self.label(_("Take your card with you."))
        self.button(_("Sign in again"), Cue.DISMISSED, "Quiet.TButton")


class ProblemScreen(Screen):
    """What went wrong and what to do, in plain words; the technical line is one click away."""

    def build(self) -> None:
        problem, state = self.conductor.problem or AgentError(Fault.UNEXPECTED), self.conductor.state
        self.label(problem.says, "Red.Title.TLabel")
        self.advice(problem.advice)
        if owner := describe_owner(self.conductor):
            self.label(_("If you ask for help, read this out: {owner}.", owner=owner), "Quiet.TLabel")
        # A lost reader comes back by itself.
        if state is State.PROBLEM and problem.fault not in LASTING_FAULTS:
            self.button(_("Sign in again") if problem.fault in OVER else _("Try again"), Cue.DISMISSED)
        if problem.fault is Fault.CARD_LOCKED and self.conductor.attempt:
            self.button(_("Unlock with a code"), lambda: self.window.come_over(UnlockScreen), "Quiet.TButton")
        if state is State.NO_READER:
            self.offer_doctor()
        self._technical = f"{problem.fault.name} (exit code {problem.fault.exit_code})\n{problem.technical}"
        self._more = self.button(_("Technical detail"), self._show_detail, "Quiet.TButton")

    def _show_detail(self) -> None:
        self._more.destroy()
        self.label(self._technical, "Mono.TLabel")
        self.window.fit()


class DoctorScreen(Screen):
    """What is wrong with this PC, as `agent.py doctor` says it: in English, for whoever looks after the PC."""

    fills = stays = True

    def build(self) -> None:
        self._title = self.label(_("Checking this PC"), "Title.TLabel")
        self._says = self.window.theme.text(self.frame, "small", Colour.WHITE, state="disabled")
        self._says.configure(padx=self.px(12), pady=self.px(8))
        bar = ttk.Scrollbar(self.frame, command=self._says.yview)
        bar.pack(side="right", fill="y")
        self._says.pack(fill="both", expand=True)
        self._says.configure(yscrollcommand=bar.set)
        self.button(_("Back"), functools.partial(self.window.come_over, None), "Quiet.TButton")
        threading.Thread(target=self._ask, name="doctor", daemon=True).start()

    def _ask(self) -> None:
        try:
            done = subprocess.run(self.window.doctor, capture_output=True, timeout=DOCTOR_SECONDS, check=False)
            found = [each for each in json.loads(done.stdout) if each["verdict"] != "good"]
            lines = [f"{each['subject']}: {each['says']}\n{each['cure']}\n" for each in found]
        except (OSError, subprocess.TimeoutExpired, ValueError, LookupError, TypeError) as error:
            lines = [f"The check failed: {type(error).__name__}. Start it in a terminal: lanyard doctor"]
        self.window.bridge.call(self.while_here(self._show), lines)

    def _show(self, lines: Sequence[str]) -> None:
        self._title.configure(text=_("This was found") if lines else _("Nothing is wrong with this PC"))
        self._says.configure(state="normal")
        self._says.insert("end", "\n".join(lines))
        self._says.configure(state="disabled")
        self.window.fit()


SCREENS: dict[State, type[Screen]] = {
    State.NO_READER: ProblemScreen,
    State.WAITING: WaitingScreen,
    State.READING: PasscodeScreen,
    State.READING_TYPED: BusyScreen,
    State.CHOOSING_CARD: CardsScreen,
    State.CHOOSING_CERTIFICATE: CertificatesScreen,
    State.PASSCODE: PasscodeScreen,
    State.LAST_TRY: PasscodeScreen,
    State.CONFIRMING: ConfirmScreen,
    State.SIGNING_IN: BusyScreen,
    State.CHOOSING_ROLE: RolesScreen,
    State.SELECTING_ROLE: BusyScreen,
    State.SIGNED_IN: SessionScreen,
    State.LOCKED: LockedScreen,
    State.SIGNED_OUT: SignedOutScreen,
    State.PROBLEM: ProblemScreen,
}


# --- Ticket socket -------------------------------------------------------------------------------------------

SERVICE = """\
interface org.varlink.service
method GetInfo() -> (vendor: string, product: string, version: string, url: string, interfaces: []string)
method GetInterfaceDescription(interface: string) -> (description: string)
error InterfaceNotFound (interface: string)
error MethodNotFound (method: string)
error InvalidParameter (parameter: string)
error ExpectedMore ()
"""
AGENT = """\
# Who is signed in at this PC, and the ticket of that session. An origin comes from a browser, never from a page.
interface lanyard.Agent
type Role (id: string, org_code: ?string, org_name: string, group: string, sub_group: string, name: string)
# The ticket. Where nobody is signed in the person is asked for card and passcode, and given wait_seconds (120).
method GetTicket(origin: ?string, wait_seconds: ?int) -> (ticket: string)
# The ticket, or TicketNotAvailable: nobody is asked for anything.
method GetTicketNoAuth(origin: ?string) -> (ticket: string)
# The ticket of a new sign-in: who is signed in is logged out first.
method GetNewTicket(origin: ?string, wait_seconds: ?int) -> (ticket: string)
method DestroyTicket() -> ()
# state: no_reader, no_card, working, passcode, choosing_role, signed_in, locked, signed_out (the card is in) or failed.
# has_keyboard: no other program keeps it from the agent's screen.
method GetStatus() -> (state: string, uid: ?string, cn: ?string, role: ?Role, reader: ?string, seconds_left: ?int,
  has_keyboard: bool)
# Called with more: what is so now (signed_in, locked or signed_out), then signed_in, locked, resumed, role_changed or
# signed_out as it comes, of the session that is named. reason of locked: card_out, reader_lost, lock, desktop_locked,
# passcode_due, other_card or parked; of signed_out: card_out, reader_lost, logged_out, time_up, idle, parked_too_long,
# parked_too_many, ended_by_broker, failed or agent_ended. seconds: what the person waited after the passcode, for
# signed_in and resumed; else how long the session has been. hooks: nobody signs in until these have called HooksDone.
method Watch(hooks: ?bool) -> (sequence: int, event: string, reason: ?string, session: ?string, uid: ?string,
  cn: ?string, role: ?Role, reader: ?string, seconds: ?float)
# Everything is done that the events up to this one ask for. failed: what the person is told has gone wrong.
method HooksDone(sequence: int, failed: ?string) -> ()
# Ask the person who is signed in, who may say no.
method Confirm(question: string, origin: ?string) -> (granted: bool)
# Bring the window to the front.
method Show() -> ()
# Lock the session: its owner's card and passcode bring it back.
method Lock() -> ()
method ChangeRole(id: string) -> ()
# content, payloads, cms, certificate, signatures: base64. digest: sha256 (when not given) or sha1.
method Sign(origin: ?string, summary: string, content: string, digest: ?string) -> (cms: string)
method SignPayloads(origin: ?string, summary: string, payloads: []string, digest: ?string)
  -> (certificate: string, signatures: []string)
"""
TICKET_API = {  # the codes of TicketAPI's errors: a group, and in it a number from 1
    0x80100000: "Internal NotInitialised InvalidParameter BufferTooSmall BadHandle ServerBusy ServerCommunicationFailed"
    " OutOfResources TicketNotAvailable InternalServer NotImplemented",
    0x80200000: "CardNotSupported NoReader CardNotValid PinBlocked TransactionFailed NoCertificate NoKey",
    0x80400000: "UserAbort AuthenticationFailed AuthenticationNotPossible UserNotValid ServerNotAvailable DataSyntax"
    " AuthenticationNotValid MethodNotSupported",
    0x80800000: "VersionConflict NotInstalled NoServer ResourceLoad MethodMissing ResourceMissing ResourceInvalid",
}
CODES = {name: group + n for group, names in TICKET_API.items() for n, name in enumerate(names.split(), 1)}
TICKET_ERRORS: dict[str, Sequence[Fault]] = {  # what each fault is to TicketAPI; its first one is what it is to us
    "Internal": (Fault.UNEXPECTED,),
    "InvalidParameter": (Fault.USAGE, Fault.RUNS_ALREADY),
    "TicketNotAvailable": (Fault.NO_TICKET,),
    "InternalServer": (Fault.BROKER_FAULT,),
    "ServerCommunicationFailed": (Fault.BROKER_TIMEOUT,),
    "CardNotSupported": (Fault.CARD_NOT_USABLE, Fault.KEY_NOT_USABLE),
    "NoReader": (Fault.NO_READER, Fault.READER_NOT_FOUND, Fault.NO_SERVICE, Fault.SERVICE_REFUSES),
    "CardNotValid": (Fault.CARD_EXPIRED, Fault.NOT_YET_VALID, Fault.BAD_CERTIFICATE),
    "PinBlocked": (Fault.CARD_LOCKED,),
    "TransactionFailed": (Fault.CARD_MUTE, Fault.NO_CARD, Fault.CARD_BUSY, Fault.CARD_NONSENSE, Fault.CARD_REMOVED),
    "NoCertificate": (Fault.NO_CERTIFICATE,),
    "UserAbort": (Fault.GIVEN_UP, Fault.INTERRUPTED),
    "AuthenticationFailed": (
        Fault.BROKER_REFUSED,
        Fault.WRONG_PASSCODE,
        Fault.NO_PASSCODE,
        Fault.WEAK_PASSCODE,
        Fault.LAST_TRY_KEPT,
    ),
    "UserNotValid": (Fault.ROLE_REFUSED,),
    "ServerNotAvailable": (Fault.UNREACHABLE, Fault.NOT_TRUSTED),
    "DataSyntax": (Fault.BROKER_NONSENSE,),
    "AuthenticationNotValid": OVER,
    "NotInstalled": (Fault.NO_LIBRARY, Fault.NO_TOKEN_LIBRARY),
    "ResourceLoad": (Fault.MODULE_FAILED,),
    "NoKey": (Fault.CARD_AMBIGUOUS, Fault.SEVERAL_CARDS),
    "NoServer": (Fault.NOT_RUNNING,),
}
STATE_NAMES = {state: state.name.lower() for state in State}  # what GetStatus calls them, but for these:
STATE_NAMES |= {State.WAITING: "no_card", State.LAST_TRY: "passcode", State.CONFIRMING: "passcode"}
STATE_NAMES |= {State.PROBLEM: "failed", State.CHOOSING_CERTIFICATE: "passcode", State.CHOOSING_CARD: "passcode"}
WORKING = State.READING, State.READING_TYPED, State.SIGNING_IN, State.SELECTING_ROLE
STATE_NAMES |= dict.fromkeys(WORKING, "working")
AGENT += "".join(f"error {name} (code: int, says: string)\n" for name in CODES)
INTERFACES = {"org.varlink.service": SERVICE, "lanyard.Agent": AGENT}
METHODS = {  # their parameters, by full name: {"origin": "?string"}
    f"{interface}.{method}": dict(each.split(": ") for each in parameters.split(", ") if each)
    for interface, text in INTERFACES.items()
    for method, parameters in re.findall(r"^method (\w+)\((.*?)\)", text, re.MULTILINE)
}
HANDLERS = {method: re.sub("(?!^)([A-Z])", r"_\1", method.rpartition(".")[2]).lower() for method in METHODS}
TYPES = {"string": str, "int": int, "bool": bool}
LONGEST_MESSAGE, MOST_UNFINISHED = 1 << 20, 16 << 20  # bytes: one message, and of all callers what is not whole yet
LONG_MESSAGE = 64 << 10  # bytes; from here on it matters what all callers have sent together
MOST_CALLERS, MOST_OPEN_CALLS, MOST_EVENTS, MOST_ERAS = 1200, 256, 100, 1000
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]{0,30}://[\w.:\[\]-]{1,265}", re.ASCII)  # RFC 6454, section 6.2
LONGEST_QUESTION, MOST_PAYLOADS = 500, 100
WAIT_SECONDS, LONGEST_WAIT = 120, 3600
SWITCH_SECONDS = 0.001  # the longest that a busy socket holds up the window's thread, at each of its calls of Tk
CLIENT_SECONDS = 10  # the longest that an agent that runs may take to answer
HANDED_OVER = 3  # the file descriptor that systemd begins with
SO_PEERPIDFD = 77  # asm-generic/socket.h, from Linux 6.5
MAY_HAVE = "May it know who you are, and use your sign-in?"
ASKED_TO_SIGN_IN = "The agent asks you in its window: put your card in, and type your passcode there."
BEGAN_BEFORE = "On a shared PC this is only for programs that were started after the person had signed in."
LOG_IN = "Use a login session; after su or sudo, or in a job: export XDG_RUNTIME_DIR=/run/user/$(id -u)"


class VarlinkError(Exception):
    """An error of TicketAPI as it goes over the wire; or a service's error, with the code of the former."""

    def __init__(self, name: str, says: str, service_name: str = "", **parameters: str) -> None:
        super().__init__(name)
        full_name = f"org.varlink.service.{service_name}" if service_name else f"lanyard.Agent.{name}"
        self.message = {"error": full_name, "parameters": {**parameters, "code": CODES[name], "says": says}}


Outcome = Mapping[str, Any] | VarlinkError | AgentError  # of a call: the reply's parameters, or what went wrong


def invalid(parameter: str) -> VarlinkError:
    """A parameter is not what it must be."""
    says = f"The parameter {clean(parameter)} is not as it must be."
    return VarlinkError("InvalidParameter", says, "InvalidParameter", parameter=parameter)


def encode_message(message: Mapping[str, Any]) -> bytes:
    """As varlink.org has it: JSON, then NUL."""
    return json.dumps(message).encode() + b"\0"


def encode_reply(outcome: Outcome, *, continues: bool = False) -> bytes:
    """The reply to a call; more come where it continues."""
    if isinstance(outcome, AgentError):
        name = next(name for name, faults in TICKET_ERRORS.items() if outcome.fault in faults)
        outcome = VarlinkError(name, str(outcome))
    if isinstance(outcome, VarlinkError):
        return encode_message(outcome.message)
    return encode_message({"parameters": outcome} | ({"continues": True} if continues else {}))


def take_message(received: bytearray) -> bytes | None:
    """Take the first whole message out, without its NUL. Raises VarlinkError for one that is too long."""
    end = received.find(0)
    if (end if end >= 0 else len(received)) > LONGEST_MESSAGE:
        raise VarlinkError("InvalidParameter", f"A message has at most {LONGEST_MESSAGE} bytes.")
    if end < 0:
        return None
    message = bytes(received[:end])
    del received[: end + 1]
    return message


@dataclass(frozen=True, eq=False)
class Call:
    """What a caller wants: a method with its interface, and parameters."""

    method: str
    parameters: Mapping[str, Any] = field(repr=False)
    more: bool
    oneway: bool

    @classmethod
    def parse(cls, message: bytes) -> Call:
        """Raises VarlinkError for what is no call at all."""
        try:
            call = json.loads(message.decode())  # of bytes it would guess the encoding
            given = call.get("parameters")
            parameters = {} if given is None else {name: value for name, value in given.items() if value is not None}
            return cls(call["method"] + "", parameters, call.get("more") is True, call.get("oneway") is True)
        except (ValueError, RecursionError, TypeError, LookupError, AttributeError):
            raise VarlinkError("InvalidParameter", "That is not a call.") from None

    def check(self) -> None:
        """Raises VarlinkError where there is no such method, or a parameter is unknown, missing or of another type."""
        interface, says = self.method.rpartition(".")[0], "The agent has no such method."
        if interface not in INTERFACES:
            raise VarlinkError("MethodMissing", says, "InterfaceNotFound", interface=interface)
        if self.method not in METHODS:
            raise VarlinkError("MethodMissing", says, "MethodNotFound", method=self.method)
        types = METHODS[self.method]
        for name in {**types, **self.parameters}:
            kind = types.get(name, "")
            if not has_type(self.parameters[name], kind.strip("?")) if name in self.parameters else kind[:1] != "?":
                raise invalid(name)


def has_type(value: object, kind: str) -> bool:
    """Whether it is of a type of the interface, such as []string."""
    if kind.startswith("[]"):
        return isinstance(value, list) and all(has_type(each, kind[2:]) for each in value)
    return type(value) is TYPES.get(kind)


def peer(link: socket.socket) -> tuple[int, int]:
    """Process and user at the other end, as the kernel saw them connect, or listen (unix(7), SO_PEERCRED)."""
    pid, uid, _ = struct.unpack("3i", link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return pid, uid


class Caller:
    """A connection, by the process at its other end: its calls come out one at a time, as fast as it takes replies."""

    def __init__(self, link: socket.socket, others: Iterable[Caller]) -> None:
        self.link, self._others = link, others
        self.pid, self.uid = peer(link)
        self.call: Call | None = None  # not answered yet
        self.used = time.monotonic()
        self._received = bytearray()
        self._news: asyncio.Future[None] | None = None  # which is waited for

    def program(self) -> str:
        """The program's path, or where it hides that the first words of its command: hints, which can be made up."""
        process = Path(f"/proc/{self.pid}")
        try:
            try:
                path = os.readlink(process / "exe")
            except PermissionError:  # as the agent's own processes do
                path = " ".join((process / "cmdline").read_text(errors="replace").split("\0")[:3])
            self._check_process()
        except OSError:
            return "a program that is not known"
        return clean(path)

    def began(self) -> float:
        """When the process did, on the clock `boottime`; 0 where that is not known (proc(5), field 22 of stat)."""
        try:
            ticks = Path(f"/proc/{self.pid}/stat").read_bytes().rpartition(b")")[2].split()[19]
            self._check_process()
        except OSError:
            return 0.0
        return (int(ticks) + 1) / os.sysconf("SC_CLK_TCK")  # at the latest: they are rounded down

    def _check_process(self) -> None:
        """Raises OSError where the process has ended, so that its number may be another's by now."""
        try:
            with open(self.link.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD), "rb") as descriptor:
                signal.pidfd_send_signal(descriptor.fileno(), 0)
        except OSError as error:
            if error.errno != errno.ENOPROTOOPT:
                raise

    async def next_call(self) -> Call:
        """Raises EOFError at the end, OSError, VarlinkError for what is no call."""
        if self._received:
            await asyncio.sleep(0)  # others first
        self.call = None
        while (message := take_message(self._received)) is None:
            await self.news()
        self.call = Call.parse(message)
        return self.call

    async def reply(self, outcome: Outcome, *, continues: bool = False) -> None:
        """Raises OSError."""
        if not (self.call and self.call.oneway):
            reply = encode_reply(outcome, continues=continues)
            await asyncio.get_running_loop().sock_sendall(self.link, reply)

    async def send_away(self, error: VarlinkError) -> None:
        """Say why, and take nothing more: who still sends is to read what was said. Raises EOFError, OSError."""
        self.call = None
        await self.reply(error)
        self.link.shutdown(socket.SHUT_WR)
        while True:
            self._received.clear()
            await self.news()

    async def news(self) -> None:
        """Take what has come; where nothing has, wait until something does or `wake` is called.

        Raises EOFError or OSError where the program has gone, VarlinkError where it sends too much.
        """
        if self._take():
            await asyncio.sleep(0)  # others first
            return
        loop, descriptor = asyncio.get_running_loop(), self.link.fileno()
        self._news = loop.create_future()
        loop.add_reader(descriptor, self.wake)
        try:
            await self._news
        finally:
            loop.remove_reader(descriptor)
        self._take()

    def wake(self) -> None:
        if self._news and not self._news.done():
            self._news.set_result(None)

    def _take(self) -> bool:
        """Whether something had come."""
        try:
            data = self.link.recv(4096)
        except BlockingIOError:
            return False
        if not data:
            raise EOFError
        self._received += data
        self.used, size = time.monotonic(), len(self._received)
        total = sum(len(each._received) for each in self._others) if size > LONG_MESSAGE else 0
        if size > LONGEST_MESSAGE + 1 or total > MOST_UNFINISHED:
            raise VarlinkError("InvalidParameter", "That is too long for a message.")
        return True


@dataclass(eq=False)
class OpenCall:
    """A call that waits. `wants`: what the person is asked, empty for a sign-in, None for nothing."""

    caller: Caller
    origin: str = ""
    wants: str | None = None
    signing: Signing | None = None
    other_than: str | None = None  # a ticket that will not do
    answer: Any = None  # the person's, or of what the owner's thread was called for

    def answered(self, answer: object) -> None:
        self.answer = answer
        self.caller.wake()


@dataclass(frozen=True)
class Known:
    """What the owner's thread has published, for the socket's thread to answer with."""

    state: State
    signed_in: SignedIn | None = None
    reader: str | None = None
    problem: AgentError | None = None
    ended_by: str = ""  # why nobody is signed in any more
    locked: SignedIn | None = None  # nobody is signed in, and this session is kept

    def failure_since(self, earlier: Known) -> AgentError | None:
        """What has ended a sign-in meanwhile, or why there can be none."""
        new = self.problem is not earlier.problem or self.state is State.NO_READER
        if self.state in UNDISTURBED and new:
            return self.problem
        was_here = earlier.signed_in or earlier.locked
        gave_up = self.state is State.SIGNED_OUT and self.ended_by == "logged_out" and not was_here
        return AgentError(Fault.GIVEN_UP) if gave_up and self is not earlier else None

    @property
    def ticket(self) -> str | None:
        return self.signed_in.session.ticket if self.signed_in else None


class TicketServer(threading.Thread):
    """Answers programs in one thread, a coroutine for each: none waits for another, whatever that does.

    The owner's thread publishes what becomes of the session, and shows what programs want of the person.
    """

    def __init__(
        self,
        listener: socket.socket,
        conductor: Conductor,
        bridge: Bridge,
        ask_programs: bool = False,
        clock: Clock = boottime,
        *,
        kiosk: bool = False,
        hooks: bool = False,
    ) -> None:
        """`kiosk`: only programs get anything that began in this session. `hooks`: nobody signs in without these."""
        super().__init__(name="ticket socket", daemon=True)
        self._listener, self._conductor, self._bridge = listener, conductor, bridge
        self._ask_programs, self._clock, self._kiosk, self._needs_hooks = ask_programs, clock, kiosk, hooks
        self._hooks: Caller | None = None
        self._awaited = 0  # the sequence number that the hooks are to answer
        self._left, self._left_told = 0, 0  # how often somebody has left programs: the owner's count, and this thread's
        self._eras: deque[tuple[float, str]] = deque(maxlen=MOST_ERAS)  # from when on each session was there
        self._loop = asyncio.new_event_loop()
        self._ends = asyncio.Event()
        self._callers: dict[Caller, asyncio.Task[None]] = {}
        self._known = Known(conductor.state)
        self._open: list[OpenCall] = []
        self._events: deque[Mapping[str, Any]] = deque(maxlen=MOST_EVENTS)
        self._allowed: set[tuple[str, str]] = set()  # origins and programs that may have the ticket of this session
        self._sequence = 0
        self._shown: tuple[OpenCall | None, str | None] = None, None  # whose call the person is to see, what it wants
        self._showing = False  # the owner's thread is on its way to show it
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2 * MOST_CALLERS)), hard))
        sys.setswitchinterval(SWITCH_SECONDS)
        conductor.on_move = self._publish
        conductor.on_session = self._session_news
        if hooks:
            conductor.hold(HOOKS_AWAY)
        self.start()

    # What the owner's thread does.

    def _publish(self, before: State, event: Event) -> None:
        """From this moment on no ticket is given but this session's."""
        old, attempt, state = self._known, self._conductor.attempt, self._conductor.state
        signed_in = attempt.signed_in if attempt and state is State.SIGNED_IN else None
        reader = attempt.card.reader if attempt else None
        locked = self._conductor.locked.signed_in if self._conductor.locked else None
        self._known = Known(state, signed_in, reader, self._conductor.problem, reason_of(event), locked)
        self._call(self._moved, old, self._known)

    def _session_news(self, event: SessionEvent) -> None:
        if event.leaves_programs:
            self._left += 1
            if self._needs_hooks:
                self._conductor.hold(self._conductor.held or PROGRAMS_END)
        self._call(self._tell, event)

    def _programs_gone(self, left: int) -> None:
        """The hooks have done what was to be done when somebody had left programs for this many times."""
        if left == self._left:
            self._conductor.hold("")

    def _show_person(self) -> None:
        """Show what is wanted; where that is a sign-in, have the passcode asked for of a card that is still in."""
        self._showing = False
        call, wants = self._shown
        if call and not wants:
            self._log_out_the_old(call)
            self._conductor.handle(Cue.DISMISSED)
        if call:
            answer = functools.partial(self._call, self._answered, call)
            self._conductor.ask(Request(call.origin, call.caller.program(), wants or "", answer, call.signing))
        elif self._conductor.request:
            self._conductor.ask(None)

    def _log_out_the_old(self, call: OpenCall) -> None:
        """Whose ticket will not do is logged out, and their card is asked for its passcode."""
        if self._known.ticket and self._known.ticket == call.other_than:
            self._conductor.handle(Cue.LOG_OUT)
            self._conductor.handle(Cue.DISMISSED)

    def close(self) -> None:
        """Tell all who wait that the agent ends."""
        self._call(self._end)
        self.join(1)

    def _call(self, function: Callable[..., object], *arguments: object) -> None:
        """From any thread: have this one call the function soon, in order."""
        with contextlib.suppress(RuntimeError):  # it has ended
            self._loop.call_soon_threadsafe(function, *arguments)

    # What this thread does.

    def run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        except Exception as error:  # callers are to find nobody here, not to wait for ever
            told("the ticket socket", error)
        self._listener.close()

    async def _serve(self) -> None:
        self._loop.add_reader(self._listener, self._accept)
        await self._ends.wait()
        self._loop.remove_reader(self._listener)
        if busy := [task for caller, task in self._callers.items() if caller.call]:
            await asyncio.wait(busy, timeout=0.5)

    def _end(self) -> None:
        self._sequence += 1
        self._ends.set()
        self._wake()

    def _accept(self) -> None:
        try:
            link, _ = self._listener.accept()
        except OSError:  # gone already, or no more files can be open
            self._make_room()
            return
        link.setblocking(False)
        caller = Caller(link, self._callers)
        self._callers[caller] = self._loop.create_task(self._converse(caller))
        if len(self._callers) > MOST_CALLERS:
            self._make_room()

    def _make_room(self) -> None:
        """Of the program with the most idle connections, drop the one that was idle for longest."""
        idle = [caller for caller in self._callers if caller.call is None]
        numbers = Counter(caller.pid for caller in idle)
        if idle:
            self._callers.pop(min(idle, key=lambda each: (-numbers[each.pid], each.used))).cancel()

    async def _converse(self, caller: Caller) -> None:
        try:
            if caller.uid != os.geteuid():
                raise VarlinkError("UserNotValid", "This is the agent of another user.")
            while not self._ends.is_set():
                await caller.reply(await self._answer(caller, await caller.next_call()))
        except VarlinkError as error:
            with contextlib.suppress(EOFError, OSError):
                await caller.send_away(error)
        except (EOFError, OSError):
            pass  # gone
        finally:
            self._callers.pop(caller, None)
            caller.link.close()

    async def _answer(self, caller: Caller, call: Call) -> Outcome:
        """Raises EOFError and OSError where the program has gone."""
        try:
            call.check()
            if (origin := call.parameters.get("origin")) and not ORIGIN.fullmatch(origin):
                raise invalid("origin")
            outcome: Outcome = await getattr(self, HANDLERS[call.method])(caller, **call.parameters)
            return outcome
        except (EOFError, OSError):
            raise
        except Exception as error:
            return error if isinstance(error, VarlinkError) else told("the ticket socket", error)

    async def _until(
        self, call: OpenCall, find: Callable[[], Outcome | None], wait_seconds: int = WAIT_SECONDS
    ) -> Outcome:
        """What is found, at once or after something has changed; meanwhile the person sees what the call wants."""
        if not 0 <= wait_seconds <= LONGEST_WAIT:
            raise invalid("wait_seconds")
        if (outcome := find()) is not None:
            return outcome
        if not wait_seconds:
            raise AgentError(Fault.NO_TICKET)
        self._check_number()
        self._open.append(call)
        try:
            async with asyncio.timeout(wait_seconds):
                while (outcome := find()) is None:
                    if self._ends.is_set():
                        raise AgentError(Fault.NOT_RUNNING, says="The agent has ended.")
                    self._show_first()
                    await call.caller.news()
                return outcome
        except TimeoutError:
            raise AgentError(Fault.NO_TICKET, says="Nobody has answered in time.") from None
        finally:
            self._open.remove(call)
            self._show_first()

    def _check_number(self) -> None:
        """Raises VarlinkError where too many calls are open."""
        if sum(caller.call is not None for caller in self._callers) > MOST_OPEN_CALLS:
            raise VarlinkError("ServerBusy", "Too many programs are asking.")

    def _wake(self) -> None:
        """Have all who wait look again."""
        for caller in self._callers:
            if caller.call:
                caller.wake()

    def _moved(self, old: Known, new: Known) -> None:
        if bool(old.signed_in) != bool(new.signed_in):
            self._allowed.clear()
        self._wake()

    def _tell(self, event: SessionEvent) -> None:
        self._sequence += 1
        session = event.signed_in.id
        if event.event in ("signed_in", "resumed"):
            self._eras.append((self._clock(), session))
        if event.leaves_programs:
            self._awaited, self._left_told = self._sequence, self._left_told + 1
            if self._eras and self._eras[-1][1] == session:
                self._eras.append((self._clock(), ""))
        self._events.append({"sequence": self._sequence} | describe(event))
        self._wake()

    def _now(self) -> Mapping[str, Any]:
        """What is so, as an event: of who is here; of nobody, where nobody is."""
        known, number = self._known, {"sequence": self._sequence}
        if known.signed_in is None:
            return number | {"event": "locked" if known.locked else "signed_out", "reason": None}
        seconds = self._clock() - known.signed_in.started
        return number | describe(SessionEvent("signed_in", known.signed_in, known.reader or "", seconds=seconds))

    def _answered(self, call: OpenCall, answer: object) -> None:
        """The person has answered; who does not want to sign in does so for no program."""
        for each in self._open if call.wants == "" else [call]:
            if each.wants == call.wants:
                each.answer = answer
        self._wake()

    def _show_first(self) -> None:
        """Have the person see what the first call wants; a question to who is signed in goes before all sign-ins."""
        wanting = [call for call in self._open if call.wants is not None]
        call = min(wanting, key=lambda call: not call.wants, default=None)
        shown = (call, call.wants if call else None)
        if shown != self._shown:
            self._shown = shown
            if not self._showing:
                self._showing = True
                self._bridge.call(self._show_person)

    def _signed_in(self) -> SignedIn:
        """Who is signed in at this moment. Raises AgentError when nobody is."""
        signed_in = self._known.signed_in
        if signed_in is None or signed_in.limit()[0] <= self._clock():
            raise AgentError(Fault.NO_TICKET)
        return signed_in

    def _give(self, signed_in: SignedIn) -> Outcome:
        """The ticket, which is going to be used."""
        if self._clock() - signed_in.used >= KEEP_ALIVE_SECONDS:
            self._bridge.call(self._conductor.active)
        return {"ticket": signed_in.session.ticket}

    def _may_have(self, caller: Caller, origin: str) -> bool:
        return not self._ask_programs or (origin, caller.program()) in self._allowed

    def _check_began(self, caller: Caller, error: str = "TicketNotAvailable") -> None:
        """Raises VarlinkError where, on a shared PC, the program is older than the session, and may be of another's."""
        if not self._kiosk:
            return
        began, here = caller.began(), self._known.signed_in
        session = next((session for since, session in reversed(self._eras) if since <= began), "")
        if here is None or session != here.id:
            raise VarlinkError(error, BEGAN_BEFORE)

    # The methods of the interfaces. Each returns its reply's parameters, or raises or returns what went wrong.

    async def get_info(self, caller: Caller) -> Outcome:
        about = {"vendor": "Lanyard", "product": "Lanyard, an identity agent", "version": VERSION, "url": ""}
        return about | {"interfaces": [*INTERFACES]}

    async def get_interface_description(self, caller: Caller, interface: str) -> Outcome:
        return {"description": INTERFACES[interface]} if interface in INTERFACES else invalid("interface")

    async def get_ticket(self, caller: Caller, origin: str = "", wait_seconds: int = WAIT_SECONDS) -> Outcome:
        call, since = OpenCall(caller, origin), self._known
        return await self._until(call, lambda: self._ticket_for(call, since), wait_seconds)

    async def get_new_ticket(self, caller: Caller, origin: str = "", wait_seconds: int = WAIT_SECONDS) -> Outcome:
        if self._kiosk:
            raise VarlinkError("MethodNotSupported", "On a shared PC programs end with the session: sign in again.")
        call, since = OpenCall(caller, origin), self._known
        old = since.signed_in or since.locked
        call.other_than = old.session.ticket if old else None
        return await self._until(call, lambda: self._ticket_for(call, since), wait_seconds)

    def _ticket_for(self, call: OpenCall, since: Known) -> Outcome | None:
        known = self._known
        self._check_began(call.caller)
        if call.answer is False:
            return AgentError(Fault.GIVEN_UP)
        if known.ticket and known.ticket != call.other_than:
            if call.answer:
                self._allowed.add((call.origin, call.caller.program()))
            if self._may_have(call.caller, call.origin):
                return self._give(self._signed_in())
            call.wants = _(MAY_HAVE)
        elif known.ticket and call.wants == "":  # it was locked when it was asked for, and is resumed
            self._bridge.call(self._log_out_the_old, call)
        elif call.wants:
            return AgentError(Fault.NO_TICKET)  # the session ended meanwhile
        else:
            call.wants = ""
            return known.failure_since(since)
        return None

    async def get_ticket_no_auth(self, caller: Caller, origin: str = "") -> Outcome:
        signed_in, says = self._signed_in(), "The person has to allow this program first: it must use GetTicket."
        self._check_began(caller)
        may_have = self._may_have(caller, origin)
        return self._give(signed_in) if may_have else VarlinkError("TicketNotAvailable", says)

    async def destroy_ticket(self, caller: Caller) -> Outcome:
        self._signed_in()
        self._bridge.call(self._conductor.handle, Cue.LOG_OUT)
        return await self._until(OpenCall(caller), lambda: None if self._known.signed_in else {})

    async def lock(self, caller: Caller) -> Outcome:
        self._signed_in()
        self._bridge.call(self._conductor.lock)
        return await self._until(OpenCall(caller), lambda: None if self._known.signed_in else {})

    async def get_status(self, caller: Caller) -> Outcome:
        known, has_keyboard = self._known, self._conductor.has_keyboard
        status = {"state": STATE_NAMES[known.state], "reader": known.reader, "has_keyboard": has_keyboard}
        if signed_in := known.signed_in:
            session, left = signed_in.session, int(signed_in.limit()[0] - self._clock())
            role = dataclasses.asdict(signed_in.role) if signed_in.role else None
            return status | {"uid": session.uid, "cn": session.cn, "role": role, "seconds_left": left}
        return status

    async def watch(self, caller: Caller, hooks: bool = False) -> Outcome:
        """Tell all events as they come; who reads too slowly misses some. The end of the agent is the outcome."""
        if not (caller.call and caller.call.more):
            raise VarlinkError("InvalidParameter", "Watch has more than one answer: call it with more.", "ExpectedMore")
        self._check_number()
        if not hooks:
            return await self._tell_all(caller)
        if self._hooks:
            raise VarlinkError("ServerBusy", "Other hooks are connected.")
        self._hooks, self._awaited = caller, self._sequence
        try:
            return await self._tell_all(caller)
        finally:
            self._hooks = None
            if self._needs_hooks:
                self._bridge.call(self._conductor.hold, HOOKS_AWAY)

    async def _tell_all(self, caller: Caller) -> Outcome:
        seen = self._sequence
        await caller.reply(self._now(), continues=True)
        while True:
            if message := next((each for each in self._events if each["sequence"] > seen), None):
                seen = message["sequence"]
                await caller.reply(message, continues=True)
            elif self._ends.is_set():
                return {"sequence": self._sequence, "event": "signed_out", "reason": "agent_ended"}
            else:
                await caller.news()

    async def hooks_done(self, caller: Caller, sequence: int, failed: str = "") -> Outcome:
        if self._hooks is None or self._hooks.pid != caller.pid:
            raise VarlinkError("UserNotValid", "These are not the hooks that are connected.")
        if failed:
            self._bridge.call(self._conductor.warn, clean(failed, LONGEST_QUESTION))
        if sequence >= self._awaited:
            self._bridge.call(self._programs_gone, self._left_told)
        return {}

    async def show(self, caller: Caller) -> Outcome:
        call = OpenCall(caller)
        self._bridge.call(self._conductor.on_show)
        self._bridge.call(self._call, call.answered, {})
        return await self._until(call, lambda: call.answer)

    async def change_role(self, caller: Caller, id: str) -> Outcome:  # noqa: A002
        role = next((role for role in self._signed_in().session.roles if role.id == id), None)
        if role is None:
            raise invalid("id")
        self._check_began(caller)
        call = OpenCall(caller)

        def find() -> Outcome | None:
            refused: AgentError | None = call.answer
            return refused or ({} if self._signed_in().role == role else None)

        if find() is None:
            self._bridge.call(self._conductor.change_role, role, functools.partial(self._call, call.answered))
        return await self._until(call, find)

    async def confirm(self, caller: Caller, question: str, origin: str = "") -> Outcome:
        return await self._ask(OpenCall(caller, origin), "question", question)

    async def sign(
        self, caller: Caller, summary: str, content: str, origin: str = "", digest: str = "sha256"
    ) -> Outcome:
        signing = as_signing([content], digest, as_cms=True)
        return await self._ask(OpenCall(caller, origin, signing=signing), "summary", summary)

    async def sign_payloads(
        self, caller: Caller, summary: str, payloads: Sequence[str], origin: str = "", digest: str = "sha256"
    ) -> Outcome:
        signing = as_signing(payloads, digest, as_cms=False)
        return await self._ask(OpenCall(caller, origin, signing=signing), "summary", summary)

    async def _ask(self, call: OpenCall, name: str, question: str) -> Outcome:
        call.wants = clean(question, LONGEST_QUESTION + 1)
        if not 0 < len(call.wants) <= LONGEST_QUESTION:
            raise invalid(name)
        if not self._known.signed_in:
            raise VarlinkError("AuthenticationNotPossible", "Nobody is signed in who could be asked.")
        self._check_began(call.caller, "AuthenticationNotPossible")
        return await self._until(call, lambda: self._person_s_answer(call))

    def _person_s_answer(self, call: OpenCall) -> Outcome | None:
        self._signed_in()
        if isinstance(call.answer, bool):
            return AgentError(Fault.GIVEN_UP) if call.signing else {"granted": call.answer}
        outcome: Outcome | None = call.answer
        return outcome


def describe(event: SessionEvent) -> dict[str, Any]:
    """As programs are told; never the ticket."""
    session, role = event.signed_in.session, event.signed_in.role
    whose = {"session": event.signed_in.id, "uid": session.uid, "cn": session.cn, "reader": event.reader}
    what = {"event": event.event, "reason": event.reason, "seconds": round(event.seconds, 3)}
    return what | whose | {"role": dataclasses.asdict(role) if role else None}


def as_signing(payloads: Sequence[str], digest: str, *, as_cms: bool) -> Signing:
    """What a program wants signed, out of base64. Raises VarlinkError."""
    name = "content" if as_cms else "payloads"
    if digest not in [*Digest]:
        raise invalid("digest")
    try:
        contents = [base64.b64decode(each, validate=True) for each in payloads]
    except ValueError:
        raise invalid(name) from None
    if not 0 < len(contents) <= MOST_PAYLOADS:
        raise invalid(name)
    return Signing(contents, Digest(digest), as_cms)


def runtime_folder() -> Path:
    """Where the socket is. Raises UsageError without XDG_RUNTIME_DIR: no other folder is this person's alone."""
    if not (folder := os.environ.get("XDG_RUNTIME_DIR")):
        raise UsageError("XDG_RUNTIME_DIR is not set, so there is no place for the socket that programs ask.", LOG_IN)
    return Path(folder, "lanyard")


@contextlib.contextmanager
def ticket_socket() -> Iterator[socket.socket]:
    """The socket that systemd hands over (sd_listen_fds(3)), or else one that is made here and goes at the end.

    Raises UsageError where it cannot be, AgentError where another agent of this person has it.
    """
    folder = runtime_folder()
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            stack.callback(os.close, opened)
            if os.fstat(opened).st_uid != os.geteuid():
                raise OSError(errno.EPERM, "its folder belongs to another user")
            os.fchmod(opened, 0o700)
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)  # until it is closed, by kill -9 too
            listener = stack.enter_context(listen(folder / "agent"))
        except BlockingIOError:
            with contextlib.suppress(AgentError):
                ask_agent("Show", 1)
            raise AgentError(Fault.RUNS_ALREADY) from None
        except OSError as error:
            raise UsageError(f"{folder}/agent cannot be made: {error.strerror or error}.") from None
        yield listener


@contextlib.contextmanager
def listen(path: Path) -> Iterator[socket.socket]:
    """What systemd has handed over, or a new socket, in the place of one that a killed agent has left."""
    if os.environ.pop("LISTEN_PID", "") == str(os.getpid()) and os.environ.pop("LISTEN_FDS", "") == "1":
        os.set_inheritable(HANDED_OVER, False)
        with socket.socket(fileno=HANDED_OVER) as listener:
            yield listener
        return
    with socket.socket(socket.AF_UNIX) as listener:
        new = path.with_suffix(".new")
        new.unlink(missing_ok=True)
        os.fchmod(listener.fileno(), 0o600)
        listener.bind(str(new))
        listener.listen(socket.SOMAXCONN)
        new.rename(path)  # where it is, it listens
        try:
            yield listener
        finally:
            path.unlink(missing_ok=True)


def ask_agent(method: str, patience: float, **parameters: str | int) -> dict[str, Any]:
    """What the running agent of this user answers, within so many seconds. Raises AgentError."""
    path, received, ends = str(runtime_folder() / "agent"), bytearray(), time.monotonic() + patience
    try:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(patience)
            while (error := link.connect_ex(path)) == errno.EAGAIN and time.monotonic() < ends:
                time.sleep(0.01)  # many others are connecting
            if error:
                raise OSError(error, "connect")
            if peer(link)[1] != os.geteuid():
                raise PermissionError
            link.sendall(encode_message({"method": f"lanyard.Agent.{method}", "parameters": parameters}))
            while (message := take_message(received)) is None:
                link.settimeout(max(0.001, ends - time.monotonic()))
                if not (data := link.recv(4096)):
                    raise EOFError
                received += data
        reply = json.loads(message)
        answer, refused = dict(reply["parameters"]), reply.get("error")
    except (OSError, EOFError, ValueError, TypeError, LookupError, RecursionError, VarlinkError) as problem:
        raise AgentError(Fault.NOT_RUNNING, type(problem).__name__) from None
    if refused is None:
        return answer
    known = [faults[0] for name, faults in TICKET_ERRORS.items() if CODES[name] == answer.get("code")]
    fault, says = known[0] if known else Fault.UNEXPECTED, str(answer.get("says") or "")
    raise AgentError(fault, str(refused), says=says, advice=" ")


def fetch_ticket(*, no_auth: bool, new: bool) -> str:
    """The ticket of the running agent. Raises AgentError."""
    method = "GetTicketNoAuth" if no_auth else "GetNewTicket" if new else "GetTicket"
    says = "" if no_auth else ASKED_TO_SIGN_IN + "\n"
    waits = start_timer(PROGRESS_AFTER_MS / 1000, sys.stderr.write, says)
    try:
        ticket = ask_agent(method, CLIENT_SECONDS if no_auth else WAIT_SECONDS + CLIENT_SECONDS).get("ticket")
    finally:
        waits.cancel()
    if isinstance(ticket, str) and ticket and ticket.isprintable():
        return ticket
    raise AgentError(Fault.NOT_RUNNING, "its answer has no ticket")


def hand_over(signed_in: SignedIn, *, kept: bool) -> dict[str, Any]:
    """What `login --json` prints: uid, cn, ticket (None if the session is not kept), role or None, roles, session."""
    known = dataclasses.asdict(signed_in.session)
    limits = {name: known.pop(name) for name in ("max_minutes", "idle_minutes", "logout_url")}
    del known["session_url"]
    role = dataclasses.asdict(signed_in.role) if signed_in.role else None
    return known | {"ticket": known["ticket"] if kept else None, "role": role, "session": limits}


# --- Configuration and logging -------------------------------------------------------------------------------

SYSTEM_FILE = Path("/etc/lanyard/agent.toml")
HOST = re.compile(r"[\w.:%-]+")  # a name, an IPv4 or an IPv6 address
TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
LEVELS = "debug", "info", "warning", "error"


def setting(
    default: object, metavar: str, text: str, *, among: Iterable[object] = (), within: range | None = None
) -> Any:
    """A field of Settings: its default, and what the table says of it.

    `among`: its only values; `within`: it is a whole number, one of these. One that is off by default is a switch.
    """
    texts = TRUTHS if default is False else {str(value): value for value in among}
    return field(default=default, metadata={"metavar": metavar, "help": text, "among": texts, "within": within})


@dataclass(frozen=True)
class Settings:
    """The table of settings: it makes the keys of agent.toml, the LANYARD_* variables, the options and --help.

    `places` says where each value that was set comes from, `ignored` by name the places that a locked one overrides.
    """

    spine: str = setting("", "URL", "the broker's address, https only")
    ca_file: Path | None = setting(None, "PEM", "trust this CA, not the system's")
    reader: str = setting("pcsc", "WHICH", "pcsc, pkcs11:URI, embedded[:PORT], or part of a name")
    digest: Digest = setting(Digest.SHA256, "NAME", "digest to sign, sha256 or sha1", among=Digest)
    kiosk: bool = setting(False, "", "cover a shared PC, be a bar while somebody works")
    contrast: bool = setting(False, "", "show all text with a contrast of 7:1")
    mobility: bool = setting(False, "", "the session goes on without the card")
    session_lock_persistence: bool = setting(False, "", "card out locks the session")
    enhanced_normal: bool = setting(False, "", "passcode again after a locked desktop")
    mobility_minutes: int = setting(30, "N", "how long without card until the passcode is due", within=range(1, 1441))
    parked_sessions: int = setting(3, "N", "how many sessions wait for their owners' cards", within=range(101))
    parked_minutes: int = setting(15, "N", "how long a session waits while others use the PC", within=range(1, 1441))
    hooks: bool = setting(False, "", "nobody signs in without `lanyard-kiosk hooks`")
    ask_programs: bool = setting(False, "", "ask before a program gets the ticket")
    language: str = setting("en", "CODE", "of the window: en or cy", among=LANGUAGES)
    explain: bool = setting(False, "", "tell each step as it happens")
    log_level: str = setting("warning", "LEVEL", "debug, info, warning or error", among=LEVELS)
    log_file: Path | None = setting(None, "FILE", "log there, not on stderr")
    service_desk: str = setting("", "TEXT", "who helps here: a telephone number or an address")
    renewal_address: str = setting("", "URL", "where cards are renewed, https only")
    places: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    ignored: Sequence[tuple[str, str]] = field(default=(), compare=False, repr=False)

    def lines(self) -> Iterator[str]:
        """An agent.toml that sets the same; each line says where the value comes from."""
        for name in SETTINGS:
            value = getattr(self, name)
            text = str(value).lower() if isinstance(value, int) else json.dumps(str(value or ""), ensure_ascii=False)
            against = "".join(f", against {place}" for each, place in self.ignored if each == name)
            yield f"{'' if value is not None else '# '}{name} = {text}  # {self.places.get(name, 'default')}{against}"

    def mode(self) -> Mode:
        """Of several that are set the first one in this order counts, as with the Windows agent."""
        order = Mode.MOBILITY, Mode.SESSION_LOCK_PERSISTENCE, Mode.ENHANCED_NORMAL
        return next((mode for mode in order if getattr(self, mode.name.lower())), Mode.NORMAL)

    def mistake(self, name: str, what: str, advice: str = "") -> UsageError:
        """An error that names the place of a value, and the value."""
        return UsageError(f"{self.places.get(name, name)} is {getattr(self, name)}, {what}.", advice)

    def contacts(self) -> Contacts:
        """Raises UsageError."""
        if self.renewal_address and not is_https(self.renewal_address):
            raise self.mistake("renewal_address", "which is not an https address")
        return Contacts(clean(self.service_desk), self.renewal_address)


SETTINGS = {each.name: each for each in dataclasses.fields(Settings) if each.metadata}


def load_settings(environment: Mapping[str, str], options: Mapping[str, Any]) -> Settings:
    """Defaults < /etc/lanyard/agent.toml < $XDG_CONFIG_HOME/lanyard/agent.toml < LANYARD_* < options (None: not given).

    The option `config` is a file that is read in place of the two. What is under [locked] in /etc/lanyard/agent.toml
    holds against all of them. Raises UsageError naming file and key.
    """
    own, config = own_file(environment), options.get("config")
    system = _read_toml(SYSTEM_FILE, may_be_missing=True)
    locked = system.pop("locked", {})
    if not isinstance(locked, dict):
        raise UsageError(f"{SYSTEM_FILE}: locked is not a table.")
    if config:
        files = {config: system if config == SYSTEM_FILE else _read_toml(config)}
    else:
        files = {SYSTEM_FILE: system, own: _read_toml(own, may_be_missing=True)}
    given = [(name, value, f"{path}: {name}") for path, content in files.items() for name, value in content.items()]
    variables = {name: f"LANYARD_{name.upper()}" for name in SETTINGS}
    given += [(name, environment[each], each) for name, each in variables.items() if each in environment]
    given += [(name, options[name], option(name)) for name in SETTINGS if options.get(name) is not None]
    fixed = [(name, value, f"{SYSTEM_FILE}: locked.{name}") for name, value in locked.items()]
    held = {name: _setting(name, value, place) for name, value, place in fixed}
    ignored = [(n, place) for n, value, place in given if n in held and _setting(n, value, place) != held[n]]
    given += fixed
    values = {name: _setting(name, value, place) for name, value, place in given}
    return Settings(**values, places={name: place for name, _, place in given}, ignored=ignored)


def own_file(environment: Mapping[str, str]) -> Path:
    """The person's settings."""
    return Path(environment.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"), "lanyard/agent.toml")


def notices_file(environment: Mapping[str, str]) -> Path:
    """Where it is remembered who was told today that their card ends."""
    return Path(environment.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state"), "lanyard/notices.json")


def read_text(path: Path, errors: str = "strict") -> str:
    """Of a file that is one: a pipe or a device would be waited for. Raises OSError, UnicodeError."""
    with open(
        path, encoding="utf-8-sig", errors=errors, opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)
    ) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no file")
        return file.read()


def wants_kiosk(environment: Mapping[str, str], options: Mapping[str, Any]) -> bool:
    """As far as that can be known of settings with a mistake in them."""
    if options.get("kiosk") or TRUTHS.get(environment.get("LANYARD_KIOSK", "").lower()):
        return True
    texts = []
    for path in filter(None, (SYSTEM_FILE, own_file(environment), options.get("config"))):
        with contextlib.suppress(OSError):
            texts.append(read_text(path, errors="replace"))
    return re.search(r"^\s*kiosk\s*=\s*true\b", "\n".join(texts), re.MULTILINE) is not None


def _setting(name: str, value: object, place: str) -> Any:
    """The value as the table's type for it. Raises UsageError."""
    if name not in SETTINGS:
        why = f" is only for {SYSTEM_FILE}." if name == "locked" else ": there is no such setting."
        raise UsageError(place + why)
    if among := SETTINGS[name].metadata["among"]:
        if str(value).lower() not in among:
            raise UsageError(f"{place} must be one of: {', '.join(among)}.")
        return among[str(value).lower()]
    if within := SETTINGS[name].metadata["within"]:
        number = int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value) else value
        if type(number) is not int or number not in within:
            raise UsageError(f"{place} must be a whole number from {within[0]} to {within[-1]}.")
        return number
    if not isinstance(value, str) or "\0" in value:
        raise UsageError(f"{place} must be a text.")
    if SETTINGS[name].default is not None:
        return value
    return Path(os.path.expanduser(value)) if value else None  # no default: a path, or none


def option(name: str) -> str:
    """The command line's name of a setting."""
    return f"--{name.replace('_', '-')}"


def _read_toml(path: Path, *, may_be_missing: bool = False) -> dict[str, Any]:
    try:
        return tomllib.loads(read_text(path))
    except OSError as error:
        if may_be_missing and isinstance(error, FileNotFoundError | NotADirectoryError):
            return {}
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not TOML: {error}.") from None


def is_https(address: str) -> bool:
    """Whether it is an https address with a host, without a user's name."""
    try:
        parts = urlsplit(address)
        is_complete = HOST.fullmatch(parts.hostname or "") and parts.port != 0
    except ValueError:
        return False
    return bool(is_complete) and parts.scheme == "https" and not parts.username


def check_spine(settings: Settings) -> None:
    """Raises UsageError unless there is an https address, and a readable CA file where one is named."""
    if not settings.spine:
        raise UsageError("The agent does not know where to sign in.", "Give --spine https://HOST, or try --demo.")
    if not is_https(settings.spine):
        raise settings.mistake("spine", "which is not an https address", "The agent never signs in without TLS.")
    if settings.ca_file:
        try:
            read_text(settings.ca_file, errors="replace")
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(settings.ca_file)
        except (OSError, ssl.SSLError):
            raise settings.mistake("ca_file", "which is not a readable file of CA certificates (PEM)") from None


def set_up_logging(settings: Settings) -> None:
    """Our own log, to stderr or to a file. Raises UsageError where that cannot be written."""
    handler = log_handler(settings)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    LOG.addHandler(handler)
    LOG.setLevel(settings.log_level.upper())
    LOG.propagate = False
    for name, place in settings.ignored:
        LOG.warning("%s does not count, because %s holds", place, settings.places[name])


def log_handler(settings: Settings) -> logging.StreamHandler[TextIO]:
    """To stderr, or to a file of its owner alone. Raises UsageError where that cannot be written.

    No link is followed that somebody else put there, and no pipe waited for that nobody reads.
    """
    if not settings.log_file:
        return logging.StreamHandler()
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        opened = os.open(settings.log_file, flags, 0o600)
        return logging.StreamHandler(open(opened, "a", encoding="utf-8", errors="backslashreplace"))
    except OSError as error:
        raise settings.mistake("log_file", f"which cannot be written: {error.strerror}") from None


# --- Main ----------------------------------------------------------------------------------------------------

EPILOG = """
examples:
  %(prog)s --demo                         try it: a virtual card, a broker and the window, nothing else needed
  echo 123456 | %(prog)s --demo login --json
  %(prog)s --spine https://gas.example.nhs.uk --kiosk
  %(prog)s --spine https://127.0.0.1:8443 --ca-file ~/.local/share/lanyard/ca.pem --reader embedded login

exit codes: 0 done; 1 something unexpected; 2 usage or configuration; 3 no reader or no smartcard service; 4 no card,
or none we can use; 5 wrong passcode; 6 passcode locked; 7 certificate missing, expired or not yet valid; 8 broker
unreachable or not trusted; 9 broker refused; 10 card pulled during the login; 11 no ticket; 12 the agent is not
running; 13 refused by the person; 130 interrupted.
"""


SIGN_EPILOG = """
The signature is a CMS message (CAdES-BES, DER) on stdout. Without --detached the file is in it.

examples:
  agent.py sign letter.pdf > letter.p7m
  agent.py sign --detached letter.pdf > letter.p7s
  openssl cms -verify -cades -binary -inform der -in letter.p7m -CAfile chain.pem -purpose any > letter.pdf
  openssl cms -verify -cades -binary -inform der -in letter.p7s -content letter.pdf -CAfile chain.pem -purpose any
"""


def make_parser() -> argparse.ArgumentParser:
    """The command line, whose names README.md promises."""
    parser = argparse.ArgumentParser(
        prog="agent.py",
        description="Sign in with an NHS smartcard: a window for shared PCs, or the terminal.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"Lanyard {VERSION}")
    parser.add_argument("--config", type=Path, metavar="FILE", help="read this settings file in place of the usual two")
    for name, each in SETTINGS.items():
        flag = {"action": "store_true", "default": None}
        kind: dict[str, Any] = flag if isinstance(each.default, bool) else {"metavar": each.metadata["metavar"]}
        usual = f" (default {each.default})" if each.default else ""
        parser.add_argument(option(name), help=each.metadata["help"] + usual, **kind)
    demo = parser.add_argument_group("demonstration")
    demo.add_argument("--demo", action="store_true", help="start a virtual card and a broker too, on free ports")
    demo.add_argument("--card", default="three-roles", help="the card that goes in (default three-roles)")
    demo.add_argument("--data", type=Path, metavar="DIR", help="keep the demonstration's cards (default: thrown away)")
    demo.add_argument("--vpcd", default=f"127.0.0.1:{VPCD_PORT}", metavar="HOST:PORT", help="vpcd, for --reader pcsc")
    parser.set_defaults(role=None, json=False, keep=False, wait=None)  # where no command is given
    add_commands(parser.add_subparsers(dest="command", metavar="COMMAND"))
    return parser


def add_commands(commands: Any) -> None:
    """What is done without the window."""
    login = commands.add_parser("login", help="sign in at the terminal; passcode from stdin if that is no terminal")
    login.add_argument("--role", metavar="ID|N", help="the role to work in: its id, or its number from 1")
    login.add_argument("--json", action="store_true", help="print the session as JSON, its ticket only with --keep")
    login.add_argument("--keep", action="store_true", help="do not log out: the session stays till its time is up")
    login.add_argument("--wait", type=wait_seconds, metavar="SECONDS", help="for a card (5; at a terminal no end)")
    codes = "Exit codes: 11 nobody is signed in, or nobody in time; 12 the agent is not running; 13 the person refused."
    ticket = commands.add_parser("ticket", help="print the ticket of who is signed in at the agent", epilog=codes)
    which = ticket.add_mutually_exclusive_group()
    which.add_argument("--no-auth", action="store_true", help="ask nobody: where nobody is signed in, exit code 11")
    which.add_argument("--new", action="store_true", help="of a new sign-in: who is signed in is logged out first")
    sign = commands.add_parser(
        "sign", help="sign a file with the key for content commitment (9C), by your passcode", epilog=SIGN_EPILOG
    )
    sign.formatter_class = argparse.RawDescriptionHelpFormatter
    sign.add_argument("file", metavar="FILE", help="what to sign")
    sign.add_argument("--detached", action="store_true", help="leave the file out of the message that signs it")
    for name, known, says in (
        ("passcode", "passcode", "change the card's passcode"),
        ("unlock", "unblocking code", "set a new passcode on a locked card, by its unblocking code"),
    ):
        two_lines = f"From standard input, if that is no terminal, come two lines: the {known}, and the new passcode."
        commands.add_parser(name, help=says, description=f"{says.capitalize()}. {two_lines}")
    doctor = commands.add_parser(
        "doctor", help="say what is wrong with this PC, reader, card and network, and its cure"
    )
    doctor.add_argument("--json", action="store_true", help="a list of objects: subject, verdict, trouble, says, cure")
    doctor.add_argument("--bundle", type=Path, metavar="FILE", help="write it for the service desk too, without names")
    commands.add_parser("config", help="print every setting in force and where it comes from")


def wait_seconds(text: str) -> float:
    """The value of --wait. Raises ArgumentTypeError."""
    with contextlib.suppress(ValueError):
        if 0 <= float(text) <= 86400:  # of "nan" neither is true
            return float(text)
    raise argparse.ArgumentTypeError(f"{text} is no number of seconds from 0 to 86400")


NO_WINDOW = "Use `login` to sign in here in the terminal."


def wants_terminal(options: argparse.Namespace) -> bool:
    """Whether the sign-in is in the terminal. Raises UsageError where there is no display for the window."""
    if options.command is not None:
        return True
    if "tkinter" not in sys.modules:
        raise UsageError("The window needs Tk (python3-tk), which is not installed.", NO_WINDOW)
    try:
        tk.Tk().destroy()
    except tk.TclError:
        raise UsageError("There is no display for the window.", NO_WINDOW) from None
    return False


def run_terminal(settings: Settings, conductor: Conductor, bridge: Bridge, options: argparse.Namespace) -> None:
    """Sign in, print the outcome, and log out unless told to keep the session."""
    interactive = sys.stdin.isatty()
    wait = 5.0 if options.wait is None and not interactive else options.wait
    terminal = Terminal(conductor, bridge, options.role, wait)
    if settings.explain:
        LISTENERS.append(functools.partial(bridge.call, terminal.show_step))
    signed_in = terminal.sign_in()
    if options.json:
        print(json.dumps(hand_over(signed_in, kept=options.keep)), flush=True)
    else:
        print_session(signed_in, conductor.seconds_left(), settings.contacts())
    if options.command is None and interactive:
        terminal.stay()
    if options.keep and conductor.attempt:
        conductor.attempt.stays_open = True
    conductor.close()
    bridge.run_pending()
    if conductor.log_out_confirmed is False:
        print(_(NOT_CONFIRMED), file=sys.stderr)
    elif not options.keep and not options.json:
        print("Logged out.")


def print_session(signed_in: SignedIn, seconds_left: float, contacts: Contacts) -> None:
    """The session in sentences; never the ticket."""
    session, role = signed_in.session, signed_in.role
    print(f"Signed in as {session.cn} ({session.uid})")
    if role:
        print(f"Role: {describe_role(role)}")
    elif session.roles:
        print(f"No role chosen; there are {len(session.roles)}:")
        print(*numbered(map(describe_role, session.roles)), sep="\n")
    else:
        advice = "Ask your local smartcard team to give you one."
        print(f"You have no role at any organisation. {advice} {contacts.beside(advice)}".rstrip())
    print(f"Time left: {describe_time_left(seconds_left)}")
    if ends := describe_expiry(signed_in.certificate, datetime.now(UTC)):
        print(f"{ends} {contacts.beside(ends)}".rstrip())


def run(options: argparse.Namespace) -> None:
    """Sign in with a card in a reader of this PC, or hand over to doctor or demonstration. Raises AgentError."""
    if options.command == "doctor":
        become_doctor()
    if options.command == "config":
        print(*load_settings(os.environ, vars(options)).lines(), sep="\n")
        return
    if options.command == "ticket":
        print(fetch_ticket(no_auth=options.no_auth, new=options.new))
        return
    settings, reader = prepare_or_wait(options)
    contacts = settings.contacts()
    try:
        run_face(settings, options, reader, wants_terminal(options))
    except AgentError as error:
        advice = f"{error.advice} {contacts.beside(error.advice)}".strip()
        raise AgentError(error.fault, error.technical, says=error.says, advice=advice) from None


def prepare(options: argparse.Namespace) -> tuple[Settings, CardSource]:
    """The settings, without a mistake, and the readers that they name. Raises AgentError."""
    settings = load_settings(os.environ, vars(options))
    if options.demo or settings.reader.partition(":")[0] == "embedded":
        become_demonstration()
    if options.command not in CARD_COMMANDS:
        check_spine(settings)
    if settings.log_file:
        log_handler(settings).close()
    is_token = settings.reader.startswith("pkcs11:")
    return settings, TokenReader(settings.reader) if is_token else PcscReader(settings.reader)


def prepare_or_wait(options: argparse.Namespace) -> tuple[Settings, CardSource]:
    """In a kiosk a mistake is said on the screen until it is put right. Elsewhere raises AgentError."""
    try:
        return prepare(options)
    except AgentError as error:
        if options.command or not wants_kiosk(os.environ, vars(options)) or wants_terminal(options):
            raise
        print(error, file=sys.stderr)
        mistake = Mistake(error, functools.partial(prepare, options))
    try:
        ask_agent("Show", 1)
    except AgentError:
        mistake.stay()
    raise AgentError(Fault.RUNS_ALREADY)


class Mistake:
    """In the place of readers, while a kiosk is not set up correctly: its window says so, until that is put right."""

    def __init__(self, mistake: AgentError, prepare: Callable[[], object]) -> None:
        self._mistake, self._prepare = str(mistake), prepare
        self.put_right: Callable[[], object] = lambda: None

    def stay(self) -> NoReturn:
        """Until then, when this program starts anew. Raises UsageError where there is no window for it."""
        bridge = Bridge()
        conductor = Conductor(self, self._no_broker, bridge, Digest.SHA256)
        window = Window(conductor, bridge, kiosk=True)
        self.put_right = functools.partial(bridge.call, window.root.quit)
        conductor.start()
        bridge.interrupt_on_signals()
        try:
            window.root.mainloop()
        finally:
            window.close()
            conductor.close()
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606

    def watch(self, report: Report) -> None:
        """Raises AgentError until the settings are right, and is called again each time.

        It is for the person in front; the sentence with file and key in it is for whom they ask.
        """
        try:
            self._prepare()
        except AgentError as error:
            if str(error) != self._mistake:
                self._mistake = str(error)
                report(ReaderReady())  # while readers are lost, nothing else is looked at
            advice = _("Tell your service desk: {mistake} This PC goes on by itself once that is right.", mistake=error)
            says = _("This PC is not set up correctly.")
            raise AgentError(error.fault, error.technical, says=says, advice=advice) from None
        self.put_right()

    @staticmethod
    def _no_broker() -> NoReturn:
        raise AgentError(Fault.UNEXPECTED, "no settings")

    def open(self, card: CardIn) -> NoReturn:
        raise AgentError(Fault.CARD_REMOVED)

    def close(self) -> None:
        """Nothing is open."""


ON_WAYLAND = "This is a Wayland session, where a kiosk cannot cover the screen. Choose an X11 session at the log-in."


def open_socket(stack: contextlib.ExitStack) -> socket.socket | None:
    """The ticket socket until the stack closes, or None where there is no place: a person can sign in without it."""
    try:
        return stack.enter_context(ticket_socket())
    except UsageError as error:
        print(f"Programs get no ticket from this agent. {error}", file=sys.stderr)
        return None


def become_demonstration() -> NoReturn:
    """Go on as demo.py, with the same arguments. Raises UsageError where it was not copied along."""
    program = Path(__file__).with_name("demo.py")
    if not program.is_file():
        advice = "Copy demo.py there, with the folders emulator and spine_stub, or take a reader of this PC."
        raise UsageError(f"The demonstration and its reader are not on this PC: {program} is missing.", advice)
    os.execv(sys.executable, [sys.executable, str(program), *sys.argv[1:]])  # noqa: S606


DOCTOR = Path(__file__).resolve().with_name("kiosk") / "doctor"  # which may not have been copied along


def doctor_command(settings: Settings) -> list[str]:
    """What looks at this PC with these settings; empty where it is not there."""
    told = {name: getattr(settings, name) for name in ("spine", "ca_file", "reader")}
    options = [f"{option(name)}={value}" for name, value in told.items() if value]
    options += ["--kiosk"] if settings.kiosk else []
    return [sys.executable, str(Path(__file__).resolve()), *options, "doctor", "--json"] if DOCTOR.is_dir() else []


def become_doctor() -> NoReturn:
    """Go on as kiosk/doctor, with the same arguments. Raises UsageError where it is not there."""
    if not DOCTOR.is_dir():
        raise UsageError(f"`doctor` is not on this PC: {DOCTOR.parent} is missing.", "Copy that folder there.")
    path = os.pathsep.join(filter(None, [str(DOCTOR.parents[1]), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-P", "-m", "kiosk.doctor", *sys.argv[1:]]
    os.execve(sys.executable, command, os.environ | {"PYTHONPATH": path})  # noqa: S606


def run_face(
    settings: Settings,
    options: argparse.Namespace,
    reader: CardSource,
    in_terminal: bool,
    started: Callable[[Window | None], None] = lambda window: None,
) -> None:
    """Build the parts, run the window or the terminal, and end everything, the last first.

    `started` is called once the reader is watched, with the window where there is one.
    """
    set_up_logging(settings)
    if settings.explain and (options.command in CARD_COMMANDS or not in_terminal):
        LISTENERS.append(lambda step: print(step, file=sys.stderr))
    if options.command in CARD_COMMANDS:
        run_card_command(settings, options, reader, started)
        return
    check_spine(settings)
    bridge = Bridge()
    with contextlib.closing(Guardian(settings.spine, settings.ca_file)) as guardian, contextlib.ExitStack() as stack:
        mode = Mode.NORMAL if in_terminal else settings.mode()  # at a terminal a session never outlives its card
        LOG.info("Lanyard %s: broker %s, reader %s, mode %s", VERSION, settings.spine, settings.reader, mode.name)
        stack.callback(LOG.info, "Lanyard has ended")
        listener = None if options.command else open_socket(stack)
        conductor = make_conductor(settings, reader, bridge, guardian, mode)
        window = None if in_terminal else make_window(settings, conductor, bridge)
        stack.callback(conductor.close)
        if listener:
            rules = functools.partial(TicketServer, kiosk=settings.kiosk, hooks=settings.hooks)
            stack.callback(rules(listener, conductor, bridge, settings.ask_programs).close)
            stack.callback(conductor.end_all)
        elif settings.hooks and window:
            conductor.hold(HOOKS_AWAY)
        if window:
            stack.callback(window.close)
        conductor.start()
        if window and settings.kiosk:
            conductor.look_for_broker()
        started(window)
        bridge.interrupt_on_signals()
        gc.freeze()  # what is here by now is never garbage, and need not be looked at
        if window:
            window.root.mainloop()
        else:
            run_terminal(settings, conductor, bridge, options)


def make_conductor(settings: Settings, reader: CardSource, bridge: Bridge, guardian: Guardian, mode: Mode) -> Conductor:
    """What the settings make of it."""
    return Conductor(
        reader,
        guardian.new_broker,
        bridge,
        settings.digest,
        mode=mode,
        mobility_minutes=settings.mobility_minutes,
        parked_sessions=settings.parked_sessions,
        parked_minutes=settings.parked_minutes,
        notices=Notices(notices_file(os.environ) if isinstance(reader, PcscReader) else None),
    )


def make_window(settings: Settings, conductor: Conductor, bridge: Bridge) -> Window:
    """Raises UsageError where the window cannot be shown, or cannot cover a kiosk's screen."""
    if settings.kiosk and is_wayland(os.environ):
        print(ON_WAYLAND, file=sys.stderr)
    look: dict[str, Any] = {"contacts": settings.contacts(), "contrast": settings.contrast}
    look |= {"language": settings.language, "doctor": doctor_command(settings)}
    return Window(conductor, bridge, settings.kiosk, **look)


def run_card_command(
    settings: Settings, options: argparse.Namespace, reader: CardSource, started: Callable[[None], None]
) -> None:
    """Raises AgentError."""
    if sys.stdin.isatty():
        print("Put your card into the reader.", file=sys.stderr)
    seconds = 5.0 if options.wait is None and not sys.stdin.isatty() else options.wait
    with contextlib.closing(reader):
        open_card = find_card(reader, seconds, lambda: started(None))
        CARD_COMMANDS[options.command](open_card, options, settings.digest)


def prepare_streams() -> None:
    """One that was closed leads nowhere, or else the next file would get its number. Any name fits any encoding."""
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name) or open(os.devnull, "r+", encoding="utf-8")  # noqa: SIM115  for good
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
        setattr(sys, name, stream)


def main(run: Callable[[argparse.Namespace], None] = run) -> int:
    """Parse, run, turn an AgentError into one sentence on stderr and its exit code."""
    if sys.argv[1:] == [Guardian.COMMAND]:
        return guard()
    keep_memory_private()
    if sys.argv[1:] == [TokenCard.CHILD]:
        return serve_module()
    prepare_streams()
    options = make_parser().parse_args()
    if options.command not in ("config", "ticket"):  # which have no secret, or print it
        forget_freed_memory()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return Fault.INTERRUPTED.exit_code
    except OSError as error:  # whoever read the outcome has gone, or a disk is full; the rest is not written either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"The outcome was not written: {error.strerror}.", file=sys.stderr)
        return Fault.UNEXPECTED.exit_code
    except AgentError as error:
        print(error, file=sys.stderr)
        return error.fault.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
