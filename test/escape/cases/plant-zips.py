# Plants archives, and words about them, that the next program's interpreter or the server might take for programs.
from trying import *
import io, subprocess, zipfile

PLANTED = "print('PLANTED', __name__)\n"


def archive(*members):
    bytes = io.BytesIO()
    with zipfile.ZipFile(bytes, "w", zipfile.ZIP_DEFLATED) as file:
        for member in members:
            file.writestr(member, PLANTED)
    return bytes.getvalue()


modules = ["__main__.py", "sitecustomize.py", "usercustomize.py", "json.py", "random.py", "readline.py"]
for name in ("x.zip", "python311.zip", "case.zip", "after.pyz", "json.zip", "lib.py"):
    with open(name, "wb") as file:
        file.write(archive(*modules))
home = os.getcwd()
# Not among one's own site-packages, where python3 obeys a .pth file: they are for what one has installed.
for name in ("x.pth", "python311._pth", "carrel-python._pth"):
    write(name, f"{home}/x.zip\nimport sys; print('PLANTED')\n")
write("pyvenv.cfg", f"home = {home}\ninclude-system-site-packages = false\n")
words = f"PYTHONPATH={home}/x.zip\nPYTHONHOME={home}\nPYTHONSTARTUP={home}/x.zip\nPYTHONINSPECT=1\n"
for name in (".profile", ".bashrc", ".bash_profile", ".pam_environment", ".env", ".pythonrc.py"):
    write(name, words)
os.environ.update(dict(line.split("=") for line in words.split()))

# In its own run all of it is the program's to use.
works("an archive as a module", lambda: b"PLANTED" in subprocess.run(
    [sys.executable, "-c", "import json"], env={"PYTHONPATH": "x.zip"}, capture_output=True).stdout)
works("an archive as a program", lambda: b"PLANTED" in subprocess.run(
    [sys.executable, "x.zip"], env={}, capture_output=True).stdout)

# What climbs out of an archive stays inside.
os.mkdir("out")
with zipfile.ZipFile(io.BytesIO(archive("../slipped.py", "../../slipped.py", "/slipped.py", "../../../etc/slipped.py"))) as file:
    file.extractall("out")
works("nothing slipped", lambda: not os.path.exists("slipped.py") and not os.path.exists("../slipped.py"))
bomb = io.BytesIO()
with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as file:
    with file.open("bomb", "w", force_zip64=True) as member:
        for _ in range(64):
            member.write(bytes(1 << 20))
with open("bomb.zip", "wb") as file:
    file.write(bomb.getvalue())
held("a bomb unpacked", lambda: zipfile.ZipFile("bomb.zip").extractall("out"), {"EFBIG"})
os.unlink("out/bomb")
over()
