// The tree of files as a person sees it: which folders are open, what they hold, which row has the focus.
// Owns the listings; it promises that a listed folder is listed again when the server says that it changed, and that
// what was open is open again at the next visit. It changes no file: see operations.ts.
import { computed, signal } from "@preact/signals";
import type { Connection } from "../connection/connection";
import { folderOf, isWithin, joinPath, movedPath, nameOf } from "../parts/paths";
import { isStringList, recall, remember } from "../parts/storage";
import type { Entry, Kind, Root } from "../protocol";

export interface Listing {
  entries: readonly Entry[];
  complete: boolean;
  problem: string | null;
}

export interface Row {
  path: string;
  name: string;
  kind: Kind;
  level: number;
  writable: boolean;
  /** One of the class's own folders, or a person's: it cannot be renamed, moved or deleted. */
  fixed: boolean;
  isRoot: boolean;
  expanded: boolean;
  position: number;
  siblings: number;
  /** What is shown below an open folder instead of entries. */
  remark: "loading" | "empty" | "incomplete" | { problem: string } | null;
}

const people = "Local";

export class Tree {
  readonly roots = signal<readonly Root[]>([]);
  readonly focused = signal<string | null>(null);
  readonly home = signal("");
  private readonly listings = signal<ReadonlyMap<string, Listing>>(new Map());
  private readonly expanded;
  private readonly underway = new Map<string, Promise<void>>();

  readonly rows = computed(() => {
    const rows: Row[] = [];
    const { value: roots } = this.roots;
    roots.forEach((root, index) => {
      const entry = { name: root.title, kind: "folder" as const, writable: root.writable };
      this.addRow(rows, root.path, entry, { level: 1, position: index + 1, siblings: roots.length });
    });
    return rows;
  });

  constructor(
    private readonly connection: Connection,
    private readonly memoryKey: string,
  ) {
    const remembered = recall(this.memoryKey, isStringList);
    this.expanded = signal<ReadonlySet<string> | null>(remembered ? new Set(remembered) : null);
    connection.on("tree.changed", ({ path, below }) => {
      for (const listed of this.listings.peek().keys())
        if (listed === path || (below && isWithin(listed, path))) void this.list(listed);
    });
  }

  /** The server's roots: at connecting, and again at reconnecting, when anything may have changed. */
  setRoots(roots: readonly Root[], folder: string): void {
    const own = roots.find((root) => root.path === folder || root.path === joinPath(people, folder));
    this.home.value = own?.path ?? roots.find((root) => root.writable)?.path ?? "";
    this.roots.value = own ? [own, ...roots.filter((root) => root !== own)] : roots;
    if (!this.expanded.peek()) this.setExpanded(new Set(this.home.peek() ? [this.home.peek()] : []));
    for (const path of this.expanded.peek() ?? []) void this.list(path);
    this.focused.value ??= this.home.peek() || (roots[0]?.path ?? null);
  }

  listing(path: string): Listing | undefined {
    return this.listings.value.get(path);
  }

  row(path: string): Row | undefined {
    return this.rows.value.find((row) => row.path === path && !row.remark);
  }

  async namesIn(folder: string): Promise<Set<string>> {
    await this.list(folder);
    return new Set(
      this.listings
        .peek()
        .get(folder)
        ?.entries.map(({ name }) => name),
    );
  }

  isFolder(path: string): boolean {
    return this.row(path)?.kind === "folder";
  }

  /** May one put something into this folder, as far as the page knows? */
  canWriteIn(folder: string): boolean {
    return this.row(folder)?.writable ?? false;
  }

  setOpen(path: string, open: boolean): void {
    const expanded = new Set(this.expanded.peek());
    if (open) {
      expanded.add(path);
      void this.list(path);
    } else {
      expanded.delete(path);
    }
    this.setExpanded(expanded);
  }

  /** Opens all folders above a path and puts the focus on it. */
  async reveal(path: string): Promise<void> {
    const root = this.roots.peek().find((candidate) => isWithin(path, candidate.path));
    if (!root) return;
    const expanded = new Set(this.expanded.peek());
    for (let folder = folderOf(path); isWithin(folder, root.path); folder = folderOf(folder)) {
      expanded.add(folder);
      if (!this.listings.peek().has(folder)) await this.list(folder);
      if (folder === "") break;
    }
    this.setExpanded(expanded);
    this.focused.value = path;
  }

  moved(from: string, to: string): void {
    this.setExpanded(new Set([...(this.expanded.peek() ?? [])].map((path) => movedPath(path, from, to))));
    const inside = [...this.listings.peek().keys()].filter((path) => isWithin(path, from));
    this.listings.value = new Map([...this.listings.peek()].filter(([path]) => !isWithin(path, from)));
    for (const path of inside) void this.list(movedPath(path, from, to));
  }

  /** One request at a time for a folder; a change during it asks once more. */
  list(path: string): Promise<void> {
    const running = this.underway.get(path);
    if (running)
      return running.then(() => (this.underway.has(path) ? this.underway.get(path) : this.list(path)));
    const request = this.readListing(path).finally(() => this.underway.delete(path));
    this.underway.set(path, request);
    return request;
  }

  private async readListing(path: string): Promise<void> {
    let listing: Listing;
    try {
      const reply = await this.connection.request("tree.list", { path });
      listing = { entries: reply.entries, complete: reply.complete, problem: null };
    } catch (error) {
      const known = this.listings.peek().get(path);
      listing = { entries: [], complete: true, ...known, problem: (error as Error).message };
    }
    this.listings.value = new Map(this.listings.peek()).set(path, listing);
  }

  private setExpanded(expanded: ReadonlySet<string>): void {
    this.expanded.value = expanded;
    remember(this.memoryKey, [...expanded].slice(-500));
  }

  private addRow(
    rows: Row[],
    path: string,
    entry: Pick<Entry, "name" | "kind" | "writable">,
    place: Pick<Row, "level" | "position" | "siblings">,
  ): void {
    const isRoot = place.level === 1;
    const expanded = entry.kind === "folder" && (this.expanded.value?.has(path) ?? false);
    const fixed = isRoot || folderOf(path) === people;
    rows.push({ path, ...entry, ...place, isRoot, fixed, expanded, remark: null });
    if (expanded) this.addContent(rows, path, place.level + 1, isRoot ? path : null);
  }

  private addContent(rows: Row[], folder: string, level: number, root: string | null): void {
    const listing = this.listings.value.get(folder);
    const others = new Set(this.roots.value.map(({ path }) => path).filter((path) => path !== root));
    // One's own folder is a root already, so the teacher's list of people does without it.
    const entries = (listing?.entries ?? []).filter(({ name }) => !others.has(joinPath(folder, name)));
    entries.forEach((entry, index) =>
      this.addRow(rows, joinPath(folder, entry.name), entry, {
        level,
        position: index + 1,
        siblings: entries.length,
      }),
    );
    const remark = remarkOn(listing, entries.length);
    if (remark) {
      const { name, kind, writable } = { name: nameOf(folder), kind: "other" as const, writable: false };
      const rest = { isRoot: false, fixed: true, expanded: false, position: 1, siblings: 1 };
      rows.push({ path: folder, name, kind, writable, level, ...rest, remark });
    }
  }
}

function remarkOn(listing: Listing | undefined, shown: number): Row["remark"] {
  if (!listing) return "loading";
  if (listing.problem !== null) return { problem: listing.problem };
  if (shown === 0) return "empty";
  return listing.complete ? null : "incomplete";
}
