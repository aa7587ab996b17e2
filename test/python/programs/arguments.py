import sys, os
print(sys.argv, sys.orig_argv[1:], __file__, __name__, __doc__, __spec__, __package__, __loader__.__class__, __loader__.name,
      __loader__.path)
print(sys.path[0], os.getcwd(), list(globals()), sys.flags.safe_path, sys.flags.interactive, sys.flags.no_user_site,
      sys.flags.ignore_environment)
print(__builtins__, __annotations__)
x: int = 3
print(__annotations__, vars() is globals(), sys.modules["__main__"].x)
import __main__
print(__main__.x, __main__)
