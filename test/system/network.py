"""A network of the tests' own, for what must not be tried with the Internet: two network namespaces joined by a cable. In
the one stands the server, in the other what it may reach. Sockets stay in the namespace in which they were made, so each
namespace needs one thread that makes them."""

import concurrent.futures
import ctypes
import hashlib
import os
import shutil
import socket
import ssl
import struct
import subprocess
import threading

import pytest

from school import School

CLONE_NEWNET = 0x40000000
HERE, THERE = "10.77.0.1", "10.77.0.2"
NAMES = {
    "weather.example": THERE,
    "maps.example": THERE,
    "both.example": THERE,
    # Names that lead to where nobody is to come by them.
    "server.example": HERE,
    "loopback.example": "127.0.0.1",
    "other-loopback.example": "127.3.4.5",
    "metadata.example": "169.254.169.254",
    "everybody.example": "224.0.0.1",
    "zero.example": "0.0.0.0",
}
IPV6 = os.path.exists("/proc/net/if_inet6")
HERE_6, THERE_6 = "fd77::1", "fd77::2"
if IPV6:
    NAMES |= {
        "six.example": THERE_6,
        "mapped.example": "::ffff:127.0.0.1",
        "server-six.example": HERE_6,
        "loopback-six.example": "::1",
        "link-six.example": "fe80::1",
    }
# What the DNS knows, beside /etc/hosts; of the second it says by UDP only that it is to be asked by TCP.
DNS = {"dns.example": THERE, "long.dns.example": THERE, "trap.dns.example": "127.0.0.1"}
BY_TCP = "long.dns.example"
REACHED = {name for name, address in NAMES.items() if address in (THERE, THERE_6)}


class Namespace:
    """A network namespace, and the thread that is in it."""

    def __init__(self):
        self._thread = concurrent.futures.ThreadPoolExecutor(max_workers=1)
        self.thread_id = self.call(self._enter)

    @staticmethod
    def _enter():
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) < 0:
            raise OSError(ctypes.get_errno(), "unshare")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return threading.get_native_id()

    def call(self, function, *arguments):
        return self._thread.submit(function, *arguments).result(timeout=120)

    def ip(self, *words):
        self.call(lambda: subprocess.run(["ip", *map(str, words)], check=True))

    def listen(self, address, port):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return self.call(lambda: socket.create_server((address, port), family=family, backlog=256))

    def datagrams(self, address, port):
        def make():
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            made.bind((address, port))
            return made

        return self.call(make)

    def connect(self, address, port):
        return self.call(lambda: socket.create_connection((address, port), timeout=60))

    def close(self):
        self._thread.shutdown()


def in_thread(function, *arguments):
    threading.Thread(target=function, args=arguments, daemon=True).start()


class Service:
    """Something that listens: `speak(connection)` is called in a thread for each connection."""

    def __init__(self, namespace, address, port, speak):
        self.open = self.most = self.total = self.sent = 0
        self._lock = threading.Lock()
        self._speak = speak
        self._listener = namespace.listen(address, port)
        in_thread(self._accept)

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            in_thread(self._serve, connection)

    def _serve(self, connection):
        with self._lock:
            self.open += 1
            self.total += 1
            self.most = max(self.most, self.open)
        try:
            with connection:
                self._speak(self, connection)
        except OSError:
            pass
        finally:
            with self._lock:
                self.open -= 1

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def speak_http(service, connection):
    """Answers with what was asked for; a POST with its body's digest."""
    file = connection.makefile("rb")
    method, path, _ = file.readline().decode().split(" ", 2)
    length = 0
    for line in iter(file.readline, b"\r\n"):
        name, _, value = line.decode().partition(":")
        if name.lower() == "content-length":
            length = int(value)
    if method == "POST":
        body = hashlib.sha256(file.read(length)).hexdigest().encode()
    elif path.startswith("/bytes/"):
        body = bytes(range(256)) * (int(path.rpartition("/")[2]) // 256)
    else:
        body = f"this is {path}".encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    connection.sendall(head.encode() + body)


def certify(folder, name):
    """A certificate for a host of this name, signed by itself, and its key."""
    words = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-keyout", folder / "key", "-out", folder / "cert"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *map(str, words)],
        check=True,
        capture_output=True,
    )
    return folder / "cert", folder / "key"


