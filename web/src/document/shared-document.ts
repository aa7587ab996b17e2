// A document as the page sees it: what its state is in words, who else is in it, what a person must choose, and what is
// kept in the browser until the server has it. See document.ts for what it promises.
import { computed, signal, type Signal } from "@preact/signals";
import type { ChangeSet, Text } from "@codemirror/state";
import { RequestError } from "../connection/connection";
import type { Cursor, DocumentState } from "../protocol";
import { text as words } from "../text";
import {
  DocumentSync,
  type DocumentServer,
  type Open,
  type OpenReply,
  type SyncObserver,
} from "./document-sync";
import type { Conflict, OpenDocument, Peer, RunSource, SaveStatus, ShownChange } from "./document";
import type { EditKeeper, KeptEdits } from "./kept-edits";
import { Replica, textOf } from "./replica";
import { runDocument } from "./run-document";
import { decode, encode, newClient } from "./updates";

/** What a document needs of the page. */
export interface DocumentHome {
  readonly server: DocumentServer;
  readonly keeper: EditKeeper;
  readonly open: Open;
  /** The document has this number now: events for it that came too early are wanted. */
  numbered(document: SharedDocument): void;
  closed(document: SharedDocument): void;
}

const keepDelay = 100;
const longestKeepDelay = 2_000;
const cursorDelay = 100;

export class SharedDocument implements OpenDocument, SyncObserver {
  readonly path: Signal<string>;
  readonly writable;
  readonly conflict;
  readonly status;
  readonly dirty;
  readonly peers = signal<readonly Peer[]>([]);
  readonly traffic: DocumentSync;
  /** The name of this page's record of unconfirmed edits. */
  readonly record = newClient();
  private readonly replica: Replica;
  private readonly unconfirmed = signal(0);
  private readonly disk = signal<DocumentState>({ disk: "saved", revision: 0 });
  private readonly kept = signal(true);
  private readonly listeners = new Set<(change: ShownChange) => void>();
  private hasRecord = false;
  private isClosed = false;
  private cursor: { anchor: number; head: number } | null = null;
  private keepTimer: ReturnType<typeof setTimeout> | undefined;
  private cursorTimer: ReturnType<typeof setTimeout> | undefined;

  /** `reply` is what the server has: with `left`, since that; else why there is nothing but `left`. */
  constructor(
    private readonly home: DocumentHome,
    path: string,
    reply: OpenReply | "gone" | "away",
    private left: KeptEdits | null,
  ) {
    this.path = signal(path);
    const known = left ?? (typeof reply === "string" ? null : { ...reply, base: reply.text });
    this.replica = new Replica(known?.document ?? 0, known?.revision ?? 0, textOf(known?.base ?? ""));
    if (left) this.replica.restore(decode(left.updates, this.replica.base.length), left.sent, left.clash);
    this.traffic = new DocumentSync(this.path, this.replica, home.server, home.open, this);
    const { writable, clash, gone } = this.traffic;
    this.writable = writable;
    clash.value = left?.clash !== undefined;
    this.dirty = computed(() => this.unconfirmed.value > 0);
    this.conflict = computed<Conflict | null>(() => {
      const { disk } = this.disk.value;
      if (gone.value || (disk === "deleted" && !clash.value)) return "deleted";
      if (clash.value) return "clash";
      return disk === "conflict" ? "disk" : null;
    });
    this.status = computed<SaveStatus>(() => this.judge());
    this.changed();
    if (reply === "gone") this.traffic.lostFile();
    else if (reply === "away") writable.value = true;
    else this.traffic.opened(reply);
  }

  get number(): number {
    return this.replica.number;
  }

  content(): Text {
    return this.replica.shown;
  }

  text(): string {
    return this.replica.shown.toString();
  }

  edited(changes: ChangeSet): void {
    this.traffic.edit(changes);
  }

  replaceText(text: string): void {
    const changes = this.replica.changesTo(this.replica.shown, text);
    if (!changes) return;
    this.traffic.edit(changes);
    this.emit(changes, true);
  }

