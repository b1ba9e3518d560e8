"""The passcode in any order of events: what the card says of it is what a model says."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from support.emulator import make_card, write_settings
from support.fuzzing import SEEDS, SELECT, check_answer

from emulator import Card, VirtualCard

EXAMPLES = max(20, int(os.environ.get("FUZZ_CARD_CASES", "4000")) // 1000)


class PasscodeMachine(RuleBasedStateMachine):
    """A model of the passcode: what the card says of it must be what the model says, in any order."""

    folder: Path

    @initialize()
    def insert(self) -> None:
        write_settings(self.folder)
        self.card = VirtualCard(Card.open(self.folder))
        self.card.transmit(SELECT)
        self.passcode, self.left, self.verified = "123456", 3, False

    def send(self, header: str, *codes: str) -> str:
        data = b"".join(code.encode().ljust(8, b"\xff") for code in codes)
        answer = self.card.transmit(bytes.fromhex(header) + bytes((len(data),)) + data)
        check_answer(answer, data)
        return answer[-2:].hex().upper()

    def refusal(self, had: int) -> str:
        """A wrong code: 63CX, the last try too; with no try before it 6983."""
        return f"63C{self.left}" if had else "6983"

    @rule(code=st.sampled_from(["123456", "654321", "000000"]))
    def verify(self, code: str) -> None:
        had, right = self.left, self.left > 0 and code == self.passcode
        self.left, self.verified = (3 if right else max(0, had - 1)), right
        assert self.send("00200080", code) == ("9000" if right else self.refusal(had))

    @rule(code=st.sampled_from(["123456", "654321"]), new=st.sampled_from(["123456", "654321", "12345"]))
    def change(self, code: str, new: str) -> None:
        if self.left and len(new) < 6:
            assert self.send("00240080", code, new) == "6A80"
            return
        had, right = self.left, self.left > 0 and code == self.passcode
        self.left = 3 if right else max(0, had - 1)
        was, self.verified = self.verified, right
        word = self.send("00240080", code, new)
        assert word == ("9000" if right else self.refusal(had))
        if right:
            self.passcode = new
        elif self.left == 0 and was:
            self.verified = self.card.state.passcode_verified

    @rule(new=st.sampled_from(["123456", "654321"]))
    def unblock(self, new: str) -> None:
        assert self.send("002C0080", "12345678", new) == "9000"
        self.passcode, self.left = new, 3

    @rule()
    def power_cut(self) -> None:
        self.card = VirtualCard(Card.open(self.folder))
        self.card.transmit(SELECT)
        self.verified = False

    @rule(raw=st.sampled_from(SEEDS[1:5]))
    def something_else(self, raw: bytes) -> None:
        check_answer(self.card.transmit(raw), raw)

    @invariant()
    def agrees(self) -> None:
        if hasattr(self, "card"):
            assert self.card.card.passcode.tries_left == self.left
            assert not (self.card.state.passcode_verified and not self.verified)


def test_the_passcode_as_a_model_says(cards: Path) -> None:
    folder = make_card(cards / "modelled")
    machine = type("Machine", (PasscodeMachine,), {"folder": folder})
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(max_examples=EXAMPLES, stateful_step_count=20, suppress_health_check=list(HealthCheck)),
    )
