// Unsaved text in the browser's own storage, so that a reload, a crash or a day offline loses nothing.
// One entry a class, person and path, with the version that it was based on; bounded, oldest out first.
import { forget, isRecord, keysOf, recall, remember } from "../parts/storage";

export interface Draft {
  text: string;
  version: string;
  at: number;
}

const capacity = 2_000_000;

const isDraft = (value: unknown): value is Draft =>
  isRecord(value) &&
  typeof value.text === "string" &&
  typeof value.version === "string" &&
  typeof value.at === "number";

export class Drafts {
  private readonly prefix: string;

  constructor(classSlug: string, person: number) {
    this.prefix = `carrel:draft:${classSlug}:${person}:`;
  }

  get(path: string): Draft | null {
    return recall(this.prefix + path, isDraft);
  }

  /** False where the browser has no room for it. */
  keep(path: string, text: string, version: string): boolean {
    if (text.length > capacity) return false;
    this.makeRoom(path, capacity - text.length);
    const draft: Draft = { text, version, at: Date.now() };
    if (remember(this.prefix + path, draft)) return true;
    this.makeRoom(path, 0);
    return remember(this.prefix + path, draft);
  }

  drop(path: string): void {
    forget(this.prefix + path);
  }

  private makeRoom(exceptPath: string, room: number): void {
    const others = keysOf(this.prefix)
      .filter((key) => key !== this.prefix + exceptPath)
      .map((key) => ({ key, draft: recall(key, isDraft) }))
      .sort((one, other) => (other.draft?.at ?? 0) - (one.draft?.at ?? 0));
    let used = 0;
    for (const { key, draft } of others) {
      used += draft?.text.length ?? Infinity;
      if (used > room) forget(key);
    }
  }
}
