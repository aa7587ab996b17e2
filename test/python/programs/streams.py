import sys
for stream in (sys.stdin, sys.stdout, sys.stderr):
    print(stream, stream.buffer, stream.buffer.raw, stream.encoding, stream.errors, stream.name, stream.mode,
          stream.line_buffering, stream.write_through, stream.isatty(), stream.fileno(), stream.newlines)
for name in ("stdin", "stdout", "stderr"):
    print(getattr(sys, name) is getattr(sys, "__" + name + "__"))
print("error", file=sys.stderr)
sys.stdout.write("no newline")
sys.stderr.write("between ")
sys.stdout.buffer.write(b"bytes\n")
print("a", "b", sep="", end="!", flush=True)
