"""The commands beside serving: enter people, issue cards and certificates, revoke them."""

from __future__ import annotations

import argparse
import secrets
import sys
from dataclasses import replace
from pathlib import Path

from ..config import system_clock
from ..errors import DataError
from ..people.directory import Directory, Person, Role, open_directory
from ..people.ldif import to_ldif
from ..pki.first_start import fill
from ..pki.registration import RegistrationAuthority, with_role
from .options import make_config

_ROLE_FIELDS = (5, 6)
_ROLE_HELP = (
    "ORG CODE|ORG NAME|GROUP|SUB-GROUP|NAME[|CODE], for example "
    '"LAN001|THE LANYARD SURGERY|Clinical|Clinical Provision|Nurse Access Role|S8000:G8000:R8001"; may be repeated'
)
_EVERYBODY = 1_000_000


def add_to(parser: argparse.ArgumentParser) -> None:
    """Give the broker's parser the commands; without one it serves."""
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", help="nothing: serve; or:")
    person = commands.add_parser("person", help="add, edit, revoke, remove or list people (DIR/people.toml)")
    _add_person(person.add_subparsers(dest="action", required=True, metavar="ACTION"))
    issue = commands.add_parser("issue", help="make a card for a person, or a certificate from a request")
    issue.add_argument("uid")
    issue.add_argument("--card", default="", metavar="NAME", help="the card's name (default: made of the person's)")
    issue.add_argument(
        "--days", type=int, default=730, help="how long it holds; 0: until tonight (default: %(default)s)"
    )
    issue.add_argument(
        "--request",
        type=Path,
        metavar="FILE",
        help="no card: a certificate for the key of this PKCS#10 request, PEM or DER, on standard output",
    )
    revoke = commands.add_parser("revoke", help="put the certificates of a card on the revocation list")
    revoke.add_argument("card", metavar="CARD")


def run(options: argparse.Namespace) -> None:
    """Do what the command says; raises DataError."""
    config = make_config(options)
    fill(config.data, system_clock(), secrets.token_bytes)
    directory = open_directory(config)
    try:
        desk = RegistrationAuthority(config.data, directory if config.directory else None)
        if options.command == "person":
            _person(options, desk, directory)
        elif options.command == "issue":
            _issue(options, desk)
        else:
            print(f"{desk.revoke_card(options.card)} certificates revoked")
    finally:
        directory.release()


def _add_person(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    add = actions.add_parser("add", help="enter a new person")
    add.add_argument("cn", metavar="NAME")
    add.add_argument("--uid", default="", help="12 to 14 digits (default: the next that is free)")
    edit = actions.add_parser("edit", help="change a name, the status or roles")
    edit.add_argument("uid")
    edit.add_argument("--name", default="", dest="cn")
    edit.add_argument("--active", choices=["yes", "no"])
    edit.add_argument("--drop-role", action="append", default=[], metavar="ID")
    for parser in (add, edit):
        parser.add_argument("--role", type=_role_fields, action="append", default=[], metavar="ROLE", help=_ROLE_HELP)
    actions.add_parser("revoke", help="make inactive, and revoke all certificates").add_argument("uid")
    actions.add_parser("remove", help="forget; certificates stay as they are").add_argument("uid")
    actions.add_parser("list", help="who there is").add_argument("search", nargs="?", default="")
    actions.add_parser("ldif", help="all people, for an LDAP server").set_defaults(search="")


def _person(options: argparse.Namespace, desk: RegistrationAuthority, directory: Directory) -> None:
    if options.action == "add":
        _add(options, desk)
    elif options.action == "edit":
        desk.edit_person(_edited(options, directory))
    elif options.action == "revoke":
        print(f"inactive; {desk.revoke_person(options.uid)} certificates revoked")
    elif options.action == "remove":
        desk.remove_person(options.uid)
    elif options.action == "ldif":
        sys.stdout.write(to_ldif(directory.people(limit=_EVERYBODY)))
    else:
        for person in directory.people(options.search, limit=_EVERYBODY):
            status = "" if person.active else "  inactive"
            count = len(person.roles)
            print(f"{person.uid}  {person.cn}  {count} {'role' if count == 1 else 'roles'}{status}")


def _add(options: argparse.Namespace, desk: RegistrationAuthority) -> None:
    person = desk.add_person(options.cn, uid=options.uid)
    if options.role:
        try:
            desk.edit_person(replace(person, roles=_roles(person, options.role)))
        except DataError:
            desk.remove_person(person.uid)
            raise
    print(person.uid)


def _edited(options: argparse.Namespace, directory: Directory) -> Person:
    person = directory.person(options.uid)
    if person is None:
        raise DataError(f"nobody has the uid {options.uid}")
    kept = replace(person, roles=tuple(role for role in person.roles if role.id not in options.drop_role))
    active = person.active if options.active is None else options.active == "yes"
    return replace(kept, cn=options.cn or person.cn, active=active, roles=_roles(kept, options.role))


def _roles(person: Person, added: list[tuple[str, ...]]) -> tuple[Role, ...]:
    for fields in added:
        person = with_role(person, *fields)
    return person.roles


def _issue(options: argparse.Namespace, desk: RegistrationAuthority) -> None:
    if options.request is None:
        print(desk.issue_card(options.uid, options.card, options.days))
        return
    try:
        request = options.request.read_bytes()
    except OSError as exc:
        raise DataError(f"{options.request} cannot be read: {exc.strerror}") from exc
    sys.stdout.write(desk.issue_certificate(options.uid, request, options.days).decode("ascii"))


def _role_fields(text: str) -> tuple[str, ...]:
    fields = tuple(text.split("|"))
    if len(fields) not in _ROLE_FIELDS:
        raise argparse.ArgumentTypeError(f"{len(fields)} fields, not 5 or 6, between |")
    return fields
