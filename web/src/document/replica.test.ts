// Where cursors are, while texts change on both sides.
import { ChangeSet } from "@codemirror/state";
import { expect, test } from "vitest";
import { Replica, textOf } from "./replica";

const insert = (at: number, text: string, length: number) =>
  ChangeSet.of({ from: at, insert: text }, length, "\n");
const cursor = (revision: number, head: number) => ({
  session: 7,
  name: "Ben",
  revision,
  anchor: head,
  head,
});

const headOf = (replica: Replica): number | undefined => replica.peers()[0]?.head;

test("a cursor told in an older text is placed in the one shown", () => {
  const replica = new Replica(1, 0, textOf("abcd"));
  replica.receive([{ client: "other", changes: insert(0, "12", 4) }]);
  replica.edit(insert(0, "X", 6));
  replica.setCursor(cursor(0, 3));
  expect(headOf(replica)).toBe(6);
});

test("a cursor told in a text that is yet to come waits for it", () => {
  const replica = new Replica(1, 0, textOf("abcd"));
  replica.setCursor(cursor(1, 6));
  expect(replica.peers()).toEqual([]);
  replica.receive([{ client: "other", changes: insert(4, "ef", 4) }]);
  expect(headOf(replica)).toBe(6);
});

test("cursors move with what is typed before them", () => {
  const replica = new Replica(1, 0, textOf("abcd"));
  replica.setCursor(cursor(0, 2));
  replica.edit(insert(0, "XY", 4));
  expect(headOf(replica)).toBe(4);
  replica.edit(ChangeSet.of({ from: 0, to: 6 }, 6));
  expect(headOf(replica)).toBe(0);
});

test("one's own cursor is told in the server's text", () => {
  const replica = new Replica(1, 0, textOf("abcd"));
  replica.edit(insert(1, "pending", 4));
  expect([0, 1, 4, 8, 11].map((at) => replica.toBase(at))).toEqual([0, 1, 1, 1, 4]);
});
