"""The ward list as a program, on this machine: it registers itself with a stand-in for CIS2, and serves its pages.

    python3 -m examples.serve_ward_list --in-a-hurry

docs/testing-with-cis2.md has it probed.
"""

from __future__ import annotations

import argparse
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from examples.ward_list import WardList
from examples.ward_list_in_a_hurry import WardListInAHurry
from jwcrypto import jwk
from werkzeug.serving import WSGIRequestHandler, make_server

from spine_stub.cis2 import REALM

CLIENT = "ward-list"
CA_FILE = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "lanyard" / "ca.pem"


class Quiet(WSGIRequestHandler):
    """Logs no requests."""

    def log_request(self, *_: object) -> None:
        pass


@contextmanager
def served(application: WardList, port: int = 0) -> Iterator[str]:
    """Serve it in a thread; its address. Port 0 takes any free one."""
    server = make_server("127.0.0.1", port, application.app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def serving(broker: str, ca_file: Path, kind: type[WardList] = WardList, port: int = 0) -> Iterator[str]:
    """Serve it, registered; its address."""
    key = jwk.JWK.generate(kty="RSA", size=2048, kid="ward-list-1")
    with served(kind(broker + REALM, CLIENT, key, ca_file), port) as address:
        register(broker, ca_file, address, key)
        yield address


def register(broker: str, ca_file: Path, address: str, key: jwk.JWK) -> None:
    """Tell the stand-in for CIS2 of an application at this address, by its control API."""
    client = {
        "id": CLIENT,
        "name": "Ward list",
        "redirect_uris": [f"{address}/callback"],
        "key": key.export_to_pem().decode(),
        "backchannel_logout_uri": f"{address}/logged-out",
    }
    requests.post(f"{broker}/stub/api/cis2/clients", json=client, verify=str(ca_file), timeout=10).raise_for_status()


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Serves the ward list, a made-up application under CIS2.")
    parser.add_argument("--in-a-hurry", action="store_true", help="with the ten faults of ward_list_in_a_hurry.py")
    parser.add_argument("--broker", default="https://127.0.0.1:8443", help="(default: %(default)s)")
    parser.add_argument("--ca", type=Path, default=CA_FILE, help="(default: %(default)s)")
    parser.add_argument("--port", type=int, default=5000, help="(default: %(default)s)")
    options = parser.parse_args()
    kind = WardListInAHurry if options.in_a_hurry else WardList
    with serving(options.broker, options.ca, kind, options.port) as address:
        print(f"ready {address}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
