// What was typed and is not confirmed by the server, in this browser's own database, so that a reload, a crash or a day
// offline loses nothing. One record for each open document of each page, named by the page's own client name: two pages
// never write each other's. Bounded, oldest out first. Where a browser has no database, `available` says so.
import { isRecord, keysOf, forget } from "../parts/storage";
import type { Update as SentUpdate } from "../protocol";

export interface KeptEdits {
  /** The page that keeps it. */
  client: string;
  path: string;
  document: number;
  /** The server's text on which the updates stand, and its revision. */
  revision: number;
  base: string;
  updates: SentUpdate[];
  /** So many of them were pushed, without an answer. */
  sent: number;
  /** What others have where it clashes with the updates: a person has not chosen yet. */
  clash?: string;
}

/** Where a document keeps its edits. */
export interface EditKeeper {
  /** False from the moment on when something could not be kept. */
  readonly available: boolean;
  put(edits: KeptEdits): Promise<boolean>;
  remove(client: string): Promise<void>;
}

interface Stored extends KeptEdits {
  key: string;
  owner: string;
  at: number;
  size: number;
}

const databaseName = "carrel";
const storeName = "edits";
const capacity = 24_000_000;
const mostRecords = 100;
/** How long another page has to say that a record is its own. */
const answerTime = 150;

export class EditStore implements EditKeeper {
  available = true;
  private readonly owner: string;
  private readonly database: Promise<IDBDatabase | null>;
  private readonly channel =
    typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel("carrel:edits");
  private readonly mine = new Set<string>();
  private readonly alive = new Set<string>();

  constructor(classSlug: string, person: number) {
    this.owner = ownerOf(person, classSlug);
    this.database = openDatabase();
    void this.database.then((database) => (this.available = database !== null));
    this.channel?.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
      if (!isRecord(data)) return;
      if (data.ask === true) this.channel?.postMessage({ alive: [...this.mine] });
      else if (Array.isArray(data.alive)) for (const client of data.alive) this.alive.add(String(client));
    });
  }

  /** This page keeps edits under this name: no other page may take them over. */
  claim(client: string): void {
    this.mine.add(client);
  }

  /** The document is closed: what it left is for whoever opens the file next. */
  release(client: string): void {
    this.mine.delete(client);
  }

  async put(edits: KeptEdits): Promise<boolean> {
    const size = edits.base.length + edits.updates.length * 64;
    const stored: Stored = {
      ...edits,
      key: `${this.owner}${edits.client}`,
      owner: this.owner,
      at: Date.now(),
      size,
    };
    const done = await this.change((store) => {
      store.put(stored);
    });
    this.available = done;
    if (done && size > capacity / 50) void this.makeRoom(stored.key);
    return done;
  }

  async remove(client: string): Promise<void> {
    await this.change((store) => {
      store.delete(`${this.owner}${client}`);
    });
  }

  /** What pages that are gone left behind, of one file or all, newest first. */
  async left(path?: string): Promise<KeptEdits[]> {
    const all = (await this.all()).filter(
      (edits) =>
        edits.owner === this.owner &&
        !this.mine.has(edits.client) &&
        (path === undefined || edits.path === path),
    );
    if (all.length === 0) return [];
    this.alive.clear();
    this.channel?.postMessage({ ask: true });
    if (this.channel) await new Promise((resolve) => setTimeout(resolve, answerTime));
    return all.filter(({ client }) => !this.alive.has(client)).sort((one, other) => other.at - one.at);
  }

  private async makeRoom(exceptKey: string): Promise<void> {
    const others = (await this.all())
      .filter(({ key }) => key !== exceptKey)
      .sort((one, other) => other.at - one.at);
    let used = 0;
    const out = others.filter(({ size }, index) => (used += size) > capacity || index >= mostRecords);
    if (out.length > 0) await this.change((store) => out.forEach(({ key }) => store.delete(key)));
  }

  private async all(): Promise<Stored[]> {
    const database = await this.database;
    if (!database) return [];
    return new Promise((resolve) => {
      const request = database.transaction(storeName).objectStore(storeName).getAll() as IDBRequest<Stored[]>;
      request.onsuccess = () => resolve(request.result.filter(isStored));
      request.onerror = () => resolve([]);
    });
  }

  private async change(work: (store: IDBObjectStore) => void): Promise<boolean> {
    const database = await this.database;
    return database !== null && changeStore(database, work);
  }
}

const isStored = (value: unknown): value is Stored =>
  isRecord(value) &&
  typeof value.base === "string" &&
  Array.isArray(value.updates) &&
  typeof value.sent === "number";

const ownerOf = (person: number, classSlug = ""): string => `${person}:${classSlug}${classSlug && ":"}`;

function openDatabase(): Promise<IDBDatabase | null> {
  return new Promise((resolve) => {
    try {
      const request = indexedDB.open(databaseName, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(storeName, { keyPath: "key" });
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => resolve(null);
      request.onblocked = () => resolve(null);
    } catch {
      resolve(null);
    }
  });
}

function changeStore(database: IDBDatabase, work: (store: IDBObjectStore) => void): Promise<boolean> {
  return new Promise((resolve) => {
    try {
      const transaction = database.transaction(storeName, "readwrite");
      transaction.oncomplete = () => resolve(true);
      transaction.onerror = transaction.onabort = () => resolve(false);
      work(transaction.objectStore(storeName));
      // Not left to the end of the turn: the page may be about to go.
      transaction.commit();
    } catch {
      resolve(false);
    }
  });
}

/** At sign-out: the next person at this computer finds nothing of this one. */
export async function eraseEdits(person: number): Promise<void> {
  for (const key of keysOf("carrel:draft:")) forget(key);
  const database = await openDatabase();
  if (!database) return;
  const from = ownerOf(person);
  await changeStore(database, (store) => store.delete(IDBKeyRange.bound(from, `${from}\uffff`)));
  database.close();
}
