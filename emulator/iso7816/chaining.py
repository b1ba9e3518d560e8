"""Long commands and long answers: command chaining and GET RESPONSE.

ISO/IEC 7816-4, sections 5.3.3 and 5.3.4 (payload fragmentation), as SP 800-73-4 Part 2, section
4.2 asks for them. The application above sees whole commands and returns whole answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..identifiers import Instruction
from .apdu import CommandApdu
from .status_words import StatusError, StatusWord, more_data

Application = Callable[[CommandApdu], bytes]

LONGEST_DATA = 0x4000
"""No chain may get longer: the longest object of PIV has 12,710 bytes (Part 1, table 7)."""

_CHAINING = 0x10
_GET_RESPONSE = Instruction.GET_RESPONSE
_WITHOUT_LE = 0x100
"""yubico-piv-tool sends no Le, not even with SELECT, and wants the answer in one piece as cards with T=1 give it."""
_CHAINABLE = frozenset(
    {
        Instruction.GENERAL_AUTHENTICATE,
        Instruction.PUT_DATA,
        Instruction.GENERATE_ASYMMETRIC_KEY_PAIR,
        Instruction.IMPORT_ASYMMETRIC_KEY,
    }
)
"""SP 800-73-4 Part 2, table 2, column "Command Chaining"; the import of keys is Yubico's."""

_SUCCESS = StatusWord.SUCCESS.octets


@dataclass(slots=True)
class Chain:
    """The links of a chained command that have come so far."""

    header: tuple[int, int, int]
    """INS, P1 and P2, which are the same in every link."""
    data: bytearray = field(default_factory=bytearray, repr=False)


@dataclass(slots=True)
class Fragments:
    """What is under way between card and reader: at most one command, or one answer."""

    chain: Chain | None = None
    pending: bytes = b""
    """The rest of an answer, for GET RESPONSE."""


def exchange(apdu: CommandApdu, state: Fragments, application: Application) -> bytes:
    """Return the answer to one APDU, data and status word; raise StatusError for any other."""
    chain, state.chain = state.chain, None
    pending, state.pending = state.pending, b""
    if apdu.ins == _GET_RESPONSE and apdu.cla == 0:
        return _get_response(apdu, pending, state)
    if apdu.cla == _CHAINING:
        state.chain = _lengthen(chain, apdu)
        return _SUCCESS
    if chain is not None and apdu.cla == 0 and chain.header == apdu[1:4]:
        apdu = apdu._replace(data=bytes(_lengthen(chain, apdu).data))
    return _first_part(application(apdu), apdu.ne, state)


def _lengthen(chain: Chain | None, apdu: CommandApdu) -> Chain:
    """Add a link. A link with another header begins a new chain: the old one was given up."""
    if apdu.ins not in _CHAINABLE:
        raise StatusError(StatusWord.CHAINING_NOT_SUPPORTED)
    if chain is None or chain.header != apdu[1:4]:
        chain = Chain((apdu.ins, apdu.p1, apdu.p2))
    if len(chain.data) + len(apdu.data) > LONGEST_DATA:
        raise StatusError(StatusWord.WRONG_LENGTH)
    chain.data += apdu.data
    return chain


def _get_response(apdu: CommandApdu, pending: bytes, state: Fragments) -> bytes:
    if apdu.p1 or apdu.p2:
        raise StatusError(StatusWord.INCORRECT_P1_P2)
    if not pending:
        raise StatusError(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)
    return _first_part(pending, apdu.ne, state)


def _first_part(data: bytes, wanted: int, state: Fragments) -> bytes:
    """Return as much as was asked for; the rest waits, and 61XX says how much that is."""
    wanted = wanted or _WITHOUT_LE
    if len(data) <= wanted:
        return data + _SUCCESS
    state.pending = data[wanted:]
    return data[:wanted] + more_data(len(state.pending)).to_bytes(2, "big")
