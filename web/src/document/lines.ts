// Texts compared by lines: what changed between two, and two that grew out of one made one again.

/** Lines `from` to `to` of the old text became lines `fromNew` to `toNew` of the new one. */
interface Hunk {
  from: number;
  to: number;
  fromNew: number;
  toNew: number;
}

/** Positions in the text before all edits, in UTF-16 units, in rising order. */
export interface TextEdit {
  from: number;
  to: number;
  insert: string;
}

/** Past so many differing lines the search for the smallest difference gives up, and all between is one. */
const mostDifferences = 800;

/** Edits that make `after` of `before`, as small as whole lines, then common beginnings and ends, allow. */
export function difference(before: string, after: string): TextEdit[] {
  if (before === after) return [];
  const [old, fresh] = [before.split("\n"), after.split("\n")];
  const [oldStarts, freshStarts] = [starts(old), starts(fresh)];
  return hunks(old, fresh).map(({ from, to, fromNew, toNew }) => {
    // With the line end before the lines, not the one after: the last line has none.
    const ahead = from > 0 ? 1 : 0;
    const part = (text: string, at: readonly number[], first: number, last: number): [number, string] => {
      const [start, end] = [(at[first] ?? 0) - ahead, (at[last] ?? 0) - ahead];
      return [start, text.slice(start, end)];
    };
    const [start, gone] = part(before, oldStarts, from, to);
    return trimmed(gone, part(after, freshStarts, fromNew, toNew)[1], start);
  });
}

/** Where each line starts, and where one after the last would. */
function starts(lines: readonly string[]): number[] {
  const all = [0];
  for (const line of lines) all.push((all.at(-1) ?? 0) + line.length + 1);
  return all;
}

/** One edit without the common beginning and end; it never parts the halves of a character. */
function trimmed(before: string, after: string, offset: number): TextEdit {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before.charCodeAt(start) === after.charCodeAt(start)) start++;
  if (start > 0 && isHigh(before.charCodeAt(start - 1))) start--;
  let end = 0;
  while (
    end < shorter - start &&
    before.charCodeAt(before.length - 1 - end) === after.charCodeAt(after.length - 1 - end)
  )
    end++;
  if (end > 0 && isLow(before.charCodeAt(before.length - end))) end--;
  return {
    from: offset + start,
    to: offset + before.length - end,
    insert: after.slice(start, after.length - end),
  };
}

const isHigh = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff;
const isLow = (unit: number): boolean => unit >= 0xdc00 && unit <= 0xdfff;

/** What differs, by Myers' algorithm between the common beginning and end. */
function hunks(old: readonly string[], fresh: readonly string[]): Hunk[] {
  let start = 0;
  while (start < old.length && start < fresh.length && old[start] === fresh[start]) start++;
  let end = 0;
  while (
    end < Math.min(old.length, fresh.length) - start &&
    old[old.length - 1 - end] === fresh[fresh.length - 1 - end]
  )
    end++;
  const inner = middle(old.slice(start, old.length - end), fresh.slice(start, fresh.length - end));
  return inner.map(({ from, to, fromNew, toNew }) => ({
    from: from + start,
    to: to + start,
    fromNew: fromNew + start,
    toNew: toNew + start,
  }));
}

function middle(old: readonly string[], fresh: readonly string[]): Hunk[] {
  const whole = { from: 0, to: old.length, fromNew: 0, toNew: fresh.length };
  if (old.length === 0 || fresh.length === 0) return old.length + fresh.length === 0 ? [] : [whole];
  const trace: ReadonlyMap<number, number>[] = [];
  let reach = new Map([[1, 0]]);
  for (let depth = 0; depth <= Math.min(old.length + fresh.length, mostDifferences); depth++) {
    trace.push(reach);
    const next = new Map(reach);
    for (let diagonal = -depth; diagonal <= depth; diagonal += 2) {
      const down =
        diagonal === -depth || (diagonal !== depth && at(reach, diagonal - 1) < at(reach, diagonal + 1));
      let x = down ? at(reach, diagonal + 1) : at(reach, diagonal - 1) + 1;
      let y = x - diagonal;
      while (x < old.length && y < fresh.length && old[x] === fresh[y]) [x, y] = [x + 1, y + 1];
      next.set(diagonal, x);
      if (x >= old.length && y >= fresh.length) return walkBack(trace, old.length, fresh.length);
    }
    reach = next;
  }
  return [whole];
}

