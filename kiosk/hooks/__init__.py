"""The programs of each session: started when a person signs in, ended with all their children when the session ends.

A process for each session, its reaper, starts them and is the parent of whatever they leave behind (prctl(2),
PR_SET_CHILD_SUBREAPER). It knows that all have ended when the kernel says that it has no child left, and ends them by
itself when this program is killed, because its pipe closes then.
"""
