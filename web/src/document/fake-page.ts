// For tests: a page with one document open, on a line to the fake server. Time must be faked.
import { ChangeSet } from "@codemirror/state";
import { vi } from "vitest";
import type { OpenDocument } from "./document";
import { Documents } from "./documents";
import { FakeLine, FakeStore, type FakeServer } from "./fake-server";

const path = "Local/ada/a.py";

export const pass = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds);

async function opened(documents: Documents): Promise<OpenDocument> {
  const opening = documents.openPath(path);
  opening.catch(() => undefined);
  await pass(1_000);
  return opening;
}

export class Page {
  line: FakeLine;
  documents: Documents;
  document!: OpenDocument;

  private constructor(
    readonly server: FakeServer,
    readonly store: FakeStore,
    readonly delay: (() => number) | undefined,
  ) {
    this.line = new FakeLine(server, delay);
    this.documents = new Documents(this.line, store.keeper());
  }

  static async open(server: FakeServer, store = new FakeStore(), delay?: () => number): Promise<Page> {
    const page = new Page(server, store, delay);
    page.document = await opened(page.documents);
    return page;
  }

  /** Typed at a place, as an editor does it. */
  type(at: number, insert: string, remove = 0): void {
    const { length } = this.document.content();
    const from = Math.min(at, length);
    const to = Math.min(length, from + remove);
    this.document.edited(ChangeSet.of({ from, to, insert }, length, "\n"));
  }

  append(text: string): void {
    this.type(this.document.content().length, text);
  }

  /** The browser takes the page away and opens it again. */
  async reload(): Promise<void> {
    this.document.flush();
    this.documents.stop();
    this.line.leave();
    this.line = new FakeLine(this.server, this.delay);
    this.documents = new Documents(this.line, this.store.keeper());
    this.document = await opened(this.documents);
  }

  get status(): string {
    return this.document.status.peek().kind;
  }
}
