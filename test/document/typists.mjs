// Many editors type into the same documents at once, each the library of the page's editor on a socket of its own, while
// typists.py kills the server and writes into the files below. When all is quiet, every editor, the server, the file and
// the journal must hold the same text, and every edit must be in it exactly once. Its argument is a JSON object; it says
// "typing" when every document has an edit and "settling" when everything is typed, waits for a line, and ends with one
// JSON object: what was done and what is wrong.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(new URL("../../web/package.json", import.meta.url));
const { ChangeSet, EditorState, Text } = require("@codemirror/state");
const { collab, getSyncedVersion, receiveUpdates, sendableUpdates } = require("@codemirror/collab");

const given = JSON.parse(process.argv[2]);
const LONG = 40_000; // units of a text from which on more is deleted than typed
const AT_ONCE = 200; // updates a push
const PATIENCE = 120_000; // milliseconds, for what is certain to come

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const problems = [];
const tally = { edits: 0, acknowledged: 0, conflicts: 0, refused: 0, disconnects: 0, texts: 0, stranded: 0, resolved: 0 };

function problem(text) {
  if (problems.length < 20) problems.push(text.slice(0, 600));
}

/** mulberry32 */
function chance(seed) {
  const next = () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return { one: next, below: (bound) => Math.floor(next() * bound), of: (list) => list[Math.floor(next() * list.length)] };
}

const PIECES = ["x = 1", " ", "\n", "\n\n", "    return", "ä", "€", "🐍", "👩‍🏫", "é", "\t", "print('ü')\n", "#", "\0", "日本"];

/** What was accepted: of each revision the update that made it. */
class Accepted {
  constructor() {
    this.log = [];
  }
  note(revision, client, changes) {
    const text = JSON.stringify([client, changes]);
    const known = this.log[revision];
    if (known === undefined) this.log[revision] = text;
    else if (known !== text) problem(`revision ${revision} is ${known} to one and ${text} to another`);
  }
  get last() {
    return this.log.length - 1;
  }
}

/** Changes applied as the protocol says them, with nothing of the library. */
function applied(text, changes) {
  let at = 0;
  let out = "";
  for (const section of changes) {
    if (typeof section === "number") {
      out += text.slice(at, at + section);
      at += section;
    } else {
      at += section[0];
      out += section.slice(1).join("\n");
    }
  }
  if (at !== text.length) throw new Error(`a change of ${at} units for a text of ${text.length}`);
  return out;
}

let editorCount = 0;

class Editor {
  constructor(document, cookie) {
    this.document = document;
    this.cookie = cookie;
    this.number = editorCount++;
    this.random = chance(given.seed * 1000 + this.number);
    this.client = `editor-${this.number}`;
    this.state = null;
    this.tokens = 0;
    this.lost = new Set(); // tokens given up with what was pending when only a text came
    this.waiting = new Map();
    this.lastId = 0;
    this.open = false;
    this.early = [];
  }

  // The socket

  connect() {
    const socket = new WebSocket(`ws://${given.address}/c/${given.slug}/socket`, {
      protocols: ["carrel.1"],
      headers: { cookie: `carrel_session=${this.cookie}`, origin: `http://${given.address}` },
    });
    this.socket = socket;
    socket.onmessage = ({ data }) => {
      if (socket === this.socket && typeof data === "string") this.take(JSON.parse(data));
    };
    // One that never came to be may tell of an error alone, or of nothing.
    socket.onerror = socket.onclose = () => {
      if (socket !== this.socket) return;
      this.socket = null;
      this.gone();
      if (!this.leaving) setTimeout(() => this.connect(), 20 + this.random.below(200));
    };
    setTimeout(() => {
      if (socket.readyState !== WebSocket.CONNECTING) return;
      socket.onclose();
      socket.close();
    }, 5000);
  }

  gone() {
    this.open = false;
    this.pushing = false;
    this.early = [];
    const waiting = [...this.waiting.values()];
    this.waiting.clear();
    for (const answer of waiting) answer({ type: "error", code: "closed" });
  }

