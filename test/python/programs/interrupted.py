# at: waiting
# type: \x03
# at: once more
# type: \x03
import time
try:
    print("waiting", flush=True)
    time.sleep(30)
except KeyboardInterrupt:
    print("interrupted")
try:
    print("once more")
    input()
finally:
    print("finally")
