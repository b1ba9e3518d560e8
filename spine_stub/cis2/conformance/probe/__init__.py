"""Active probes: an application is signed in to, sent faults, and must not show what only the signed-in see."""
