"""The network is closed to programs, and open to a class by a list of hosts: those are reached as at home, nothing else is,
and no program can use up or get at what belongs to another, or to the server."""

import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

import network
from conftest import leave_nothing
from school import NOT_ROOT, School, build_directory, environment, wait_for

MEGABYTE = 1 << 20
END_FIRST, NO_END, SILENT = 7000, 7001, 7002  # ports of the services below
LISTS = {
    "closed": None,
    "weather": f"weather.example weather.example:{END_FIRST} weather.example:{NO_END} weather.example:{SILENT}",
    "maps": "MAPS.example",
    "dns": ",".join([*network.DNS, "nowhere.example"]),
    "traps": ",".join(f"{name}:8700" for name in sorted(network.NAMES)),
}


@pytest.fixture(scope="module")
def cable():
    network.require()
    here, there = network.lay_cable()
    yield here, there
    here.close()
    there.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    network.require()
    return network.certify(tmp_path_factory.mktemp("tls"), "weather.example")


@pytest.fixture(scope="module")
def services(cable, certificate):
    _, there = cable
    speakers = {
        80: network.speak_http,
        443: network.speak_https(*certificate),
        8700: network.speak_nothing,
        END_FIRST: network.speak_after_end,
        NO_END: network.speak_without_end,
        SILENT: network.speak_nothing,
    }
    services = {port: network.Service(there, network.THERE, port, speak) for port, speak in speakers.items()}
    services["dns"] = network.Service(there, network.THERE, 53, network.speak_dns)
    network.in_thread(network.answer_datagrams, there.datagrams(network.THERE, 53))
    if network.IPV6:
        services["six"] = network.Service(there, network.THERE_6, 8700, network.speak_nothing)
    yield services
    for service in services.values():
        service.close()


def enrol(school):
    for slug, hosts in LISTS.items():
        school.carrel("class", "add", slug, "--data", school.data)
        if hosts:
            school.carrel("class", "set", slug, f"network={hosts}", "--data", school.data)
    for name in ("ada", "ben"):
        school.add_person(name, class_slug="closed")
    for slug in LISTS:
        school.carrel("class", "enrol", slug, "ada", "ben", "--data", school.data)


@pytest.fixture(scope="module")
def island(cable, services):
    with network.Island(cable[0]).open(enrol) as school:
        yield school


@pytest.fixture
def enter(island):
    """enter(class): Ada there. Afterwards her runs are closed, their gates gone, and her folder is empty."""
    people = []

    def enter_class(slug, name="ada"):
        people.append(island.person(name, slug))
        return people[-1]

    yield enter_class
    for person in people:
        leave_nothing(person)
        person.disconnect()
    wait_for(lambda: not island.processes("gate"), 20, "the end of every gate")


TRY = """
import socket, time, urllib.request
def attempt(what, function):
    begin = time.monotonic()
    try:
        answer = function()
    except OSError as error:
        answer = error
    slow = ", slowly" if time.monotonic() - begin > 9 else ""
    print(f"<{what}: {answer}{slow}>")
def get(url):
    return lambda: urllib.request.urlopen(url, timeout=30).read().decode()
def dial(host, port, timeout=30):
    with socket.create_connection((host, port), timeout=timeout) as connection:
        return connection.recv(100).decode() or "nothing"
"""


def attempts(person, program):
    """What the attempts of a program came to."""
    run = person.run(TRY + program + "\nprint('all tried')\n")
    run.expect("all tried\r\n", timeout=120)
    text = run.text.replace("\r\n", "")
    return dict(re.findall(r"<([^:<>]+(?::\d+)?): (.*?)>(?=<|all)", text.replace("<urlopen error ", "").replace(">>", ">")))


def connections_logged(island, host):
    return [line for line in island.log.splitlines() if " gate.connection " in line and f"host={host} " in line]


