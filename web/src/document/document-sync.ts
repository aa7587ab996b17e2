// The traffic between one page's copy of a document and the server: opening, pushing (one push under way), and putting in
// order what comes, since answers and events may overtake each other. What cannot be put in order is asked for again.
import { signal, type Signal } from "@preact/signals";
import type { ChangeSet } from "@codemirror/state";
import { RequestError, type Connection, type Reply } from "../connection/connection";
import type { Update as SentUpdate } from "../protocol";
import { text as words } from "../text";
import type { Replica } from "./replica";
import { batch, decode } from "./updates";

export type DocumentServer = Pick<Connection, "request" | "tell" | "state">;
export type OpenReply = Reply<"document.open">;
export type Open = (fields: { path: string; document?: number; revision?: number }) => Promise<OpenReply>;

/** What is told to whoever owns the copy. */
export interface SyncObserver {
  /** The text shown changed, by somebody else. */
  shown(changes: ChangeSet): void;
  /** What is pending, or on which text, changed. */
  changed(): void;
  confirmed(): void;
  opened(reply: OpenReply): void;
}

export type Pushed = "accepted" | "outdated" | "failed";

/** A wish that all that was typed until now be confirmed. */
export interface Goal {
  left: number;
  done: (reached: boolean) => void;
}

const retryDelay = 5_000;
/** So long may be under way what must come. */
const gapDelay = 1_000;
const patience = 8_000;

