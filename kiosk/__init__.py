"""Makes a shared PC of a PC: starts and ends the programs of each session, and keeps a record of who was signed in.

In a terminal: `python3 -m kiosk --help`. The kiosk knows the agent by its socket alone, as any other program does, and
never has a ticket. Only `doctor` imports the agent, to take its parts through their paces.
"""

__version__ = "0.1.0"
