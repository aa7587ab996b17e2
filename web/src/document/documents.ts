// The open documents of this page: opens them, with what earlier pages left unconfirmed, and gives each what comes for it.
// Loaded when the first file is opened, since it knows CodeMirror's texts.
import { effect } from "@preact/signals";
import { RequestError, type Connection } from "../connection/connection";
import type { Events } from "../protocol";
import type { OpenDocument } from "./document";
import type { Open, OpenReply } from "./document-sync";
import { EditStore, type EditKeeper, type KeptEdits } from "./kept-edits";
import { merge } from "./lines";
import { Replica, textOf } from "./replica";
import { SharedDocument, type DocumentHome } from "./shared-document";
import { decode } from "./updates";

type DocumentEvent = Extract<keyof Events, `document.${string}`>;

/** The keeper of a page's edits, which also knows what earlier pages left. */
export interface Keeper extends EditKeeper {
  claim(client: string): void;
  release(client: string): void;
  left(path?: string): Promise<KeptEdits[]>;
}

export const documentsOf = (connection: Connection, classSlug: string, person: number): Documents =>
  new Documents(connection, new EditStore(classSlug, person));

/** Events of a document whose number is not known yet. */
const mostUnclaimed = 2_000;

export class Documents implements DocumentHome {
  private readonly documents = new Set<SharedDocument>();
  private opening = 0;
  private unclaimed: { number: number; deliver: (document: SharedDocument) => void }[] = [];
  private readonly stops: (() => void)[];

  constructor(
    readonly server: Pick<Connection, "request" | "tell" | "state" | "on">,
    readonly keeper: Keeper,
  ) {
    this.stops = [
      this.on("document.updates", (document, { revision, updates }) =>
        document.traffic.updates(revision, updates),
      ),
      this.on("document.state", (document, { state }) => document.stateChanged(state)),
      this.on("document.cursors", (document, { cursor }) => document.cursorChanged(cursor)),
      this.on("document.left", (document, { session }) => document.peerLeft(session)),
      this.on("document.moved", (document, { path }) => document.moved(path)),
      server.on("hello", () => this.documents.forEach((document) => document.traffic.reconnected())),
      effect(() => {
        if (server.state.value !== "open") for (const document of this.documents) document.lineLost();
      }),
    ];
  }

  stop(): void {
    for (const stop of this.stops) stop();
  }

  /** Fails as document.open does. */
  async openPath(path: string): Promise<OpenDocument> {
    const left = await this.keeper.left(path);
    let document: SharedDocument | null = null;
    for (const edits of left) {
      if (document) await this.absorb(document, edits);
      else document = await this.restore(path, edits);
    }
    return document ?? this.add(new SharedDocument(this, path, await this.open({ path }), null));
  }

  /** Paths of files with edits that the server does not have. */
  async pathsLeft(): Promise<string[]> {
    return [...new Set((await this.keeper.left()).map(({ path }) => path))];
  }

  private async restore(path: string, edits: KeptEdits): Promise<SharedDocument | null> {
    let reply: OpenReply | "gone" | "away";
    try {
      reply = await this.open({ path, document: edits.document, revision: edits.revision });
    } catch (error) {
      // Of a file that was deleted meanwhile, and while there is no line, this is all there is.
      const code = error instanceof RequestError ? error.code : "failed";
      if (code !== "not-found" && code !== "offline") throw error;
      reply = code === "offline" ? "away" : "gone";
    }
    try {
      return this.add(new SharedDocument(this, path, reply, edits));
    } catch {
      // A record that makes no sense, perhaps of another version of this page.
      await this.keeper.remove(edits.client);
      return null;
    }
  }

  /** What a second page left of the same file, if it fits; else it waits for the next time. */
  private async absorb(document: SharedDocument, edits: KeptEdits): Promise<void> {
    const theirs = new Replica(edits.document, edits.revision, textOf(edits.base));
    theirs.restore(decode(edits.updates, edits.base.length), edits.sent);
    const merged = merge(edits.base, theirs.shown.toString(), document.text());
    if (!merged.clean) return;
    document.replaceText(merged.mine);
    if (document.flush()) await this.keeper.remove(edits.client);
  }

  private add(document: SharedDocument): SharedDocument {
    this.documents.add(document);
    this.keeper.claim(document.record);
    this.numbered(document);
    return document;
  }

  readonly open: Open = async (fields) => {
    this.opening++;
    try {
      return await this.server.request("document.open", fields);
    } finally {
      // What came too early is wanted until the document has taken the answer.
      setTimeout(() => {
        if (--this.opening === 0) this.unclaimed = [];
      }, 0);
    }
  };

  numbered(document: SharedDocument): void {
    if (!this.documents.has(document)) return;
    const wanted = this.unclaimed.filter(({ number }) => number === document.number);
    if (wanted.length === 0) return;
    this.unclaimed = this.unclaimed.filter(({ number }) => number !== document.number);
    for (const { deliver } of wanted) deliver(document);
  }

  closed(document: SharedDocument): void {
    this.documents.delete(document);
    this.keeper.release(document.record);
  }

  private on<Name extends DocumentEvent>(
    name: Name,
    handle: (document: SharedDocument, event: Events[Name]) => void,
  ): () => void {
    return this.server.on(name, (event) => {
      const document = [...this.documents].find(({ number }) => number === event.document);
      if (document) handle(document, event);
      else if (this.opening > 0 && this.unclaimed.length < mostUnclaimed) {
        this.unclaimed.push({ number: event.document, deliver: (late) => handle(late, event) });
      }
    });
  }
}
