// What an upload will do, decided before a byte is sent: what is new, what would replace something, whether it fits.
import { folderOf, freeName, joinPath, nameOf } from "../parts/paths";
import type { Kind } from "../protocol";

export type Decision = "replace" | "both" | "skip";

/** What there is already in the folders of the target: relative path of a folder, then what it holds. */
export type Existing = ReadonlyMap<string, ReadonlyMap<string, { kind: Kind; size: number }>>;

export interface Planned<Content> {
  path: string;
  content: Content;
  overwrite: boolean;
}

export interface Conflict<Content> {
  path: string;
  content: Content;
  /** Something of that name is no file, so it cannot be replaced. */
  blocked: boolean;
}

export const existingAt = (existing: Existing, path: string) =>
  existing.get(folderOf(path))?.get(nameOf(path));

/** The files whose names are taken. */
export function conflictsOf<Content>(
  files: readonly { path: string; content: Content }[],
  existing: Existing,
): Conflict<Content>[] {
  return files.flatMap(({ path, content }) => {
    const other = existingAt(existing, path);
    return other ? [{ path, content, blocked: other.kind !== "file" }] : [];
  });
}

/** Folders of the upload where something stands that is none: nothing of what is in them can be stored. */
export const blockedFolders = (folders: readonly string[], existing: Existing): string[] =>
  folders.filter((folder) => {
    const other = existingAt(existing, folder);
    return other !== undefined && other.kind !== "folder";
  });

/** All that is to be sent, after the person has decided. `word` makes free names ("a copy.py"). */
export function planOf<Content>(
  files: readonly { path: string; content: Content }[],
  existing: Existing,
  decisions: ReadonlyMap<string, Decision>,
  word: string,
): Planned<Content>[] {
  const taken = new Map<string, Set<string>>();
  const namesIn = (folder: string) => {
    const names = taken.get(folder) ?? new Set(existing.get(folder)?.keys());
    taken.set(folder, names);
    return names;
  };
  files.forEach(({ path }) => namesIn(folderOf(path)).add(nameOf(path)));
  return files.flatMap(({ path, content }) => {
    const decision = existingAt(existing, path) ? (decisions.get(path) ?? "skip") : null;
    if (decision === "skip") return [];
    if (decision !== "both") return [{ path, content, overwrite: decision === "replace" }];
    const names = namesIn(folderOf(path));
    const name = freeName(nameOf(path), names, word);
    names.add(name);
    return [{ path: joinPath(folderOf(path), name), content, overwrite: false }];
  });
}

const block = 4096;

/** What it adds on the disk. What is replaced counts off, but is there until the new one is. */
export function growthOf(
  planned: readonly { path: string; size: number; overwrite: boolean }[],
  newFolders: number,
  existing: Existing,
): { bytes: number; files: number } {
  const onDisk = (size: number) => Math.ceil(size / block) * block;
  let bytes = newFolders * block;
  let files = newFolders;
  for (const { path, size, overwrite } of planned) {
    bytes += onDisk(size);
    if (overwrite) bytes -= onDisk(existingAt(existing, path)?.size ?? 0);
    else files += 1;
  }
  return { bytes, files };
}

export interface Usage {
  bytes: number;
  files: number;
  most_bytes: number;
  most_files: number;
}

/** Which limit it would break. */
export function lacking(usage: Usage, growth: { bytes: number; files: number }): "bytes" | "files" | null {
  if (usage.most_bytes > 0 && growth.bytes > 0 && usage.bytes + growth.bytes > usage.most_bytes)
    return "bytes";
  if (usage.most_files > 0 && growth.files > 0 && usage.files + growth.files > usage.most_files)
    return "files";
  return null;
}
