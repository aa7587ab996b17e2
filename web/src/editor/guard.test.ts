import { EditorState, Transaction } from "@codemirror/state";
import { afterEach, expect, test, vi } from "vitest";
import * as notices from "../parts/notices";
import { guard } from "./guard";

const stateOf = (doc: string) => EditorState.create({ doc, extensions: guard() });

afterEach(() => void vi.restoreAllMocks());

test("halves of characters do not enter", () => {
  const { newDoc } = stateOf("ab").update({ changes: { from: 1, insert: "\ud83d" } });
  expect(newDoc.toString()).toBe("a\ufffdb");
});

test("a whole character may", () => {
  const { newDoc } = stateOf("ab").update({ changes: { from: 1, insert: "🐍" } });
  expect(newDoc.toString()).toBe("a🐍b");
});

test("a character is not torn: a change within it takes it whole", () => {
  const change = { changes: { from: 2, to: 3, insert: "x" }, annotations: Transaction.userEvent.of("input") };
  const transaction = stateOf("a🐍b").update(change);
  expect(transaction.newDoc.toString()).toBe("axb");
  expect(transaction.isUserEvent("input")).toBe(true);
});

test("a carriage return in a file is a character like others", () => {
  const state = stateOf("a\r\nb\rc");
  expect(state.doc.lines).toBe(2);
  expect(state.doc.toString()).toBe("a\r\nb\rc");
});

test("a text over the limit is refused whole, with a word", () => {
  const warned = vi.spyOn(notices, "warn").mockImplementation(() => undefined);
  const state = stateOf("kept");
  expect(state.update({ changes: { from: 0, insert: "ü".repeat(1_048_577) } }).docChanged).toBe(false);
  expect(warned).toHaveBeenCalledOnce();
  expect(state.update({ changes: { from: 0, insert: "ü".repeat(1_000_000) } }).docChanged).toBe(true);
});

test("what is too long already can be made shorter", () => {
  const state = stateOf("x".repeat(2_200_000));
  expect(state.update({ changes: { from: 0, to: 10 } }).docChanged).toBe(true);
});
