import { expect, test } from "vitest";
import { foldersOf, gatherFiles } from "./gather";
import { blockedFolders, conflictsOf, growthOf, lacking, planOf, type Existing } from "./upload-plan";

type Names = Record<string, { kind: "file" | "folder" | "link"; size: number }>;
const folder = (names: Names) => new Map(Object.entries(names));
const existing: Existing = new Map([
  [
    "",
    folder({
      "a.py": { kind: "file", size: 5000 },
      week: { kind: "folder", size: 0 },
      b: { kind: "folder", size: 0 },
      link: { kind: "link", size: 0 },
    }),
  ],
  ["week", folder({ "a.py": { kind: "file", size: 1 } })],
]);
const files = ["a.py", "b", "new.py", "week/a.py", "week/new/c.py"].map((path) => ({ path, content: path }));

test("a file of the same name is a conflict, a folder of that name cannot be replaced", () => {
  expect(conflictsOf(files, existing).map(({ path, blocked }) => [path, blocked])).toEqual([
    ["a.py", false],
    ["b", true],
    ["week/a.py", false],
  ]);
});

test("nothing is replaced that was not decided", () => {
  const plan = planOf(files, existing, new Map(), "copy");
  expect(plan.map(({ path, overwrite }) => [path, overwrite])).toEqual([
    ["new.py", false],
    ["week/new/c.py", false],
  ]);
});

test("each conflict as it was decided", () => {
  const decisions = new Map([
    ["a.py", "both"],
    ["week/a.py", "replace"],
    ["b", "skip"],
  ] as const);
  const plan = planOf(files, existing, decisions, "copy");
  expect(plan.map(({ path, overwrite }) => [path, overwrite])).toEqual([
    ["a copy.py", false],
    ["new.py", false],
    ["week/a.py", true],
    ["week/new/c.py", false],
  ]);
});

test("a kept name collides with nothing of the same upload", () => {
  const both = ["a.py", "a copy.py"].map((path) => ({ path, content: path }));
  const plan = planOf(both, existing, new Map([["a.py", "both"]]), "copy");
  expect(plan.map(({ path }) => path)).toEqual(["a copy 2.py", "a copy.py"]);
});

test("where a file stands no folder can come", () => {
  expect(blockedFolders(["a.py", "week", "link", "other"], existing)).toEqual(["a.py", "link"]);
});

test("it fits or it does not, counted as the disk counts", () => {
  const growth = growthOf(
    [
      { path: "x", size: 1, overwrite: false },
      { path: "a.py", size: 100, overwrite: true },
    ],
    1,
    existing,
  );
  expect(growth).toEqual({ bytes: 4096, files: 2 });
  const usage = { bytes: 8000, files: 10, most_bytes: 12_096, most_files: 12 };
  expect(lacking(usage, growth)).toBeNull();
  expect(lacking({ ...usage, most_bytes: 12_095 }, growth)).toBe("bytes");
  expect(lacking({ ...usage, most_files: 11 }, growth)).toBe("files");
  expect(lacking({ ...usage, most_bytes: 0, most_files: 0 }, growth)).toBeNull();
});

test("a chosen folder is gathered with the folders in it, without hidden files", () => {
  const file = (path: string) =>
    Object.defineProperty(new File(["x"], path.split("/").at(-1)!), "webkitRelativePath", { value: path });
  const gathered = gatherFiles([
    file("top/a/b.py"),
    file("top/.git/config"),
    file("top/.DS_Store"),
    file("top/c.py"),
  ]);
  expect(gathered.files.map(({ path }) => path)).toEqual(["top/a/b.py", "top/c.py"]);
  expect(gathered.folders).toEqual(["top", "top/a"]);
  expect(foldersOf(["a/b/c/d", "a/x"])).toEqual(["a", "a/b", "a/b/c"]);
});
