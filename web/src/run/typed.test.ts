import { expect, test } from "vitest";
import { Typed } from "./typed";

function line() {
  const sent: Uint8Array[] = [];
  const state = { up: true };
  const typed = new Typed((bytes) => {
    if (state.up) sent.push(bytes);
    return state.up;
  });
  return { sent, state, typed };
}

test("a long paste is cut to frames", () => {
  const { sent, typed } = line();
  typed.put(new Uint8Array(70_000));
  expect(sent.map((bytes) => bytes.length)).toEqual([32_768, 32_768, 4_464]);
});

test("what is typed while the line is down comes after, in order", () => {
  const { sent, state, typed } = line();
  state.up = false;
  typed.put(Uint8Array.of(1));
  typed.put(Uint8Array.of(2));
  state.up = true;
  typed.put(Uint8Array.of(3));
  expect(sent).toEqual([]);
  typed.flush();
  expect(sent).toEqual([Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(3)]);
});

test("a queue has an end", () => {
  const { state, typed } = line();
  state.up = false;
  expect(typed.put(new Uint8Array(60_000))).toBe(true);
  expect(typed.put(new Uint8Array(60_000))).toBe(false);
});
