"""Says which link between a page and the agent is broken, and what mends it: `python3 -m bridge doctor`.

`examine` goes through the table of checks; each check looks at one thing as it is on this PC, and the native host is
really started and spoken to. Nothing is changed.
"""
