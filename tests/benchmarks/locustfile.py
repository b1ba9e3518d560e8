"""The same sign-ins as load.py, driven by Locust, with workers on as many machines as there are.

    pip install locust
    python tests/benchmarks/locustfile.py DIR 300        fill DIR with 300 virtual people
    python -m spine_stub --data DIR --host 0.0.0.0       serve them (on a network of tests only)

    export SPINE_LOAD_DATA=DIR                           each machine needs a copy of DIR
    locust -f tests/benchmarks/locustfile.py --host https://BROKER:8443 --headless -u 64 -r 64 -t 60s
    locust -f tests/benchmarks/locustfile.py --host https://BROKER:8443 --headless -u 64 -r 64 -t 60s \\
        --master --expect-workers 2
    locust -f tests/benchmarks/locustfile.py --worker --master-host MASTER      on each of the others

Every request of a sign-in is a line of Locust's table, and "sign-in" is the whole. A reply that is
a refusal counts as a failure, although its status is 200.
"""

from __future__ import annotations

import itertools
import os
import ssl
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from load_people import LoadFailed, load_people, make_people, sign_in

if __name__ == "__main__":
    make_people(Path(sys.argv[1]), int(sys.argv[2]))
    sys.exit()

import gevent.ssl
from locust import FastHttpUser, events, task

DATA = Path(os.environ.get("SPINE_LOAD_DATA", ""))
people = itertools.cycle(load_people(DATA))


def trusting_context() -> ssl.SSLContext:
    """Trust the broker's test CA."""
    return gevent.ssl.create_default_context(cafile=str(DATA / "ca.pem"))


class VirtualPerson(FastHttpUser):
    """Somebody who signs in and out all day."""

    insecure = False
    ssl_context_factory = staticmethod(trusting_context)

    @task
    def complete_sign_in(self) -> None:
        begun = time.perf_counter()
        failure = None
        try:
            sign_in(self.send, next(people))
        except (LoadFailed, AssertionError) as exc:
            failure = exc
        events.request.fire(
            request_type="", name="sign-in", response_time=(time.perf_counter() - begun) * 1000,
            response_length=0, exception=failure, context={},
        )  # fmt: skip

    def send(self, method: str, path: str, body: bytes) -> str:
        name = path.partition("?")[0]
        with self.client.request(method, path, data=body, name=name, catch_response=True) as reply:
            refusal = (reply.headers or {}).get("X-Spine-Stub-Reason")
            if refusal or reply.status_code != 200:
                reply.failure(refusal or f"HTTP {reply.status_code}")
                raise LoadFailed(f"{name}: {refusal}")
            return str(reply.text)
