"""What cannot be done. The text of each error is one plain sentence, which a person is shown as it is.

Two errors are elsewhere, because nobody is shown them: StatusError, a card's everyday refusal
(iso7816/status_words.py), and PrivateKeyError (keys/private_key.py), whose text becomes part of a sentence.
"""

from __future__ import annotations


class EmulatorError(Exception):
    """Something that cannot be done."""


class CardError(EmulatorError):
    """A card, or its folder, that is not there, cannot be read, or cannot be changed like that."""


class FaultError(EmulatorError):
    """Not a fault that this card can have."""


class ReaderError(EmulatorError):
    """No such reader, or no card in it."""


class ControlError(EmulatorError):
    """A request to a running emulator that it refuses, or does not understand."""


class NotRunningError(ControlError):
    """No emulator is running on this DIR."""


class AlreadyRunningError(ControlError):
    """Another emulator has this DIR."""


class NoAnswerError(Exception):
    """A fault keeps the card from answering: it was pulled, or it is mute."""

    def __init__(self, sentence: str, pulled: bool = False) -> None:
        super().__init__(sentence)
        self.pulled = pulled
