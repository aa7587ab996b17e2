// The door to the history: any part of the page may open it for any file, also for one that was deleted.
import { signal } from "@preact/signals";

/** The path of the file whose history is shown. */
export const shownHistory = signal<string | null>(null);

export const showHistory = (path: string): void => {
  shownHistory.value = path;
};
