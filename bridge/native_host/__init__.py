"""What a browser starts for the extension: messages on stdin and stdout, the ticket from the agent's socket.

Browser -> frames -> host -> agent_socket, and back. `browsers` knows where browsers look for such programs, and
`installing` puts one there.
"""

HOST_NAME = "uk.nhs.ncrs.auth"
"""The name that extensions know the program by, since the Windows agent's bridge to browsers."""
