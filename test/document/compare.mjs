// src/document/change.c against the library that it follows: what the pages' own @codemirror/state makes of a change, the server must
// make of it too, or two typists would drift apart without a word.
//
//     node test/document/compare.mjs DRIVER
//
// DRIVER is test/document/driver.c. CARREL_DOCUMENT_CASES says how many cases (20,000), CARREL_DOCUMENT_SEED which (1).
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const { ChangeSet, Text } = createRequire(new URL("../../web/package.json", import.meta.url))(
  "@codemirror/state",
);

const cases = Number(process.env.CARREL_DOCUMENT_CASES ?? 20000);
const EPROTO = -71;
const ERANGE = -34;

// Chance that can be repeated (mulberry32).
let state = Number(process.env.CARREL_DOCUMENT_SEED ?? 1);
function below(bound) {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296) * bound);
}

const pieces = [
  "a",
  "b",
  "xyz",
  " ",
  "\n",
  "\n\n",
  "\0",
  "\r",
  "\u001f",
  '"',
  "\\",
  "é",
  "e\u0301",
  "€",
  "\u2028",
  "\ufeff",
  "😀",
  "👩‍💻",
  "\u{10ffff}",
];
function randomString(length) {
  let string = "";
  for (let i = below(length + 1); i > 0; i--) string += pieces[below(pieces.length)];
  return string;
}

const isLow = (code) => code >= 0xdc00 && code < 0xe000;
const partsPair = (string, position) =>
  position > 0 && position < string.length && isLow(string.charCodeAt(position));

// Mostly between characters: what an honest editor sends. `wild` ones may part a surrogate pair.
function randomPosition(string, wild) {
  const position = below(string.length + 1);
  return !wild && partsPair(string, position) ? position + 1 : position;
}

// Several edits at once, which ChangeSet.of sorts, maps over each other and composes.
function randomChange(string, wild) {
  const edits = [];
  for (let i = below(5); i > 0; i--) {
    let from = randomPosition(string, wild);
    let to = below(2) ? from : randomPosition(string, wild);
    if (from > to) [from, to] = [to, from];
    edits.push({ from, to, insert: Text.of((below(3) ? randomString(3) : "").split("\n")) });
  }
  return ChangeSet.of(edits, string.length);
}

// A border of a section that changes something, inside a pair of the text before.
function partsAPair(change, string) {
  let found = false;
  change.iterChangedRanges((from, to) => {
    found ||= partsPair(string, from) || partsPair(string, to);
  }, true);
  return found;
}

function content(text) {
  return text.sliceString(0, text.length, "\n");
}

function told(make) {
  try {
    return make();
  } catch (error) {
    if (error instanceof RangeError) return EPROTO;
    throw error;
  }
}

let text = "";
let last = null; // a change of `text` that came of others
function makeCase() {
  const wild = below(20) === 0;
  if (text.length > 400 || below(30) === 0) [text, last] = [randomString(below(40)), null];
  const document = Text.of(text.split("\n"));
  const a = last && below(3) ? last : randomChange(text, wild);
  const b = randomChange(text, wild);
  const parted = partsAPair(a, text);
  const applied = parted ? null : a.apply(document);
  const after = parted ? "x".repeat(a.newLength) : content(applied);
  const c = randomChange(after, wild && below(2));
  const positions = [below(text.length + 3), below(text.length + 1)];
  const composed = told(() => a.compose(c).toJSON());
  const asked = { text, a: a.toJSON(), b: b.toJSON(), c: c.toJSON(), positions };
  const expected = {
    applied: parted ? EPROTO : after,
    same: a.toJSON(),
    inverted: parted ? EPROTO : a.invert(document).toJSON(),
    composed: partsInserted(a, c, after, parted) ? EPROTO : composed,
    mapped: told(() => b.map(a).toJSON()),
    mappedBefore: told(() => b.map(a, true).toJSON()),
    empty: a.empty,
    lengths: [a.length, a.newLength],
    positions: positions.flatMap((position) =>
      [-1, 1].map((side) => (position > a.length ? ERANGE : a.mapPos(position, side))),
    ),
  };
  advance(a, b, c, document, after, parted || partsAPair(b, text) || partsAPair(c, after));
  return { asked, expected };
}

// Whether `c` parts a pair that `a` inserts; one that `a` kept it cannot see.
function partsInserted(a, c, after, parted) {
  if (a.empty || c.empty) return false;
  const inserted = new Array(a.newLength + 1).fill(false);
  let wrong = false;
  a.iterChanges((_fromA, _toA, fromB, toB, insert) => {
    const string = content(insert);
    for (let i = 1; i < string.length; i++) inserted[fromB + i] = isLow(string.charCodeAt(i));
  }, true);
  c.iterChangedRanges((from, to) => {
    wrong ||= inserted[from] || inserted[to];
  }, true);
  return wrong;
}

// The next case's text, and often a change that is itself the result of an inversion, a mapping or a composition.
function advance(a, b, c, document, after, wrong) {
  const way = wrong ? 3 : below(5);
  if (way === 0) [text, last] = [after, a.invert(document)];
  else if (way === 1) [text, last] = [after, b.map(a)];
  else if (way === 2) last = a.compose(c);
  else [text, last] = [wrong ? randomString(20) : after, null];
}

const driver = spawn(process.argv[2], { stdio: ["pipe", "pipe", "inherit"] });
const ended = once(driver, "close");
const answers = createInterface({ input: driver.stdout })[Symbol.asyncIterator]();
let passed = 0;
let failed = 0;
for (let done = 0; done < cases;) {
  const batch = [];
  for (; batch.length < 500 && done < cases; done++) batch.push(makeCase());
  driver.stdin.write(batch.map(({ asked }) => JSON.stringify(asked) + "\n").join(""));
  for (const { asked, expected } of batch) {
    const line = await answers.next();
    if (line.done) break;
    const got = JSON.parse(line.value);
    const wrong = Object.keys(expected).filter(
      (key) => JSON.stringify(got[key]) !== JSON.stringify(expected[key]),
    );
    if (wrong.length === 0) passed++;
    else if (++failed <= 5)
      console.log(
        `DIFFERS: ${JSON.stringify(asked)}\n` +
          wrong
            .map((key) => `  ${key}: ${JSON.stringify(got[key])}, not ${JSON.stringify(expected[key])}`)
            .join("\n"),
      );
  }
  if (passed + failed < done) break;
}
driver.stdin.end();
const [status] = await ended;
if (passed + failed < cases || status !== 0) {
  console.log(`DIFFERS: the driver ended with ${status} after ${passed + failed} cases`);
  failed++;
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
