"""Says what is wrong with this PC, reader, card and network, and what mends it: `python3 agent.py doctor`.

`examine` goes through the table of looks; each walks a part of a sign-in with the agent's own parts, as far as that
goes without a passcode. No passcode try is spent, nothing on the PC is changed. This folder alone imports the agent.
"""
