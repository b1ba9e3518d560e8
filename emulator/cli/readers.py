"""The command line's commands that move the cards of a running emulator."""

from __future__ import annotations

import argparse

from ..service.control import request


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to the parser."""
    insert = commands.add_parser("insert", help="put a card in, pulling the one that is in")
    insert.add_argument("card", metavar="CARD[@PLACE]", help="a name from `list`, and where: see `run --help`")
    insert.set_defaults(do=_insert)
    remove = commands.add_parser("remove", help="pull a card")
    remove.add_argument("card", nargs="?", metavar="CARD|@PLACE", help="which one; none: the one in the first reader")
    remove.set_defaults(do=_remove)
    commands.add_parser("status", help="which card is in which reader").set_defaults(do=_status)


def _insert(options: argparse.Namespace) -> int:
    card, at, place = options.card.partition("@")
    asked = {"card": card, "reader": place} if at else {"card": card}
    _say_status(request(options.data, command="insert", **asked))
    return 0


def _remove(options: argparse.Namespace) -> int:
    card, at, place = (options.card or "").partition("@")
    asked = {"reader": place} if at else {"card": card} if card else {}
    _say_status(request(options.data, command="remove", **asked))
    return 0


def _status(options: argparse.Namespace) -> int:
    readers = request(options.data, command="status")["readers"]
    for status in readers if isinstance(readers, list) else []:
        _say_status(status)
    return 0


def _say_status(status: dict[str, object]) -> None:
    if status["card"] is None:
        print(f"no card in the reader at {status['reader']}")
    else:
        where = "in" if status["connected"] else "waiting for"
        print(f"{status['card']} is {where} the reader at {status['reader']}, {status['tries_left']} tries left")
