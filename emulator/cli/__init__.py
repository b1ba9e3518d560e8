"""The command line: `python -m emulator [--data DIR] COMMAND`.

Exit codes: 0 done; 2 usage or configuration; 3 no emulator is running; 4 no cards, or no such card;
130 interrupted.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import os
import sys
from pathlib import Path

from .. import __version__
from ..errors import AlreadyRunningError, CardError, EmulatorError, NotRunningError
from ..faults import KINDS
from ..faults.text import usual_values
from ..reader.slot import Address
from ..service.control import request, requests
from ..service.describe import one_line
from ..service.emulator import run
from ..store.card import card_names, printable
from . import cards as card_commands
from . import readers as reader_commands

_DEFAULT_VPCD = "127.0.0.1:35963"
_DEFAULT_TRAY = 8036
_MOST_PORTS = 0xFFFF
_USAGE, _NO_EMULATOR, _NO_CARD, _INTERRUPTED = 2, 3, 4, 130

_EXAMPLES = """\
examples:
  python -m emulator run three-roles                 put a card into the reader of vpcd on this PC
  python -m emulator run --vpcd 127.0.0.1:40000      an empty reader, somewhere else
  python -m emulator insert one-role                 from another terminal: change the card
  python -m emulator remove                          pull it
  python -m emulator trace                           watch what programs say to the card
  python -m emulator issue anna                      make a card; more: issue --help
  python -m emulator fault one-role slow             make something wrong with a card
  python -m emulator unlock one-role                 after too many wrong passcodes: all tries again

Cards are folders of plain files under DIR/cards/. `python -m spine_stub` makes eight of them at
its first start. A reader is pcscd with vpcd (Debian: apt install pcscd vsmartcard-vpcd), or
`python agent.py --reader embedded`.
"""

_PLACES = """\
places:
  python -m emulator run anna bert                   the two slots of vpcd
  python -m emulator run anna@1                      its second slot: slot 1 is at the port after --vpcd
  python -m emulator run anna@40001 bert@40002       other ports of the same host, as many as you like
  python -m emulator run anna@192.0.2.7:35963        another host

Each card has its own connection. A card is in one reader at a time; for load tests `copy` it.
"""


def main(arguments: list[str] | None = None) -> int:
    """Parse, do, and turn every failure into one sentence on stderr and an exit code."""
    options = _parser().parse_args(arguments)
    _set_up_output(options.log_level.upper())
    try:
        return int(options.do(options))
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
    if not card_names(options.data):
        raise CardError(_no_cards(options.data))
    return run(
        options.data,
        options.cards,
        options.vpcd,
        announce=lambda line: print(line, flush=True),
        stop_with_stdin=options.stop_with_stdin,
        tray=options.tray,
    )


def _list(options: argparse.Namespace) -> int:
    if not card_commands.print_list(options.data, options.json):
        raise CardError(_no_cards(options.data))
    return 0


def _fault(options: argparse.Namespace) -> int:
    """Ask for what the words say; print what is wrong with the card then."""
    asked: dict[str, object] = {"card": options.card}
    if options.kind == "clear":
        asked["clear"] = options.values[0] if options.values else True
    elif options.kind:
        asked |= {"kind": options.kind, "values": dict(map(_name_and_value, options.values))}
    answer = request(options.data, command="fault", **asked)
    faults = answer["faults"]
    for fault in faults if isinstance(faults, list) else []:
        print(printable(f"{options.card}: {fault['says']}"))
    if not faults:
        print(f"{options.card}: nothing is wrong")
    return 0


def _name_and_value(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def _trace(options: argparse.Namespace) -> int:
    lines = requests(options.data, command="trace")
    next(lines)
    for said in lines:
        if options.json:
            print(json.dumps(said), flush=True)
        else:
            print(printable(one_line(said)), flush=True)
    return 0


def _no_cards(data: Path) -> str:
    return (
        f"There are no cards in {data / 'cards'}. Start the broker once, it makes eight: "
        f"python -m spine_stub --data {data}. Or make one: python -m emulator --data {data} issue NAME"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m emulator",
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
    _add_run(commands)
    reader_commands.add(commands)
    listing = commands.add_parser("list", help="the cards there are, with tries left and certificate dates")
    listing.add_argument("--json", action="store_true", help="one JSON list")
    listing.set_defaults(do=_list)
    _add_fault(commands)
    trace = commands.add_parser("trace", help="show every command to the card as it happens")
    trace.add_argument("--json", action="store_true", help="one JSON object a line")
    trace.set_defaults(do=_trace)
    card_commands.add(commands)
    return parser


def _add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "run",
        help="be cards in readers until Ctrl-C",
        epilog=_PLACES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
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
    parser.set_defaults(do=_run)


def _add_fault(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "fault", help="make something wrong with a card", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.epilog = _fault_help()
    parser.add_argument("card", metavar="CARD", help="a name from `list`")
    parser.add_argument("kind", nargs="?", metavar="KIND", help="none: say what is wrong with it; clear: nothing")
    parser.add_argument("values", nargs="*", metavar="NAME=VALUE", help="what is not as usual")
    parser.set_defaults(do=_fault)


def _fault_help() -> str:
    kinds = [f"  {name:<14} {kind.explanation}\n{'':<17}{usual_values(kind())}" for name, kind in KINDS.items()]
    examples = [
        "  python -m emulator fault one-role slow preset=contact",
        "  python -m emulator fault one-role status word=6581 instruction=VERIFY nth=2",
        "  python -m emulator fault one-role clear",
    ]
    return "\n".join(["kinds, with their usual values:", *kinds, "", "examples:", *examples])


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
