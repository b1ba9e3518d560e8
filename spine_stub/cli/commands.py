"""The commands beside serving: enter people, issue cards and certificates, revoke them, probe an application."""

from __future__ import annotations

import argparse
import secrets
import sys
from dataclasses import replace
from pathlib import Path

from ..config import system_clock
from ..errors import DataError
from ..people.directory import Directory, Person
from ..people.ldif import to_ldif
from ..people.open import open_directory
from ..pki.first_start import fill
from ..pki.registration import RegistrationAuthority, with_role
from ..pki.revocation import REASONS
from . import probe
from .options import make_config

_ROLE_FIELDS = (5, 6)
_ROLE_HELP = (
    "one role more: ORG CODE|ORG NAME|GROUP|SUB-GROUP|NAME[|CODE], for example "
    '"LAN001|THE LANYARD SURGERY|Clinical|Clinical Provision|Nurse Access Role|S8000:G8000:R8001"; may be repeated'
)
_UID_HELP = "the person's: 12 to 14 digits"
_EVERYBODY = 1_000_000


def add_to(parser: argparse.ArgumentParser) -> None:
    """Give the broker's parser the commands; without one it serves."""
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", help="nothing: serve; or:")
    person = _command(commands, "person", "add, edit, revoke, remove or list people (DIR/people.toml)")
    _add_person(person.add_subparsers(dest="action", required=True, metavar="ACTION"))
    issue = _command(commands, "issue", "make a card for a person, or a certificate from a request")
    issue.add_argument("uid", help=_UID_HELP)
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
    revoke = _command(commands, "revoke", "put the certificates of a card on the revocation list")
    revoke.add_argument("card", metavar="CARD", help="its name: the name of its folder under DIR/cards")
    ca = _command(commands, "revoke-ca", "put the CA that issues the cards on the root's revocation list")
    ca.add_argument("--undo", action="store_true", help="take that back, as no other CA can")
    for parser in (revoke, ca):
        _add_reason(parser)
    probe.add_options(_command(commands, "probe", "see what an application does wrong under CIS2: send it each fault"))


def run(options: argparse.Namespace) -> int:
    """Do what the command says; returns the exit code. Raises DataError."""
    if options.command == "probe":
        return probe.run(options)
    config = make_config(options)
    fill(config.data, system_clock(), secrets.token_bytes)
    directory = open_directory(config)
    try:
        desk = RegistrationAuthority(config.data, directory if config.directory else None)
        if options.command == "person":
            _person(options, desk, directory)
        elif options.command == "issue":
            _issue(options, desk)
        elif options.command == "revoke":
            print(_revoked(desk.revoke_card(options.card, options.reason)))
        elif options.undo:
            desk.restore_authority()
            print("no CA is revoked")
        else:
            desk.revoke_authority(options.reason)
            print("the CA is revoked: no card signs in")
    finally:
        directory.release()
    return 0


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, does: str
) -> argparse.ArgumentParser:
    return commands.add_parser(name, help=does, description=f"{does[0].upper()}{does[1:]}.")


def _add_person(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    add = _command(actions, "add", "enter a new person, and print the uid")
    add.add_argument("cn", metavar="NAME", help='as it is shown, such as "Jo Bloggs"')
    add.add_argument("--uid", default="", help="12 to 14 digits (default: the next that is free)")
    edit = _command(actions, "edit", "change a name, the status or roles")
    edit.add_argument("uid", help=_UID_HELP)
    edit.add_argument("--name", default="", dest="cn", metavar="NAME", help="another name")
    edit.add_argument("--active", choices=["yes", "no"], help="whether the person signs in")
    edit.add_argument(
        "--drop-role", action="append", default=[], metavar="ID", help="take the role of this id away; may be repeated"
    )
    for parser in (add, edit):
        parser.add_argument("--role", type=_role_fields, action="append", default=[], metavar="ROLE", help=_ROLE_HELP)
    revoke = _command(actions, "revoke", "make somebody inactive, and revoke all their certificates")
    remove = _command(actions, "remove", "forget somebody; certificates stay as they are")
    for parser in (revoke, remove):
        parser.add_argument("uid", help=_UID_HELP)
    _add_reason(revoke)
    listed = _command(actions, "list", "say who there is: uid, name, number of roles")
    listed.add_argument("search", nargs="?", default="", help="part of a uid, name, role or organisation")
    _command(actions, "ldif", "write all people for an LDAP server")


def _add_reason(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--reason",
        default="",
        choices=list(REASONS),
        metavar="REASON",
        help=f"what the list says of it (default: nothing): {', '.join(REASONS)}",
    )


def _person(options: argparse.Namespace, desk: RegistrationAuthority, directory: Directory) -> None:
    if options.action == "add":
        print(desk.add_person(options.cn, options.role, options.uid).uid)
    elif options.action == "edit":
        desk.edit_person(_edited(options, desk))
    elif options.action == "revoke":
        print(f"inactive; {_revoked(desk.revoke_person(options.uid, options.reason))}")
    elif options.action == "remove":
        desk.remove_person(options.uid)
    elif options.action == "ldif":
        sys.stdout.write(to_ldif(directory.people(limit=_EVERYBODY)))
    else:
        for person in directory.people(options.search, limit=_EVERYBODY):
            status = "" if person.active else "  inactive"
            count = len(person.roles)
            print(f"{person.uid}  {person.cn}  {count} {'role' if count == 1 else 'roles'}{status}")


def _revoked(count: int) -> str:
    return "1 certificate revoked" if count == 1 else f"{count} certificates revoked"


def _edited(options: argparse.Namespace, desk: RegistrationAuthority) -> Person:
    person = desk.person(options.uid)
    active = person.active if options.active is None else options.active == "yes"
    kept = tuple(role for role in person.roles if role.id not in options.drop_role)
    edited = replace(person, cn=options.cn or person.cn, active=active, roles=kept)
    for fields in options.role:
        edited = with_role(edited, *fields)
    return edited


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
