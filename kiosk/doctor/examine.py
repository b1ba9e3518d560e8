"""The table of looks, and going through it in the order in which a sign-in meets things."""

from __future__ import annotations

from collections.abc import Callable

from .cards import look_at_cards
from .desktop import look_at_desktop
from .findings import Finding, Findings, Stop, Trouble, Verdict
from .installation import look_at_bridge, look_at_running, look_at_settings
from .network import look_at_network
from .safety import look_at_safety
from .software import look_at_modules, look_at_programs, look_at_service
from .surroundings import Surroundings

LOOKS: dict[str, Callable[[Surroundings], Findings]] = {
    "settings": look_at_settings,
    "agent": look_at_running,
    "smartcard service": look_at_service,
    "cards": look_at_cards,
    "other programs": look_at_programs,
    "middleware": look_at_modules,
    "sign-in service": look_at_network,
    "desktop": look_at_desktop,
    "safety": look_at_safety,
    "bridge": look_at_bridge,
}


def examine(around: Surroundings) -> Findings:
    """Yield what each look finds. One that fails says so, and hides no other."""
    for subject, look in LOOKS.items():
        try:
            yield from look(around)
        except Stop as stop:
            yield stop.finding
        except Exception as error:
            yield Finding(subject, f"Looking at it failed: {type(error).__name__}.", Trouble.CHECK_FAILED)


def exit_code(findings: list[Finding]) -> int:
    """Return the agent's exit code for the first thing that is bad, 0 where nothing is."""
    codes = (finding.trouble.exit_code for finding in findings if finding.trouble and finding.verdict is Verdict.BAD)
    return next(codes, 0)