  disconnect() {
    tally.disconnects++;
    const { socket } = this;
    this.socket = null;
    this.gone();
    socket.close();
    setTimeout(() => this.connect(), this.random.below(given.away));
  }

  /** Answers are taken in the order in which they come, between the events: no promise may come later than an event. */
  ask(type, fields, answer) {
    if (this.socket?.readyState !== WebSocket.OPEN) return answer({ type: "error", code: "closed" });
    this.waiting.set(++this.lastId, answer);
    this.socket.send(JSON.stringify({ type, id: this.lastId, ...fields }));
  }

  asked(type, fields) {
    return new Promise((resolve) => this.ask(type, fields, resolve));
  }

  take(message) {
    switch (message.type) {
      case "hello":
        this.openDocument();
        break;
      case "reply":
      case "error": {
        const answer = this.waiting.get(message.id);
        this.waiting.delete(message.id);
        if (answer) answer(message);
        else problem(`nobody asked for ${JSON.stringify(message)}`);
        break;
      }
      case "document.updates":
        if (this.open) this.takeUpdates(message.revision, message.updates);
        else this.early.push(message);
        break;
      case "document.state":
        this.takeDisk(message.state);
        break;
    }
  }

  // The document

  openDocument() {
    const known = this.state && { document: this.id, revision: getSyncedVersion(this.state) };
    this.ask("document.open", { path: this.document.path, ...known }, (reply) => {
      if (reply.type === "error") {
        if (reply.code === "closed") return;
        tally.refused++;
        setTimeout(() => this.openDocument(), 100);
        return;
      }
      if (this.state && reply.document !== this.id) problem(`${this.document.path} is another document`);
      this.id = reply.document;
      if (reply.text !== undefined) this.takeText(reply);
      else this.takeUpdates(known.revision, reply.updates);
      if (getSyncedVersion(this.state) !== reply.revision)
        problem(`opened at ${reply.revision}, but is at ${getSyncedVersion(this.state)}`);
      this.open = true;
      for (const event of this.early) this.takeUpdates(event.revision, event.updates);
      this.early = [];
      this.takeDisk(reply.state);
      this.push();
    });
  }

  takeText({ text, revision }) {
    if (this.state) {
      tally.texts++;
      if (revision < getSyncedVersion(this.state))
        problem(`revision ${getSyncedVersion(this.state)} was there, and now the newest is ${revision}`);
      const pending = sendableUpdates(this.state);
      tally.stranded += pending.length;
      for (const update of pending) for (const token of tokensIn(JSON.stringify(update.changes))) this.lost.add(token);
    }
    this.state = EditorState.create({
      doc: Text.of(text.split("\n")),
      extensions: [collab({ startVersion: revision, clientID: this.client })],
    });
  }

  takeUpdates(revision, updates) {
    const at = getSyncedVersion(this.state);
    if (revision + updates.length <= at) return; // came with the opening already
    if (revision !== at) return problem(`${this.client} is at ${at}, and the next updates are those from ${revision}`);
    updates.forEach((update, i) => this.document.accepted.note(revision + i + 1, update.client, update.changes));
    this.receive(updates);
  }

  receive(updates) {
    try {
      const parsed = updates.map(({ client, changes }) => ({ clientID: client, changes: ChangeSet.fromJSON(changes) }));
      this.state = receiveUpdates(this.state, parsed).state;
    } catch (error) {
      problem(`${this.client} cannot take ${JSON.stringify(updates)}: ${error.message}`);
    }
  }

  takeDisk({ disk }) {
    if ((disk !== "conflict" && disk !== "deleted") || this.document.editors.find((each) => each.open) !== this) return;
    this.resolve(disk === "conflict" && this.random.one() < 0.5);
  }

  /** As a person who presses the button again where somebody typed at that moment. */
  resolve(disk) {
    this.ask("document.resolve", { document: this.id, disk }, (reply) => {
      if (reply.type === "reply") tally.resolved++;
      else if (reply.code === "conflict") setTimeout(() => this.resolve(disk), 50);
    });
  }

  // Typing

