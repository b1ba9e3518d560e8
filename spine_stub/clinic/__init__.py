"""A small clinical application, on a port and so an origin of its own: the circle's other end.

Its page asks the agent for a ticket through the browser; its server asks the broker who holds that
ticket, again at every request, and lets the role decide what the page offers. It knows the broker by
HTTPS only, as any application does. Patients and records are made up, and nothing is kept on disk.
"""
