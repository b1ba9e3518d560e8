"""The broker's command line: every option, with examples, and the Config that they make."""

from __future__ import annotations

import argparse
import os
import re
from datetime import timedelta
from pathlib import Path

from .. import __version__
from ..config import BRIDGE_PORT, Config
from ..web.log import LogForm

_MOST = 1_000_000
"""Seconds or minutes; more than anybody waits, and times can be added up."""

_PATH_PREFIX = re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")

_EXAMPLES = """\
examples:
  python3 -m spine_stub                               in the usual folder, https://127.0.0.1:8443
  python3 -m spine_stub --data /tmp/try --port 0      in a folder of its own, on any free port
  python3 -m spine_stub --allow-sha1 --http           for clients from before 2018
  python3 -m spine_stub --max-session 2 --idle 1      to see sessions end
  python3 -m spine_stub --directory ldap://127.0.0.1  people from an LDAP server under ou=People,o=nhs
  python3 -m spine_stub --store redis://10.0.0.5      several brokers with copies of one folder are one broker
  python3 -m spine_stub --trust our-test-ca.pem       certificates that you already have; CN is the uid
  python3 -m spine_stub --app-port 8444               and a clinical application to sign in to
  python3 -m spine_stub --log json 2>broker.log       one JSON object a line, with every refusal's reason
  curl --cacert DIR/ca.pem https://127.0.0.1:8443/login/authactivate

CIS2, the OpenID provider (docs/testing-with-cis2.md); `probe` has a --help of its own:
  python3 -m spine_stub --any-client                  any application on this machine signs people in
  python3 -m spine_stub --allow-host app.test         and one on another host is told when a card is pulled
  python3 -m spine_stub --host 0.0.0.0 --control-token token
                                                      in a container: a token opens the control API to its host
  curl --cacert DIR/ca.pem https://127.0.0.1:8443/stub/api/cis2/
                                                      every command of the control API

https://127.0.0.1:8443/stub/ is the console: sign-ins as they happen, people, sessions, faults, settings to copy.

people and cards (--data comes first; each has its own --help):
  python3 -m spine_stub person add "Jo Bloggs" --role "LAN001|THE LANYARD SURGERY|Clinical|Clinical Provision|Nurse"
  python3 -m spine_stub issue 555000000009            a card for that person, under DIR/cards/
  python3 -m spine_stub issue 555000000009 --request card.csr > card.pem
  python3 -m spine_stub revoke jo-bloggs --reason key-compromise

The first start fills the folder: a test CA (clients trust DIR/ca.pem), people with roles
(DIR/people.toml) and demonstration cards (DIR/cards/, passcode 123456). Test keys only.
"""


