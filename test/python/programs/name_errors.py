import traceback
number = 1
for text in ("numbr", "'abc'.uper()", "import maths", "from math import sine", "len(5)", "[1][2]", "int('x')", "{}.foo",
             "import _faulty.work"):
    try:
        exec(text)
    except Exception:
        traceback.print_exc()
numbr
