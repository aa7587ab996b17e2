// The open files: which tabs there are, in which order, which is in front, and what each shows. Owns the documents of
// its tabs. It promises that the tabs of the last visit are there again, and that a file is read only when it is looked at.
import { computed, effect, signal, type Signal } from "@preact/signals";
import { RequestError, type Connection } from "../connection/connection";
import type { OpenDocument } from "../document/document";
import type { Drafts } from "../document/drafts";
import { SavedDocument, type FileServer } from "../document/saved-document";
import { confirm } from "../parts/questions";
import { extensionOf, fileAddress, folderOf, isWithin, movedPath, nameOf } from "../parts/paths";
import { isRecord, isStringList, recall, remember } from "../parts/storage";
import { text } from "../text";
import { isPicture, pictureType } from "../parts/file-kind";

export type FileView =
  | { kind: "unread" }
  | { kind: "loading" }
  | { kind: "text"; document: OpenDocument }
  | { kind: "picture"; address: string }
  | { kind: "problem"; message: string; download: boolean; retry: boolean };

export interface OpenFile {
  readonly id: number;
  readonly path: Signal<string>;
  readonly view: Signal<FileView>;
}

/** How long after a change on disk it is looked at: our own saves are told of too, and are over by then. */
const refreshDelay = 700;

export class OpenFiles {
  readonly files = signal<readonly OpenFile[]>([]);
  readonly active = signal<OpenFile | null>(null);
  readonly activeDocument = computed(() => documentOf(this.active.value));
  private nextId = 1;
  private readonly refreshTimers = new Map<OpenFile, ReturnType<typeof setTimeout>>();
  private readonly server: FileServer;

  constructor(
    private readonly classSlug: string,
    private readonly connection: Connection,
    private readonly drafts: Drafts,
    private readonly memoryKey: string,
  ) {
    this.server = {
      open: (path) => connection.request("file.open", { path }),
      save: (path, text, version) =>
        connection.request("file.save", { path, text, ...(version === undefined ? {} : { version }) }),
    };
    connection.on("tree.changed", ({ path }) => this.folderChanged(path));
    this.restore();
    effect(() => {
      const paths = this.files.value.map((file) => file.path.value);
      remember(this.memoryKey, { paths, active: this.active.value?.path.value ?? null });
    });
    effect(() => {
      const file = this.active.value;
      if (file?.view.peek().kind === "unread") void this.read(file);
    });
  }

  find(path: string): OpenFile | undefined {
    return this.files.peek().find((file) => file.path.peek() === path);
  }

  /** Is another open file called the same? */
  hasNamesake(file: OpenFile): boolean {
    const name = nameOf(file.path.value);
    return this.files.value.some((other) => other !== file && nameOf(other.path.value) === name);
  }

  open(path: string): OpenFile {
    const file = this.find(path) ?? this.add(path);
    this.active.value = file;
    return file;
  }

  activate(index: number): void {
    const file = this.files.peek()[index];
    if (file) this.active.value = file;
  }

  /** To the next tab (1) or the one before (-1), round and round. */
  step(by: 1 | -1): void {
    const files = this.files.peek();
    const now = this.active.peek();
    if (files.length > 0 && now) this.activate((files.indexOf(now) + by + files.length) % files.length);
  }

  reorder(file: OpenFile, index: number): void {
    const others = this.files.peek().filter((other) => other !== file);
    this.files.value = [...others.slice(0, index), file, ...others.slice(index)];
  }

  async close(file: OpenFile): Promise<void> {
    const document = documentOf(file);
    // Without a line a save would only wait; the draft keeps the text in any case.
    const online = this.connection.state.peek() === "open";
    const saved = !document?.dirty.peek() || (online && (await document.save()));
    if (!saved) {
      const title = text.tabs.discardTitle(nameOf(file.path.peek()));
      if (!(await confirm({ title, body: [text.tabs.discardBody], action: text.tabs.discard }))) return;
    }
    this.leave(file);
  }

  retry(file: OpenFile): Promise<void> {
    return this.read(file);
  }

  moved(from: string, to: string): void {
    for (const file of this.files.peek()) {
      const path = movedPath(file.path.peek(), from, to);
      if (path === file.path.peek()) continue;
      documentOf(file)?.moved(path);
      file.path.value = path;
    }
  }

  removed(path: string): void {
    for (const file of this.files.peek()) if (isWithin(file.path.peek(), path)) this.forget(file, true);
  }

