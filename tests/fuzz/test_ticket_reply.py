"""Whatever comes as a reply, the ticket library stays within its buffer, and reads what Python's json reads.

python -m pytest tests/fuzz          a small number of cases, as in every run
tox -e fuzz                          FUZZ_TICKET_CASES cases for libFuzzer, a fifth of them for the comparison
"""

from __future__ import annotations

import itertools
import json
import os
import random
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from support.fuzzing import change, repeatable
from support.machine import need, unavailable
from support.ticket_library import AGENT_FAILED, JAVA_CODES, SANITIZED, SOURCES, STRICT, at_fixed_addresses, compiled

CASES = int(os.environ.get("FUZZ_TICKET_CASES", "20000"))
TARGET = Path(__file__).with_name("ticket_reply.c")
DEEPEST = 16
SEEDS = [
    b'{"parameters":{"ticket":"AQIC5w/+=@AAJTSQACMDE=#"}}',
    b'{"error":"lanyard.Agent.UserAbort","parameters":{"code":2151677953,"says":"No."}}',
    b'{"error":"org.varlink.service.MethodNotFound","parameters":{"method":"lanyard.Agent.New"}}',
    b'{"parameters":{"vendor":"Lanyard","version":"0.1.0","interfaces":["a","b"]},"continues":false}',
    b' { "parameters" : { "ticket" : "\\ud834\\udd1e\\u20ac\\n\\"\\\\" , "n" : [ -1.5e+3 , 0 , null , true ] } } ',
    '{"parameters":{"says":"Zoë € 𝄞","ticket":"x"},"x":{"y":[[],{},[{"z":1}]]}}'.encode(),
    b'{"parameters":{"code":4294967295}}',
    b'{"parameters":{"ticket":"\\ud834\\u0041"}}',
    b"[" * 17 + b"]" * 17,
]
TOKENS = [
    *b'{}[],:"\\-+.0eE ',
    b"\\u",
    b"d834",
    b"dd1e",
    b"0000",
    b"true",
    b"false",
    b"null",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
]
TOKENS = [token if isinstance(token, bytes) else bytes([token]) for token in TOKENS]
TOKENS += [b"\\u0000", b"\\ud834", b"\\udd1e", b"\xf4\x90\x80\x80"]
TOKENS += [f'"{name}":'.encode() for name in ("error", "parameters", "code", "says", "ticket", "version")]
MEMBERS = [b'"code":2151677953,', b'"ticket":"x",', b'"error":"y",', b'"parameters":{},']

Verdict = tuple[int, str | None, str | None, str | None] | None


