# Keyrings outlive a program, and some are shared by a user's programs.
from trying import *

held("own keyring", lambda: call("keyctl", 0, -3, 1), {"ENOSYS", "EPERM"})
held("session keyring", lambda: call("keyctl", 1, text("carrel")), {"ENOSYS", "EPERM"})
held("add a key", lambda: call("add_key", text("user"), text("x"), text("secret"), 6, -4), {"ENOSYS", "EPERM"})
held("request a key", lambda: call("request_key", text("user"), text("x"), 0, 0), {"ENOSYS", "EPERM"})
over()
