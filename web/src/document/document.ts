// Open documents: the text of a file, shared by everybody who has it open. This folder owns pushing what is typed,
// taking in what others type, and keeping what the server has not confirmed. It promises that typed text is never lost:
// not by a reload, a broken line, a signed-out session, a server that forgot, or a file that changed on the disk.
//
// `OpenDocument` is the whole of what the rest of the page sees; `SharedDocument` is the one that there is.
import type { ReadonlySignal } from "@preact/signals";
import type { ChangeSet, Text } from "@codemirror/state";

/** `saved`: on the server's disk, in its journal. `disk` tells whether the file itself has it by now. */
export type SaveStatus =
  | { kind: "saved"; disk: boolean }
  | { kind: "saving" }
  /** `kept`: a reload, a crash and a day offline cannot hurt it. */
  | { kind: "offline"; kept: boolean }
  | { kind: "failed"; reason: string }
  | { kind: "conflict" }
  | { kind: "deleted" };

/** A person must choose: `disk`: a program changed the same lines in the file; `clash`: others did, while this page was away. */
export type Conflict = "disk" | "clash" | "deleted";

/** Somebody else who has the document open; positions are in the text shown. */
export interface Peer {
  readonly session: number;
  readonly name: string;
  readonly anchor: number;
  readonly head: number;
}

/** A change for the view to show; `own`: as if it had been typed here, so that it can be undone. */
export interface ShownChange {
  changes: ChangeSet;
  own: boolean;
}

/** What a run is to run. */
export interface RunSource {
  document: number;
  revision: number;
  /** Of the update that makes this revision, where it is being pushed: somebody else's could take its place. */
  client?: string;
}

export interface OpenDocument {
  readonly path: ReadonlySignal<string>;
  readonly writable: ReadonlySignal<boolean>;
  readonly status: ReadonlySignal<SaveStatus>;
  /** Something is not confirmed by the server. */
  readonly dirty: ReadonlySignal<boolean>;
  readonly conflict: ReadonlySignal<Conflict | null>;
  readonly peers: ReadonlySignal<readonly Peer[]>;

  content(): Text;
  text(): string;
  /** The view's text changed. */
  edited(changes: ChangeSet): void;
  /** Where the cursor is in the text shown. */
  cursorMoved(anchor: number, head: number): void;
  /** Called with changes that came from elsewhere than the view. */
  onChanges(listener: (change: ShownChange) => void): () => void;
  /** Makes this the text, as an edit that can be undone. */
  replaceText(text: string): void;

  /** True when all that was typed so far is confirmed; false where that cannot be now. */
  sync(): Promise<boolean>;
  /** Writes the file itself, too. */
  save(): Promise<boolean>;
  /** Calls `start` with the revision of the text that is shown now; again where that could not be had. */
  run<Result>(start: (source: RunSource) => Promise<Result>): Promise<Result>;
  /** The other text of a conflict; nothing where there is none. */
  otherText(): Promise<string | null>;
  resolve(choice: "mine" | "theirs"): Promise<void>;
  moved(path: string): void;
  /** The page may be about to go: keeps what is unconfirmed. False where it cannot be kept. */
  flush(): boolean;
  /** Forgets the document; `discard` forgets what is unconfirmed, too. */
  close(discard: boolean): void;
}
