"""The record of who was signed in at this PC: one line of JSON for each event that the agent tells of.

Never the ticket, which Watch does not tell. A line that could not be written is kept and tried again; what was missed
is recorded too, with how many events it was, because each of the agent's events has a number.
"""
