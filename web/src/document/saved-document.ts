// A document that saves itself: a file.save some 600 ms after the last keystroke, one at a time, each on the version
// that it was based on. See document.ts for what it promises.
import { computed, signal } from "@preact/signals";
import { RequestError } from "../connection/connection";
import { maxima } from "../protocol";
import { text as words } from "../text";
import { difference } from "./difference";
import type { Conflict, OpenDocument, RunSource, SaveStatus, TextEdit } from "./document";
import type { Drafts } from "./drafts";

export interface FileContent {
  text: string;
  version: string;
  writable: boolean;
}

/** The part of the server that a document needs. */
export interface FileServer {
  open(path: string): Promise<FileContent>;
  /** With a version: only onto it. Without: only where there is no file. */
  save(path: string, text: string, version?: string): Promise<{ version: string }>;
}

const saveDelay = 600;
const draftDelay = 150;
const retryDelay = 5_000;

export class SavedDocument implements OpenDocument {
  readonly path;
  readonly writable: boolean;
  readonly conflict = signal<Conflict | null>(null);
  readonly status;
  readonly dirty;
  private readonly edition = signal(0);
  private readonly savedEdition = signal(0);
  private readonly problem = signal<SaveStatus | null>(null);
  private readonly listeners = new Set<(edits: readonly TextEdit[]) => void>();
  private current: () => string;
  private version: string;
  /** Sent, but the line broke before the answer: if the disk has exactly this, it was our own hand. */
  private uncertain: string | null = null;
  private saving: Promise<unknown> | null = null;
  private saveTimer: ReturnType<typeof setTimeout> | undefined;
  private draftTimer: ReturnType<typeof setTimeout> | undefined;
  private closed = false;

  constructor(
    path: string,
    content: FileContent,
    private readonly server: FileServer,
    private readonly drafts: Drafts,
  ) {
    this.path = signal(path);
    this.writable = content.writable;
    this.current = () => content.text;
    this.version = content.version;
    this.dirty = computed(() => this.edition.value !== this.savedEdition.value);
    this.status = computed<SaveStatus>(() => {
      if (this.conflict.value) return { kind: "failed", reason: words.save.conflict };
      if (!this.dirty.value) return { kind: "saved" };
      return this.problem.value ?? { kind: "saving" };
    });
    this.restoreDraft(content);
  }

  text(): string {
    return this.current();
  }

  edited(_edits: readonly TextEdit[], text: () => string): void {
    if (!this.writable) return;
    let whole: string | null = null;
    this.current = () => (whole ??= text());
    this.edition.value++;
    clearTimeout(this.draftTimer);
    this.draftTimer = setTimeout(() => this.flush(), draftDelay);
    this.scheduleSave(saveDelay);
  }

