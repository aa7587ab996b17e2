# Ends in every way there is; the argument says which.
from trying import *

how = bait()["how"]
say("held begun")
if how == "text":
    sys.exit("a last word")
if isinstance(how, int):
    os._exit(how)
number = getattr(signal, how)
signal.signal(number, signal.SIG_DFL) if number not in (signal.SIGKILL, signal.SIGSTOP) else None
os.kill(os.getpid(), number)
time.sleep(5)
