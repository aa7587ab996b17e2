#!/usr/bin/python3
"""Every system call of a sandbox's making and of a run's end is made to fail, once, each at its place in the source.

    faults.py            every call site once, of a server that root started; some of one that an ordinary user started
    faults.py --all      every place, and in a loop the first three calls, of both servers; and what takes long to wait for
    faults.py --only keeper,program     some of the parts alone

One server is tried again and again. For each site one program is started, and while it is, that call fails. Then

  - the run has ended, and the person was told something; or the program ran as if nothing had happened. Then it says
    which walls it sees around it, and they must be those that it sees on other days: no failure may open a wall. Where
    the supervisor cannot speak to the web server any more, that one is replaced, and the page connects anew;
  - nothing is left: the supervisor's and the zygote's descriptors, processes, mounts and control groups are as before;
  - the next program runs.

The parts are the keeper's work (a sandbox's world), the program's (its walls), the zygote's (a fork), the supervisor's (a
run from start to end; and what it does besides for one that does not end by itself, "closing") and a zygote's own start.
See injector.py for how.
"""

import argparse
import collections
import errno
import json
import os
import pathlib
import re
import select
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "system"))

from school import NOT_ROOT, School, build_directory, descendants, is_alive, read_link  # noqa: E402
from carrel import Refused  # noqa: E402

PARTS = ["keeper", "program", "zygote", "supervisor", "closing", "start"]
OF_SUPERVISOR = ("supervisor", "closing")
PATIENCE = 20

# How each call fails as it might on a bad day; what is not here answers EPERM.
ERRNO = {
    "read": "EIO", "write": "ENOSPC", "openat": "EMFILE", "close": "EIO", "mmap": "ENOMEM", "mremap": "ENOMEM",
    "mprotect": "ENOMEM", "fstat": "EIO", "newfstatat": "EIO", "lseek": "EINVAL", "ioctl": "EIO", "pread64": "EIO",
    "dup2": "EMFILE", "dup3": "EMFILE", "fcntl": "EMFILE", "sendmsg": "ENOBUFS", "recvmsg": "ENOMEM",
    "recvfrom": "ENOMEM", "sendto": "ENOBUFS", "socketpair": "EMFILE", "socket": "EMFILE", "bind": "ENOMEM",
    "epoll_ctl": "ENOSPC", "epoll_wait": "EINTR", "ppoll": "EINTR", "poll": "EINTR", "wait4": "EINTR",
    "clone": "EAGAIN", "clone3": "EAGAIN", "vfork": "EAGAIN", "fork": "EAGAIN", "execve": "ENOENT",
    "execveat": "ENOENT", "mkdir": "ENOSPC", "mkdirat": "ENOSPC", "unlinkat": "EBUSY", "open_tree": "ENOMEM",
    "memfd_create": "EMFILE", "setsid": "EPERM", "pidfd_send_signal": "ESRCH", "kill": "ESRCH", "unshare": "ENOSPC",
    "prlimit64": "EINVAL", "sendfile": "EIO", "getdents64": "EIO", "readlink": "EIO", "openat2": "EMFILE",
    "rt_sigaction": "EINVAL", "rt_sigprocmask": "EINVAL", "close_range": "EMFILE", "landlock_create_ruleset": "EMFILE",
    "setsockopt": "ENOMEM", "seccomp": "ENOMEM", "select": "EINTR", "signalfd4": "EMFILE", "eventfd2": "EMFILE",
}  # fmt: skip

# Left out, each for a reason that the source gives where it stands.
NOT_TRIED = {
    ("supervisor", "mmap"): "base.h: allocate() ends a server that has no memory for its own small tables",
    ("supervisor", "mremap"): "the same",
    ("supervisor", "mprotect"): "the same",
    ("supervisor", "ioctl"): "terminal.c: a terminal's master takes any size",
    ("program", "rt_sigprocmask"): "it fails for wrong arguments alone, and these are constants",
}

