"""The command line's commands for a running emulator: moving its cards, their faults, watching."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable

from ..faults import KINDS
from ..faults.text import usual_values
from ..service.control import request, requests
from ..service.journal import one_line
from ..store.card import printable

Subcommands = argparse._SubParsersAction


def command(
    commands: Subcommands[argparse.ArgumentParser],
    name: str,
    words: str,
    do: Callable[[argparse.Namespace], int | None],
    text: str = "",
    epilog: str = "",
) -> argparse.ArgumentParser:
    """Add a command that is carried out by `do`, whose answer is the exit code, None for 0."""
    form = argparse.RawDescriptionHelpFormatter
    parser = commands.add_parser(
        name, help=words, description=text or words, epilog=epilog or None, formatter_class=form
    )
    parser.set_defaults(do=do)
    return parser


def add(commands: Subcommands[argparse.ArgumentParser]) -> None:
    """Add the commands to the parser."""
    insert = command(commands, "insert", "put a card in, pulling the one that is in", _insert)
    insert.add_argument("card", metavar="CARD[@PLACE]", help="a name from `list`, and where: see `run --help`")
    remove = command(commands, "remove", "pull a card", _remove)
    remove.add_argument("card", nargs="?", metavar="CARD|@PLACE", help="which one; none: the one in the first reader")
    command(commands, "status", "which card is in which reader", _status)
    fault = command(commands, "fault", "make something wrong with a card", _fault, epilog=_fault_help())
    fault.add_argument("card", metavar="CARD", help="a name from `list`")
    fault.add_argument("kind", nargs="?", metavar="KIND", help="none: say what is wrong with it; clear: nothing")
    fault.add_argument("values", nargs="*", metavar="NAME=VALUE", help="what is not as usual")
    trace = command(commands, "trace", "show every command to the card as it happens", _trace)
    trace.add_argument("--json", action="store_true", help="one JSON object a line")


def _fault_help() -> str:
    kinds = [f"  {name:<14} {kind.explanation}\n{'':<17}{usual_values(kind())}" for name, kind in KINDS.items()]
    examples = [
        "  python -m emulator fault one-role slow preset=contact",
        "  python -m emulator fault one-role status word=6581 instruction=VERIFY nth=2",
        "  python -m emulator fault one-role clear",
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
    readers = request(options.data, command="status")["readers"]
    for status in readers if isinstance(readers, list) else []:
        _say_status(status)


def _say_status(status: dict[str, object]) -> None:
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
    said = [fault["says"] for fault in faults] if isinstance(faults, list) else []
    for says in said or ["nothing is wrong"]:
        print(printable(f"{options.card}: {says}"))


def _trace(options: argparse.Namespace) -> None:
    lines = requests(options.data, command="trace")
    next(lines)
    for said in lines:
        print(json.dumps(said) if options.json else printable(one_line(said)), flush=True)
