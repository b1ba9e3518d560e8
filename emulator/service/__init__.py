"""`emulator run`: one process with cards in readers, a control socket, and the tray."""
