"""Pages that are signed in and do nothing: memory of the web server for each of 1,000 and 10,000 WebSockets."""

import time

from common import CLASS, Results, arguments, available, pss, serve_many
from wire import Wire

PAGES_EACH = 20  # an account's


def weigh(school):
    time.sleep(2)
    return pss(school.processes("web")), available()


def main():
    options = arguments(__doc__)
    sizes = [1000] if options.quick else [1000, 10000]
    limits = ["--web.connections=20000", "--web.connections-address=20000", "--pool.maximum=8"]
    school, sessions = serve_many(sizes[-1] // PAGES_EACH, options, *limits)
    results = Results("pages")
    wires = []
    try:
        wires.append(Wire(sessions[0], CLASS))  # what the first costs is not theirs
        before, free = weigh(school)
        for size in sizes:
            while len(wires) < size:
                wires.append(Wire(sessions[len(wires) // PAGES_EACH], CLASS))
            bytes_each = (weigh(school)[0] - before) / (size - 1)
            all_each = (free - weigh(school)[1]) / (size - 1)
            results.add_value(f"{size} pages, the web server each", bytes_each / 1024, "KB", at_most=20)
            results.add_value(f"{size} pages, with the kernel's and the client's", all_each / 1024, "KB")
        for wire in wires:
            wire.socket.close()
        school.stop()
    finally:
        school.remove()
    results.show(options.json)


if __name__ == "__main__":
    main()
