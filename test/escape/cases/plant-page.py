# Plants pages that would act in a teacher's name, were they shown as pages.
from trying import *

for name in ("x.html", "x.svg", "x.xml", "x.js", "x.pdf"):
    write(name, "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
over()
