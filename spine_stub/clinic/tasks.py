"""What the application can do, and which job role may do it.

The codes are the last parts of job role codes (S8000:G8000:R8001). Which role may do what is made up
here, as each clinical application has rules of its own; that it is the chosen role which decides is not.
"""

from __future__ import annotations

from dataclasses import dataclass

from .assertion import Role

CLINICAL_PRACTITIONER, NURSE, PHARMACIST, SUPPORT = "R8000", "R8001", "R8003", "R8008"
_EVERYBODY = frozenset({CLINICAL_PRACTITIONER, NURSE, PHARMACIST, SUPPORT})
_CLINICAL = _EVERYBODY - {SUPPORT}

Row = tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """One thing to do, with the made-up records that it shows."""

    name: str
    """In addresses."""
    title: str
    what: str
    job_roles: frozenset[str]
    head: Row
    rows: tuple[Row, ...]

    def is_for(self, role: Role | None) -> bool:
        """Whether somebody in this role may do it."""
        return role is not None and role.code.rpartition(":")[2] in self.job_roles


TASKS = (
    Task(
        "appointments",
        "Appointments",
        "See who comes today",
        _EVERYBODY,
        ("Time", "Patient", "With"),
        (
            ("09:00", "Maud Penhaligon", "Practice nurse"),
            ("09:20", "Idris Vaughan", "Dr Marlowe"),
            ("09:40", "Orla Quigley", "Dr Marlowe"),
        ),
    ),
    Task(
        "records",
        "Patient records",
        "Read notes and results",
        _CLINICAL,
        ("Patient", "Last seen", "Note"),
        (
            ("Maud Penhaligon", "12 November", "Blood pressure 128/82; next check in six months"),
            ("Idris Vaughan", "3 November", "Knee pain, improving; continue exercises"),
        ),
    ),
    Task(
        "prescriptions",
        "Prescriptions",
        "Issue and check medicines",
        frozenset({CLINICAL_PRACTITIONER, PHARMACIST}),
        ("Patient", "Medicine", "Until"),
        (
            ("Maud Penhaligon", "Amlodipine 5 mg, one a day", "31 January"),
            ("Orla Quigley", "Salbutamol inhaler, when needed", "28 February"),
        ),
    ),
    Task(
        "referrals",
        "Referrals",
        "Send a patient to a hospital",
        frozenset({CLINICAL_PRACTITIONER}),
        ("Patient", "To", "State"),
        (("Idris Vaughan", "Physiotherapy, Ashdown Community Hospital", "Waiting for a date"),),
    ),
)


def task(name: str) -> Task | None:
    """Return the task of this name, if there is one."""
    return next((task for task in TASKS if task.name == name), None)
