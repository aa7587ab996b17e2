"""Guess the number."""

import random

secret = random.randint(1, 100)
tries = 0
print("I am thinking of a number from 1 to 100.")

while True:
    answer = input("Your guess: ")
    if not answer.strip().isdecimal():
        print("That is not a number.")
        continue
    tries += 1
    guess = int(answer)
    if guess < secret:
        print("Higher!")
    elif guess > secret:
        print("Lower!")
    else:
        print(f"Yes! You needed {tries} {'guess' if tries == 1 else 'guesses'}.")
        break
