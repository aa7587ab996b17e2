# Kills PID 1 and everybody.
from trying import *

for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGSEGV, signal.SIGCHLD):
    try:
        os.kill(1, number)
    except OSError:
        pass
time.sleep(0.1)
works("PID 1 lives", lambda: os.path.exists("/proc/1/stat"))
try:
    os.kill(-1, signal.SIGKILL)
except OSError as error:
    say("nobody to kill:", name_of(error))
works("PID 1 lives on", lambda: os.path.exists("/proc/1/stat"))
over()