# What the program says of its walls. The last line is for Landlock, which shows nowhere: making a device without a
# number (a "whiteout") needs no right but Landlock's.
PROGRAM = """
import os, re, stat
def status(*names):
    found = dict(line.split(':\\t', 1) for line in open('/proc/self/status').read().splitlines() if ':\\t' in line)
    return [found[name] for name in names]
print('uids', os.getresuid(), os.getresgid(), os.getgroups())
print('status', status('CapPrm', 'CapEff', 'CapInh', 'CapBnd', 'CapAmb', 'NoNewPrivs', 'Seccomp', 'Seccomp_filters'))
print('signals', status('SigBlk', 'SigIgn', 'SigCgt'))
print('limits', [' '.join(line.split()) for line in open('/proc/self/limits')])
print('mounts', sorted(' '.join(line.split()[4:6]) for line in open('/proc/self/mountinfo')))
print('descriptors', [os.readlink(f'/proc/self/fd/{fd}') for fd in range(4) if os.path.lexists(f'/proc/self/fd/{fd}')])
print('groups', re.sub('run.[0-9]+', 'run', open('/proc/self/cgroup').read()).split())
print('place', os.getcwd(), os.uname().nodename, os.umask(0o22), os.getpid(), os.getsid(0), sorted(os.listdir('/home')))
print('interfaces', [line.split(':')[0].strip() for line in open('/proc/self/net/dev')][2:] if os.path.exists('/proc/self/net/dev') else None)
print('terminal', os.ttyname(0), os.get_terminal_size(0), os.tcgetpgrp(0) == os.getpgrp())
for call in (lambda: os.mknod('device', stat.S_IFCHR | 0o600, 0), lambda: os.mkdir('/run/x'), lambda: os.listdir('/proc/1/fd'), os.fork and (lambda: os.setuid(0))):
    try: call(); print('DONE')
    except OSError as error: print('refused', error.errno)
import threading
thread = threading.Thread(target=print, args=('from a thread',))  # asks for clone3 first, and is refused it
thread.start()
thread.join()
print('the end')
"""
WORDS = [*re.findall(r"^print\('(\w+)'", PROGRAM, re.MULTILINE), "refused", "DONE"]


def walls_in(text):
    """What the program said of its walls, without what Python may have said besides."""
    return [line for line in text.splitlines() if line.split(" ")[0] in WORDS]


def call_names():
    """The kernel's numbers, from the C library's header."""
    text = subprocess.run(
        ["gcc", "-E", "-dM", "-include", "sys/syscall.h", "-x", "c", "/dev/null"], capture_output=True, text=True, check=True
    ).stdout
    return {int(m[2]): m[1] for m in re.finditer(r"#define __NR_(\w+) (\d+)", text)}


CALLS = call_names()


