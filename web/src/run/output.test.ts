import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Output } from "./output";

const bytes = (length: number) => new Uint8Array(length);
let acknowledged: number[];
let output: Output;

beforeEach(() => {
  vi.useFakeTimers();
  acknowledged = [];
  output = new Output((offset) => acknowledged.push(offset));
});

afterEach(() => {
  output.dispose();
  vi.useRealTimers();
});

test("new bytes pass, seen bytes do not", () => {
  expect(output.accept(0, bytes(10))).toHaveLength(10);
  expect(output.accept(0, bytes(10))).toBeNull();
  expect(output.accept(5, Uint8Array.of(1, 2, 3, 4, 5, 6, 7))).toEqual(Uint8Array.of(6, 7));
  expect(output.next).toBe(12);
});

test("what is shown is acknowledged within 50 ms, once", () => {
  output.accept(0, bytes(300));
  output.rendered(100);
  output.rendered(200);
  expect(acknowledged).toEqual([]);
  vi.advanceTimersByTime(50);
  expect(acknowledged).toEqual([300]);
  vi.advanceTimersByTime(500);
  expect(acknowledged).toEqual([300]);
});

test("a flood is acknowledged every 32 KB without waiting", () => {
  output.accept(0, bytes(65_536));
  output.rendered(30_000);
  output.rendered(10_000);
  expect(acknowledged).toEqual([40_000]);
});

test("what was received but not drawn is not acknowledged", () => {
  output.accept(0, bytes(1000));
  output.rendered(10);
  vi.advanceTimersByTime(50);
  expect(acknowledged).toEqual([10]);
});

test("it goes on after a gap", () => {
  output.accept(0, bytes(100));
  output.rendered(100);
  output.begin(5000);
  expect(output.accept(4000, bytes(1500))).toHaveLength(500);
  output.rendered(500);
  vi.advanceTimersByTime(50);
  expect(acknowledged).toEqual([5500]);
});

test("it begins where the scrollback begins", () => {
  output.begin(700);
  expect(output.next).toBe(700);
  output.begin(100);
  expect(output.next).toBe(700);
});
