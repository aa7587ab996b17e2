"""How long does it take to come down to 1? See loops.md."""


def steps_from(number):
    """All the numbers on the way from `number` to 1."""
    way = [number]
    while number != 1:
        if number % 2 == 0:
            number = number // 2
        else:
            number = 3 * number + 1
        way.append(number)
    return way


start = int(input("Begin with: "))
if start < 1:
    print("Begin with 1 or more.")
else:
    way = steps_from(start)
    print(*way, sep=" → ")
    print(f"{len(way) - 1} steps, and the highest was {max(way)}.")
