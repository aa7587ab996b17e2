// One page's copy of a document: the server's text at a revision, what is pending on top of it, and the text shown, which
// is both together. Pure: no line, no clock, no screen. Positions of cursors are carried along.
import { ChangeSet, Text } from "@codemirror/state";
import type { Cursor } from "../protocol";
import { difference, merge, type Merged } from "./lines";
import type { Peer } from "./document";
import { newClient, rebase, split, type Update } from "./updates";

/** So many of the last updates are remembered, to place cursors that were told before them. */
const remembered = 256;

export const textOf = (text: string): Text => Text.of(text.split("\n"));

export interface Received {
  /** What changed in the text shown. */
  shown: ChangeSet | null;
  /** How many updates of one's own were confirmed. */
  own: number;
}

export class Replica {
  shown: Text;
  pending: Update[] = [];
  /** So many of the first pending ones are in a push that was not answered: the server has them all, or none. */
  sent = 0;
  /** The name of what is typed from now on. */
  client = newClient();
  /** After a clash, the text as others have it, where nobody changed it since; else the server's own text. */
  private clash: { theirs: string; revision: number } | null = null;
  private recent: { revision: number; changes: ChangeSet }[] = [];
  private cursors = new Map<number, Peer>();
  private early = new Map<number, Cursor>();

  constructor(
    public number: number,
    public revision: number,
    public base: Text,
  ) {
    this.shown = base;
  }

  /** Puts back what an earlier page left; `clash` is the other text where a person has not chosen yet. */
  restore(pending: readonly Update[], sent: number, clash?: string): void {
    this.sent = sent;
    if (clash !== undefined) this.clash = { theirs: clash, revision: this.revision };
    for (const update of pending) {
      this.shown = update.changes.apply(this.shown);
      this.pending.push(update);
    }
  }

  edit(changes: ChangeSet): void {
    this.shown = changes.apply(this.shown);
    for (const part of split(changes)) this.pending.push({ client: this.client, changes: part });
    this.carry(changes);
  }

  /** The server's updates on top of `revision`. */
  receive(updates: readonly Update[]): Received {
    const { pending, own, shown } = rebase(this.pending, updates);
    for (const { changes } of updates) {
      this.recent.push({ revision: this.revision++, changes });
      this.base = changes.apply(this.base);
    }
    this.recent.splice(0, this.recent.length - remembered);
    this.pending = pending;
    this.sent = Math.max(0, this.sent - own);
    if (shown) {
      this.shown = shown.apply(this.shown);
      this.carry(shown);
    }
    this.placeEarly();
    return { shown, own };
  }

  /** The first pending ones are the server's next. */
  confirm(count: number): void {
    this.receive(this.pending.slice(0, count));
  }

  /**
   * The server has a text and does not know what led to it. What is pending is carried over by lines; where that clashes
   * mine stays shown and pending, and it is for a person to choose: not clean.
   */
  adopt(number: number, revision: number, text: string): { clean: boolean; shown: ChangeSet | null } {
    const merged = this.carriedOver(text);
    this.number = number;
    this.revision = revision;
    this.base = textOf(text);
    this.recent = [];
    this.early.clear();
    const shown = this.changesTo(this.shown, merged.mine);
    const rest = this.changesTo(this.base, merged.mine);
    // A new name: the old one's updates may be among those that the server had already.
    this.client = newClient();
    this.pending = (rest ? split(rest) : []).map((changes) => ({ client: this.client, changes }));
    this.sent = 0;
    this.clash = merged.clean ? null : { theirs: merged.theirs, revision };
    if (shown) {
      this.shown = shown.apply(this.shown);
      this.carry(shown);
    }
    return { clean: merged.clean, shown };
  }

  private carriedOver(text: string): Merged {
    if (this.pending.length === 0) return { clean: true, mine: text, theirs: text };
    const [base, mine] = [this.base.toString(), this.shown.toString()];
    const merged = merge(base, mine, text);
    if (merged.clean || this.sent === 0) return merged;
    // The push whose answer was lost may be in their text: then it is no change of theirs.
    const reached = this.pending
      .slice(0, this.sent)
      .reduce((now, { changes }) => changes.apply(now), this.base);
    const had = merge(base, reached.toString(), text);
    return had.clean && had.mine === text ? merge(reached.toString(), mine, text) : merged;
  }

  /** What the other side of a clash is. */
  clashText(): string {
    return this.clash?.revision === this.revision ? this.clash.theirs : this.base.toString();
  }

  /** Nothing where they are the same. */
  changesTo(from: Text, to: string): ChangeSet | null {
    const edits = difference(from.toString(), to);
    if (edits.length === 0) return null;
    return ChangeSet.of(
      edits.map(({ from: start, to: end, insert }) => ({ from: start, to: end, insert: textOf(insert) })),
      from.length,
    );
  }

  peers(): Peer[] {
    return [...this.cursors.values()].sort((one, other) => one.session - other.session);
  }

  setCursors(cursors: readonly Cursor[]): void {
    this.cursors.clear();
    this.early.clear();
    for (const cursor of cursors) this.setCursor(cursor);
  }

  /** One of a later text is kept until that comes; one of a text long gone is placed as well as can be. */
  setCursor(cursor: Cursor): void {
    this.early.delete(cursor.session);
    if (cursor.revision > this.revision) {
      this.early.set(cursor.session, cursor);
      return;
    }
    const after = this.recent.filter(({ revision }) => revision >= cursor.revision);
    const place = (position: number) => {
      let at = position;
      for (const { changes } of after) at = changes.mapPos(Math.min(at, changes.length), 1);
      for (const { changes } of this.pending) at = changes.mapPos(Math.min(at, changes.length), 1);
      return Math.min(at, this.shown.length);
    };
    const { session, name } = cursor;
    this.cursors.set(session, { session, name, anchor: place(cursor.anchor), head: place(cursor.head) });
  }

  dropCursor(session: number): void {
    this.cursors.delete(session);
    this.early.delete(session);
  }

  /** A place in the text shown, as one in the server's text. */
  toBase(position: number): number {
    let at = position;
    for (const { changes } of [...this.pending].reverse()) at = changes.invertedDesc.mapPos(at);
    return at;
  }

  private carry(changes: ChangeSet): void {
    for (const [session, peer] of this.cursors) {
      const [anchor, head] = [changes.mapPos(peer.anchor, 1), changes.mapPos(peer.head, 1)];
      this.cursors.set(session, { ...peer, anchor, head });
    }
  }

  private placeEarly(): void {
    for (const cursor of [...this.early.values()]) this.setCursor(cursor);
  }
}