def make_parser() -> argparse.ArgumentParser:
    """The parser of everything before a command."""
    parser = argparse.ArgumentParser(
        prog="python3 -m spine_stub",
        description="A stand-in for the NHS Spine Security Broker, for tests and demonstrations.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"Lanyard {__version__}")
    _add_server(parser.add_argument_group("the server"))
    _add_sources(parser.add_argument_group("people, sessions and certificates"))
    _add_rules(parser.add_argument_group("rules"))
    _add_cis2(parser.add_argument_group("CIS2, for applications in DIR/clients.toml"))
    _add_program(parser.add_argument_group("the program"))
    return parser


def make_config(options: argparse.Namespace) -> Config:
    """The settings that were given."""
    return Config(
        data=options.data.absolute(),
        directory=options.directory,
        directory_user=options.directory_user,
        directory_password=options.directory_password,
        path_prefix=options.path_prefix,
        store=options.store,
        trust=tuple(options.trust),
        allow_sha1=options.allow_sha1,
        challenge_age=timedelta(seconds=options.challenge_age),
        max_session=timedelta(minutes=options.max_session),
        idle=timedelta(minutes=options.idle),
        control_token=options.control_token,
        cis2_issuer=options.cis2_issuer,
        any_client=options.any_client,
        allowed_hosts=tuple(options.allow_host),
        bridge_port=options.bridge_port,
    )


def _add_server(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--data",
        type=Path,
        default=_default_data(),
        metavar="DIR",
        help="the folder with the CA, people and cards (default: %(default)s)",
    )
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--port", type=_port, default=8443, help="0 takes any free one (default: %(default)s)")
    add("--http", action="store_true", help="without TLS, for old clients")
    add(
        "--path-prefix",
        type=_path_prefix,
        default="",
        metavar="PATH",
        help="what clients' paths begin with, such as /Prod behind an API gateway; console and /healthz stay in place",
    )
    add(
        "--app-port",
        type=_port,
        metavar="PORT",
        help="also run a small clinical application there, to sign in to with the agent; 0 takes any free one",
    )
    add(
        "--bridge-port",
        type=_port,
        default=BRIDGE_PORT,
        metavar="PORT",
        help="where pages look for the agent's bridge on this machine (default: %(default)s)",
    )


def _add_sources(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--directory",
        default="",
        metavar="URL",
        help="people from ldap[s]://HOST[:PORT][/BASE] instead of DIR/people.toml, which is read again when it changes",
    )
    add("--directory-user", default="", metavar="DN", help="who asks the LDAP server (default: nobody in particular)")
    add("--directory-password", type=Path, metavar="FILE", help="a file with the password of that DN")
    add(
        "--store",
        default="sqlite",
        metavar="WHERE",
        help="where sessions and used challenges are kept: sqlite (a file in DIR, shared by the brokers of this "
        "machine), redis://HOST[:PORT][/DB] (shared by several machines), or memory (default: %(default)s)",
    )
    add(
        "--trust",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a PEM file with another CA whose certificates sign in, and its revocation lists; may be repeated",
    )


def _add_rules(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--allow-sha1", action="store_true", help="let cards sign with SHA-1, as they did once; not their CAs")
    for name, unit, default, what in (
        ("--challenge-age", "SECONDS", 300, "how old a challenge may be"),
        ("--max-session", "MINUTES", 600, "how long a session lasts at most"),
        ("--idle", "MINUTES", 600, "how long a session lasts unused"),
    ):
        add(name, type=_positive, default=default, metavar=unit, help=f"{what} (default: %(default)s)")


def _add_cis2(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--cis2-issuer",
        default="",
        metavar="TEXT",
        help="the issuer as text, such as one with :443 in it, whatever our own address (default: our own address)",
    )
    add(
        "--any-client",
        action="store_true",
        help="let applications on this machine sign people in without being registered, with any id and secret",
    )
    add(
        "--allow-host",
        action="append",
        default=[],
        metavar="HOST",
        help="a host beside this machine that may be called, for key sets and to log people out; may be repeated",
    )


def _add_program(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--log-level",
        default="INFO",
        type=str.upper,
        choices=["DEBUG", "INFO", "WARNING", "ERROR"],
        help="(default: %(default)s)",
    )
    add(
        "--log",
        default=LogForm.TEXT.value,
        choices=[form.value for form in LogForm],
        help="lines for people, or one JSON object a line (default: %(default)s)",
    )
    add(
        "--control-token",
        type=Path,
        metavar="FILE",
        help="a file with a token of at least 16 characters: who sends it as `Authorization: Bearer` uses the "
        "console's JSON API from elsewhere, too, such as from the host of a container",
    )
    add("--stop-with-stdin", action="store_true", help="end when standard input ends")


def _default_data() -> Path:
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "lanyard"


def _path_prefix(text: str) -> str:
    prefix = text.rstrip("/")
    if not _PATH_PREFIX.fullmatch(prefix) or prefix.startswith("/stub"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a path like /Prod, other than the console's /stub")
    return prefix


def _port(text: str) -> int:
    return _whole_number(text, 0, 65535)


def _positive(text: str) -> int:
    return _whole_number(text, 1, _MOST)


def _whole_number(text: str, least: int, most: int) -> int:
    try:
        number = int(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from exc
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"must be from {least} to {most}")
    return number
