// For tests: a server that keeps documents as the protocol says, and lines to it that delay, overtake and break.
import { signal } from "@preact/signals";
import { ChangeSet, Text } from "@codemirror/state";
import { RequestError, type Connection, type ConnectionState } from "../connection/connection";
import type { Code, DocumentState, Events, Update } from "../protocol";
import type { Keeper } from "./documents";
import type { KeptEdits } from "./kept-edits";

/** The same numbers for the same seed. */
export function dice(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

interface Request {
  path?: string;
  document?: number;
  revision?: number;
  client?: string;
  updates?: Update[];
  text?: string;
  disk?: boolean;
  anchor?: number;
  head?: number;
}

export class FakeServer {
  number = 1;
  text: Text;
  /** The update that made revision first + 1, and those after it. */
  log: Update[] = [];
  first = 0;
  exists = true;
  writable = true;
  state: Omit<DocumentState, "revision"> = { disk: "saved" };
  diskText: string | null = null;
  refuse: Code | null = null;
  readonly runs: string[] = [];
  readonly lines = new Set<FakeLine>();

  constructor(
    text: string,
    readonly path = "Local/ada/a.py",
  ) {
    this.text = Text.of(text.split("\n"));
  }

  get revision(): number {
    return this.first + this.log.length;
  }

  /** It remembers the text, and nothing else. */
  forget(): void {
    this.number++;
    this.condense();
    for (const line of this.lines) line.opened = false;
  }

  /** The updates are gone, the document is not. */
  condense(): void {
    this.first = this.revision;
    this.log = [];
  }

  /** What a program wrote into the file, as an update of nobody's. */
  write(text: string): void {
    const changes = ChangeSet.of({ from: 0, to: this.text.length, insert: text }, this.text.length, "\n");
    this.accept([{ client: "disk", changes: changes.toJSON() as unknown[] }], null);
  }

  say(state: Omit<DocumentState, "revision">): void {
    this.state = state;
    const event = { document: this.number, state: { ...state, revision: this.revision } };
    for (const line of this.lines) line.tellLater("document.state", event);
  }

  handle(line: FakeLine, type: string, fields: Request): object {
    if (this.refuse && type !== "document.open")
      throw new RequestError(this.refuse, `refused: ${this.refuse}`);
    switch (type) {
      case "document.open":
        return this.open(line, fields);
      case "document.push":
        return this.push(line, fields);
      case "file.save":
        this.exists = true;
        this.forget();
        this.text = Text.of((fields.text ?? "").split("\n"));
        return {};
      case "document.disk":
        return this.diskText === null ? {} : { text: this.diskText };
      case "document.resolve":
        if (fields.disk && this.diskText !== null) this.write(this.diskText);
        this.say({ disk: "saved" });
        return { revision: this.revision };
      case "run.start":
        return this.run(fields);
      default:
        return {};
    }
  }

  private open(line: FakeLine, { document, revision }: Request): object {
    if (!this.exists) throw new RequestError("not-found", "There is no such file.");
    line.opened = true;
    const known = document === this.number && revision !== undefined && revision >= this.first;
    return {
      document: this.number,
      path: this.path,
      writable: this.writable,
      revision: this.revision,
      ...(known ? { updates: this.log.slice(revision - this.first) } : { text: this.text.toString() }),
      state: { ...this.state, revision: this.revision },
      cursors: [],
    };
  }

  private push(line: FakeLine, { document, revision, updates = [] }: Request): object {
    if (!line.opened || document !== this.number) throw new RequestError("not-found", "It is not open.");
    if (revision === undefined || revision > this.revision) throw new RequestError("malformed", "the future");
    if (revision < this.revision) throw new RequestError("conflict", "The document is past that.");
    this.accept(updates, line);
    return { revision: this.revision };
  }

  private accept(updates: readonly Update[], by: FakeLine | null): void {
    const { revision } = this;
    // Judged whole before anything is taken.
    let text = this.text;
    for (const { changes } of updates) text = ChangeSet.fromJSON(changes).apply(text);
    this.text = text;
    this.log.push(...updates);
    for (const line of this.lines) {
      if (line === by || !line.opened) continue;
      line.tellLater("document.updates", { document: this.number, revision, updates: [...updates] });
    }
  }

  private run({ document, revision, client }: Request): object {
    const otherClient = client !== undefined && this.log.at(-1)?.client !== client;
    if (document !== this.number || revision !== this.revision || otherClient)
      throw new RequestError("conflict", "not that text");
    this.runs.push(this.text.toString());
    return { run: this.runs.length };
  }
}

/** One page's connection: what is asked arrives in order, answers and events come as they like. */
export class FakeLine implements Pick<Connection, "request" | "tell" | "state" | "on"> {
  readonly state = signal<ConnectionState>("open");
  opened = false;
  /** Requests that went out, by type. */
  readonly sent: { type: string; fields: Request }[] = [];
  private handlers = new Map<string, Set<(event: never) => void>>();
  private era = 0;
  private arrival = 0;
  private waiting = new Set<(error: RequestError) => void>();

  constructor(
    private readonly server: FakeServer,
    private readonly delay: () => number = () => 1,
  ) {
    server.lines.add(this);
  }

  request = ((type: string, fields: Request) =>
    new Promise((resolve, reject: (error: RequestError) => void) => {
      if (this.state.peek() !== "open") return reject(new RequestError("offline", "offline"));
      this.sent.push({ type, fields });
      this.waiting.add(reject);
      const { era } = this;
      const answer = (settle: () => void) =>
        setTimeout(() => {
          if (era !== this.era) return;
          this.waiting.delete(reject);
          settle();
        }, this.delay());
      this.arrival = Math.max(this.arrival, Date.now() + this.delay());
      setTimeout(() => {
        // What was under way when the line broke may arrive or not.
        if (era !== this.era && this.delay() % 2 === 0) return;
        try {
          const reply = this.server.handle(this, type, structuredClone(fields));
          answer(() => resolve(reply));
        } catch (error) {
          const refusal =
            error instanceof RequestError ? error : new RequestError("malformed", String(error));
          answer(() => reject(refusal));
        }
      }, this.arrival - Date.now());
    })) as Connection["request"];

  tell(): void {
    // Cursors are tested elsewhere.
  }

  on<Name extends keyof Events>(name: Name, handler: (event: Events[Name]) => void): () => void {
    const handlers = this.handlers.get(name) ?? new Set();
    this.handlers.set(name, handlers.add(handler));
    return () => handlers.delete(handler);
  }

  tellLater(name: string, event: object): void {
    const { era } = this;
    setTimeout(() => era === this.era && this.dispatch(name, event), this.delay());
  }

  dispatch(name: string, event: object): void {
    for (const handler of this.handlers.get(name) ?? []) handler(event as never);
  }

  cut(): void {
    this.era++;
    this.opened = false;
    this.state.value = "lost";
    for (const reject of this.waiting) reject(new RequestError("offline", "offline"));
    this.waiting.clear();
  }

  restore(): void {
    if (this.state.peek() === "open") return;
    this.state.value = "open";
    this.dispatch("hello", {});
  }

  /** The page is gone, with all that it did not send. */
  leave(): void {
    this.cut();
    this.handlers.clear();
    this.server.lines.delete(this);
  }
}

/** What a browser keeps, for any number of pages. */
export class FakeStore {
  readonly records = new Map<string, KeptEdits>();

  keeper(): Keeper {
    const { records } = this;
    const mine = new Set<string>();
    return {
      available: true,
      claim: (client) => void mine.add(client),
      release: (client) => void mine.delete(client),
      put: (edits) => {
        records.set(edits.client, structuredClone(edits));
        return Promise.resolve(true);
      },
      remove: (client) => {
        records.delete(client);
        return Promise.resolve();
      },
      left: (path) =>
        Promise.resolve(
          [...records.values()].filter(
            (edits) => !mine.has(edits.client) && (path === undefined || edits.path === path),
          ),
        ),
    };
  }
}
