"""All programs are copies of one interpreter. What is random in one must not be so in the next, and the original is
replaced now and then while people work."""

import time

from school import CLASS, School

SECRETS = """
import random, secrets, tempfile, uuid
print(random.random(), uuid.uuid4(), secrets.token_hex(8), tempfile.mktemp(), random.SystemRandom().random())
try:
    import numpy
    print(numpy.random.rand(), numpy.random.default_rng().random())
except ImportError:
    pass
"""


def secrets_of(person):
    run = person.run(SECRETS)
    run.expect(">>> ")
    words = run.text.split(">>>")[0].split()
    run.close()
    return words


def test_siblings_share_no_randomness(ada):
    runs = [secrets_of(ada) for _ in range(12)]
    for position, words in enumerate(zip(*runs)):
        assert len(set(words)) == len(words), f"word {position} came twice: {words}"


def test_the_original_is_replaced_while_people_work():
    """What all programs are copies of is replaced again and again; an open prompt and new programs go on as if nothing were."""
    school = School(settings=["--pool.generation=10"])
    try:
        school.carrel("class", "add", CLASS, "--title", "Demonstration", "--data", school.data)
        school.add_person("ada")
        school.start()
        ada = school.sign_in("ada")
        kept = ada.start()
        kept.expect(">>> ")
        end = time.monotonic() + 60
        while school.log.count("zygote.replaced") < 2:
            assert time.monotonic() < end, school.log[-3000:]
            run = ada.run("print('here')")
            run.expect("here")
            run.expect(">>> ")
            run.close()
            time.sleep(0.05)
        kept.type("6 * 7\r")
        kept.expect("42")
        ada.disconnect()
        school.stop()
        assert " error " not in school.log, school.log[-3000:]
    finally:
        school.remove()
