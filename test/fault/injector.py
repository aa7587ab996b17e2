#!/usr/bin/python3
"""Makes one system call of a running process fail, once: a small ptrace tracer (x86-64), told what to do in lines of JSON.

It attaches to the processes of a live server while one program is started, so that hundreds of call sites can be tried
against one server. A site is a system call together with the addresses in our own program from which it came (the
return addresses on its stack): the same line of source, reached the same way, whatever came before it.

What is watched is one "part" of a run:
    self       the process itself (supervisor or zygote), and none that it forks
    keeper     the child that the zygote clones
    program    the child of that one, until the student's text begins
    start      a zygote's own start: the child that the supervisor forks, until it says that it is ready

One session a line on the standard input:
    {"pid": 1, "part": "keeper", "site": null}                        records: which sites are met, in what order
    {"pid": 1, "part": "keeper", "site": "…", "nth": 1, "errno": 12}  the n-th call at that site fails
SIGUSR1 ends a session; then the answer comes, in a line.
"""

import ctypes
import json
import os
import signal
import struct
import sys

SEIZE, SYSCALL, CONT, DETACH, INTERRUPT, LISTEN = 0x4206, 24, 7, 17, 0x4207, 0x4208
GETREGS, SETREGS, GETEVENTMSG, GET_SYSCALL_INFO = 12, 13, 0x4201, 0x420E
IS_ENTRY = 1
OPTION_SYSGOOD, OPTION_FORK, OPTION_VFORK, OPTION_CLONE, OPTION_EXEC = 1, 2, 4, 8, 16
EVENT_FORK, EVENT_VFORK, EVENT_CLONE, EVENT_EXEC, EVENT_STOP = 1, 2, 3, 4, 128
FORKS = (EVENT_FORK, EVENT_VFORK, EVENT_CLONE)
SYSTEM_CALL = signal.SIGTRAP | 0x80
WALL, NO_THREAD = 0x40000000, 0x20000000

SYS_CLOSE_RANGE, SYS_SENDMSG = 436, 46
SYS_GETPID = 39  # made in place of the call that fails: no filter refuses it, as they would no call at all (-1)
STACK_WORDS, ADDRESSES = 320, 4

REGISTERS = [
    "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi", "orig_rax",
    "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs",
]  # fmt: skip

# What cannot fail, or whose failure no program could notice: not tried.
NEVER = {
    15: "rt_sigreturn", 60: "exit", 231: "exit_group", 219: "restart_syscall", 11: "munmap", 12: "brk", 28: "madvise",
    39: "getpid", 186: "gettid", 102: "getuid", 104: "getgid", 107: "geteuid", 108: "getegid", 202: "futex",
    228: "clock_gettime", 96: "gettimeofday", 95: "umask", 318: "getrandom", 334: "rseq", 273: "set_robust_list",
    218: "set_tid_address", 158: "arch_prctl", 110: "getppid", 131: "sigaltstack",
}  # fmt: skip

# Those of which the kernel does its part whatever it answers: done, and then said to have failed.
DONE_ANYWAY = {3: "close", 424: "pidfd_send_signal", 62: "kill"}
SYS_EPOLL_CTL, EPOLL_CTL_DEL = 233, 2  # that fails only where there is nothing to be taken out

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


class Registers(ctypes.Structure):
    _fields_ = [(name, ctypes.c_ulonglong) for name in REGISTERS]


def ptrace(request, pid, address=0, data=0):
    if libc.ptrace(request, pid, address, data) < 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request:#x} of {pid}")


