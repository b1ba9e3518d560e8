"""The command line: `python3 -m emulator [--data DIR] COMMAND`.

Exit codes: 0 done; 2 usage or configuration; 3 no emulator is running; 4 no cards, or no such card;
130 interrupted.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
from pathlib import Path

from .. import __version__
from ..errors import AlreadyRunningError, EmulatorError, NotRunningError
from ..reader.slot import Address
from ..service.emulator import run
from ..store.card import printable
from . import cards, readers

_DEFAULT_VPCD = "127.0.0.1:35963"
_DEFAULT_TRAY = 8036
_MOST_PORTS = 0xFFFF
_USAGE, _NO_EMULATOR, _NO_CARD, _INTERRUPTED = 2, 3, 4, 130

_EXAMPLES = """\
examples:
  python3 -m emulator run three-roles                 put a card into the reader of vpcd on this PC
  python3 -m emulator run --vpcd 127.0.0.1:40000      an empty reader, somewhere else
  python3 -m emulator insert one-role                 from another terminal: change the card
  python3 -m emulator remove                          pull it
  python3 -m emulator trace                           watch what programs say to the card
  python3 -m emulator issue anna                      make a card; more: issue --help
  python3 -m emulator fault one-role slow             make something wrong with a card
  python3 -m emulator unlock one-role                 after too many wrong passcodes: all tries again

Cards are folders of plain files under DIR/cards/. `python3 -m spine_stub` makes nine of them at
its first start. A reader is pcscd with vpcd (Debian: apt install pcscd vsmartcard-vpcd), or
`python3 agent.py --reader embedded`.
"""

_PLACES = """\
places:
  python3 -m emulator run anna bert                   the two slots of vpcd
  python3 -m emulator run anna@1                      its second slot: slot 1 is at the port after --vpcd
  python3 -m emulator run anna@40001 bert@40002       other ports of the same host, as many as you like
  python3 -m emulator run anna@192.0.2.7:35963        another host

Each card has its own connection. A card is in one reader at a time; for load tests `copy` it.
"""


def main(arguments: list[str] | None = None) -> int:
    """Parse, do, and turn every failure into one sentence on stderr and an exit code."""
    options = _parser().parse_args(arguments)
    _set_up_output(options.log_level.upper())
    try:
        return int(options.do(options) or 0)
    except NotRunningError as error:
        return _fail(error, _NO_EMULATOR)
    except (AlreadyRunningError, OSError) as error:
        return _fail(error, _USAGE)
    except EmulatorError as error:
        return _fail(error, _NO_CARD)
    except KeyboardInterrupt:
        return _INTERRUPTED


def _fail(error: Exception, code: int) -> int:
    print(printable(str(error)), file=sys.stderr)
    return code


class _OneLine(logging.Formatter):
    """Keeps what comes from names of cards and folders within its line; a traceback has its own lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        return printable(super().formatMessage(record))


def _set_up_output(level: str) -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal in Latin-1 shows other letters by number
            stream.reconfigure(errors="backslashreplace")
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=level, handlers=[handler])
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def _run(options: argparse.Namespace) -> int:
    cards.need_cards(options.data)
    return run(
        options.data,
        options.cards,
        options.vpcd,
        announce=lambda line: print(line, flush=True),
        stop_with_stdin=options.stop_with_stdin,
        tray=options.tray,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m emulator",
        description="A virtual NHS smartcard (PIV, NIST SP 800-73-4) for a virtual reader.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"Lanyard {__version__}")
    parser.add_argument("--data", type=Path, default=_default_data(), metavar="DIR", help="default: %(default)s")
    parser.add_argument(
        "--log-level",
        choices=["debug", "info", "warning", "error"],
        default="info",
        help="debug says every command in words (default: %(default)s)",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands.add_parser)
    readers.add(commands.add_parser)
    cards.add(commands.add_parser)
    return parser


def _add_run(add_parser: readers.AddParser) -> None:
    parser = readers.command(add_parser, "run", "be cards in readers until Ctrl-C", _run, epilog=_PLACES)
    parser.add_argument("cards", nargs="*", metavar="CARD[@PLACE]", help="a name from `list`, and where; none: empty")
    parser.add_argument(
        "--vpcd",
        type=_address,
        default=_DEFAULT_VPCD,
        metavar="HOST:PORT",
        help="where the reader listens (default: %(default)s)",
    )
    parser.add_argument(
        "--tray",
        type=_tray_port,
        default=_DEFAULT_TRAY,
        metavar="PORT",
        help="the page with the cards is at http://127.0.0.1:PORT/; 0: any free port, none: no page "
        "(default: %(default)s)",
    )
    parser.add_argument("--stop-with-stdin", action="store_true", help="end when standard input ends")


def _address(text: str) -> Address:
    try:
        return Address.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _tray_port(text: str) -> int | None:
    if text == "none":
        return None
    if not text.isdecimal() or int(text) > _MOST_PORTS:
        raise argparse.ArgumentTypeError(f'"{text}" is not a port, nor "none"')
    return int(text)


def _default_data() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "lanyard"
