import { expect, test } from "vitest";
import type { Span } from "../protocol";
import { endOf, momentAt, momentsOf, placeOf, type Past } from "./past";

const at = (clock: string): number => Date.parse(`2026-03-02T${clock}:00Z`);

const span = (from: number, to: number, start: string, name: string): Span => ({
  from,
  to,
  start: at(start),
  end: at(start) + 50_000,
  name,
  inserted: to - from,
  deleted: 0,
});

const past: Past = {
  document: 1,
  first: 0,
  last: 60,
  spans: [
    span(0, 10, "10:00", "Ada"),
    span(10, 20, "10:00", "Ben"),
    span(20, 30, "10:20", "Ada"),
    span(30, 60, "11:00", "Ada"),
  ],
  marks: [],
};

test("by minutes: who typed in the same minute is one moment", () => {
  const moments = momentsOf(past, "minutes");
  expect(moments.map(({ revision }) => revision)).toEqual([0, 20, 30, 60]);
  expect(moments[1]?.names).toEqual(["Ada", "Ben"]);
  expect(moments[1]?.inserted).toBe(20);
});

test("by sessions: half an hour without a keystroke ends one", () => {
  expect(momentsOf(past, "sessions").map(({ revision }) => revision)).toEqual([0, 30, 60]);
});

test("what was condensed away begins where texts can be had", () => {
  expect(momentsOf({ ...past, first: 20 }, "minutes").map(({ revision }) => revision)).toEqual([20, 30, 60]);
});

test("a revision has its place among the moments", () => {
  const moments = momentsOf(past, "minutes");
  expect(momentAt(moments, 29)).toBe(1);
  expect(momentAt(moments, 30)).toBe(2);
  expect(placeOf(moments, 25)).toBeCloseTo(0.5);
  expect(placeOf(moments, 60)).toBe(1);
});

test("how a run ended, in a word", () => {
  const mark = { revision: 1, time: 0, name: "Ada", run: 1 };
  expect(endOf(mark)).toBeNull();
  expect(endOf({ ...mark, reason: "finished", exit: 0 })).toBe("fine");
  expect(endOf({ ...mark, reason: "finished", exit: 1 })).toBe("error");
  expect(endOf({ ...mark, reason: "cpu-limit" })).toBe("limit");
  expect(endOf({ ...mark, reason: "killed" })).toBe("stopped");
});
