# Calls whose bugs have been ways out of sandboxes.
from trying import *

held("io_uring_setup", lambda: call("io_uring_setup", 8, HERE), {"ENOSYS", "EPERM"})  # EPERM: the server's own filter, which a program inherits
held("bpf", lambda: call("bpf", 0, HERE, 72), REFUSALS)
held("perf_event_open", lambda: call("perf_event_open", HERE, 0, -1, -1, 0), REFUSALS)
held("userfaultfd", lambda: call("userfaultfd", 0), REFUSALS)
held("userfaultfd, of user space", lambda: call("userfaultfd", 1), REFUSALS)
held("name_to_handle_at", lambda: call("name_to_handle_at", -100, text("/"), HERE, HERE, 0), REFUSALS)
held("open_by_handle_at", lambda: call("open_by_handle_at", -100, HERE, 0), REFUSALS)
held("fanotify", lambda: call("fanotify_init", 0, 0), REFUSALS)
held("lookup_dcookie", lambda: call("lookup_dcookie", 0, HERE, 64), REFUSALS)
held("migrate_pages", lambda: call("migrate_pages", 0, 1, HERE, HERE), REFUSALS)
held("move_pages", lambda: call("move_pages", 0, 0, 0, 0, 0, 0), REFUSALS)
held("process_madvise", lambda: call("process_madvise", 0, 0, 0, 0, 0), REFUSALS)
held("personality", lambda: call("personality", 0x0040000), REFUSALS)
held("vhangup", lambda: call("vhangup"), REFUSALS)
over()