def speak_https(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return lambda service, connection: speak_http(service, context.wrap_socket(connection, server_side=True))


def speak_after_end(service, connection):
    """Says nothing before the other side has said all."""
    digest, size = hashlib.sha256(), 0
    while data := connection.recv(65536):
        digest.update(data)
        size += len(data)
    connection.sendall(f"{size} {digest.hexdigest()}".encode())


def speak_without_end(service, connection):
    while True:
        service.sent += connection.send(bytes(65536))


def speak_nothing(service, connection):
    connection.sendall(b"hello")
    while connection.recv(65536):
        pass


def answer(question, by_tcp):
    """What the DNS says to a question: one address, none of that kind, or no such name."""
    number, at, labels = struct.unpack_from(">H", question)[0], 12, []
    while length := question[at]:
        labels.append(question[at + 1 : at + 1 + length].decode())
        at += 1 + length
    kind = struct.unpack_from(">H", question, at + 1)[0]
    name, asked = ".".join(labels).lower(), question[12 : at + 5]
    cut = name == BY_TCP and not by_tcp
    record = b""
    if name in DNS and kind == 1 and not cut:
        record = struct.pack(">HHHIH", 0xC00C, 1, 1, 60, 4) + socket.inet_aton(DNS[name])
    flags = 0x8180 | (0x0200 if cut else 0) | (0 if name in DNS else 3)
    return struct.pack(">HHHHHH", number, flags, 1, 1 if record else 0, 0, 0) + asked + record


def answer_datagrams(datagrams):
    while True:
        try:
            question, whose = datagrams.recvfrom(4096)
            datagrams.sendto(answer(question, False), whose)
        except OSError:
            return


def speak_dns(service, connection):
    file = connection.makefile("rb")
    while size := file.read(2):
        said = answer(file.read(struct.unpack(">H", size)[0]), True)
        connection.sendall(struct.pack(">H", len(said)) + said)


class Island(School):
    """A server in a network namespace of its own, with an /etc/hosts of its own. The tests, outside, reach it by a relay."""

    def __init__(self, here, settings=(), user=None):
        super().__init__(settings=["--network.allowed", "yes", *settings])
        self.here, self.user = here, user
        if user is not None:
            os.chown(self.directory, user, user)
        self._hosts, self._resolver = self.directory / "hosts", self.directory / "resolv.conf"
        self._hosts.write_text("127.0.0.1 localhost\n" + "".join(f"{at} {name}\n" for name, at in NAMES.items()))
        self._resolver.write_text(f"nameserver {THERE}\noptions timeout:1 attempts:1\n")

    def _as_whom(self):
        script = 'mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/resolv.conf && shift 2 && exec "$@"'
        user = [] if self.user is None else ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups"]
        return ["unshare", "--mount", "sh", "-c", script, "sh", str(self._hosts), str(self._resolver), *user]

    def start(self):
        host, port = self.address.split(":")
        self._relay = socket.create_server((host, int(port)), backlog=64)
        in_thread(self._accept, host, int(port))
        # The server starts where the thread is.
        return self.here.call(super().start)

    def _accept(self, host, port):
        while True:
            try:
                outer, _ = self._relay.accept()
                inner = self.here.connect(host, port)
            except OSError:
                return
            in_thread(copy, outer, inner)
            in_thread(copy, inner, outer)

    def carrel(self, *arguments, **keywords):
        return super().carrel(*arguments, *(["--network.allowed", "yes"] if arguments[0] == "class" else []), **keywords)

    def remove(self):
        super().remove()
        if hasattr(self, "_relay"):
            self._relay.shutdown(socket.SHUT_RDWR)
            self._relay.close()


def copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def require():
    if os.geteuid() != 0:
        pytest.skip("only root can make a network of the test's own")
    for program in ("ip", "unshare", "setpriv", "openssl"):
        if not shutil.which(program):
            pytest.skip(f"there is no `{program}` to make a network of the test's own with")


def lay_cable():
    """Two namespaces, joined."""
    here, there = Namespace(), Namespace()
    try:
        here.ip("link", "add", "cable0", "type", "veth", "peer", "name", "cable1", "netns", there.thread_id)
    except subprocess.CalledProcessError:
        pytest.skip("this kernel has no veth to join two namespaces with")
    for namespace, address, address_6, name in ((here, HERE, HERE_6, "cable0"), (there, THERE, THERE_6, "cable1")):
        namespace.ip("addr", "add", f"{address}/24", "dev", name)
        if IPV6:
            namespace.ip("addr", "add", f"{address_6}/64", "dev", name, "nodad")
        namespace.ip("link", "set", name, "up")
    return here, there
