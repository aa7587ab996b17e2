import getpass, os, pwd, pathlib, tempfile, shutil, site
print(getpass.getuser(), pwd.getpwuid(os.getuid()).pw_name, os.path.expanduser("~"), pathlib.Path.home(),
      tempfile.gettempdir(), shutil.which("ls"), os.environ["HOME"], site.getusersitepackages(),
      site.ENABLE_USER_SITE, os.get_terminal_size())
print(sorted(os.environ))
