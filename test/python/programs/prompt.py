# interactive
# at: >>> 
# type: x\n
# at: >>> 
# type: _ + 1\n
# at: >>> 
# type: def f():\n  return x / 0\n\n
# at: >>> 
# type: f()\n
# at: >>> 
# type: import sys; sys.ps1, sys.last_type, sys.flags.interactive\n
# at: >>> 
# type: __file__\n
# at: >>> 
# type: __name__, __spec__, __loader__.__class__\n
# at: >>> 
# type: 1 +\n
# at: >>> 
# type: def g() -> Unknown: pass\n\n
# at: >>> 
# type: print(sys.argv, __doc__)\n
# at: >>> 
# type: import math as m; m.pi\n
# at: >>> 
# type: [1, 'two', None]\n
# at: >>> 
# type: None\n
# at: >>> 
# type: time.sleep(30)\n
# at: sleep(30)\r\n
# type: \x03
# at: >>> 
# type: raise SystemExit(7)\n
from __future__ import annotations
import time
x = 41
print("script over")
1 / 0