def test_a_host_of_the_list_is_reached_by_its_name(enter, island):
    """A student reads a page with urllib as at home. The log tells which host, and not what was asked of it."""
    before = len(connections_logged(island, "weather.example"))
    seen = attempts(enter("weather"), "attempt('page', get('http://weather.example/today?town=Oslo'))")
    assert seen == {"page": "this is /today?town=Oslo"}
    lines = connections_logged(island, "weather.example")[before:]
    assert len(lines) == 1 and "port=80 outcome=connected" in lines[0] and "Oslo" not in island.log


def test_what_is_on_no_list_is_refused_at_once(enter):
    """A name, an address, a port, a datagram that the list does not have: each fails at once, with a word for it."""
    seen = attempts(
        enter("weather"),
        f"""
attempt("name", get("http://maps.example/"))
attempt("address", lambda: dial("{network.THERE}", 80))
attempt("this server", lambda: dial("{network.HERE}", 8700))
attempt("port", lambda: dial("weather.example", 22))
attempt("loopback", lambda: dial("127.0.0.1", 80))
attempt("no one's number", lambda: dial("127.88.0.200", 80))
attempt("over IPv6", lambda: dial("::1", 80))
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
attempt("datagram", lambda: datagrams.sendto(b"x", ("{network.THERE}", 53)))
datagrams.connect(("weather.example", 80))
def ask():
    datagrams.send(b"x")
    return datagrams.recv(1)
attempt("datagram by name", ask)
""",
    )
    assert seen == {
        "name": "[Errno -2] Name or service not known",
        "address": "[Errno 101] Network is unreachable",
        "this server": "[Errno 101] Network is unreachable",
        "port": "[Errno 111] Connection refused",
        "loopback": "[Errno 111] Connection refused",
        "no one's number": "[Errno 111] Connection refused",
        "over IPv6": "[Errno 111] Connection refused",
        "datagram": "[Errno 101] Network is unreachable",
        "datagram by name": "[Errno 111] Connection refused",
    }


def test_what_is_encrypted_stays_so_to_the_end(enter, certificate):
    """TLS is between the program and the host: the host's own certificate is seen, and holds for the host's own name alone."""
    seen = attempts(
        enter("weather"),
        f"""
import ssl
context = ssl.create_default_context(cadata={certificate[0].read_text()!r})
def get_securely(trusting):
    return lambda: urllib.request.urlopen("https://weather.example/secret", timeout=30, context=trusting).read().decode()
attempt("trusted", get_securely(context))
attempt("not trusted", get_securely(ssl.create_default_context()))
""",
    )
    assert seen["trusted"] == "this is /secret"
    assert "CERTIFICATE_VERIFY_FAILED" in seen["not trusted"]


def test_names_are_found_by_the_dns(enter, island):
    """Names that stand in no file: one is told by datagram, one only by TCP, one leads to the server, one there is not."""
    seen = attempts(
        enter("dns"), f"for name in {[*network.DNS, 'nowhere.example']!r}: attempt(name, get(f'http://{{name}}/'))"
    )
    reset = "[Errno 104] Connection reset by peer"
    assert seen == {
        "dns.example": "this is /",
        "long.dns.example": "this is /",
        "trap.dns.example": reset,
        "nowhere.example": reset,
    }
    assert "refused: the address is loopback" in connections_logged(island, "trap.dns.example")[-1]
    assert "Name or service not known" in connections_logged(island, "nowhere.example")[-1]


def test_each_class_has_its_own_list(enter):
    """Two classes, two lists; and a third that has none."""
    program = "for host in ('weather', 'maps'): attempt(host, get(f'http://{host}.example/'))"
    unknown = "[Errno -2] Name or service not known"
    assert attempts(enter("weather"), program) == {"weather": "this is /", "maps": unknown}
    assert attempts(enter("maps"), program) == {"weather": unknown, "maps": "this is /"}
    assert attempts(enter("closed"), program) == {"weather": unknown, "maps": unknown}


