"""The rival that keeps interpreters for people: a Jupyter kernel, from asking for a new one to its first output."""

import importlib.util
import queue
import time


def has_kernels():
    return all(importlib.util.find_spec(name) for name in ("jupyter_client", "ipykernel"))


class Kernels:
    """Started and stopped by a server that runs already, as a notebook server does: here its kernel manager."""

    def __init__(self):
        from jupyter_client import KernelManager

        self.make = KernelManager

    def first_output(self, text):
        """Seconds until the new kernel shows the first output of this text."""
        manager = self.make(kernel_name="python3")
        started = time.perf_counter()
        manager.start_kernel()
        client = manager.client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=60)
            client.execute(text)
            while True:
                message = client.get_iopub_msg(timeout=60)
                if message["msg_type"] == "stream":
                    return time.perf_counter() - started
        except queue.Empty:
            raise AssertionError("the kernel shows nothing") from None
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
