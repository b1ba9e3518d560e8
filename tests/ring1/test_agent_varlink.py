"""Varlink's messages, calls and errors: bytes in, bytes out, without a socket."""

from __future__ import annotations

import contextlib
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.varlink_messages import CALLS, pieces_of

import agent
from agent import CODES, INTERFACES, METHODS, TICKET_ERRORS, Call, Fault, VarlinkError, take_message


def parsed(**call: Any) -> Call:
    return Call.parse(json.dumps({"method": "lanyard.Agent.GetTicket"} | call).encode())


def error_of(call: Call) -> dict[str, Any]:
    with pytest.raises(VarlinkError) as caught:
        call.check()
    return caught.value.message


@given(messages=st.lists(st.binary(max_size=40).map(lambda raw: raw.replace(b"\0", b"")), max_size=8), data=st.data())
def test_messages_come_out_whole_however_they_come_in(messages: list[bytes], data: st.DataObject) -> None:
    received, taken = bytearray(), []
    for piece in data.draw(pieces_of(b"".join(each + b"\0" for each in messages))):
        received += piece
        while (message := take_message(received)) is not None:
            taken.append(message)
    assert taken == messages
    assert not received


@pytest.mark.parametrize("end", [b"", b"\0"])
def test_a_message_has_a_longest_length(end: bytes) -> None:
    assert take_message(bytearray(b"x" * agent.LONGEST_MESSAGE)) is None
    assert take_message(bytearray(b"x" * agent.LONGEST_MESSAGE + b"\0"))
    with pytest.raises(VarlinkError) as caught:
        take_message(bytearray(b"x" * (agent.LONGEST_MESSAGE + 1) + end))
    assert caught.value.message["parameters"]["code"] == CODES["InvalidParameter"]


@given(message=CALLS)
def test_any_message_is_a_call_or_refused(message: bytes) -> None:
    with contextlib.suppress(VarlinkError):
        Call.parse(message).check()


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"\xff\xfe{}",
        b'{"method": 1}',
        b'{"method": "a.b", "parameters": []}',
        b'{"method": "a.b", "parameters": "x"}',
        b"[" * 100_000,
        b'{"method": ' + b"9" * 5000 + b"}",
    ],
    ids=lambda message: repr(message[:20]),
)
def test_what_is_no_call(message: bytes) -> None:
    with pytest.raises(VarlinkError) as caught:
        Call.parse(message)
    assert caught.value.message["error"] == "lanyard.Agent.InvalidParameter"


@pytest.mark.parametrize(
    ("parameters", "wrong"),
    [
        ({}, None),
        ({"origin": None, "wait_seconds": None}, None),
        ({"origin": "https://app.example", "wait_seconds": 5}, None),
        ({"origin": 1}, "origin"),
        ({"wait_seconds": True}, "wait_seconds"),
        ({"wait_seconds": 1.5}, "wait_seconds"),
        ({"wait": 5}, "wait"),
    ],
)
def test_parameters_are_known_and_of_their_types(parameters: dict[str, Any], wrong: str | None) -> None:
    call = parsed(parameters=parameters)
    if wrong is None:
        call.check()
        return
    error = error_of(call)
    assert error["error"] == "org.varlink.service.InvalidParameter"
    assert (error["parameters"]["parameter"], error["parameters"]["code"]) == (wrong, CODES["InvalidParameter"])


@pytest.mark.parametrize("payloads", [None, "x", [1], [["x"]]])
def test_a_list_is_a_list_of_its_type(payloads: object) -> None:
    parameters = {"summary": "s", "payloads": payloads}
    assert error_of(parsed(method="lanyard.Agent.SignPayloads", parameters=parameters))["parameters"]["parameter"] == (
        "payloads"
    )


@pytest.mark.parametrize(
    ("method", "error"),
    [
        ("lanyard.Agent.Nothing", "MethodNotFound"),
        ("lanyard.Agent.", "MethodNotFound"),
        ("lanyard.Other.GetTicket", "InterfaceNotFound"),
        ("GetTicket", "InterfaceNotFound"),
        ("", "InterfaceNotFound"),
    ],
)
def test_a_method_that_is_not_there(method: str, error: str) -> None:
    answer = error_of(parsed(method=method))
    assert answer["error"] == f"org.varlink.service.{error}"
    assert answer["parameters"]["code"] == CODES["MethodMissing"]


def test_every_fault_is_one_of_ticketapis_errors() -> None:
    named = [fault for faults in TICKET_ERRORS.values() for fault in faults]
    assert sorted(fault.name for fault in named) == sorted(fault.name for fault in Fault)
    assert set(TICKET_ERRORS) <= set(CODES)


def test_the_codes_are_group_and_number() -> None:
    assert len(CODES) == 33
    assert CODES["TicketNotAvailable"] == 0x80100009
    assert CODES["NotImplemented"] == 0x8010000B
    assert CODES["PinBlocked"] == 0x80200004
    assert CODES["MethodNotSupported"] == 0x80400008
    assert CODES["ResourceInvalid"] == 0x80800007


def test_the_description_names_every_error_and_method() -> None:
    text = INTERFACES["lanyard.Agent"]
    assert re.findall(r"^error (\w+) \(code: int, says: string\)$", text, re.MULTILINE) == list(CODES)
    assert {f"lanyard.Agent.{name}" for name in re.findall(r"^method (\w+)", text, re.MULTILINE)} <= set(METHODS)
    assert METHODS["lanyard.Agent.GetTicket"] == {"origin": "?string", "wait_seconds": "?int"}
    assert METHODS["lanyard.Agent.Show"] == {}


def test_every_state_has_a_name_that_the_description_lists() -> None:
    (listed,) = re.findall(r"^# state: (.*)\.$", INTERFACES["lanyard.Agent"], re.MULTILINE)
    names = re.sub(r" \(.*?\)| or", ",", listed).replace(",,", ",").split(", ")
    assert set(agent.STATE_NAMES.values()) == set(names)
    assert set(agent.STATE_NAMES) == set(agent.State)