  async saveWithin(path: string): Promise<void> {
    const inside = this.files.peek().filter((file) => isWithin(file.path.peek(), path));
    for (const file of inside) await documentOf(file)?.save();
  }

  reconnected(): void {
    for (const file of this.files.peek()) {
      const document = documentOf(file);
      if (!document) continue;
      document.reconnected();
      void document.refresh();
    }
  }

  /** Writes all drafts: the page may be about to go. False where one could not be kept. */
  flush(): boolean {
    return this.files
      .peek()
      .map((file) => documentOf(file)?.flush() ?? true)
      .every(Boolean);
  }

  /** Closes without saving; what was typed stays in the drafts. */
  leave(file: OpenFile): void {
    this.forget(file, false);
  }

  private restore(): void {
    const stored = recall(this.memoryKey, isRecord);
    if (!stored || !isStringList(stored.paths)) return;
    for (const path of stored.paths) this.add(path);
    this.active.value =
      this.files.peek().find((file) => file.path.peek() === stored.active) ?? this.files.peek()[0] ?? null;
  }

  private add(path: string): OpenFile {
    const file = { id: this.nextId++, path: signal(path), view: signal<FileView>({ kind: "unread" }) };
    const files = this.files.peek();
    const after = this.active.peek() ? files.indexOf(this.active.peek() as OpenFile) + 1 : files.length;
    this.files.value = [...files.slice(0, after), file, ...files.slice(after)];
    return file;
  }

  private async read(file: OpenFile): Promise<void> {
    const path = file.path.peek();
    file.view.value = { kind: "loading" };
    try {
      file.view.value = isPicture(extensionOf(path))
        ? await this.readPicture(path)
        : await this.readText(path);
    } catch (error) {
      file.view.value = problemView(error);
    }
  }

  private async readText(path: string): Promise<FileView> {
    const content = await this.server.open(path);
    return { kind: "text", document: new SavedDocument(path, content, this.server, this.drafts) };
  }

  private async readPicture(path: string): Promise<FileView> {
    const response = await fetch(fileAddress(this.classSlug, path), { cache: "no-store" });
    if (!response.ok)
      throw new RequestError(response.status === 404 ? "not-found" : "failed", response.statusText);
    const blob = new Blob([await response.arrayBuffer()], { type: pictureType(extensionOf(path)) });
    return { kind: "picture", address: URL.createObjectURL(blob) };
  }

  private folderChanged(folder: string): void {
    for (const file of this.files.peek()) {
      if (folderOf(file.path.peek()) !== folder) continue;
      clearTimeout(this.refreshTimers.get(file));
      this.refreshTimers.set(
        file,
        setTimeout(() => this.refresh(file), refreshDelay),
      );
    }
  }

  private refresh(file: OpenFile): void {
    this.refreshTimers.delete(file);
    const view = file.view.peek();
    if (view.kind === "text") void view.document.refresh();
    if (view.kind !== "picture") return;
    URL.revokeObjectURL(view.address);
    // Read again at once where it is looked at (a program draws a picture anew), else when it is next.
    if (file === this.active.peek()) void this.read(file);
    else file.view.value = { kind: "unread" };
  }

  private forget(file: OpenFile, discard: boolean): void {
    const view = file.view.peek();
    if (view.kind === "text") view.document.close(discard);
    if (view.kind === "picture") URL.revokeObjectURL(view.address);
    clearTimeout(this.refreshTimers.get(file));
    const index = this.files.peek().indexOf(file);
    this.files.value = this.files.peek().filter((other) => other !== file);
    if (this.active.peek() === file) {
      this.active.value = this.files.peek()[index] ?? this.files.peek()[index - 1] ?? null;
    }
  }
}

export function documentOf(file: OpenFile | null): OpenDocument | null {
  const view = file?.view.value;
  return view?.kind === "text" ? view.document : null;
}

function problemView(error: unknown): FileView {
  const words = text.editor;
  const code = error instanceof RequestError ? error.code : "failed";
  if (code === "not-text") return { kind: "problem", message: words.notText, download: true, retry: false };
  if (code === "too-large") return { kind: "problem", message: words.tooLarge, download: true, retry: false };
  if (code === "not-found") return { kind: "problem", message: words.gone, download: false, retry: true };
  const message = words.failed(error instanceof Error ? error.message : String(error));
  return { kind: "problem", message, download: false, retry: true };
}
