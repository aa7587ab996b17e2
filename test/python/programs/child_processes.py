import os, subprocess, sys, signal
print(subprocess.run(["sh", "-c", "echo out; echo err >&2; exit 3"], capture_output=True))
print(subprocess.run([sys.executable, "-c", "import sys; print(sys.flags.safe_path, sys.path[0] == '', sys.stdout.encoding)"],
                     capture_output=True, text=True).stdout)
print([flag for flag in subprocess._args_from_interpreter_flags() if flag != "-B"])
child = os.fork()
if child == 0:
    os.kill(os.getpid(), signal.SIGTERM)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(os.system("exit 4") >> 8, os.popen("echo popen").read())
print(signal.getsignal(signal.SIGPIPE), signal.getsignal(signal.SIGCHLD), signal.getsignal(signal.SIGWINCH),
      signal.pthread_sigmask(signal.SIG_BLOCK, []), oct(os.umask(0o22)))