class Injector:
    def __init__(self):
        self.process = subprocess.Popen(
            ["/usr/bin/python3", str(HERE / "injector.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def _answer(self):
        if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
            raise AssertionError("the injector does not answer")
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise AssertionError(f"the injector: {answer['error']}")
        return answer

    def begin(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        self._answer()

    def end(self):
        self.process.send_signal(signal.SIGUSR1)
        return self._answer()

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


class Site:
    """A call at its place: `key` is the injector's, `nth` which of its calls there."""

    def __init__(self, part, key, nth):
        self.part, self.key, self.nth = part, key, nth
        number, _, addresses = key.partition("@")
        self.call = CALLS.get(int(number), f"call {number}")
        self.addresses = [int(address, 16) for address in addresses.split(",") if address]
        self.errno = ERRNO.get(self.call, "EPERM")
        self.lines = ""

    def __str__(self):
        again = f" ({self.nth})" if self.nth > 1 else ""
        return f"{self.part}: {self.call}{again} {self.errno} at {self.lines or 'no line of ours'}"


def name_lines(sites):
    """Writes beside each site the lines of source from which it is reached."""
    for program in ("carrel", "carrel-python"):
        mine = [site for site in sites if (site.part in OF_SUPERVISOR) == (program == "carrel")]
        addresses = sorted({address for site in mine for address in site.addresses})
        if not addresses:
            continue
        done = subprocess.run(
            ["addr2line", "-s", "-e", str(build_directory() / program), *[hex(address - 1) for address in addresses]],
            capture_output=True,
            text=True,
            check=True,
        )
        names = dict(zip(addresses, (line.split(" (")[0] for line in done.stdout.splitlines())))
        for site in mine:
            useful = [names[a] for a in site.addresses if not names[a].startswith(("??", "base.h", "fcntl2.h", "unistd.h"))]
            site.lines = " < ".join(useful[:3])


class Verdict(Exception):
    """Why a site has not passed."""


class Server:
    def __init__(self, as_root):
        self.as_root = as_root
        settings = ["--pool.size=0", "--pool.maximum=0", "--python.imports=", "--repl.after=never", "--limits.runs=50"]
        self.school = School(run_as=NOT_ROOT if os.getuid() == 0 and not as_root else None, settings=settings)
        self.school.enrol_everybody()
        self.school.start()
        self.injector = Injector()
        self.person = self.school.person("ada")
        self.run_program()
        self.walls = self.run_program()
        self.before = self.settle()
        self.known = set()  # the supervisor's places in an ordinary run

    def close(self):
        self.injector.close()
        self.person.disconnect()
        self.school.stop()

    # Its processes

    @property
    def supervisor(self):
        return self.school.the_process("supervisor")

    def zygotes(self):
        """The supervisor has no other children."""
        children = pathlib.Path(f"/proc/{self.supervisor}/task/{self.supervisor}/children").read_text().split()
        return [int(pid) for pid in children if is_alive(int(pid))]

    def zygote(self):
        end = time.monotonic() + PATIENCE
        while not self.zygotes():
            assert time.monotonic() < end, "there is no zygote"
            time.sleep(0.02)
        return self.zygotes()[0]

    # What could be left

    def count(self):
        supervisor, zygote = self.supervisor, self.zygote()
        links = [read_link(f"/proc/{supervisor}/fd/{fd}") for fd in os.listdir(f"/proc/{supervisor}/fd")]
        groups = {link for link in links if link.startswith("/sys/fs/cgroup") and f"carrel.{supervisor}" in link}
        return {
            "processes": len(descendants(supervisor)),
            "descriptors of the supervisor": len(links),
            "terminals": sum(link.endswith("ptmx") for link in links),
            "descriptors of the zygote": len(os.listdir(f"/proc/{zygote}/fd")),
            "control groups": sum(len([x for x in os.scandir(group) if x.is_dir()]) for group in groups if os.path.isdir(group)),
            "mounts of the supervisor": len(pathlib.Path(f"/proc/{supervisor}/mountinfo").read_text().splitlines()),
            "mounts of the host": len(pathlib.Path("/proc/self/mountinfo").read_text().splitlines()),
        }

    def settle(self, wanted=None):
        """The counts, once they are what is wanted or, at first, no longer change."""
        end = time.monotonic() + 10
        last = None
        while time.monotonic() < end:
            try:
                now = self.count()
            except OSError:
                now = None
            if now is not None and now == (wanted or last):
                return now
            last = now
            time.sleep(0.02 if wanted else 0.2)
        return last

    # A run

    def try_program(self):
        """Its last state and what it printed; or what the person was told in its place."""
        try:
            run = self.person.run(PROGRAM)
        except Refused as refusal:
            return {"reason": "refused", "explanation": refusal.message}, ""
        try:
            return run.wait_end(timeout=PATIENCE), run.text
        finally:
            if not self.is_cut_off():
                run.close()

    def try_closing(self):
        """A program that only a kill ends, killed by closing it. None: so it was."""
        try:
            run = self.person.run("import signal\nsignal.signal(2, signal.SIG_IGN)\nprint('on', flush=True)\nwhile True: pass")
        except Refused as refusal:
            return {"reason": "refused", "explanation": refusal.message}, ""
        try:
            self.person.wait(lambda: "on" in run.text or run.state == "ended", PATIENCE, "the program")
            return (run.info, run.text) if run.state == "ended" else None
        finally:
            if not self.is_cut_off():
                run.close()

    def run_program(self):
        try:
            info, text = self.try_program()
        except Exception as failure:
            if not self.is_cut_off():
                raise Verdict(str(failure)) from None
            self.reconnect()  # what failed before may have cost us the web server only now
            info, text = self.try_program()
        if "the end" not in text:
            raise Verdict(f"a program did not run: {info} {text!r}")
        return walls_in(text)

    def reconnect(self):
        """After the end of a supervisor, which takes the web server with it."""
        self.school.wait_until_it_listens()
        end = time.monotonic() + PATIENCE
        while True:
            try:
                self.person.disconnect()
            except Exception:  # the socket may be closed already, in any way
                self.person.connection = None
            try:
                self.person.connect()
                # Programs go on without a web server: whatever was begun before is ended now.
                for run in self.person.request("run.list")["runs"]:
                    self.person.terminal(run["run"]).close()
                return
            except Exception:
                assert time.monotonic() < end, "no connection any more"
                time.sleep(0.1)

    # Sites

    def root_of(self, part):
        return self.supervisor if part in OF_SUPERVISOR or part == "start" else self.zygote()

    def session(self, part, act, **fields):
        self.injector.begin(pid=self.root_of(part), part=part if part in ("keeper", "program", "start") else "self", **fields)
        try:
            outcome = act()
        finally:
            answer = self.injector.end()
        return outcome, answer

    def act(self, part):
        if part == "closing":
            return self.try_closing()
        if part != "start":
            return self.try_program()
        os.kill(self.zygote(), signal.SIGKILL)
        time.sleep(0.02)
        return self.try_program()  # waits for the new one

    def act_and_catch(self, part):
        try:
            return self.act(part)
        except Exception as failure:  # whatever the client says of it; try_site() looks at what became of the server
            return failure

    def is_cut_off(self):
        return self.person.connection is None or self.person.connection.close_code is not None

    def record(self, part):
        outcome, answer = self.session(part, lambda: self.act(part), site=None)
        assert outcome is None or "the end" in outcome[1], f"{part}: a program that is only watched did not run: {outcome}"
        self.settle(self.before)
        times, sites = collections.Counter(), []
        for key in answer["sites"]:
            times[key] += 1
            sites.append(Site(part, key, times[key]))
        return sites


def check_outcome(server, info, text):
    if "the end" in text and info.get("reason") == "finished":
        if walls_in(text) != server.walls:
            raise Verdict("the program ran, but with other walls:\n" + difference(server.walls, walls_in(text)))
        return "no harm"
    told = info.get("explanation") or text
    if "uids" in text:
        # It ran, and something failed meanwhile or at its end: no wall may have, and nobody may say that it never ran.
        seen = walls_in(text)[:-1]  # the last line may be cut off
        if seen != server.walls[: len(seen)]:
            raise Verdict("the program ran with other walls:\n" + difference(server.walls, seen))
        if "could not" in told or not info.get("explanation"):
            raise Verdict(f"the program ran, and the person was told {info} {text[-200:]!r}")
    elif not info.get("explanation") and "Carrel could not start" not in text:
        raise Verdict(f"the person was told nothing: {info} {text!r}")
    return "told"


def difference(before, now):
    return "\n".join(f"  - {one}\n  + {other}" for one, other in zip(before, now) if one != other)


def try_site(server, site):
    if server.is_cut_off():
        server.reconnect()
    supervisor = server.supervisor
    outcome, answer = server.session(
        site.part, lambda: server.act_and_catch(site.part), site=site.key, nth=site.nth, errno=getattr(errno, site.errno)
    )
    if not is_alive(supervisor):
        server.reconnect()
        server.before = server.settle()
        raise Verdict("the supervisor ended:\n" + server.school.log[-600:])
    if not answer["injected"]:
        return "not met"  # what the supervisor does in a run is the same only nearly
    if server.is_cut_off():
        # It holds a web server dead that it cannot hear. A new one comes, and the page by itself with it: this is how
        # any restart of the web server looks to a person, and no program is lost by it.
        server.reconnect()
        verdict = "web server anew"
    elif isinstance(outcome, Exception):
        raise Verdict(str(outcome))
    else:
        verdict = check_outcome(server, *outcome) if outcome else "no harm"
    after = server.run_program()
    if after != server.walls:
        raise Verdict("the next program had other walls:\n" + difference(server.walls, after))
    left = server.settle(server.before)
    if left != server.before:
        changed = {name: (server.before[name], left[name]) for name in left if left[name] != server.before[name]}
        server.before = left  # so that it is told once
        raise Verdict(f"something is left (before, after): {changed}")
    return verdict


def choose(sites, everything, stride=1, known=()):
    """The calls to be tried: each place once, or each call. A call that is left out has a reason above."""
    chosen, seen = [], set()
    for site in sites:
        if (site.part, site.call) in NOT_TRIED or ("supervisor" if site.part in OF_SUPERVISOR else "", site.call) in NOT_TRIED:
            continue
        if site.part == "closing" and site.key in known:
            continue  # tried already
        if site.key in seen and (not everything or site.part == "start" or site.nth > 3):
            continue
        seen.add(site.key)
        chosen.append(site)
    return chosen if everything else chosen[::stride]


def try_hanging_zygote(server):
    """One that no longer answers: after half a minute those who wait are told, and a new one takes its place."""
    zygote = server.zygote()
    os.kill(zygote, signal.SIGSTOP)
    begun = time.monotonic()
    run = server.person.run(PROGRAM)
    info = run.wait_end(timeout=60)
    if not 25 < time.monotonic() - begun < 40 or not info.get("explanation"):
        raise Verdict(f"{info} after {time.monotonic() - begun:.0f} s")
    run.close()
    server.run_program()
    if is_alive(zygote):
        raise Verdict("the zygote that hangs is still there")


class Report:
    def __init__(self):
        self.counts = collections.Counter()
        self.failures = []

    def add(self, what, act):
        try:
            verdict = act()
        except Verdict as failure:
            self.failures.append(f"{what}\n    {failure}")
            print(f"failed: {what}\n    {failure}", flush=True)
            verdict = "failed"
        self.counts[verdict or "told"] += 1


def try_part(server, part, arguments, report):
    sites = server.record(part)
    if part == "supervisor":
        server.known = {site.key for site in sites}
    # A start takes two seconds: a quarter of its places a run of the tests, unless all are asked for.
    stride = {"start": 4}.get(part, 1) * (1 if server.as_root or os.getuid() != 0 else 3)
    chosen = choose(sites, arguments.all, stride, server.known)
    name_lines(chosen)
    chosen = [site for site in chosen if re.search(arguments.match, str(site))]
    begun, counts = time.monotonic(), collections.Counter(report.counts)
    for site in chosen:
        if arguments.verbose:
            print(site, flush=True)
        report.add(str(site), lambda: try_site(server, site))
    mine = report.counts - counts
    words = ", ".join(f"{count} {verdict}" for verdict, count in sorted(mine.items()))
    print(f"{part}: {len(sites)} calls at {len({s.key for s in sites})} places; {len(chosen)} tried in "
          f"{time.monotonic() - begun:.0f} s: {words}", flush=True)  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--match", default="", help="only sites whose description has this (a regular expression)")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    if os.uname().machine != "x86_64":
        print("faults are injected on x86-64 alone: none was tried\n0 passed, 0 failed")
        return 0
    report = Report()
    for as_root in (True, False) if os.getuid() == 0 else (False,):
        print(f"\n-- a server that {'root' if as_root else 'an ordinary user'} started --", flush=True)
        server = Server(as_root)
        try:
            for part in arguments.only.split(","):
                if as_root or arguments.all or part != "start" or os.getuid() != 0:
                    try_part(server, part, arguments, report)
            if as_root and arguments.all:
                report.add("a zygote that hangs", lambda: try_hanging_zygote(server))
            server.close()
        finally:
            server.school.remove()
    missed = report.counts["not met"]
    passed = report.counts["told"] + report.counts["no harm"] + report.counts["web server anew"]
    failed = report.counts["failed"]
    print(f"\n{passed + failed} places tried; {missed} not met again")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
