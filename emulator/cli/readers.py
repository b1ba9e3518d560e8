"""The command line's commands for a running emulator: moving its cards, their faults, watching."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable

from ..faults import KINDS
from ..faults.text import usual_values
from ..service.control import Answer, request, requests
from ..service.journal import one_line
from ..store.card import printable

AddParser = Callable[..., argparse.ArgumentParser]
"""What adds a command's parser to that of the program."""


def command(
    add_parser: AddParser,
    name: str,
    words: str,
    do: Callable[[argparse.Namespace], int | None],
    text: str = "",
    epilog: str = "",
    card: str = "",
) -> argparse.ArgumentParser:
    """Add a command that is carried out by `do`, whose answer is the exit code, None for 0.

    `card` is what the usage calls the card that the command is about, if it is about one.
    """
    form = argparse.RawDescriptionHelpFormatter
    parser = add_parser(name, help=words, description=text or words, epilog=epilog or None, formatter_class=form)
    parser.set_defaults(do=do)
    if card:
        parser.add_argument("card", metavar=card, help="the card's name")
    return parser


def add(add_parser: AddParser) -> None:
    """Add the commands to the parser."""
    insert = command(add_parser, "insert", "put a card in, pulling the one that is in", _insert)
    insert.add_argument("card", metavar="CARD[@PLACE]", help="a name from `list`, and where: see `run --help`")
    remove = command(add_parser, "remove", "pull a card", _remove)
    remove.add_argument("card", nargs="?", metavar="CARD|@PLACE", help="which one; none: the one in the first reader")
    command(add_parser, "status", "which card is in which reader", _status)
    words = "make something wrong with a card"
    fault = command(add_parser, "fault", words, _fault, epilog=_fault_help(), card="CARD")
    fault.add_argument("kind", nargs="?", metavar="KIND", help="none: say what is wrong with it; clear: nothing")
    fault.add_argument("values", nargs="*", metavar="NAME=VALUE", help="what is not as usual")
    trace = command(add_parser, "trace", "show every command to the card as it happens", _trace)
    trace.add_argument("--json", action="store_true", help="one JSON object a line")


def _fault_help() -> str:
    kinds = [f"  {name:<14} {kind.explanation}\n{'':<17}{usual_values(kind())}" for name, kind in KINDS.items()]
    examples = [
        "  python3 -m emulator fault one-role slow preset=contact",
        "  python3 -m emulator fault one-role status word=6581 instruction=VERIFY nth=2",
        "  python3 -m emulator fault one-role clear",
    ]
    return "\n".join(["kinds, with their usual values:", *kinds, "", "examples:", *examples])


def _insert(options: argparse.Namespace) -> None:
    card, at, place = options.card.partition("@")
    asked = {"card": card, "reader": place} if at else {"card": card}
    _say_status(request(options.data, command="insert", **asked))


def _remove(options: argparse.Namespace) -> None:
    card, at, place = (options.card or "").partition("@")
    asked = {"reader": place} if at else {"card": card} if card else {}
    _say_status(request(options.data, command="remove", **asked))


def _status(options: argparse.Namespace) -> None:
    for status in request(options.data, command="status")["readers"]:
        _say_status(status)


def _say_status(status: Answer) -> None:
    if status["card"] is None:
        print(f"no card in the reader at {status['reader']}")
    else:
        where = "in" if status["connected"] else "waiting for"
        print(f"{status['card']} is {where} the reader at {status['reader']}, {status['tries_left']} tries left")


def _fault(options: argparse.Namespace) -> None:
    """Ask for what the words say; print what is wrong with the card then."""
    asked: dict[str, object] = {"card": options.card}
    if options.kind == "clear":
        asked["clear"] = options.values[0] if options.values else True
    elif options.kind:
        values = (value.partition("=") for value in options.values)
        asked |= {"kind": options.kind, "values": {name: value for name, _, value in values}}
    faults = request(options.data, command="fault", **asked)["faults"]
    for says in [fault["says"] for fault in faults] or ["nothing is wrong"]:
        print(printable(f"{options.card}: {says}"))


def _trace(options: argparse.Namespace) -> None:
    lines = requests(options.data, command="trace")
    next(lines)
    for said in lines:
        print(json.dumps(said) if options.json else printable(one_line(said)), flush=True)
