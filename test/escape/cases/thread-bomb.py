# A hundred thousand threads.
from trying import *

made = 0
try:
    for _ in range(100000):
        threading.Thread(target=time.sleep, args=(2,), daemon=True).start()
        made += 1
    say(f"OPEN threads: {made} made")
except RuntimeError as error:
    say(f"held threads after {made}: {error}")
over()
os._exit(0)
