import { expect, test } from "vitest";
import { dice } from "./fake-server";
import { difference, merge, type TextEdit } from "./lines";

function applied(text: string, edits: readonly TextEdit[]): string {
  return [...edits]
    .reverse()
    .reduce((now, { from, to, insert }) => now.slice(0, from) + insert + now.slice(to), text);
}

const numbered = (count: number): string[] => Array.from({ length: count }, (_, line) => `line ${line}`);

test("differences are small", () => {
  expect(difference("abc", "abc")).toEqual([]);
  expect(difference("abc", "aXc")).toEqual([{ from: 1, to: 2, insert: "X" }]);
  expect(difference("", "new")).toEqual([{ from: 0, to: 0, insert: "new" }]);
  expect(difference("a\nb\nc", "a\nB\nc\nd")).toEqual([
    { from: 2, to: 3, insert: "B" },
    { from: 5, to: 5, insert: "\nd" },
  ]);
});

test("a difference never parts the halves of a character", () => {
  expect(difference("😀", "😁")).toEqual([{ from: 0, to: 2, insert: "😁" }]);
  expect(difference("a🐍", "a🐊")).toEqual([{ from: 1, to: 3, insert: "🐊" }]);
});

test("differences make the one of the other, and merging with what did not change is that", () => {
  const roll = dice(7);
  const word = () => ["", "a", "b", "😀", "😁", "ab"][roll(6)] ?? "";
  const text = () => Array.from({ length: roll(9) }, word).join("\n");
  for (let round = 0; round < 5_000; round++) {
    const [one, other] = [text(), text()];
    expect(applied(one, difference(one, other))).toBe(other);
    for (const merged of [merge(one, other, other), merge(one, one, other), merge(one, other, one)]) {
      expect(merged).toEqual({ clean: true, mine: other, theirs: other });
    }
  }
});

test("changes in different lines are both kept", () => {
  const base = numbered(9).join("\n");
  const mine = base.replace("line 1", "mine").concat("\nend");
  const theirs = `first\n${base.replace("line 5\n", "")}`;
  const both = numbered(9).map((line) => (line === "line 1" ? "mine" : line));
  both.splice(5, 1);
  const expected = ["first", ...both, "end"].join("\n");
  expect(merge(base, mine, theirs)).toEqual({ clean: true, mine: expected, theirs: expected });
});

test("changes of the same lines are a clash, and only they differ", () => {
  const merged = merge("a\nb\nc\nd\ne", "a\nmine\nc\nd\nE", "A\ntheirs\nc\nd\ne");
  expect(merged).toEqual({ clean: false, mine: "a\nmine\nc\nd\nE", theirs: "A\ntheirs\nc\nd\nE" });
});

test("two long texts that have nothing in common are one edit, without a search for more", () => {
  const [one = "", other = ""] = ["a", "b"].map((letter) =>
    Array.from({ length: 40_000 }, (_, line) => letter + line).join("\n"),
  );
  const edits = difference(one, other);
  expect(edits).toHaveLength(1);
  expect(applied(one, edits)).toBe(other);
}, 120_000);