class Tracee:
    def __init__(self, pid, part, text):
        self.pid, self.part, self.text = pid, part, text
        self.last = None  # the call under way
        self.pending = None  # the errno that the call under way is to answer
        self.ready_sent = False
        self.memory = None

    def registers(self):
        registers = Registers()
        ptrace(GETREGS, self.pid, 0, ctypes.addressof(registers))
        return registers

    def is_entering(self):
        information = ctypes.create_string_buffer(128)
        ptrace(GET_SYSCALL_INFO, self.pid, 128, ctypes.addressof(information))
        return information.raw[0] == IS_ENTRY

    def set_registers(self, registers):
        ptrace(SETREGS, self.pid, 0, ctypes.addressof(registers))

    def site(self, registers):
        """The call's number, then offsets in our program, innermost first."""
        if self.memory is None:
            self.memory = os.open(f"/proc/{self.pid}/mem", os.O_RDONLY)
        try:
            stack = os.pread(self.memory, 8 * STACK_WORDS, registers.rsp)
        except OSError:
            stack = b""
        begin, end, base, code = self.text
        found = []
        for (word,) in struct.iter_unpack("<Q", stack[: len(stack) // 8 * 8]):
            if begin <= word < end and is_after_call(code, word - begin):
                found.append(f"{word - base:x}")
                if len(found) == ADDRESSES:
                    break
        return f"{registers.orig_rax}@" + ",".join(found)

    def close(self):
        if self.memory is not None:
            os.close(self.memory)
        self.memory = None


def is_after_call(code, offset):
    """A return address follows a call: e8 rel32, or ff /2 in one of its lengths."""
    if offset >= 5 and code[offset - 5] == 0xE8:
        return True
    for length in (2, 3, 6, 7):
        if offset >= length and code[offset - length] == 0xFF and code[offset - length + 1] >> 3 & 7 == 2:
            return True
    return False


def text_of(pid):
    """Where the program's own code lies in the process: begin, end, load address, the bytes."""
    program = os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
    base = None
    for line in open(f"/proc/{pid}/maps"):
        fields = line.split(maxsplit=5)
        if len(fields) < 6 or fields[5].strip().removesuffix(" (deleted)") != program:
            continue
        begin, end = (int(word, 16) for word in fields[0].split("-"))
        if base is None:
            base = begin - int(fields[2], 16)
        if "x" in fields[1]:
            with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
                memory.seek(begin)
                return begin, end, base, memory.read(end - begin)
    raise OSError(f"no code of ours in {pid}")


class Session:
    def __init__(self, request):
        self.request = request
        self.root = request["pid"]
        self.part = request["part"]
        self.wanted = request.get("site")
        self.nth = request.get("nth", 1)
        self.errno = request.get("errno", 5)
        self.sites = []  # in the order in which they were met
        self.met = 0
        self.injected = None
        self.tracees = {}
        self.text = text_of(self.root)
        self.stopping = False

    def attach(self):
        options = OPTION_SYSGOOD
        if self.part != "self":
            options |= OPTION_FORK | OPTION_VFORK | OPTION_CLONE
        if self.part == "start":
            options |= OPTION_EXEC
        ptrace(SEIZE, self.root, 0, options)
        self.tracees[self.root] = Tracee(self.root, "self" if self.part == "self" else "root", self.text)
        if self.part == "self":
            ptrace(INTERRUPT, self.root)  # so that it goes on by system calls

    def is_watched(self, tracee):
        if tracee.pending is not None:
            return True  # its answer is still to be changed
        return tracee.part == self.part and not (self.wanted and self.injected)

    def resume(self, tracee, signal_number=0):
        ptrace(SYSCALL if self.is_watched(tracee) else CONT, tracee.pid, 0, signal_number)

    def let_go(self, tracee, signal_number=0):
        ptrace(DETACH, tracee.pid, 0, signal_number)
        tracee.close()
        del self.tracees[tracee.pid]

    def part_of_child(self, parent):
        if self.part == "self" or parent is None:
            return None
        if self.part == "start":
            return {"root": "start"}.get(parent.part)
        return {"root": "keeper", "keeper": "program"}.get(parent.part)

    # One stop

    def on_entry(self, tracee, registers):
        number = registers.orig_rax
        if number in NEVER:
            return
        site = tracee.site(registers)
        if tracee.part == "program" and number == SYS_SENDMSG:
            tracee.ready_sent = True
        if not self.wanted:
            self.sites.append(site)
            return
        if site != self.wanted or self.injected:
            return
        self.met += 1
        if self.met != self.nth:
            return
        self.injected = tracee.pid
        tracee.pending = self.errno
        if number not in DONE_ANYWAY and not (number == SYS_EPOLL_CTL and registers.rsi == EPOLL_CTL_DEL):
            registers.orig_rax = SYS_GETPID
            tracee.set_registers(registers)

    def on_exit(self, tracee, registers):
        if tracee.pending is not None:
            registers.rax = (1 << 64) - tracee.pending
            tracee.set_registers(registers)
            tracee.pending = None

    @staticmethod
    def is_over(tracee):
        """The last call before the student's text, and from there on it is Python's; a zygote's word that it is ready."""
        if tracee.part == "start":
            return tracee.last == SYS_SENDMSG
        return tracee.part == "program" and tracee.ready_sent and tracee.last == SYS_CLOSE_RANGE

    def on_system_call(self, tracee):
        registers = tracee.registers()
        if tracee.is_entering():
            tracee.last = registers.orig_rax
            self.on_entry(tracee, registers)
        else:
            self.on_exit(tracee, registers)
            if self.is_over(tracee):
                self.let_go(tracee)
                return
        self.resume(tracee)

    def on_stop(self, pid, status):
        tracee = self.tracees.get(pid)
        event, number = status >> 16, os.WSTOPSIG(status)
        is_signal = event == 0 and number != SYSTEM_CALL
        if tracee is None:  # a child whose parent's event comes later
            self.tracees[pid] = tracee = Tracee(pid, None, self.text)
            return
        # Any stop takes back an interrupt that is under way: the first that comes is the one to leave at.
        if self.stopping and tracee.pending is None and event not in FORKS:
            self.let_go(tracee, number if is_signal else 0)
        elif event in FORKS:
            child = ctypes.c_ulong()
            ptrace(GETEVENTMSG, pid, 0, ctypes.addressof(child))
            self.adopt(child.value, self.part_of_child(tracee))
            self.resume(tracee)
        elif event == EVENT_EXEC:
            tracee.text = text_of(pid)
            tracee.close()
            self.resume(tracee)
        elif event == EVENT_STOP:
            if tracee.part is not None:
                self.resume(tracee)
        elif is_signal:
            self.resume(tracee, number)
        else:
            self.on_system_call(tracee)

    def adopt(self, pid, part):
        """The child's first stop and the parent's word of it come in either order."""
        early = self.tracees.get(pid)
        if early:
            early.part = part
            if part is None:
                self.let_go(early)
            else:
                self.resume(early)
        else:
            self.tracees[pid] = Tracee(pid, part or "other", self.text)

    def drain(self):
        while self.tracees:
            try:
                pid, status = os.waitpid(-1, WALL | NO_THREAD | os.WNOHANG)
            except ChildProcessError:
                self.tracees.clear()
                return
            if pid == 0:
                return
            try:
                if os.WIFSTOPPED(status):
                    self.on_stop(pid, status)
                elif pid in self.tracees:
                    self.tracees.pop(pid).close()
            except OSError as error:
                if error.errno != 3:  # killed meanwhile: its end is told next
                    raise

    def stop(self):
        self.stopping = True
        for tracee in list(self.tracees.values()):
            try:
                ptrace(INTERRUPT, tracee.pid)
            except OSError:
                pass

    def run(self):
        self.attach()
        print(json.dumps({"attached": True}), flush=True)
        while self.tracees:
            # A child's news may have come before we wait: hence the limit.
            got = signal.sigtimedwait({signal.SIGCHLD, signal.SIGUSR1}, 0.05)
            if got and got.si_signo == signal.SIGUSR1 and not self.stopping:
                self.drain()
                self.stop()
            self.drain()
        while not self.stopping:  # all are gone; the order still comes
            if signal.sigwait({signal.SIGUSR1}):
                break
        return {"sites": self.sites, "injected": self.injected is not None, "met": self.met}


def main():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGUSR1})
    for line in sys.stdin:
        try:
            answer = Session(json.loads(line)).run()
        except OSError as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
