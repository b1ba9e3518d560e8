"""Carries the agent's ticket onward: to pages in a browser, to links, and to programs written for other agents.

In a terminal: `python3 -m bridge --help`. In Python:

    from bridge.agent_socket import AgentSocket
    with AgentSocket() as agent:
        agent.get_ticket(origin="https://app.example", wait_seconds=60)      # raises BridgeError

The bridge knows the agent by its socket alone, as any other program does. Nothing of a ticket is logged or kept here.
"""

__version__ = "0.1.0"
