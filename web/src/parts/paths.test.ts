import { expect, test } from "vitest";
import {
  extensionOf,
  fileAddress,
  folderOf,
  freeName,
  isWithin,
  joinPath,
  movedPath,
  nameProblem,
} from "./paths";

test("paths are taken apart and put together", () => {
  expect(folderOf("Local/ada/a.py")).toBe("Local/ada");
  expect(folderOf("Local")).toBe("");
  expect(joinPath("", "Local")).toBe("Local");
  expect(extensionOf("a/b.tar.GZ")).toBe("gz");
  expect(extensionOf(".hidden")).toBe("");
});

test("a folder is not within its namesake's longer brother", () => {
  expect(isWithin("a/bc", "a/b")).toBe(false);
  expect(isWithin("a/b/c", "a/b")).toBe(true);
  expect(movedPath("a/b/c.py", "a/b", "x")).toBe("x/c.py");
  expect(movedPath("a/bc.py", "a/b", "x")).toBe("a/bc.py");
});

test("addresses are encoded name by name", () => {
  expect(fileAddress("py 1", "Lecture Notes/50 % #1?.py")).toBe(
    "/c/py%201/files/Lecture%20Notes/50%20%25%20%231%3F.py",
  );
});

test("copies find a free name", () => {
  expect(freeName("a.py", new Set(["a.py"]), "copy")).toBe("a copy.py");
  expect(freeName("a.py", new Set(["a copy.py"]), "copy")).toBe("a copy 2.py");
  expect(freeName(".hidden", new Set(), "copy")).toBe(".hidden copy");
});

test("names that cannot be are told why", () => {
  expect(nameProblem("  ", new Set())).toBe("empty");
  expect(nameProblem("a/b", new Set())).toBe("slash");
  expect(nameProblem("..", new Set())).toBe("dots");
  expect(nameProblem("a\nb", new Set())).toBe("control");
  expect(nameProblem("é".repeat(128), new Set())).toBe("long");
  expect(nameProblem("a", new Set(["a"]))).toBe("taken");
  expect(nameProblem("programme été.py", new Set())).toBeNull();
});