def test_a_listed_name_is_no_way_into_the_server(enter, island):
    """A teacher may list any name, and whoever owns it may let it lead to the server itself: nobody even tries to go there."""
    seen = attempts(
        enter("traps"), f"for name in {sorted(network.NAMES)!r}: attempt(name, lambda: dial(name, 8700))"
    )
    assert {name for name, answer in seen.items() if answer == "hello"} == network.REACHED
    refused = {name: answer for name, answer in seen.items() if name not in network.REACHED}
    assert set(refused.values()) == {"[Errno 104] Connection reset by peer"}, refused
    for name in refused:
        assert "outcome=\"refused: the address is " in connections_logged(island, name)[-1]


def test_much_goes_both_ways_whole(enter):
    """Twenty megabytes up and twenty down; and a reader that takes its time gets every byte."""
    seen = attempts(
        enter("weather"),
        """
import hashlib
size = 20 << 20
data = bytes(range(256)) * (size // 256)
request = urllib.request.Request("http://weather.example/up", data=data)
attempt("up", lambda: urllib.request.urlopen(request, timeout=60).read().decode() == hashlib.sha256(data).hexdigest())
attempt("down", lambda: urllib.request.urlopen(f"http://weather.example/bytes/{size}", timeout=60).read() == data)
def slowly():
    answer = urllib.request.urlopen(f"http://weather.example/bytes/{size}", timeout=60)
    got = b""
    while part := answer.read(1 << 20):
        got += part
        time.sleep(0.05)
    return got == data
attempt("slowly", lambda: str(slowly()))
""",
    )
    assert seen["up"] == seen["down"] == "True" and seen["slowly"].startswith("True")


def test_each_side_may_end_first(enter):
    """A program says all it has, ends its side, and still hears the answer."""
    seen = attempts(
        enter("weather"),
        f"""
def ask():
    with socket.create_connection(("weather.example", {END_FIRST}), timeout=30) as connection:
        connection.sendall(b"x" * 300000)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(1000), b"")).decode().split()[0]
attempt("answer", ask)
""",
    )
    assert seen == {"answer": "300000"}


def resident(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)) * 1024


def test_who_does_not_read_holds_back_who_sends(enter, island, services):
    """A host sends without end, and the program reads nothing: the host waits; neither side is buffered without end."""
    run = enter("weather").run(
        f"import socket\nheld = socket.create_connection(('weather.example', {NO_END}))\nprint('connected')\ninput()\n"
    )
    run.expect("connected")
    wait_for(lambda: services[NO_END].sent > 0, 20, "the first bytes")
    gate = island.the_process("gate")

    def still():
        sent = services[NO_END].sent
        time.sleep(1)
        return services[NO_END].sent == sent

    wait_for(still, 60, "the sender to be held back")
    assert services[NO_END].sent < 64 * MEGABYTE
    assert resident(gate) < (128 if "asan" in str(build_directory()) else 16) * MEGABYTE


def test_the_end_of_a_run_ends_its_connections(enter, island, services):
    """A run that is closed leaves neither a connection nor a gate."""
    silent = services[SILENT]
    run = enter("weather").run(
        f"import socket\nheld = [socket.create_connection(('weather.example', {SILENT})) for _ in range(5)]\n"
        "[each.recv(5) for each in held]\nprint('connected')\n"
    )
    run.expect("connected")
    assert silent.open == 5
    run.close()
    wait_for(lambda: silent.open == 0, 20, "the end of the connections")
    wait_for(lambda: not island.processes("gate"), 20, "the end of the gate")


