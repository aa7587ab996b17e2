# Plants modules that the next program's interpreter might pick up.
from trying import *

for name in ("sitecustomize", "usercustomize", "json", "readline", "encodings", "trying", "site", "importlib"):
    write(f"{name}.py", "print('PLANTED', __name__)\n")
write("x.pth", "import os; print('PLANTED')\n")
os.makedirs(".local/lib/python3.11/site-packages", exist_ok=True)
write(".local/lib/python3.11/site-packages/usercustomize.py", "print('PLANTED')\n")
write(".pythonrc", "print('PLANTED')\n")
over()
