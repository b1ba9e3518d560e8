"""Open timelines: told at once, many at a time, without the server's workers, and let go when closed."""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

from support.machine import wait_until
from support.spine import Spine

from spine_stub.explain.events import MOST_STREAMS, Events
from spine_stub.stub import Stub


@contextmanager
def stream(spine: Spine, after: int = 0) -> Iterator[http.client.HTTPResponse]:
    """An open timeline, as a browser has it."""
    address = urlsplit(spine.url)
    context = ssl.create_default_context(cafile=str(spine.ca_file))
    connection = http.client.HTTPSConnection(str(address.hostname), address.port, timeout=5, context=context)
    connection.request("GET", f"/stub/events?after={after}", headers={"Accept": "text/event-stream"})
    reply = connection.getresponse()
    try:
        yield reply
    finally:
        reply.close()
        connection.close()


def next_row(reply: http.client.HTTPResponse) -> str:
    """The next event's data."""
    while reply.readline() != b"event: sign-in\n":
        assert not reply.isclosed()
    lines = list(iter(reply.readline, b"\n"))
    return b"".join(line.removeprefix(b"data: ") for line in lines).decode()


def test_a_sign_in_is_told_as_it_goes_on(spine: Spine) -> None:
    with stream(spine) as reply:
        assert reply.headers["Content-Type"] == "text/event-stream"
        spine.client().sign_in(spine.card("one-role"))
        assert "Begun" in next_row(reply)
        assert "Bryn Hughes" in next_row(reply)


def test_what_a_page_has_missed_comes_first(spine: Spine, stub: Stub) -> None:
    client = spine.client()
    client.sign_in(spine.card("one-role"))
    seen = stub.record.sign_ins()[0].last.number
    client.sign_in(spine.card("three-roles"))
    with stream(spine, seen) as reply:
        assert "Amara Okafor" in next_row(reply)
    with stream(spine) as reply:
        assert "Bryn Hughes" in next_row(reply)
        assert "Amara Okafor" in next_row(reply)


def test_many_timelines_leave_the_workers_free(spine: Spine, stub: Stub) -> None:
    with ExitStack() as open_ones:
        replies = [open_ones.enter_context(stream(spine)) for _ in range(MOST_STREAMS)]
        with stream(spine) as one_too_many:
            assert one_too_many.status == 503
        spine.client().sign_in(spine.card("one-role"))
        assert all("Begun" in next_row(reply) for reply in replies)
    wait_until(lambda: stub.events.count == 0, what="the last timeline let go")


def test_a_stop_does_not_wait_for_timelines(spine: Spine) -> None:
    with stream(spine) as reply:
        assert b"retry" in reply.readline()
        begun = time.monotonic()
        spine.stop()
        assert reply.readline() == b": begin\n"
        assert time.monotonic() - begun < 2


def test_a_browser_that_does_not_read_is_let_go() -> None:
    events = Events()
    listener = events.subscribe()
    for _ in range(1000):
        events.publish("sign-in", "x")
    assert not listener.is_open
    assert events.count == 0
