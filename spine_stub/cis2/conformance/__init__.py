"""What an application does right and wrong under CIS2: rules, what was observed, active probes, and the report."""

PERSON = "555000000002"
"""Whom a probe signs in unless somebody else is named: one of the demonstration people, with one role."""
