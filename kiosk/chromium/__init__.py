"""Chromium for one session: a profile that is thrown away, and the policies that keep a shared PC's browser closed.

Its folder lies in the session's own, which the hooks wipe when the last of Chromium's processes has ended.
"""
