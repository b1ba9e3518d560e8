"""The command `probe`: what it is told, and its help."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..cis2.conformance import PERSON

WORDS = """\
A stub must be running, with CLIENT in its clients.toml, and the application must be pointed to it. The probe signs in,
sees that TEXT is at --protected, and then sends the application one fault after the other: TEXT must not be there.

Without --sign-in the probe is the browser: it opens --start and follows redirects; nobody has to choose a person.
With --sign-in it runs COMMAND for each sign-in, in place of that. COMMAND finds in its environment
  COOKIE_JAR      a file to leave the cookies in, as `curl --cookie-jar` and most browsers' exports write it
  PROTECTED_URL   the page that the probe looks at then, with these cookies
It may exit as it likes: what counts is what the page shows. It has 60 seconds. Quotes work in it, $ does not.

examples:
  python3 -m spine_stub probe example-application --protected http://127.0.0.1:5000/patients --signed-in "Sign out"
  python3 -m spine_stub probe example-application --start http://127.0.0.1:5000/login --junit cis2.xml \\
      --protected http://127.0.0.1:5000/ --signed-in "Hello"
  python3 -m spine_stub probe example-application --sign-in ./sign-in.sh \\
      --protected https://localhost:3000/ --signed-in "Hello" --ca dev-ca.pem

exit code: 0 no rule is broken, 1 some are, 2 it could not be probed, or a mistake in the options.
A host other than this machine is probed when --allow-host names it and it serves CLIENT at /.well-known/lanyard-probe.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.epilog, parser.formatter_class = WORDS, argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("client", metavar="CLIENT", help="the application's id in clients.toml")
    add("--protected", required=True, metavar="URL", help="a page that shows TEXT to somebody who is signed in")
    add("--signed-in", required=True, metavar="TEXT", help="what stands there for the signed-in, and for nobody else")
    add("--sign-in", default="", metavar="COMMAND", help="a program that signs in (default: the probe, as a browser)")
    add("--start", default="", metavar="URL", help="the page that begins a sign-in (default: the one of --protected)")
    add("--person", default=PERSON, metavar="UID", help="who signs in (default: %(default)s, of one role)")
    add("--role", default="", metavar="ROLE", help="in which role: an id or a code, for somebody who has several")
    add("--url", default="https://127.0.0.1:8443", help="where the stub is (default: %(default)s)")
    add(
        "--data",
        type=Path,
        metavar="DIR",
        default=argparse.SUPPRESS,
        help="its folder, with the CA that it is known by",
    )
    add(
        "--control-token",
        type=Path,
        metavar="FILE",
        default=argparse.SUPPRESS,
        help="the file of its --control-token, where it runs in a container",
    )
    add("--ca", type=Path, action="append", default=[], metavar="FILE", help="the application's CA, PEM")
    add(
        "--allow-host",
        action="append",
        metavar="HOST",
        default=argparse.SUPPRESS,
        help="probe an application on this host; may be repeated",
    )
    add("--junit", type=Path, metavar="FILE", help="write the report as JUnit XML, for CI")
    add("--json", type=Path, metavar="FILE", help="write the report as JSON")
    add("--limit", type=int, default=300, metavar="SECONDS", help="give up after so long (default: %(default)s)")


def run(options: argparse.Namespace) -> int:
    """Probe; returns the exit code. Raises DataError."""
    # Imported only here: serving needs none of it.
    from ..cis2.conformance.probe import program

    return program.run(options)
