// A page and its document: pushing, keeping, choosing, running.
import { ChangeSet } from "@codemirror/state";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Page, pass } from "./fake-page";
import { FakeServer, FakeStore } from "./fake-server";

const path = "Local/ada/a.py";

// A machine with other work to do takes its time.
vi.setConfig({ testTimeout: 120_000 });
beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("what is typed is pushed at once, and saved when the server has it", async () => {
  const server = new FakeServer("old\n");
  const page = await Page.open(server);
  page.append("new");
  expect(page.status).toBe("saving");
  expect(page.line.sent.at(-1)?.type).toBe("document.push");
  await pass(10);
  expect(server.text.toString()).toBe("old\nnew");
  expect(page.status).toBe("saved");
});

test("one push is under way, and what is typed meanwhile goes together", async () => {
  const server = new FakeServer("");
  const page = await Page.open(server);
  for (const letter of "abcdef") page.append(letter);
  await pass(20);
  const pushes = page.line.sent.filter(({ type }) => type === "document.push");
  expect(pushes.map(({ fields }) => fields.updates?.length)).toEqual([1, 5]);
  expect(server.text.toString()).toBe("abcdef");
});

test("two pages see each other's typing", async () => {
  const server = new FakeServer("one\ntwo\n");
  const [ada, ben] = [await Page.open(server), await Page.open(server)];
  ada.type(0, "A");
  ben.append("B");
  await pass(100);
  expect(ada.document.text()).toBe("Aone\ntwo\nB");
  expect(ben.document.text()).toBe("Aone\ntwo\nB");
});

test("an answer that is lost doubles nothing", async () => {
  const server = new FakeServer("");
  const page = await Page.open(server, new FakeStore(), () => 10);
  page.append("once");
  await pass(15);
  expect(server.text.toString()).toBe("once");
  page.line.cut();
  expect(page.status).toBe("offline");
  page.append(" more");
  page.line.restore();
  await pass(100);
  expect(server.text.toString()).toBe("once more");
  expect(page.document.text()).toBe("once more");
  expect(page.status).toBe("saved");
});

test("typed offline, reloaded, and there again", async () => {
  const server = new FakeServer("start\n");
  const page = await Page.open(server);
  page.line.cut();
  page.append("offline\n");
  await pass(200);
  expect(page.store.records.size).toBe(1);
  await page.reload();
  expect(page.document.text()).toBe("start\noffline\n");
  await pass(500);
  expect(server.text.toString()).toBe("start\noffline\n");
  expect(page.store.records.size).toBe(0);
});

test("typed offline, closed, and opened again in the same page", async () => {
  const server = new FakeServer("start\n");
  const page = await Page.open(server);
  page.line.cut();
  page.append("offline\n");
  page.document.close(false);
  await pass(200);
  page.line.restore();
  const again = page.documents.openPath(path);
  await pass(500);
  expect((await again).text()).toBe("start\noffline\n");
  expect(server.text.toString()).toBe("start\noffline\n");
  expect(page.store.records.size).toBe(0);
});

test("a reload while an answer is under way doubles nothing, even where the push arrives late", async () => {
  const server = new FakeServer("");
  const page = await Page.open(server, new FakeStore(), () => 30);
  page.append("once");
  await page.reload();
  await pass(500);
  expect(server.text.toString()).toBe("once");
  expect(page.document.text()).toBe("once");
});

test("a server that forgot gets what it misses", async () => {
  const server = new FakeServer("a\nb\nc\nd\n");
  const page = await Page.open(server);
  page.line.cut();
  page.type(0, "mine\n");
  server.write("a\nb\nc\ntheirs\nd\n");
  server.forget();
  page.line.restore();
  await pass(500);
  expect(server.text.toString()).toBe("mine\na\nb\nc\ntheirs\nd\n");
  expect(page.document.text()).toBe(server.text.toString());
  expect(page.document.conflict.peek()).toBeNull();
});

test("a server that forgot, after an answer was lost: what it had is no change of others", async () => {
  const server = new FakeServer("a\n");
  const page = await Page.open(server, new FakeStore(), () => 10);
  page.append("hel");
  await pass(15);
  page.line.cut();
  page.append("lo");
  server.forget();
  await page.reload();
  await pass(500);
  expect(page.document.conflict.peek()).toBeNull();
  expect(server.text.toString()).toBe("a\nhello");
});

async function clashed(): Promise<[FakeServer, Page]> {
  const server = new FakeServer("a\nb\nc\nd\ne\n");
  const page = await Page.open(server);
  page.line.cut();
  page.type(2, "mine", 1);
  page.type(0, "first\n");
  server.write("a\ntheirs\nc\nd\nlast\n");
  server.forget();
  page.line.restore();
  await pass(500);
  return [server, page];
}

test("where both changed the same lines nobody's is thrown away: mine", async () => {
  const [server, page] = await clashed();
  expect(page.document.conflict.peek()).toBe("clash");
  expect(page.document.text()).toBe("first\na\nmine\nc\nd\nlast\n");
  expect(server.text.toString()).toBe("a\ntheirs\nc\nd\nlast\n");
  await page.document.resolve("mine");
  await pass(100);
  expect(server.text.toString()).toBe("first\na\nmine\nc\nd\nlast\n");
  expect(page.status).toBe("saved");
});

test("where both changed the same lines nobody's is thrown away: theirs", async () => {
  const [server, page] = await clashed();
  const shown: boolean[] = [];
  page.document.onChanges(({ own }) => shown.push(own));
  expect(await page.document.otherText()).toBe("first\na\ntheirs\nc\nd\nlast\n");
  await page.document.resolve("theirs");
  await pass(100);
  expect(server.text.toString()).toBe("first\na\ntheirs\nc\nd\nlast\n");
  // As an edit of one's own: undo brings mine back.
  expect(shown).toEqual([true]);
});

