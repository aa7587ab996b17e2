# Types into its terminal for somebody else, and asks the terminal for more.
from trying import *
import fcntl, termios

TIOCSTI, TIOCLINUX, TIOCSETD, TIOCCONS = 0x5412, 0x541C, 0x5423, 0x541D


def ioctl(number, argument):
    if libc.ioctl(0, ctypes.c_ulong(number), argument) < 0:
        raise OSError(ctypes.get_errno(), "ioctl")


held("TIOCSTI", lambda: ioctl(TIOCSTI, b"x"), {"EPERM"})
held("TIOCSTI with high bits", lambda: ioctl(TIOCSTI | 1 << 32, b"x"), {"EPERM"})
held("TIOCSTI with the highest bit", lambda: ioctl(TIOCSTI | 1 << 63, b"x"), {"EPERM"})
held("TIOCSTI in a child", lambda: ioctl(TIOCSTI, b"x"), {"EPERM"})
held("TIOCLINUX", lambda: ioctl(TIOCLINUX, b"\x03"), {"EPERM"})
held("TIOCSETD", lambda: ioctl(TIOCSETD, ctypes.byref(ctypes.c_int(2))), {"EPERM"})
held("TIOCCONS", lambda: ioctl(TIOCCONS, 0), {"EPERM"})
held("TIOCSTI on /dev/tty", lambda: fcntl.ioctl(os.open("/dev/tty", os.O_RDWR), TIOCSTI, b"x"), {"EPERM"})
works("its own size", lambda: os.get_terminal_size(0).columns > 0)
works("its own modes", lambda: termios.tcsetattr(0, termios.TCSANOW, termios.tcgetattr(0)))
works("no other terminal", lambda: set(os.listdir("/dev/pts")) <= {"0", "ptmx"})
over()