def test_without_its_gate_a_run_goes_on(enter, island):
    """The gate is killed: what was connected breaks off, what is dialled is refused, the program goes on, and the log has one
    line for it."""
    run = enter("weather").run(
        TRY + f"held = socket.create_connection(('weather.example', {SILENT}))\nheld.recv(5)\ninput('connected')\n"
        "attempt('old', lambda: held.recv(5))\n"
        "for i in range(3): attempt(f'new {i}', lambda: dial('weather.example', 80))\nprint('all tried')\n"
    )
    run.expect("connected")
    before = island.log.count(" gate.lost ")
    os.kill(island.the_process("gate"), signal.SIGKILL)
    wait_for(lambda: island.log.count(" gate.lost ") > before, 20, "the line in the log")
    run.type("\n")
    run.expect("all tried")
    assert "<old: [Errno 104] Connection reset by peer>" in run.text
    for i in range(3):
        assert f"<new {i}: [Errno 111] Connection refused>" in run.text
    assert island.log.count(" gate.lost ") == before + 1


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def test_ten_thousand_connections_harm_nobody(enter, island, services):
    """A program dials as fast as it can, ten thousand times, and holds on to what it gets: a host sees a few connections at a
    time, the gate stays small, and others' programs of the class reach the same host as ever."""
    silent = services[SILENT]
    silent.most, before, begin = silent.open, silent.total, time.monotonic()
    hostile = enter("weather").run(
        f"""
import socket
held = []
for i in range(10000):
    dialled = socket.socket()
    dialled.setblocking(False)
    dialled.connect_ex(("weather.example", {SILENT}))
    held.append(dialled)
    if len(held) > 200:
        held.pop(0 if i % 2 else 100).close()
print("dialled")
input()
"""
    )
    wait_for(lambda: silent.open > 0, 60, "a connection")
    gate = island.processes("gate")[0]
    seen = attempts(enter("weather", "ben"), "for i in range(5): attempt(f'{i}', get('http://weather.example/'))")
    assert seen == {str(i): "this is /" for i in range(5)}
    hostile.expect("dialled", timeout=120)
    assert threads(gate) <= 1 + 16
    assert resident(gate) < (128 if "asan" in str(build_directory()) else 16) * MEGABYTE
    assert 0 < silent.most <= 16
    # Paced: had each been passed on, these were thousands at once.
    assert silent.total - before <= 40 + 20 * (time.monotonic() - begin) + 1


def test_two_runs_have_nothing_in_common(enter, services):
    """What one program holds on to, another of the same person does not wait for; nor does it find the other's sockets."""
    person = enter("weather")
    full = person.run(
        f"import socket\nheld = [socket.create_connection(('weather.example', {SILENT})) for _ in range(16)]\n"
        "[each.recv(5) for each in held]\nprint('full')\ninput()\n",
        name="full.py",
    )
    full.expect("full")
    assert attempts(person, "attempt('page', get('http://weather.example/'))") == {"page": "this is /"}


def test_a_list_is_checked_when_it_is_set(island):
    """What is no host is refused with the reason, and nothing of the list is kept."""
    for wrong, why in {
        "10.0.0.1": "no address",
        "localhost": "this computer",
        "[::1]:80": "no address",
        "*.example": "no pattern",
        "a.example:0": "from 1 to 65535",
        "a.example:http": "from 1 to 65535",
        ",".join(f"h{i}.example" for i in range(17)): "at most 16 hosts",
    }.items():
        refused = island.carrel("class", "set", "closed", f"network={wrong}", "--data", island.data, check=False)
        assert refused.returncode == 1 and why in refused.stderr, (wrong, refused.stderr)
    assert "network" not in island.carrel("class", "list", "closed", "--data", island.data).stdout
    shown = island.carrel("class", "limit", "weather", "--data", island.data).stdout
    assert f"network                  = {LISTS['weather']}\n" in shown
    island.carrel("class", "add", "changing", "--data", island.data)
    for words, kept in (["network=a.example", "cpu=1min"], "a.example"), (["network=none"], "none"):
        island.carrel("class", "set", "changing", *words, "--data", island.data)
        shown = island.carrel("class", "limit", "changing", "--data", island.data).stdout
        assert f"network                  = {kept}\n" in shown


