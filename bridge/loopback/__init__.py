"""Answers pages over HTTP on this PC: the way to the ticket for browsers without the extension.

Nothing here listens until origins are configured, and then on 127.0.0.1 and ::1 only.
"""
