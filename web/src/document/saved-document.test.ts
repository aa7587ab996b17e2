import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { RequestError } from "../connection/connection";
import { difference } from "./difference";
import type { TextEdit } from "./document";
import { Drafts } from "./drafts";
import { SavedDocument, type FileContent } from "./saved-document";

/** A server with one file whose versions are numbers; `fail` is thrown by the next save, after or before it is done. */
class FakeServer {
  text = "old";
  version = 1;
  gone = false;
  saves = 0;
  fail: { code: "offline" | "quota"; done: boolean } | null = null;

  content(): FileContent {
    return { text: this.text, version: String(this.version), writable: true };
  }

  open = (): Promise<FileContent> =>
    this.gone ? Promise.reject(new RequestError("not-found", "gone")) : Promise.resolve(this.content());

  save = (_path: string, text: string, version?: string): Promise<{ version: string }> => {
    this.saves++;
    const { fail } = this;
    this.fail = null;
    if (fail && !fail.done) return Promise.reject(new RequestError(fail.code, "failed"));
    if (version === undefined ? !this.gone : this.gone || version !== String(this.version)) {
      return Promise.reject(new RequestError(this.gone ? "not-found" : "conflict", "changed"));
    }
    this.write(text);
    return fail
      ? Promise.reject(new RequestError(fail.code, "failed"))
      : Promise.resolve({ version: String(this.version) });
  };

  write(text: string): void {
    this.text = text;
    this.version++;
    this.gone = false;
  }
}

let server: FakeServer;
let drafts: Drafts;
let document: SavedDocument;

const make = () => new SavedDocument("Local/ada/a.py", server.content(), server, drafts);
const type = (text: string) => document.edited([], () => text);
const pass = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds);

