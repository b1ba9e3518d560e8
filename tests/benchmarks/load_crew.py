"""The clients of a load test, in processes of their own, so that they cost the measured one nothing."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from load_people import Connection, LoadFailed, VirtualPerson, load_people, sign_in

PROCESSES = 2


@dataclass(frozen=True)
class Work:
    """What each client does: sign-ins, at a broker or at the bare route."""

    urls: tuple[str, ...]
    count: int
    """How many sign-ins in all."""
    bare: bool = False


class Crew:
    """Clients, in processes of their own, that keep their connections from one piece of work to the next."""

    def __init__(self, data: Path, clients: int) -> None:
        context = multiprocessing.get_context("spawn")
        processes = min(PROCESSES, clients)
        self._pipes: list[Pipe] = []
        self._children = []
        for number in range(processes):
            share = clients // processes + (number < clients % processes)
            ours, theirs = context.Pipe()
            child = context.Process(target=_client_process, args=(data, number, share, processes, theirs))
            child.start()
            theirs.close()  # so that the end of a process is the end of its pipe
            self._pipes.append(ours)
            self._children.append(child)

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in self._pipes:
            with contextlib.suppress(OSError):  # it has failed, and said so
                pipe.send(None)
        for child in self._children:
            child.join()

    def rate(self, work: Work) -> tuple[float, list[str]]:
        """Let all clients work at once; returns how many sign-ins a second they did, and the tickets."""
        begun = time.monotonic()
        tickets = self.do(work)
        return len(tickets) / (time.monotonic() - begun), tickets

    def do(self, work: Work) -> list[str]:
        """Let all clients work at once; returns the tickets in order."""
        for pipe in self._pipes:
            pipe.send(work)
        results = [pipe.recv() for pipe in self._pipes]
        for result in results:
            if isinstance(result, Exception):
                raise result
        return [ticket for result in results for ticket in result]


def _client_process(data: Path, number: int, share: int, processes: int, pipe: Pipe) -> None:
    people = itertools.cycle(load_people(data)[number::processes])
    links: dict[tuple[str, ...], list[list[Connection]]] = {}
    while work := pipe.recv():
        wanted = work.count // processes + (number < work.count % processes)
        if work.urls not in links:
            links[work.urls] = [[Connection(url, data / "ca.pem") for url in work.urls] for _ in range(share)]
        pipe.send(_work(work, links[work.urls], people, wanted))


def _work(
    work: Work, links: list[list[Connection]], people: Iterator[VirtualPerson], wanted: int
) -> list[str] | Exception:
    """Let each client sign people in, in a thread; returns the tickets, or what went wrong."""
    count = itertools.count()
    tickets: list[str] = []
    failures: list[Exception] = []

    def client(connections: list[Connection]) -> None:
        turns = itertools.cycle(connections)

        def send(method: str, path: str, body: bytes) -> str:
            return next(turns).send(method, path, body)

        try:
            while next(count) < wanted:
                tickets.append(sign_in(send, next(people), check=not work.bare))
        except Exception as exc:  # whatever it is, the run has failed
            failures.append(LoadFailed(f"{type(exc).__name__}: {exc}"))

    threads = [threading.Thread(target=client, args=(connections,)) for connections in links]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures[0] if failures else tickets