  onChanges(listener: (change: ShownChange) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  sync(): Promise<boolean> {
    return this.traffic.reached();
  }

  async save(): Promise<boolean> {
    this.traffic.retry();
    if (!(await this.sync())) return false;
    if (!this.writable.peek() || !this.traffic.online) return !this.dirty.peek();
    try {
      await this.home.server.request("document.save", { document: this.number });
      return true;
    } catch {
      // The state that comes tells why.
      return false;
    }
  }

  run<Result>(start: (source: RunSource) => Promise<Result>): Promise<Result> {
    return runDocument(this.traffic, () => this.peers.peek().length === 0, start);
  }

  async otherText(): Promise<string | null> {
    const conflict = this.conflict.peek();
    if (conflict === "clash") return this.replica.clashText();
    if (conflict !== "disk") return null;
    const { text } = await this.home.server.request("document.disk", { document: this.number });
    return text ?? null;
  }

  async resolve(choice: "mine" | "theirs"): Promise<void> {
    if (this.traffic.gone.peek()) return this.writeAgain();
    if (this.traffic.clash.peek()) {
      if (choice === "theirs") this.replaceText(this.replica.clashText());
      this.traffic.chosen();
      return;
    }
    await this.sync();
    const disk = choice === "theirs";
    const { revision } = await this.home.server.request("document.resolve", { document: this.number, disk });
    this.traffic.expect(revision);
  }

  private async writeAgain(): Promise<void> {
    try {
      await this.home.server.request("file.save", { path: this.path.peek(), text: this.text() });
    } catch (error) {
      // Somebody was faster: then it is opened, and what is here is merged into it.
      if (!(error instanceof RequestError) || error.code !== "exists") throw error;
    }
    await this.traffic.reopen();
  }

  moved(path: string): void {
    this.path.value = path;
    this.scheduleKeep();
  }

  flush(): boolean {
    if (this.replica.pending.length === 0) return true;
    void this.keep();
    return this.kept.peek() && this.home.keeper.available;
  }

  close(discard: boolean): void {
    if (discard) this.replica.pending = [];
    void this.keep();
    this.isClosed = true;
    clearTimeout(this.cursorTimer);
    this.home.closed(this);
    const attached = this.traffic.close();
    if (attached)
      this.home.server.request("document.close", { document: this.number }).catch(() => undefined);
  }

  // --- what the traffic tells

  shown(changes: ChangeSet): void {
    this.emit(changes, false);
  }

  changed(): void {
    this.unconfirmed.value = this.replica.pending.length;
    this.scheduleKeep();
  }

  confirmed(): void {
    this.changed();
    if (this.replica.pending.length === 0) void this.keep();
    if (this.cursor) this.scheduleCursor();
  }

  opened(reply: OpenReply): void {
    this.disk.value = reply.state;
    this.replica.setCursors(reply.cursors);
    this.peers.value = this.replica.peers();
    this.home.numbered(this);
    this.scheduleCursor();
  }

  stateChanged(state: DocumentState): void {
    if (state.revision >= this.disk.peek().revision) this.disk.value = state;
  }

  lineLost(): void {
    this.traffic.lineLost();
    this.replica.setCursors([]);
    this.peers.value = [];
  }

  cursorChanged(cursor: Cursor): void {
    this.replica.setCursor(cursor);
    this.peers.value = this.replica.peers();
  }

  peerLeft(session: number): void {
    this.replica.dropCursor(session);
    this.peers.value = this.replica.peers();
  }

  // --- what the page is told

  private emit(changes: ChangeSet, own: boolean): void {
    for (const listener of this.listeners) listener({ changes, own });
  }

  private judge(): SaveStatus {
    const conflict = this.conflict.value;
    if (conflict) return { kind: conflict === "deleted" ? "deleted" : "conflict" };
    const { disk, problem } = this.disk.value;
    const refused = this.traffic.problem.value;
    const offline = this.home.server.state.value !== "open";
    const pending = this.unconfirmed.value > 0;
    if (pending && offline) return { kind: "offline", kept: this.kept.value };
    if (refused !== null) return { kind: "failed", reason: refused };
    if (pending) return { kind: "saving" };
    if (disk === "failed") return { kind: "failed", reason: problem ?? words.save.notWritten };
    return { kind: "saved", disk: disk === "saved" };
  }

  // --- one's own cursor

  cursorMoved(anchor: number, head: number): void {
    this.cursor = { anchor, head };
    this.scheduleCursor();
  }

  private scheduleCursor(): void {
    if (this.isClosed || !this.writable.peek()) return;
    this.cursorTimer ??= setTimeout(() => {
      this.cursorTimer = undefined;
      this.tellCursor();
    }, cursorDelay);
  }

  private tellCursor(): void {
    if (!this.traffic.online) return;
    const { anchor, head } = this.cursor ?? { anchor: 0, head: 0 };
    const place = (position: number) => this.replica.toBase(Math.min(position, this.replica.shown.length));
    const { number, revision } = this.replica;
    const told = { document: number, revision, anchor: place(anchor), head: place(head) };
    this.home.server.tell("document.cursor", told);
  }

  // --- what is kept in the browser

  private scheduleKeep(): void {
    if (this.isClosed) return;
    // A long text, or a day's typing, takes longer to write.
    const size = this.replica.base.length / 10_000 + this.replica.pending.length / 10;
    this.keepTimer ??= setTimeout(() => void this.keep(), keepDelay + Math.min(longestKeepDelay, size));
  }

  private async keep(): Promise<void> {
    clearTimeout(this.keepTimer);
    this.keepTimer = undefined;
    const { left } = this;
    this.left = null;
    if (this.replica.pending.length > 0) {
      this.hasRecord = true;
      this.kept.value = await this.home.keeper.put(this.toKeep());
    } else if (this.hasRecord) {
      this.hasRecord = false;
      await this.home.keeper.remove(this.record);
    }
    // What an earlier page left stands in this one's record now.
    if (left && this.kept.peek()) await this.home.keeper.remove(left.client);
  }

  private toKeep(): KeptEdits {
    const { pending, number, revision, base } = this.replica;
    return {
      client: this.record,
      path: this.path.peek(),
      document: number,
      revision,
      base: base.toString(),
      updates: pending.map(encode),
      sent: this.replica.sent,
      ...(this.traffic.clash.peek() && { clash: this.replica.clashText() }),
    };
  }
}