const at = (reach: ReadonlyMap<number, number>, diagonal: number): number => reach.get(diagonal) ?? -1;

function walkBack(trace: readonly ReadonlyMap<number, number>[], x: number, y: number): Hunk[] {
  const found: Hunk[] = [];
  for (let depth = trace.length - 1; depth > 0; depth--) {
    const reach = trace[depth] ?? new Map<number, number>();
    const diagonal = x - y;
    const down =
      diagonal === -depth || (diagonal !== depth && at(reach, diagonal - 1) < at(reach, diagonal + 1));
    const before = down ? diagonal + 1 : diagonal - 1;
    const [fromX, fromY] = [at(reach, before), at(reach, before) - before];
    const step = {
      from: fromX,
      to: down ? fromX : fromX + 1,
      fromNew: fromY,
      toNew: down ? fromY + 1 : fromY,
    };
    const first = found[0];
    if (first && first.from === step.to && first.fromNew === step.toNew) {
      found[0] = { ...first, from: step.from, fromNew: step.fromNew };
    } else {
      found.unshift(step);
    }
    [x, y] = [fromX, fromY];
  }
  return found;
}

export interface Merged {
  clean: boolean;
  /** Both sets of changes; where they touch the same lines, mine. The same as `theirs` where all is clean. */
  mine: string;
  theirs: string;
}

/** Three-way: what was made of `base` here and elsewhere. Lines that touch are a clash, unless both became the same. */
export function merge(base: string, mine: string, theirs: string): Merged {
  const lines = { base: base.split("\n"), mine: mine.split("\n"), theirs: theirs.split("\n") };
  const mineHunks = hunks(lines.base, lines.mine);
  const theirHunks = hunks(lines.base, lines.theirs);
  const result = { clean: true, mine: [] as string[], theirs: [] as string[] };
  const both = (part: readonly string[]) => {
    result.mine.push(...part);
    result.theirs.push(...part);
  };
  let [i, j, done] = [0, 0, 0];
  for (;;) {
    const [one, other] = [mineHunks[i], theirHunks[j]];
    if (!one && !other) break;
    const from = Math.min(one?.from ?? Infinity, other?.from ?? Infinity);
    both(lines.base.slice(done, from));
    // All that touches what begins here, on either side.
    let to = from;
    const [i0, j0] = [i, j];
    for (let grown = true; grown;) {
      grown = false;
      for (let hunk = mineHunks[i]; hunk && hunk.from <= to; hunk = mineHunks[++i])
        [to, grown] = [Math.max(to, hunk.to), true];
      for (let hunk = theirHunks[j]; hunk && hunk.from <= to; hunk = theirHunks[++j])
        [to, grown] = [Math.max(to, hunk.to), true];
    }
    const mineLines = replaced(lines.mine, mineHunks.slice(i0, i), from, to, shift(mineHunks, i0));
    const theirLines = replaced(lines.theirs, theirHunks.slice(j0, j), from, to, shift(theirHunks, j0));
    if (j === j0) both(mineLines);
    else if (i === i0 || equal(mineLines, theirLines)) both(theirLines);
    else {
      result.clean = false;
      result.mine.push(...mineLines);
      result.theirs.push(...theirLines);
    }
    done = to;
  }
  both(lines.base.slice(done));
  return { clean: result.clean, mine: result.mine.join("\n"), theirs: result.theirs.join("\n") };
}

/** How far lines before a hunk have moved. */
function shift(all: readonly Hunk[], index: number): number {
  const before = all[index - 1];
  return before ? before.toNew - before.to : 0;
}

/** What lines `from` to `to` of the base are on one side. */
function replaced(
  side: readonly string[],
  own: readonly Hunk[],
  from: number,
  to: number,
  moved: number,
): string[] {
  const last = own.at(-1);
  return side.slice(from + moved, to + (last ? last.toNew - last.to : moved));
}

const equal = (one: readonly string[], other: readonly string[]): boolean =>
  one.length === other.length && one.every((line, index) => line === other[index]);