  onEdits(listener: (edits: readonly TextEdit[]) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async save(): Promise<boolean> {
    clearTimeout(this.saveTimer);
    await this.saving;
    if (!this.dirty.peek()) return true;
    if (this.conflict.peek() || this.closed) return false;
    return this.exclusive(() => this.saveOnce(this.version));
  }

  async saveThrough<Result extends { version?: string }>(
    start: (source: RunSource) => Promise<Result>,
  ): Promise<Result> {
    clearTimeout(this.saveTimer);
    await this.saving;
    if (!this.dirty.peek() || !this.writable) return start({});
    const edition = this.edition.peek();
    const text = this.text();
    return this.exclusive(async () => {
      try {
        const result = await start({ text, version: this.version });
        this.stored(edition, result.version ?? this.version);
        return result;
      } catch (error) {
        // The text may have been saved although the run did not start.
        this.uncertain = text;
        if (isOutdated(error)) await this.lookAtDisk();
        else this.scheduleSave(saveDelay);
        throw error;
      }
    });
  }

  async refresh(): Promise<void> {
    if (this.dirty.peek() || this.saving || this.conflict.peek() || this.closed) return;
    const edition = this.edition.peek();
    try {
      const theirs = await this.server.open(this.path.peek());
      if (this.closed || this.saving || this.edition.peek() !== edition || theirs.version === this.version)
        return;
      this.adopt(theirs);
    } catch (error) {
      const gone = error instanceof RequestError && error.code === "not-found";
      if (gone && !this.closed && !this.dirty.peek()) this.conflict.value = { theirs: null };
    }
  }

  takeTheirs(): void {
    const theirs = this.conflict.peek()?.theirs;
    this.conflict.value = null;
    if (theirs) this.adopt(theirs);
  }

  async keepMine(): Promise<boolean> {
    const conflict = this.conflict.peek();
    if (!conflict) return this.save();
    await this.saving;
    this.conflict.value = null;
    if (!this.dirty.peek()) this.edition.value++;
    // Onto the version that was shown as theirs: if it changed again, the question is asked again.
    return this.exclusive(() => this.saveOnce(conflict.theirs?.version));
  }

  moved(path: string): void {
    this.drafts.drop(this.path.peek());
    this.path.value = path;
    if (this.dirty.peek()) this.flush();
  }

  reconnected(): void {
    if (this.dirty.peek()) this.scheduleSave(0);
  }

  flush(): boolean {
    clearTimeout(this.draftTimer);
    if (!this.dirty.peek() || this.closed) return true;
    return this.drafts.keep(this.path.peek(), this.text(), this.version);
  }

  close(discard: boolean): void {
    if (discard) this.drafts.drop(this.path.peek());
    else this.flush();
    this.closed = true;
    clearTimeout(this.saveTimer);
    clearTimeout(this.draftTimer);
  }

  private restoreDraft(content: FileContent): void {
    const draft = this.drafts.get(this.path.peek());
    if (!draft) return;
    if (!content.writable || draft.text === content.text) {
      this.drafts.drop(this.path.peek());
      return;
    }
    this.current = () => draft.text;
    this.edition.value++;
    if (draft.version === content.version) this.scheduleSave(saveDelay);
    else this.conflict.value = { theirs: content };
  }

  private scheduleSave(delay: number): void {
    clearTimeout(this.saveTimer);
    if (this.closed || this.conflict.peek()) return;
    this.saveTimer = setTimeout(() => void this.save(), delay);
  }

  private exclusive<Result>(work: () => Promise<Result>): Promise<Result> {
    const running = work();
    const settled = running.then(
      () => undefined,
      () => undefined,
    );
    this.saving = settled;
    void settled.then(() => {
      if (this.saving === settled) this.saving = null;
    });
    return running;
  }

  private async saveOnce(version: string | undefined): Promise<boolean> {
    const edition = this.edition.peek();
    const text = this.text();
    if (text.length > maxima.text || new TextEncoder().encode(text).length > maxima.text) {
      this.problem.value = { kind: "failed", reason: words.save.tooLarge };
      return false;
    }
    this.problem.value = { kind: "saving" };
    try {
      const reply = await this.server.save(this.path.peek(), text, version);
      this.stored(edition, reply.version);
      return true;
    } catch (error) {
      return this.saveFailed(error, text);
    }
  }

  private stored(edition: number, version: string): void {
    this.version = version;
    this.savedEdition.value = edition;
    this.uncertain = null;
    this.problem.value = null;
    if (this.dirty.peek()) this.scheduleSave(saveDelay);
    else this.drafts.drop(this.path.peek());
  }

  private async saveFailed(error: unknown, text: string): Promise<boolean> {
    if (isOutdated(error)) return this.lookAtDisk();
    if (error instanceof RequestError && error.code === "offline") {
      this.uncertain = text;
      this.problem.value = { kind: "offline" };
    } else {
      this.problem.value = { kind: "failed", reason: error instanceof Error ? error.message : String(error) };
    }
    this.flush();
    this.scheduleSave(retryDelay);
    return false;
  }

  /** A save was refused because the file is not what it was: find out what it is now. */
  private async lookAtDisk(): Promise<boolean> {
    let theirs: FileContent;
    try {
      theirs = await this.server.open(this.path.peek());
    } catch (error) {
      if (error instanceof RequestError && error.code === "not-found") {
        this.conflict.value = { theirs: null };
        this.flush();
        return false;
      }
      return this.saveFailed(error, this.text());
    }
    if (theirs.text === this.text()) {
      this.stored(this.edition.peek(), theirs.version);
      return true;
    }
    if (theirs.text === this.uncertain) {
      this.uncertain = null;
      this.version = theirs.version;
      return this.saveOnce(theirs.version);
    }
    this.conflict.value = { theirs };
    this.flush();
    return false;
  }

  private adopt(theirs: { text: string; version: string }): void {
    const edits = difference(this.text(), theirs.text);
    this.current = () => theirs.text;
    this.edition.value++;
    this.stored(this.edition.peek(), theirs.version);
    for (const listener of this.listeners) listener(edits);
  }
}

const isOutdated = (error: unknown): boolean =>
  error instanceof RequestError && ["conflict", "not-found", "exists"].includes(error.code);
