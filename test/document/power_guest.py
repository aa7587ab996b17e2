"""Inside the guest of power.py: the server, and who types. Each acknowledged edit is a line on the second serial line."""

import asyncio
import fcntl
import hashlib
import pathlib
import socket
import struct
import subprocess
import sys
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "client"))

from carrel import Connection, Refused, Session  # noqa: E402

ADDRESS = "127.0.0.1:8080"
SIOCSIFFLAGS, IFF_UP = 0x8914, 1


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as some:
        fcntl.ioctl(some, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def serve():
    command = ["/opt/carrel/build/carrel", "serve", "--listen", ADDRESS, "--data", "/mnt/data", "--pool.maximum", "1"]
    subprocess.Popen(command, stdin=subprocess.DEVNULL)
    while True:
        try:
            urllib.request.urlopen(f"http://{ADDRESS}/healthz", timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)


async def type_on(number, cookie, told):
    session = Session(ADDRESS)
    session.cookie = cookie
    page = await Connection.open(session, "demo")
    path = f"Local/{page.hello['person']['folder']}/typed.py"
    try:
        await page.request("file.save", path=path, text="", overwrite=False, timeout=120)
    except Refused:
        pass  # it is there since the last time
    opened = await page.request("document.open", path=path, timeout=120)
    document, revision, text = opened["document"], opened["revision"], opened["text"]
    while True:
        line = f"line {revision} of {number} 🐍\n"
        at = len(text.encode("utf-16-le")) // 2
        changes = [*([at] if at else []), [0, *line.split("\n")]]
        updates = [{"client": "page", "changes": changes}]
        reply = await page.request("document.push", document=document, revision=revision, updates=updates, timeout=120)
        revision, text = reply["revision"], text + line
        told.write(f"{path} {revision} {hashlib.sha256(text.encode()).hexdigest()}\n")
        told.flush()


async def main():
    loopback_up()
    serve()
    with open("/dev/ttyS1", "w") as told:
        cookies = (HERE / "cookies").read_text().split()
        await asyncio.gather(*(type_on(number, cookie, told) for number, cookie in enumerate(cookies)))


asyncio.run(main())
