"""Runs the made-up ward list, in any of its forms, as an application of a stub."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from examples.serve_ward_list import CLIENT, served
from examples.ward_list import WardList
from jwcrypto import jwk

from spine_stub import SpineStub

SHOWN = "Patients of"
"""What only the signed-in see."""
KEY = jwk.JWK.generate(kty="RSA", size=2048, kid="ward-list-1")


@contextmanager
def running(spine: SpineStub, kind: type[WardList] = WardList, **registered: str) -> Iterator[str]:
    """Run the application, registered with the stub; its address."""
    with served(kind(spine.cis2.issuer, CLIENT, KEY, spine.ca_file)) as address:
        fields = {"backchannel_logout_uri": f"{address}/logged-out", **registered}
        spine.cis2.client(CLIENT, ["http://127.0.0.1/callback"], key=KEY.export_to_pem().decode(), **fields)
        yield address


def probe(spine: SpineStub, address: str, *more: str, shown: str = SHOWN) -> tuple[int, str]:
    """Run the probe as a program; its exit code, and all that it says."""
    command = [sys.executable, "-m", "spine_stub", "probe", CLIENT, "--data", str(spine.data), "--url", spine.url]
    command += ["--protected", address, "--signed-in", shown, *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110)
    return done.returncode, done.stdout + done.stderr