/** Local storage's entries are its own keys, which is how the drafts are listed. */
function fakeStorage(): Storage {
  return Object.create({
    getItem(this: Record<string, string>, key: string) {
      return this[key] ?? null;
    },
    setItem(this: Record<string, string>, key: string, value: string) {
      this[key] = value;
    },
    removeItem(this: Record<string, string>, key: string) {
      delete this[key];
    },
  }) as Storage;
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("localStorage", fakeStorage());
  server = new FakeServer();
  drafts = new Drafts("class", 1);
  document = make();
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("it saves itself once, some 600 ms after the last keystroke", async () => {
  type("n");
  await pass(500);
  type("new");
  await pass(500);
  expect(server.saves).toBe(0);
  expect(document.status.value.kind).toBe("saving");
  await pass(150);
  expect(server.saves).toBe(1);
  expect(server.text).toBe("new");
  expect(document.status.value.kind).toBe("saved");
  expect(document.dirty.value).toBe(false);
});

test("unsaved text is kept in the browser until it is saved", async () => {
  type("new");
  await pass(200);
  expect(drafts.get("Local/ada/a.py")).toMatchObject({ text: "new", version: "1" });
  await pass(600);
  expect(drafts.get("Local/ada/a.py")).toBeNull();
});

test("a draft comes back, and is saved where the file is as it was", async () => {
  type("new");
  document.flush();
  document.close(false);
  document = make();
  expect(document.text()).toBe("new");
  expect(document.dirty.value).toBe(true);
  await pass(700);
  expect(server.text).toBe("new");
});

test("a draft of a file that changed meanwhile is a question, not an overwriting", async () => {
  type("mine");
  document.flush();
  document.close(false);
  server.write("theirs");
  document = make();
  expect(document.text()).toBe("mine");
  expect(document.conflict.value?.theirs?.text).toBe("theirs");
  await pass(5_000);
  expect(server.text).toBe("theirs");
});

test("a file that changed on disk: theirs", async () => {
  const seen: (readonly TextEdit[])[] = [];
  document.onEdits((edits) => seen.push(edits));
  type("mine");
  server.write("theirs");
  await pass(700);
  expect(document.conflict.value?.theirs?.text).toBe("theirs");
  expect(document.text()).toBe("mine");
  expect(drafts.get("Local/ada/a.py")?.text).toBe("mine");
  document.takeTheirs();
  expect(document.text()).toBe("theirs");
  expect(document.dirty.value).toBe(false);
  expect(seen).toHaveLength(1);
});

test("a file that changed on disk: mine, also what was typed meanwhile", async () => {
  type("mine");
  server.write("theirs");
  await pass(700);
  type("mine and more");
  await pass(700);
  expect(server.text).toBe("theirs");
  await document.keepMine();
  expect(server.text).toBe("mine and more");
  expect(document.conflict.value).toBeNull();
});

test("mine does not overwrite a third version unasked", async () => {
  type("mine");
  server.write("theirs");
  await pass(700);
  server.write("third");
  await document.keepMine();
  expect(server.text).toBe("third");
  expect(document.conflict.value?.theirs?.text).toBe("third");
});

test("a deleted file can be written again", async () => {
  server.gone = true;
  await document.refresh();
  expect(document.conflict.value).toEqual({ theirs: null });
  await document.keepMine();
  expect(server.gone).toBe(false);
  expect(server.text).toBe("old");
});

test("a save whose answer was lost is no conflict with oneself", async () => {
  server.fail = { code: "offline", done: true };
  type("one");
  await pass(700);
  expect(document.status.value.kind).toBe("offline");
  type("one two");
  document.reconnected();
  await pass(50);
  expect(document.conflict.value).toBeNull();
  expect(server.text).toBe("one two");
  expect(document.status.value.kind).toBe("saved");
});

test("a refusal is told, and tried again", async () => {
  server.fail = { code: "quota", done: false };
  type("new");
  await pass(700);
  expect(document.status.value).toEqual({ kind: "failed", reason: "failed" });
  await pass(6_000);
  expect(server.text).toBe("new");
});

test("a run takes exactly the text shown, and no save comes between", async () => {
  type("print(1)");
  const result = await document.saveThrough(async ({ text = "", version }) => {
    await pass(2_000);
    return server.save("", text, version);
  });
  expect(result.version).toBe("2");
  expect(server.saves).toBe(1);
  expect(document.dirty.value).toBe(false);
});

test("a run of saved text sends none", async () => {
  await document.saveThrough((source) => {
    expect(source).toEqual({});
    return Promise.resolve({});
  });
});

test("a run that did not start may have saved: no conflict with oneself", async () => {
  type("new");
  const started = document.saveThrough(({ text = "" }) => {
    server.write(text);
    return Promise.reject(new RequestError("busy", "three programs run"));
  });
  await expect(started).rejects.toMatchObject({ code: "busy" });
  await pass(700);
  expect(document.conflict.value).toBeNull();
  expect(document.dirty.value).toBe(false);
});

test("a program's writing is shown where nothing is unsaved", async () => {
  server.write("written");
  await document.refresh();
  expect(document.text()).toBe("written");
  expect(document.dirty.value).toBe(false);
});

test("drafts are bounded, oldest out first", () => {
  drafts.keep("a", "x".repeat(900_000), "1");
  vi.advanceTimersByTime(10);
  drafts.keep("b", "x".repeat(900_000), "1");
  vi.advanceTimersByTime(10);
  drafts.keep("c", "x".repeat(900_000), "1");
  expect(drafts.get("a")).toBeNull();
  expect(drafts.get("b")).not.toBeNull();
  expect(drafts.get("c")).not.toBeNull();
  expect(drafts.keep("d", "x".repeat(3_000_000), "1")).toBe(false);
});

test("differences are small", () => {
  expect(difference("abc", "abc")).toEqual([]);
  expect(difference("abc", "aXc")).toEqual([{ from: 1, to: 2, insert: "X" }]);
  expect(difference("aa", "aaa")).toEqual([{ from: 2, to: 2, insert: "a" }]);
  expect(difference("", "new")).toEqual([{ from: 0, to: 0, insert: "new" }]);
});