@pytest.mark.parametrize("whom", ["root", "an ordinary user"])
def test_one_program_by_itself(cable, services, island, tmp_path_factory, whom):
    """`carrel sandbox --network`, as root and not: the same way out."""
    folder = island.directory / f"by-itself-{whom[:4]}"
    folder.mkdir(mode=0o755)
    program = folder / "page.py"
    program.write_text(TRY + "attempt('page', get('http://weather.example/'))\nattempt('other', get('http://maps.example/'))\n")
    user = [] if whom == "root" else ["setpriv", f"--reuid={NOT_ROOT}", f"--regid={NOT_ROOT}", "--clear-groups"]
    carrel = [str(build_directory() / "carrel"), "sandbox", "--network", "weather.example", str(program)]
    done = cable[0].call(
        lambda: subprocess.run(
            [*island._as_whom(), *user, *carrel], capture_output=True, text=True, timeout=60, env=environment()
        )
    )
    assert "<page: this is />" in done.stdout, done.stdout + done.stderr
    assert "Name or service not known" in done.stdout


# Runs a program as on a kernel without Landlock: landlock_create_ruleset (444 everywhere) answers ENOSYS.
WITHOUT_LANDLOCK = """
import ctypes, os, struct, sys
filter = struct.pack("HBBI" * 4, 0x20, 0, 0, 0, 0x15, 0, 1, 444, 0x06, 0, 0, 0x50026, 0x06, 0, 0, 0x7FFF0000)
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(Program(4, filter)), 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_where_a_gate_cannot_be_held(island):
    """A host without Landlock: no gate is run, the program goes on and its terminal says why it reaches nothing."""
    program = island.directory / "no-gate.py"
    program.write_text(TRY + "time.sleep(3)\nattempt('page', lambda: dial('weather.example', 80))\nprint('all tried')\n")
    words = ["sandbox", "--without", "landlock", "--network", "weather.example", str(program)]
    done = subprocess.run(
        ["/usr/bin/python3", "-c", WITHOUT_LANDLOCK, str(build_directory() / "carrel"), *words],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
    )
    assert "[Carrel] The way to the hosts of this class could not be opened." in done.stdout, done.stdout + done.stderr
    assert "<page: [Errno 111] Connection refused>" in done.stdout or "reset by peer>" in done.stdout
    assert "gate.failed" in done.stderr and "Landlock" in done.stderr


def test_a_server_of_an_ordinary_user(cable, services):
    """The whole of it where root has no part."""
    with network.Island(cable[0], user=NOT_ROOT).open(enrol) as school:
        ada = school.person("ada", "weather")
        seen = attempts(ada, "for host in ('weather', 'maps'): attempt(host, get(f'http://{host}.example/'))")
        assert seen == {"weather": "this is /", "maps": "[Errno -2] Name or service not known"}
        leave_nothing(ada)
        ada.disconnect()


def enrol_where_it_is_not_allowed(school):
    school.carrel("class", "add", "demo", "--data", school.data)
    refused = school.carrel("class", "set", "demo", "network=weather.example", "--data", school.data, check=False)
    assert refused.returncode == 1 and "network.allowed is no" in refused.stderr
    school.carrel(
        "class", "set", "demo", "network=weather.example", "--network.allowed", "yes", "--data", school.data
    )
    school.add_person("ada")


def test_an_operator_who_has_not_allowed_it(tmp_path):
    """A class has a list, but the server's operator has not allowed any: the program runs, reaches nothing, and is told why."""
    with School().open(enrol_where_it_is_not_allowed) as school:
        ada = school.person("ada")
        run = ada.run(TRY + "attempt('page', get('http://weather.example/'))\nprint('all tried')\n")
        run.expect("all tried")
        assert "(its setting network.allowed). This one reaches none." in run.text
        assert "Name or service not known" in run.text
        assert not school.processes("gate")
        leave_nothing(ada)
        ada.disconnect()