  push() {
    if (!this.open || this.pushing) return;
    const updates = sendableUpdates(this.state).slice(0, AT_ONCE);
    if (updates.length === 0) return;
    this.pushing = true;
    const revision = getSyncedVersion(this.state);
    const sent = updates.map(({ clientID, changes }) => ({ client: clientID, changes: changes.toJSON() }));
    this.ask("document.push", { document: this.id, revision, updates: sent }, (reply) => {
      this.pushing = false;
      if (reply.type === "reply") {
        if (reply.revision !== revision + sent.length) problem(`pushed ${sent.length} at ${revision}: ${reply.revision}`);
        tally.acknowledged += sent.length;
        this.takeUpdates(revision, sent);
        this.push();
      } else if (reply.code === "closed") {
        // goes on when it is open again
      } else if (reply.code === "conflict") {
        tally.conflicts++;
        if (getSyncedVersion(this.state) > revision) this.push();
        else setTimeout(() => this.push(), 5);
      } else if (["busy", "unavailable", "quota"].includes(reply.code)) {
        tally.refused++;
        setTimeout(() => this.push(), 20 + this.random.below(100));
      } else {
        problem(`a push was refused: ${JSON.stringify(reply)}`);
      }
    });
  }

  place() {
    const { doc } = this.state;
    const at = this.random.below(doc.length + 1);
    return /^[\ud800-\udbff]/.test(doc.sliceString(at - 1, at)) && at > 0 ? at - 1 : at;
  }

  insertion() {
    const kind = this.random.one();
    const count = kind < 0.003 ? 200 + this.random.below(3000) : kind < 0.1 ? 20 : 1 + this.random.below(3);
    let text = `‹${this.number}.${++this.tokens}›`;
    for (let i = 0; i < count; i++) text += this.random.of(PIECES);
    return text;
  }

  edit() {
    const { doc } = this.state;
    const ranges = this.random.one() < 0.1 ? 2 + this.random.below(4) : 1;
    const places = Array.from({ length: 2 * ranges }, () => this.place()).sort((a, b) => a - b);
    const changes = [];
    for (let i = 0; i < ranges; i++) {
      let [from, to] = [places[2 * i], places[2 * i + 1]];
      const kind = this.random.one();
      if (kind < 0.6 && doc.length < LONG) to = from;
      else if (kind < 0.97 && doc.length < LONG) to = Math.min(to, from + this.random.below(30));
      if (to < doc.length && /^[\ud800-\udbff]/.test(doc.sliceString(to - 1, to))) to = Math.max(from, to - 1);
      const insert = to === from || kind > 0.8 ? this.insertion() : "";
      changes.push({ from, to, insert });
    }
    this.state = this.state.update({ changes }).state;
    tally.edits++;
  }

  async live() {
    while (tally.edits < given.edits) {
      await sleep(this.random.below(given.delay));
      if (!this.state) continue;
      // Who is far behind waits, as a person does who sees that nothing is saved.
      if (sendableUpdates(this.state).length < 400) this.edit();
      this.push();
      if (this.open && this.random.one() < given.disconnect) this.disconnect();
    }
  }

  get quiet() {
    return this.open && sendableUpdates(this.state).length === 0;
  }
}

const tokensIn = (text) => text.match(/‹\d+\.\d+›/g) ?? [];

async function until(condition, what) {
  const end = Date.now() + PATIENCE;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await sleep(20);
  }
}

/** One edit more and the file written: what was written below is noticed then. */
async function settle(document) {
  const [editor] = document.editors;
  for (;;) {
    await until(() => document.editors.every((each) => each.quiet), "every editor to be quiet");
    const before = document.accepted.last;
    editor.edit();
    editor.push();
    await until(() => editor.quiet && document.accepted.last > before, "the last edit");
    const saved = await editor.asked("document.save", { document: editor.id });
    await sleep(100);
    await until(() => document.editors.every((each) => each.quiet), "every editor to be quiet");
    const newest = document.editors.every((each) => getSyncedVersion(each.state) === document.accepted.last);
    if (saved.type === "reply" && saved.revision === document.accepted.last && newest) return saved.revision;
  }
}

