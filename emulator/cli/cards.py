"""The command line's commands that make and change cards."""

from __future__ import annotations

import argparse
import contextlib
import getpass
import json
import sys
from pathlib import Path

from ..errors import CardError, ControlError, NotRunningError
from ..identifiers import CERTIFICATE_OBJECTS, Algorithm, KeyReference
from ..keys.key_pairs import GENERATED
from ..service.control import request
from ..store import personalise
from ..store.card import CARDS, card_names, open_card, summaries
from ..store.durable import write_durably
from .readers import AddParser, command

_ISSUE = """\
A card with the four keys of PIV and certificates. It can be put into a reader at once:

  python3 -m emulator issue anna                       certificates that the card signs itself
  python3 -m emulator issue anna --uid 555000000123    for this person
  python3 -m emulator issue anna --key 9A=RSA_3072     with other keys than RSA_2048 and ECC_P256

Or a CA issues the certificates, in two steps. The request file holds a PKCS#10 request for each
key; the answer's certificates find their keys by themselves:

  python3 -m emulator issue anna --request anna.csr
  ... the CA turns each request of anna.csr into a certificate, all of them go into anna.pem ...
  python3 -m emulator issue anna --certificate anna.pem

Between the two, the stand-in broker's test CA certifies key 9A, the one that signs in, for a person it knows:

  python3 -m spine_stub issue 555000000001 --request anna.csr > anna.pem

For a card that there is already, the requests are for the keys that it has: that renews it. A new
card has passcode 123456 and unblocking code 12345678. It is a folder of plain files, DIR/cards/NAME,
which you may edit.
"""

_IMPORT = """\
  python3 -m emulator import anna anna.p12               key and certificate become 9A of the card
  python3 -m emulator import anna old.p12 --key 82       ... or another key: 9C, 9D, 9E, 82 to 95

Makes the card if there is none of this name. The password is asked for in a terminal; otherwise it
is the first line of --password-file, or none.
"""


def add(add_parser: AddParser) -> None:
    """Add the commands to the parser."""
    listing = command(add_parser, "list", "the cards there are, with tries left and certificate dates", _list)
    listing.add_argument("--json", action="store_true", help="one JSON list")
    _add_issue(add_parser)
    _add_import(add_parser)
    _add_export(add_parser)
    copy = command(add_parser, "copy", "make a card with the same keys, but a number of its own", _copy, card="NAME")
    copy.add_argument("new_name", metavar="NEW", help="the copy's name")
    command(add_parser, "delete", "destroy a card", _delete, card="NAME")
    command(add_parser, "unlock", "give a card all its tries back, wherever it is", _unlock, card="NAME")


def need_cards(data: Path) -> None:
    """Raise CardError, which says how to get some, where there are no cards."""
    if not card_names(data):
        raise CardError(
            f"There are no cards in {data / CARDS}. Start the broker once, it makes nine: "
            f"python3 -m spine_stub --data {data}. Or make one: python3 -m emulator --data {data} issue NAME"
        )


def _list(options: argparse.Namespace) -> None:
    """Print a line about each card. An emulator need not run."""
    if options.json:
        print(json.dumps([card.as_json() for card in summaries(options.data)]))
        return
    need_cards(options.data)
    for card in summaries(options.data):
        print(card)
        if card.tries_left == 0:
            print(f"{card.name} is locked; python3 -m emulator unlock {card.name} mends that", file=sys.stderr)


def _add_issue(add_parser: AddParser) -> None:
    parser = command(add_parser, "issue", "make a card with new keys", _issue, _ISSUE, card="NAME")
    parser.add_argument("--uid", help="the holder's number, CN of the certificates (default: made up)")
    parser.add_argument("--days", type=_days, default=730, help="how long card and certificates last (%(default)s)")
    parser.add_argument(
        "--key", type=_key_choice, action="append", default=[], metavar="KEY=ALGORITHM", help=_algorithms()
    )
    step = parser.add_mutually_exclusive_group()
    step.add_argument("--request", type=Path, metavar="FILE", help="write requests for a CA; `-`: standard output")
    step.add_argument("--certificate", type=Path, metavar="FILE", help="take the CA's answer; `-`: standard input")


def _add_import(add_parser: AddParser) -> None:
    words = "put key and certificate of a PKCS#12 file on a card"
    parser = command(add_parser, "import", words, _import, _IMPORT, card="NAME")
    parser.add_argument("file", type=Path, metavar="FILE.p12")
    _add_key_and_password(parser)
    parser.add_argument("--replace", action="store_true", help="even if the card has that key already")


