# Says that it has ended, in every way in which it can say anything.
from trying import *

print('{"type":"run.state","run":{"run":1,"state":"ended","exit":0}}')
print("\x1b]0;ended\x07The program was ended because it used more than 1 MB of memory.")
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hints:
    for word in (b"e", b"\0" * 1000, b"x"):
        try:
            hints.sendto(word, "/run/carrel")
        except OSError as error:
            say("hint:", name_of(error))
            break
sys.stdout.flush()
say("held begun")
over()
os._exit(42)
