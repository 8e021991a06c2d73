"""The first lines that run inside a function's process, before AWS's runtime client.

This file runs under the *function's* interpreter and must not import anything but the standard library.
It keeps one promise that the runtime client cannot: **no function outlives the emulator**. The
emulator holds the writing end of a pipe and never writes to it. However the emulator ends, by a signal
or by `kill -9`, the operating system closes that end and the read below returns.
"""

import os
import runpy
import sys
import threading


def _end_with_the_emulator(lifeline: int) -> None:
    os.read(lifeline, 1)
    os._exit(1)


if __name__ == "__main__":
    inherited = int(sys.argv.pop(1))
    os.set_inheritable(inherited, False)
    threading.Thread(target=_end_with_the_emulator, args=(inherited,), daemon=True, name="lifeline").start()
    runpy.run_module("awslambdaric", run_name="__main__", alter_sys=True)