export class DocumentSync {
  readonly writable = signal(false);
  /** Why the server does not take what is typed. */
  readonly problem = signal<string | null>(null);
  /** What is pending must not be pushed before a person has chosen. */
  readonly clash = signal(false);
  /** There is no such file any more, and no document of it. */
  readonly gone = signal(false);
  /** While this is not 0, only `push` pushes. */
  held = 0;
  readonly goals = new Set<Goal>();
  private early = new Map<number, readonly SentUpdate[]>();
  /** The server has this document open for this connection. */
  private attached = false;
  private opening = false;
  private pushing: Promise<Pushed> | null = null;
  /** A push was refused as outdated, and the updates in between have not come. */
  private awaiting = false;
  private expected = 0;
  private closed = false;
  private wakers: (() => void)[] = [];
  private gapTimer: ReturnType<typeof setTimeout> | undefined;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly path: Signal<string>,
    readonly replica: Replica,
    private readonly server: DocumentServer,
    private readonly open: Open,
    private readonly observer: SyncObserver,
  ) {}

  get online(): boolean {
    return this.attached && this.server.state.peek() === "open";
  }

  edit(changes: ChangeSet): void {
    this.replica.edit(changes);
    this.observer.changed();
    this.pump();
  }

  /** True when all that is pending now is confirmed; false where that cannot be. */
  reached(): Promise<boolean> {
    if (this.replica.pending.length === 0) return Promise.resolve(true);
    if (!this.online || this.problem.peek() !== null || this.clash.peek()) return Promise.resolve(false);
    return new Promise((done) => this.goals.add({ left: this.replica.pending.length, done }));
  }

  /** The line is back: first what the server has since, then what waited. */
  reconnected(): void {
    this.attached = false;
    this.problem.value = null;
    void this.reopen();
  }

  lineLost(): void {
    this.attached = false;
    this.endGoals();
    this.wake();
  }

  retry(): void {
    clearTimeout(this.retryTimer);
    this.problem.value = null;
    const lost = !this.attached && this.server.state.peek() === "open" && !this.gone.peek();
    if (lost) void this.reopen();
    else this.pump();
  }

  chosen(): void {
    this.clash.value = false;
    this.observer.changed();
    this.pump();
  }

  close(): boolean {
    const { attached } = this;
    this.closed = true;
    this.attached = false;
    clearTimeout(this.gapTimer);
    clearTimeout(this.retryTimer);
    this.endGoals();
    this.wake();
    return attached;
  }

  // --- opening

  async reopen(whole = false): Promise<void> {
    if (this.opening || this.closed) return;
    this.opening = true;
    const { number, revision } = this.replica;
    const since = whole ? {} : { document: number, revision };
    try {
      const reply = await this.open({ path: this.path.peek(), ...since });
      if (!this.closed) this.opened(reply);
    } catch (error) {
      this.opening = false;
      if (!this.closed) this.openFailed(error);
    }
    this.wake();
  }

  opened(reply: OpenReply): void {
    this.opening = false;
    this.attached = true;
    this.gone.value = false;
    this.path.value = reply.path;
    this.writable.value = reply.writable;
    this.problem.value = null;
    this.awaiting = false;
    if (reply.updates && reply.document === this.replica.number) {
      this.updates(reply.revision - reply.updates.length, reply.updates);
      this.replica.sent = 0;
    } else if (reply.text !== undefined) {
      this.adopt(reply, reply.text);
    }
    if (!reply.writable && this.replica.pending.length > 0) this.clash.value = true;
    this.observer.opened(reply);
    this.takeEarly();
    this.pump();
  }

  private openFailed(error: unknown): void {
    const code = error instanceof RequestError ? error.code : "failed";
    if (code === "not-found") this.lostFile();
    else if (code !== "offline") this.fail(messageOf(error));
  }

  /** The text is here alone. */
  lostFile(): void {
    this.gone.value = true;
    this.writable.value = true;
    this.endGoals();
    this.wake();
  }

  private adopt(reply: OpenReply, text: string): void {
    if (reply.document !== this.replica.number) this.early.clear();
    const { clean, shown } = this.replica.adopt(reply.document, reply.revision, text);
    this.clash.value = !clean;
    if (shown) this.observer.shown(shown);
    for (const goal of this.goals) goal.left = this.replica.pending.length;
    if (!clean) this.endGoals();
    this.observer.changed();
    this.confirmed(0);
  }

  // --- updates, in order

  /** Updates on top of a revision, whenever they come. */
  updates(revision: number, updates: readonly SentUpdate[]): void {
    const known = this.replica.revision - revision;
    if (known >= updates.length && updates.length > 0) return;
    if (known >= 0 && !this.opening) {
      this.take(updates.slice(known));
      return;
    }
    this.early.set(revision, updates);
    if (!this.opening) this.expect(revision);
  }

  /** The document has this revision: what leads to it must come, else it is asked for. */
  expect(revision: number): void {
    this.expected = Math.max(this.expected, revision);
    this.gapTimer ??= setTimeout(() => {
      this.gapTimer = undefined;
      const missing = this.awaiting || this.replica.revision < this.expected;
      if (!missing || !this.attached) return;
      // The answer to a push can be what is missing.
      if (this.pushing) this.expect(this.expected);
      else void this.reopen();
    }, gapDelay);
  }

  private take(updates: readonly SentUpdate[]): void {
    try {
      const { shown, own } = this.replica.receive(decode(updates, this.replica.base.length));
      this.awaiting = false;
      if (shown) this.observer.shown(shown);
      this.confirmed(own);
    } catch {
      // What cannot be applied means that this copy has gone astray: begin again from the server's text.
      void this.reopen(true);
      return;
    }
    this.takeEarly();
    this.pump();
  }

  private takeEarly(): void {
    if (this.opening) return;
    for (const [revision, updates] of this.early) {
      if (revision > this.replica.revision) continue;
      this.early.delete(revision);
      this.updates(revision, updates);
    }
  }

  private confirmed(count: number): void {
    for (const goal of this.goals) {
      goal.left -= count;
      if (goal.left > 0) continue;
      goal.done(true);
      if (this.held === 0) this.goals.delete(goal);
    }
    this.observer.confirmed();
  }

  // --- pushing

  private pump(): void {
    this.wake();
    if (this.held > 0 || !this.ready || this.problem.peek() !== null || this.clash.peek()) return;
    if (this.replica.pending.length > 0 && this.writable.peek()) void this.push(Infinity).pushed;
  }

  release(): void {
    this.held--;
    this.pump();
  }

  private get ready(): boolean {
    return this.online && !this.opening && !this.pushing && !this.awaiting && !this.closed;
  }

  /** Pushes at most so many of the pending updates, and at least one; only when ready. */
  push(most: number): { updates: readonly SentUpdate[]; pushed: Promise<Pushed> } {
    const { number, revision } = this.replica;
    const updates = batch(this.replica.pending, most);
    this.replica.sent = updates.length;
    const pushed = this.server
      .request("document.push", { document: number, revision, updates })
      .then(
        () => this.accepted(number, revision, updates.length),
        (error: unknown) => this.refused(error, revision),
      )
      .then((result) => {
        this.pushing = null;
        this.takeEarly();
        this.pump();
        return result;
      });
    this.pushing = pushed;
    return { updates, pushed };
  }

  /** When no push is under way. */
  async settled(): Promise<void> {
    await this.pushing;
  }

  private accepted(number: number, revision: number, count: number): Pushed {
    this.problem.value = null;
    // Else they came back as updates before the answer did.
    if (this.replica.number === number && this.replica.revision === revision) {
      this.replica.confirm(count);
      this.confirmed(count);
    }
    return "accepted";
  }

  private refused(error: unknown, revision: number): Pushed {
    const code = error instanceof RequestError ? error.code : "failed";
    // Without an answer it is not known.
    if (code !== "offline") this.replica.sent = 0;
    if (code === "conflict") {
      this.awaiting = this.replica.revision === revision;
      if (this.awaiting) this.expect(revision + 1);
      return "outdated";
    }
    if (code === "not-found") void this.reopen();
    else if (code === "malformed") void this.reopen(true).then(() => this.fail(messageOf(error)));
    else if (code !== "offline") this.fail(messageOf(error));
    return "failed";
  }

  /** The reason is shown, typing goes on, and it is tried again. */
  private fail(reason: string): void {
    this.problem.value = reason;
    this.endGoals();
    this.wake();
    clearTimeout(this.retryTimer);
    this.retryTimer = setTimeout(() => this.retry(), retryDelay);
  }

  private endGoals(): void {
    for (const goal of this.goals) goal.done(false);
    if (this.held === 0) this.goals.clear();
  }

  /** Until something can be pushed; fails, with the reason, where it cannot be for a while. */
  async whenReady(): Promise<void> {
    const end = Date.now() + patience;
    for (;;) {
      if (this.clash.peek()) throw new RequestError("conflict", words.save.chooseFirst);
      const problem = this.problem.peek();
      if (problem !== null) throw new RequestError("failed", words.save.failed(problem));
      if (this.gone.peek()) throw new RequestError("not-found", words.save.deletedBar);
      if (this.ready) return;
      if (Date.now() >= end || this.closed) throw new RequestError("offline", words.connection.offline);
      await new Promise<void>((resolve) => {
        this.wakers.push(resolve);
        setTimeout(resolve, end - Date.now());
      });
    }
  }

  private wake(): void {
    const { wakers } = this;
    this.wakers = [];
    for (const waker of wakers) waker();
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