def _add_export(add_parser: AddParser) -> None:
    parser = command(add_parser, "export", "write a key with its certificate to a PKCS#12 file", _export, card="NAME")
    parser.add_argument("file", type=Path, nargs="?", metavar="FILE.p12", help="default: NAME.p12")
    _add_key_and_password(parser)


def _add_key_and_password(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--key", type=_key, default=KeyReference.AUTHENTICATION, metavar="KEY", help="default: 9A")
    parser.add_argument(
        "--password-file", type=Path, metavar="FILE", help="the PKCS#12 file's password is in its first line"
    )


def _issue(options: argparse.Namespace) -> None:
    if options.certificate:
        card = open_card(options.data, options.card)
        taken, left_out = personalise.take_certificates(card, _read(options.certificate))
        print(f"{options.card} has its certificates of {', '.join(f'{key:02X}' for key in taken)}")
        sys.stderr.writelines(f"{sentence}\n" for sentence in left_out)
        return
    if options.request and options.card in card_names(options.data):
        _write(options.request, personalise.requests(open_card(options.data, options.card)))
        return
    layout = {**personalise.LAYOUT, **dict(options.key)}
    card = personalise.issue(
        options.data, options.card, options.uid, options.days, layout, self_signed=options.request is None
    )
    if options.request:
        _write(options.request, personalise.requests(card))
        print(f"{options.card} waits for its certificates: issue {options.card} --certificate FILE", file=sys.stderr)
    else:
        print(f"{options.card} is ready, passcode {card.passcode.value}")


def _import(options: argparse.Namespace) -> None:
    content, password = _read(options.file), _password(options)
    left_out = personalise.import_pkcs12(options.data, options.card, content, password, options.key, options.replace)
    print(f"{options.card} has the key {options.key:02X} of {options.file}")
    sys.stderr.writelines(f"{sentence}\n" for sentence in left_out)


def _unlock(options: argparse.Namespace) -> None:
    try:
        request(options.data, command="unlock", card=options.card)
    except NotRunningError:
        open_card(options.data, options.card).unlock()
    print(f"{options.card} has all its tries again")


def _export(options: argparse.Namespace) -> None:
    file = options.file or Path(f"{options.card}.p12")
    card = open_card(options.data, options.card)
    _write(file, personalise.export_pkcs12(card, options.key, _password(options)))
    print(f"key {options.key:02X} of {options.card} is in {file}", file=sys.stderr)


def _copy(options: argparse.Namespace) -> None:
    personalise.copy(options.data, options.card, options.new_name)
    print(f"{options.new_name} is a copy of {options.card}")


def _delete(options: argparse.Namespace) -> None:
    with contextlib.suppress(NotRunningError):
        if options.card in [reader["card"] for reader in request(options.data, command="status")["readers"]]:
            raise ControlError(f"{options.card} is in a reader; `remove` it first.")
    personalise.delete(options.data, options.card)
    print(f"{options.card} is gone")


def _password(options: argparse.Namespace) -> bytes | None:
    if options.password_file:
        return _read(options.password_file).partition(b"\n")[0].rstrip(b"\r") or None
    if sys.stdin.isatty():
        return getpass.getpass("Password of the PKCS#12 file (empty: none): ").encode() or None
    return None


def _read(path: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise CardError(f"{path}: {error.strerror}.") from error


def _write(path: Path, content: bytes) -> None:
    """Write a file that nobody else can read, or to standard output."""
    if str(path) == "-":
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        write_durably(path, content)
    except OSError as error:
        raise CardError(f"{path}: {error.strerror}.") from error


def _days(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 36500:
        raise argparse.ArgumentTypeError("a number of days, at most 36500")
    return int(text)


def _key(text: str) -> KeyReference:
    try:
        number = int(text, 16)
    except ValueError:
        number = 0
    if number not in CERTIFICATE_OBJECTS:
        raise argparse.ArgumentTypeError(f'"{text}" is none of 9A, 9C, 9D, 9E, 82 to 95')
    return KeyReference(number)


def _key_choice(text: str) -> tuple[KeyReference, Algorithm]:
    key, _, name = text.partition("=")
    for algorithm in GENERATED:
        if algorithm.name == name.upper().replace("-", "_"):
            return _key(key), algorithm
    raise argparse.ArgumentTypeError(f'"{text}" is not KEY=ALGORITHM, with one of {_algorithms()}')


def _algorithms() -> str:
    return ", ".join(algorithm.name for algorithm in GENERATED)