test("a clash that nobody answered is asked again after a reload", async () => {
  const [server, page] = await clashed();
  await page.reload();
  expect(page.document.conflict.peek()).toBe("clash");
  expect(page.document.text()).toContain("mine");
  expect(server.text.toString()).toContain("theirs");
});

test("a file changed on the disk in the same lines: the question is the server's", async () => {
  const server = new FakeServer("mine\n");
  const page = await Page.open(server);
  server.diskText = "theirs\n";
  server.say({ disk: "conflict" });
  await pass(10);
  expect(page.document.conflict.peek()).toBe("disk");
  const other = page.document.otherText();
  const resolved = page.document.resolve("theirs");
  await pass(100);
  expect(await other).toBe("theirs\n");
  await resolved;
  expect(page.document.text()).toBe("theirs\n");
  expect(page.document.conflict.peek()).toBeNull();
});

test("a file that is gone can be written again", async () => {
  const server = new FakeServer("text\n");
  const page = await Page.open(server);
  page.line.cut();
  page.append("more\n");
  server.exists = false;
  page.line.restore();
  await pass(100);
  expect(page.document.conflict.peek()).toBe("deleted");
  expect(page.status).toBe("deleted");
  const written = page.document.resolve("mine");
  await pass(100);
  await written;
  expect(server.text.toString()).toBe("text\nmore\n");
  expect(page.status).toBe("saved");
});

test("a refusal is told in the server's words, typing goes on, and it is tried again", async () => {
  const server = new FakeServer("");
  const page = await Page.open(server);
  server.refuse = "quota";
  page.append("a");
  await pass(100);
  expect(page.document.status.peek()).toEqual({ kind: "failed", reason: "refused: quota" });
  page.append("b");
  expect(await page.document.sync()).toBe(false);
  server.refuse = null;
  await pass(6_000);
  expect(server.text.toString()).toBe("ab");
  expect(page.status).toBe("saved");
});

test("an event that never came is asked for", async () => {
  const server = new FakeServer("");
  const [ada, ben] = [await Page.open(server), await Page.open(server)];
  const deaf = vi.spyOn(ben.line, "tellLater").mockImplementation(() => undefined);
  ada.append("lost");
  await pass(10);
  deaf.mockRestore();
  ada.append(" and found");
  await pass(3_000);
  expect(ben.document.text()).toBe("lost and found");
});

test("a run is of what is shown, asked for in one breath with the push", async () => {
  const server = new FakeServer("print(");
  const page = await Page.open(server, new FakeStore(), () => 10);
  page.append("1");
  page.append(")");
  const run = page.document.run((source) =>
    page.line.request("run.start", { path, ...source, columns: 80, rows: 24 }),
  );
  page.append("  # typed later");
  await pass(1_000);
  await run;
  expect(server.runs).toEqual(["print(1)"]);
  expect(server.text.toString()).toBe("print(1)  # typed later");
});

test("nothing else is run where somebody else takes the revision", async () => {
  const server = new FakeServer("\n");
  const page = await Page.open(server, new FakeStore(), () => 10);
  page.append("mine");
  await pass(200);
  // One update of somebody else arrives first: the revision is as expected, the text is not.
  page.type(0, "shown ");
  const run = page.document.run((source) =>
    page.line.request("run.start", { path, ...source, columns: 80, rows: 24 }),
  );
  server.write("theirs\nmine");
  await pass(3_000);
  await run;
  expect(server.runs).toEqual([server.text.toString()]);
  expect(server.runs[0]).toContain("shown ");
});

test("a run while the line is down says so", async () => {
  const page = await Page.open(new FakeServer("1"));
  page.line.cut();
  page.append("2");
  const run = page.document.run(() => Promise.resolve(1));
  const refused = expect(run).rejects.toMatchObject({ code: "offline" });
  await pass(10_000);
  await refused;
});

test("a long paste goes in pieces that the server takes", async () => {
  const server = new FakeServer("");
  const page = await Page.open(server);
  const long = "a line with an ümlaut and a 🐍\n".repeat(60_000);
  page.append(long);
  await pass(1_000);
  expect(server.text.toString()).toBe(long);
  for (const { fields } of page.line.sent) {
    expect(new TextEncoder().encode(JSON.stringify(fields)).length).toBeLessThan(1_100_000);
  }
});

test("a change in very many places goes in pieces, too", async () => {
  const server = new FakeServer("a\n".repeat(100_000));
  const page = await Page.open(server);
  const { length } = page.document.content();
  const changes = Array.from({ length: 100_000 }, (_, line) => ({
    from: line * 2,
    to: line * 2 + 1,
    insert: "bc",
  }));
  page.document.edited(ChangeSet.of(changes, length, "\n"));
  await pass(1_000);
  expect(server.text.toString()).toBe("bc\n".repeat(100_000));
});

test("two pages that keep edits do not take each other's", async () => {
  const server = new FakeServer("\n");
  const store = new FakeStore();
  const [one, two] = [await Page.open(server, store), await Page.open(server, store)];
  one.line.cut();
  two.line.cut();
  one.type(0, "one");
  two.append("two");
  await pass(300);
  expect(store.records.size).toBe(2);
  await one.reload();
  await pass(500);
  two.line.restore();
  await pass(500);
  expect(server.text.toString()).toBe("one\ntwo");
  expect(two.document.text()).toBe("one\ntwo");
  expect(store.records.size).toBe(0);
});
