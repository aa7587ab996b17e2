"""An exception while another is handled, one with a cause, one with notes."""

def divide(a, b):
    return a / b


class Odd(Exception):
    def __str__(self):
        return "odd: " + super().__str__()


try:
    try:
        divide(1, 0)
    except ZeroDivisionError:
        {}["key"]
except KeyError as error:
    odd = Odd("two lines\nof it")
    odd.add_note("a note")
    raise odd from error