async function check(document) {
  const revision = await settle(document);
  const { accepted, path } = document;
  const fresh = new Editor(document, document.cookies[0]);
  fresh.connect();
  await until(() => fresh.open, "one who comes new");
  const text = fresh.state.doc.toString();
  const same = (what, other) => {
    if (other === text) return;
    let at = 0;
    while (at < Math.min(text.length, other.length) && text[at] === other[at]) at++;
    const [a, b] = [text, other].map((one) => JSON.stringify(one.slice(at, at + 60)));
    problem(`${path}: ${what} differs at ${at} (${text.length} and ${other.length} units): ${a} and ${b}`);
  };
  if (getSyncedVersion(fresh.state) !== revision) problem(`${path}: saved ${revision}, opened ${getSyncedVersion(fresh.state)}`);
  for (const editor of document.editors) same(editor.client, editor.state.doc.toString());
  const bytes = readFileSync(document.file);
  same("the file", bytes.toString("utf8"));
  if (!bytes.equals(Buffer.from(text))) problem(`${path}: the file's bytes differ`);

  // What was accepted, applied with nothing of the library or the server.
  const past = await fresh.asked("history.list", { path });
  let model = document.initial;
  let beginning = null;
  const counts = new Map();
  for (let at = 0; at <= accepted.last; at++) {
    if (at > 0 && accepted.log[at] === undefined) {
      problem(`${path}: nobody was told of revision ${at}`);
      return;
    }
    const [, changes] = at > 0 ? JSON.parse(accepted.log[at]) : ["", [...(model ? [model.length] : [])]];
    model = applied(model, changes);
    // Someone's own edits only: a choice between file and document brings back what was there.
    if (at > 0 && accepted.log[at].startsWith('["editor-'))
      for (const token of tokensIn(accepted.log[at])) counts.set(token, (counts.get(token) ?? 0) + 1);
    if (at === past.first) beginning = model;
  }
  same("the model", model);
  for (const editor of document.editors)
    for (let i = 1; i <= editor.tokens; i++) {
      const token = `‹${editor.number}.${i}›`;
      const count = counts.get(token) ?? 0;
      if (count > 1 || (count === 0 && !editor.lost.has(token))) problem(`${path}: ${token} was accepted ${count} times`);
    }

  // The journal, replayed by the library.
  const first = await fresh.asked("history.text", { path, revision: past.first });
  if (first.text !== beginning) problem(`${path}: the journal begins with another text at ${past.first}`);
  let replay = Text.of(first.text.split("\n"));
  let at = past.first;
  while (at < past.last) {
    const some = await fresh.asked("history.updates", { path, from: at });
    if (some.type === "error" || some.steps.length === 0) {
      problem(`${path}: no past from ${at} on: ${JSON.stringify(some)}`);
      break;
    }
    for (const step of some.steps) replay = ChangeSet.fromJSON(step.changes).apply(replay);
    at = some.revision;
  }
  same("the journal", replay.toString());
  if (at !== revision) problem(`${path}: the journal ends at ${at}, the document at ${revision}`);
  fresh.leaving = true;
  fresh.socket.close();
  return revision;
}

async function main() {
  const documents = given.documents.map((document) => ({ ...document, accepted: new Accepted(), editors: [] }));
  for (const document of documents)
    for (const cookie of document.cookies) document.editors.push(new Editor(document, cookie));
  const editors = documents.flatMap((document) => document.editors);
  for (const editor of editors) editor.connect();
  const shown = setInterval(() => console.error(`typing: ${JSON.stringify(tally)}`), 30_000);
  const lives = editors.map((editor) => editor.live());
  // Before the first edit a document is the file's text, whatever that is.
  await until(() => documents.every(({ accepted }) => accepted.last > 0), "the first edits");
  console.log("typing");
  await Promise.all(lives);
  console.log("settling");
  await new Promise((resolve) => process.stdin.once("data", resolve));
  const revisions = [];
  for (const document of documents) revisions.push(await check(document).catch((error) => problem(error.message)));
  clearInterval(shown);
  const outside = documents.flatMap(({ accepted }) => accepted.log.join("").match(/outside-\d+/g) ?? []);
  console.log(JSON.stringify({ ...tally, editors: editors.length, revisions, outside: new Set(outside).size, problems }));
  process.exit(0);
}

await main();
