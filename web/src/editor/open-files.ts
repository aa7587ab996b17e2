// The open files: which tabs there are, in which order, which is in front, and what each shows. Owns the documents of
// its tabs. It promises that the tabs of the last visit are there again, and that a file is read only when it is looked at.
import { computed, effect, signal, type Signal } from "@preact/signals";
import { RequestError, type Connection } from "../connection/connection";
import type { OpenDocument } from "../document/document";
import type { Documents } from "../document/documents";
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
  | { kind: "problem"; message: string; download: boolean; retry: boolean; offline?: boolean };

export interface OpenFile {
  readonly id: number;
  readonly path: Signal<string>;
  readonly view: Signal<FileView>;
}

/** A program may draw a picture anew many times a second. */
const refreshDelay = 700;

export class OpenFiles {
  readonly files = signal<readonly OpenFile[]>([]);
  readonly active = signal<OpenFile | null>(null);
  readonly activeDocument = computed(() => documentOf(this.active.value));
  private nextId = 1;
  private readonly refreshTimers = new Map<OpenFile, ReturnType<typeof setTimeout>>();
  /** What makes a file's path follow its document's. */
  private readonly following = new Map<OpenFile, () => void>();
  private documents: Promise<Documents> | null = null;

  constructor(
    private readonly classSlug: string,
    private readonly person: number,
    private readonly connection: Connection,
    private readonly memoryKey: string,
  ) {
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
    void this.readKept();
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
    if (document && !(await document.sync())) {
      const title = text.tabs.discardTitle(nameOf(file.path.peek()));
      const kept = document.flush();
      const body = [kept ? text.tabs.discardBody : text.tabs.loseBody];
      if (!(await confirm({ title, body, action: text.tabs.discard, danger: !kept }))) return;
    }
    this.leave(file);
  }

  retry(file: OpenFile): Promise<void> {
    return this.read(file);
  }

  /** What a file that was opened shows once it has come. */
  whenRead(file: OpenFile): Promise<FileView> {
    return new Promise((resolve) => {
      let stop: (() => void) | null = null;
      let done = false;
      stop = effect(() => {
        const view = file.view.value;
        if (done || view.kind === "unread" || view.kind === "loading") return;
        done = true;
        resolve(view);
        queueMicrotask(() => stop?.());
      });
    });
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

  /** The line is back: what could not be read without it is read. Documents come back by themselves. */
  reconnected(): void {
    for (const file of this.files.peek()) {
      const view = file.view.peek();
      if (view.kind === "problem" && view.offline) file.view.value = { kind: "unread" };
    }
    const active = this.active.peek();
    if (active?.view.peek().kind === "unread") void this.read(active);
  }

  /** True when the server has all that was typed. */
  async syncAll(): Promise<boolean> {
    const all = this.files.peek().map((file) => documentOf(file)?.sync() ?? Promise.resolve(true));
    return (await Promise.all(all)).every(Boolean);
  }

  /** Keeps what is unconfirmed: the page may be about to go. False where it cannot be kept. */
  flush(): boolean {
    return this.files
      .peek()
      .map((file) => documentOf(file)?.flush() ?? true)
      .every(Boolean);
  }

  /** Closes all; what is unconfirmed is forgotten. */
  discardAll(): void {
    for (const file of this.files.peek()) {
      const view = file.view.peek();
      if (view.kind === "text") view.document.close(true);
    }
  }

  /** Closes at once; what is unconfirmed stays in the browser. */
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
    let view: FileView;
    try {
      view = isPicture(extensionOf(path)) ? await this.readPicture(path) : await this.readText(file);
    } catch (error) {
      view = problemView(error);
    }
    file.view.value = view;
    // Closed before it came.
    if (!this.files.peek().includes(file)) this.letGo(file, false);
  }

  private async readText(file: OpenFile): Promise<FileView> {
    const documents = await this.loadDocuments();
    const document = await documents.openPath(file.path.peek());
    this.following.set(
      file,
      effect(() => {
        file.path.value = document.path.value;
      }),
    );
    return { kind: "text", document };
  }

  private loadDocuments(): Promise<Documents> {
    this.documents ??= import("./text-part").then(({ documentsOf }) =>
      documentsOf(this.connection, this.classSlug, this.person),
    );
    // Without a line the part of the page may not come: the next one asks again.
    this.documents.catch(() => (this.documents = null));
    return this.documents;
  }

  /** What an earlier visit left unconfirmed goes to the server now, whether the file is looked at or not. */
  private async readKept(): Promise<void> {
    const documents = await this.loadDocuments().catch(() => null);
    for (const path of (await documents?.pathsLeft()) ?? []) {
      const file = this.find(path) ?? this.add(path);
      if (file.view.peek().kind === "unread") await this.read(file);
    }
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
    if (view.kind !== "picture") return;
    URL.revokeObjectURL(view.address);
    // Read again at once where it is looked at (a program draws a picture anew), else when it is next.
    if (file === this.active.peek()) void this.read(file);
    else file.view.value = { kind: "unread" };
  }

  private letGo(file: OpenFile, discard: boolean): void {
    const view = file.view.peek();
    if (view.kind === "text") view.document.close(discard);
    if (view.kind === "picture") URL.revokeObjectURL(view.address);
    this.following.get(file)?.();
    this.following.delete(file);
    clearTimeout(this.refreshTimers.get(file));
  }

  private forget(file: OpenFile, discard: boolean): void {
    this.letGo(file, discard);
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
  return { kind: "problem", message, download: false, retry: true, offline: code === "offline" };
}