def test_no_reply_leads_the_library_astray(tmp_path: Path) -> None:
    """libFuzzer, guided by what the code does."""
    need("clang")
    program = _fuzzer(tmp_path / "fuzzer")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(SEEDS):
        (corpus / f"seed-{number}").write_bytes(seed)
    words = "".join(f'"{"".join(f"{chr(92)}x{byte:02x}" for byte in token)}"\n' for token in TOKENS)
    (tmp_path / "words").write_text(words)
    options = (f"-runs={CASES}", "-max_len=4096", "-timeout=10", "-seed=1", f"-dict={tmp_path / 'words'}")
    command = [*at_fixed_addresses(), str(program), *options, f"-artifact_prefix={tmp_path}/", str(corpus)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    ran = re.search(r"Done (\d+) runs in (\d+) second", done.stderr)
    assert ran
    assert int(ran[1]) >= CASES
    print(f"\n    {int(ran[1]):,} replies in {ran[2]} s")


def _fuzzer(program: Path) -> Path:
    flags = [*STRICT, "-O1", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all", f"-I{SOURCES}"]
    done = subprocess.run(["clang", *flags, str(TARGET), "-o", str(program)], capture_output=True, text=True)
    if "libclang_rt.fuzzer" in done.stderr:
        unavailable("not on this machine: libFuzzer (Debian: libclang-rt-dev)")
    assert (done.returncode, done.stderr) == (0, "")
    return program


def test_the_library_reads_json_as_python_does(tmp_path: Path) -> None:
    need("gcc")
    judge = compiled(tmp_path / "judge", *SANITIZED, "-O1", "-DJUDGE", f"-I{SOURCES}", TARGET)
    chance = repeatable(1)
    replies = [*SEEDS, *itertools.islice(_replies(chance), CASES // 5)]
    sent = b"".join(len(reply).to_bytes(4, "little") + reply for reply in replies)
    done = subprocess.run([*at_fixed_addresses(), judge], input=sent, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    read = 0
    for reply, line in zip(replies, done.stdout.decode().splitlines(), strict=True):
        verdict = _expected(reply)
        assert _verdict(line) == verdict, reply
        read += verdict is not None
    assert CASES // 100 < read < CASES // 5
    print(f"\n    {len(replies):,} replies, of which {read:,} could be read")


def _verdict(line: str) -> Verdict:
    if line == "refused":
        return None
    code, *texts = line.split()
    ticket, says, version = (bytes.fromhex(text[1:]).decode() if text[0] == "=" else None for text in texts)
    return int(code, 16), ticket, says, version


def _replies(chance: random.Random) -> Iterator[bytes]:
    """Yield replies without end: right ones, and ones with a few bytes or tokens changed."""
    while True:
        reply = bytearray(chance.choice(SEEDS) if chance.random() < 0.5 else _made_up(chance))
        for _ in range(chance.choice((0, 1, 1, 2, 5))):
            at, way = chance.randrange(len(reply) + 1), chance.random()
            if way < 0.4:
                change(reply, chance)
            elif way < 0.8:
                reply[at : at + chance.choice((0, 0, 1, 3))] = chance.choice(TOKENS)
            else:
                opened = reply.find(b"{", at) + 1
                reply[opened:opened] = chance.choice(MEMBERS)
        yield bytes(reply.replace(b"\0", b"0"))[:4096]


def _made_up(chance: random.Random) -> bytes:
    parameters = {name: _value(chance, 3) for name in chance.sample(["code", "says", "ticket", "version", "x"], 2)}
    deep: Any = _value(chance, 1)
    for _ in range(chance.choice((0, 0, 14, 15, 16))):
        deep = [deep]
    return json.dumps({"parameters": parameters, "y": deep}, ensure_ascii=chance.random() < 0.5).encode()


def _value(chance: random.Random, depth: int) -> Any:
    kind = chance.randrange(7 if depth else 5)
    if kind == 5:
        return [_value(chance, depth - 1) for _ in range(chance.randrange(3))]
    if kind == 6:
        return {_text(chance): _value(chance, depth - 1) for _ in range(chance.randrange(3))}
    return chance.choice((_text(chance), _text(chance), chance.choice(list(JAVA_CODES)), chance.uniform(-9, 9), None))


def _text(chance: random.Random) -> str:
    return "".join(chance.choice('aZ"\\/\n\x7fé€\ufffd𝄞') for _ in range(chance.randrange(6)))


class _Number(str):
    """A number as it is written."""


class _Pairs(list[tuple[str, Any]]):
    """An object's members, in their order and with those that come twice."""


def _expected(reply: bytes) -> Verdict:
    """Return what a reply says, by Python's json and the rules of the interface; None where it is to be refused."""
    try:
        read = json.loads(
            reply.decode(),
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=lambda name: [][0],
            object_pairs_hook=_Pairs,
        )
        _check(read, 0)
        return _meaning(read)
    except (ValueError, LookupError, RecursionError):
        return None


def _check(value: Any, depth: int) -> None:
    """Raise ValueError for what Python takes, and the library does not: halves of characters, NUL, too deep."""
    if isinstance(value, list):
        if depth == DEEPEST:
            raise ValueError
        for each in value:
            _check(each, depth + 1) if not isinstance(value, _Pairs) else [_check(part, depth + 1) for part in each]
    elif isinstance(value, str) and not isinstance(value, _Number):
        value.encode()
        if "\0" in value:
            raise ValueError


def _meaning(read: Any) -> Verdict:
    if not isinstance(read, _Pairs):
        raise ValueError
    found: dict[str, Any] = {"code": 0}
    for name, value in read:
        if name == "parameters":
            if not isinstance(value, _Pairs):
                raise ValueError
            for each in value:
                _keep(found, *each, "code", "says", "ticket", "version")
        else:
            _keep(found, name, value, "error")
    code = 0 if "error" not in found else found["code"] if found["code"] in JAVA_CODES else AGENT_FAILED
    return code, found.get("ticket"), found.get("says"), found.get("version")


def _keep(found: dict[str, Any], name: str, value: Any, *wanted: str) -> None:
    if name not in wanted:
        return
    if name == "code":
        if found["code"] or not isinstance(value, _Number) or not value.isdigit() or int(value) > 0xFFFFFFFF:
            raise ValueError
        found["code"] = int(value)
    elif name in found or not isinstance(value, str) or isinstance(value, _Number):
        raise ValueError
    else:
        found[name] = value
