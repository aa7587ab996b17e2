// Pages that share a document, on lines that delay, overtake and break, with a server that forgets.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Page, pass } from "./fake-page";
import { dice, FakeServer, FakeStore } from "./fake-server";

// A machine with other work to do takes its time.
vi.setConfig({ testTimeout: 120_000 });
beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Random typing on random lines: each word is typed once and must be there once. */
async function turmoil(
  seed: number,
  forgets: boolean,
): Promise<{ server: FakeServer; pages: Page[]; clashes: number; typed: number }> {
  const roll = dice(seed);
  const server = new FakeServer(
    Array.from({ length: forgets ? 300 : 30 }, (_, line) => `line ${line}`).join("\n"),
  );
  const pages: Page[] = [];
  for (let name = 0; name < 3; name++)
    pages.push(await Page.open(server, new FakeStore(), () => 1 + roll(60)));
  let [clashes, typed] = [0, 0];
  const answer = async () => {
    for (const { document } of pages) {
      if (document.conflict.peek() === null) continue;
      clashes++;
      await document.resolve("mine");
    }
  };
  for (let step = 0; step < 250; step++) {
    const page = pages[roll(pages.length)];
    if (!page) continue;
    const what = roll(40);
    if (what < 30) {
      const { lines } = page.document.content();
      // Whom a server that forgot must put together by lines each type in a part of their own.
      const part = forgets ? pages.indexOf(page) / 3 + 0.05 + roll(20) / 100 : roll(100) / 100;
      const line = page.document.content().line(1 + Math.floor(part * lines));
      page.type(line.from, `<${seed}.${step}>\n`);
      typed++;
    } else if (what < 32) page.line.cut();
    else if (what < 36) page.line.restore();
    else if (what === 36 && page.line.state.peek() === "open") await page.reload();
    else if (what === 37) server.condense();
    else if (what === 38 && forgets) {
      for (const { line } of pages) line.cut();
      server.forget();
    }
    await pass(roll(40));
    await answer();
  }
  for (let round = 0; round < 5; round++) {
    for (const { line } of pages) line.restore();
    await pass(3_000);
    await answer();
  }
  return { server, pages, clashes, typed };
}

const words = (text: string): string[] => text.match(/<\d+\.\d+>/g) ?? [];

const seeds = Array.from({ length: 25 }, (_, seed) => seed);

test.each(seeds)("pages converge, nothing lost or doubled (%i)", async (seed) => {
  const { server, pages, clashes, typed } = await turmoil(seed, false);
  const text = server.text.toString();
  for (const page of pages) {
    expect(page.document.text()).toBe(text);
    expect(page.status).toBe("saved");
    expect(page.store.records.size).toBe(0);
  }
  // Where a person chose one of two, the other's words went or came again by that.
  if (clashes > 0) return;
  expect(new Set(words(text)).size).toBe(typed);
  expect(words(text).length).toBe(typed);
});

test.each(seeds)("with a server that forgets, too (%i)", async (seed) => {
  const { server, pages, clashes, typed } = await turmoil(seed + 1_000, true);
  const text = server.text.toString();
  for (const page of pages) expect(page.document.text()).toBe(text);
  expect(clashes).toBe(0);
  expect(new Set(words(text)).size).toBe(typed);
  expect(words(text).length).toBe(typed);
});
