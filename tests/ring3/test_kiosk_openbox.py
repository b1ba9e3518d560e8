"""A parked person's windows under a window manager: they come back as that one had made them."""

from __future__ import annotations

import subprocess

from support.hooks import Kept, python
from support.machine import TIED_TO_THE_RUN, need, stop, wait_until
from support.screen import Display, own_display

FULL_SCREEN = """
import tkinter
root = tkinter.Tk()
root.title("full screen")
root.configure(background="#ff0000")
root.attributes("-fullscreen", True)
root.mainloop()
"""


def is_all_red(screen: Display) -> bool:
    return f"{1024 * 768}:" in (colours := screen.colours()) and "#FF0000" in colours


def test_a_full_screen_window_comes_back_full_screen(kept: Kept) -> None:
    need("openbox", "Xlib", "tkinter")
    with own_display() as screen:
        kept.environment = {"DISPLAY": screen.name, "HOME": str(kept.folder)}
        manager = subprocess.Popen([*TIED_TO_THE_RUN, "openbox"], env=screen.environment, stderr=subprocess.DEVNULL)
        kept.configure({"name": "red", "command": python(FULL_SCREEN)})
        kept.start()
        kept.tell("signed_in")
        wait_until(lambda: is_all_red(screen), 20, "a screen full of it")
        kept.tell("locked", reason="parked")
        wait_until(lambda: "#FF0000" not in screen.colours(), what="nothing of it")
        kept.tell("resumed")
        wait_until(lambda: is_all_red(screen), what="a screen full of it, again")
        kept.close()
        stop(manager)
