# One folder with thirty thousand entries.
from trying import *

os.mkdir("many")
os.chdir("many")
made = 0
try:
    for made in range(30000):
        os.close(os.open(f"f{made}", os.O_CREAT | os.O_WRONLY))
except OSError as error:
    say("held", name_of(error))
say(f"made {made + 1}")
over()
