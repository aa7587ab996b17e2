// Updates: one change of a document each, by one client, in the order that the server gave them. What is typed here is
// pending until the server has it, and is carried over what others did in between. The mathematics is that of
// @codemirror/collab, with one difference: each update keeps the name of the client that made it. So a page can
// push what an earlier page left unconfirmed under that one's name, and whichever of the two comes first, nothing doubles.
import { ChangeSet, type Text } from "@codemirror/state";
import type { Update as SentUpdate } from "../protocol";

export interface Update {
  readonly client: string;
  readonly changes: ChangeSet;
}

/** One push; the server takes no more. */
const pushBytes = 900_000;
const pushUpdates = 4_000;
const pushValues = 200_000;
/** One update, so that any one fits into a push. */
const updateUnits = 120_000;
const updateValues = 40_000;

/** A name that no other page has; no secure context is needed for it. */
export function newClient(): string {
  const numbers = crypto.getRandomValues(new Uint32Array(3));
  return [...numbers].map((number) => number.toString(36)).join("");
}

export const encode = ({ client, changes }: Update): SentUpdate => ({
  client,
  changes: changes.toJSON() as readonly unknown[],
});

/** Throws where it is no change of a text of that length. */
export function decode(updates: readonly SentUpdate[], length: number): Update[] {
  return updates.map(({ client, changes }) => {
    const set = ChangeSet.fromJSON(changes);
    if (set.length !== length)
      throw new RangeError(`a change of ${set.length} units, of a text with ${length}`);
    length = set.newLength;
    return { client, changes: set };
  });
}

export interface Rebased {
  pending: Update[];
  /** How many of the pending ones were among the received ones. */
  own: number;
  /** What changes in the text shown. */
  shown: ChangeSet | null;
}

/** Pending updates after the server's next ones, some of which may be the pending ones themselves. */
export function rebase(pending: readonly Update[], received: readonly Update[]): Rebased {
  let own = 0;
  let shown: ChangeSet | null = null;
  for (const { client, changes } of received) {
    const ours = pending[own];
    if (ours?.client === client) {
      shown = shown && shown.map(ours.changes, true);
      own++;
    } else {
      shown = shown ? shown.compose(changes) : changes;
    }
  }
  const rest = pending.slice(own).map(({ client, changes }) => {
    if (!shown) return { client, changes };
    const moved = changes.map(shown);
    shown = shown.map(changes, true);
    return { client, changes: moved };
  });
  return { pending: rest, own, shown };
}

/** How many of the first updates one push can hold. */
export function batch(updates: readonly Update[], most: number): SentUpdate[] {
  const encoder = new TextEncoder();
  const taken: SentUpdate[] = [];
  let bytes = 0;
  let values = 0;
  for (const update of updates.slice(0, Math.min(most, pushUpdates))) {
    const sent = encode(update);
    const json = JSON.stringify(sent);
    bytes += json.length > pushBytes / 6 ? encoder.encode(json).length : json.length * 3;
    values +=
      3 + sent.changes.reduce<number>((sum, part) => sum + (Array.isArray(part) ? part.length + 1 : 1), 0);
    if (taken.length > 0 && (bytes > pushBytes || values > pushValues)) break;
    taken.push(sent);
  }
  return taken;
}

/** A change that is too large for one update, as several: back to front, so that no part moves another. */
export function split(changes: ChangeSet): ChangeSet[] {
  const parts: { from: number; to: number; insert: Text }[] = [];
  let units = 0;
  let values = 0;
  changes.iterChanges((from, to, _fromAfter, _toAfter, insert) => {
    parts.push({ from, to, insert });
    units += insert.length;
    values += insert.lines + 2;
  });
  if (units <= updateUnits && values <= updateValues) return [changes];
  const result: ChangeSet[] = [];
  let length = changes.length;
  const add = (group: { from: number; to: number; insert?: Text }[]) => {
    if (group.length === 0) return;
    const set = ChangeSet.of(group, length);
    length = set.newLength;
    result.push(set);
  };
  let group: typeof parts = [];
  let room = { units: updateUnits, values: updateValues };
  for (const part of parts.reverse()) {
    const pieces = slices(part.insert);
    const cost = { units: part.insert.length, values: part.insert.lines + 2 };
    if (pieces.length > 1 || cost.units > room.units || cost.values > room.values) {
      add(group.reverse());
      group = [];
      room = { units: updateUnits, values: updateValues };
    }
    const [first, ...others] = pieces;
    if (others.length === 0) {
      group.push(part);
      room = { units: room.units - cost.units, values: room.values - cost.values };
      continue;
    }
    add([{ from: part.from, to: part.to, ...(first && { insert: first }) }]);
    let at = part.from + (first?.length ?? 0);
    for (const piece of others) {
      add([{ from: at, to: at, insert: piece }]);
      at += piece.length;
    }
  }
  add(group.reverse());
  return result;
}

/** A text in pieces of which each fits an update; no piece ends within a character. */
function slices(text: Text): Text[] {
  const pieces: Text[] = [];
  for (let from = 0; from < text.length || pieces.length === 0;) {
    let to = Math.min(text.length, from + updateUnits);
    const line = text.lineAt(from).number + updateValues;
    if (line <= text.lines) to = Math.min(to, text.line(line).from);
    if (to < text.length && isHigh(text.sliceString(to - 1, to))) to--;
    pieces.push(text.slice(from, to));
    from = to;
  }
  return pieces;
}

const isHigh = (unit: string): boolean => /^[\ud800-\udbff]/.test(unit);
