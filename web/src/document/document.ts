// Open documents: the text of a file between its disk and its editor. This folder owns saving, conflicts and drafts;
// the editor view only shows text and reports edits. It promises that typed text is never lost: not by a reload,
// a broken line, a signed-out session or a file that changed on disk.
//
// `OpenDocument` is the whole of what an editor view sees. `SavedDocument` keeps it by file.save; a shared journal of
// edits can take its place, since edits travel both ways as positions in UTF-16 units.
import type { ReadonlySignal } from "@preact/signals";

/** Positions in the text before the edits, in UTF-16 units, in rising order. */
export interface TextEdit {
  from: number;
  to: number;
  insert: string;
}

export type SaveStatus =
  { kind: "saved" } | { kind: "saving" } | { kind: "offline" } | { kind: "failed"; reason: string };

/** What is on disk is not what was edited; `theirs` is nothing where the file is gone. */
export interface Conflict {
  theirs: { text: string; version: string } | null;
}

/** What must be saved for a run to be of exactly the text shown; empty where all is saved. */
export interface RunSource {
  text?: string;
  version?: string;
}

export interface OpenDocument {
  readonly path: ReadonlySignal<string>;
  readonly writable: boolean;
  readonly status: ReadonlySignal<SaveStatus>;
  readonly dirty: ReadonlySignal<boolean>;
  readonly conflict: ReadonlySignal<Conflict | null>;

  text(): string;
  /** The view's text changed; `text` gives the whole when it is needed. */
  edited(edits: readonly TextEdit[], text: () => string): void;
  /** Called with edits that came from elsewhere, for the view to show. */
  onEdits(listener: (edits: readonly TextEdit[]) => void): () => void;

  save(): Promise<boolean>;
  /** Runs `start` with what it must save first, and keeps every other save away meanwhile. */
  saveThrough<Result extends { version?: string }>(
    start: (source: RunSource) => Promise<Result>,
  ): Promise<Result>;
  /** The file may have changed on disk. */
  refresh(): Promise<void>;
  takeTheirs(): void;
  keepMine(): Promise<boolean>;
  moved(path: string): void;
  /** The line is back: save what waited for it. */
  reconnected(): void;
  /** Writes the draft now: the page may be about to go. False where unsaved text could not be kept. */
  flush(): boolean;
  /** Forgets the document; `discard` forgets the unsaved text too. */
  close(discard: boolean): void;
}
