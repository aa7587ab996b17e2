# Leaves traces for whoever comes next, wherever it may write.
from trying import *

places = ["/tmp/trace", "/var/tmp/trace", "/dev/shm/trace"]
works("nobody was here", lambda: not [place for place in places if os.path.exists(place)])
for place in places:
    write(place, "x")
held("/run", lambda: write("/run/trace"))
held("/home", lambda: write("/home/trace"))
held("/", lambda: write("/trace"))
segments = read("/proc/sysvipc/shm").splitlines()[1:] if os.path.exists("/proc/sysvipc/shm") else []
works("no segment of others", lambda: not segments)
call("shmget", 0x5EC2E7, 4096, 0o1666)
over()
