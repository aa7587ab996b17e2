// What a person drops or chooses, as one list: files with their paths below the place where they go, and the folders
// that must be there first. Folders come with all that is in them.
import { folderOf, joinPath } from "../parts/paths";

export interface Gathered {
  /** Each after the one that it is in. */
  folders: string[];
  files: { path: string; file: File }[];
  /** There was more than one upload may have. */
  tooMany: boolean;
}

export const mostGathered = 10_000;

/** From a file chooser: with webkitdirectory each file tells its path. */
export function gatherFiles(files: Iterable<File>): Gathered {
  const gathered: Gathered = { folders: [], files: [], tooMany: false };
  for (const file of files) {
    const path = file.webkitRelativePath || file.name;
    if (path.split("/").some(isHidden)) continue;
    add(gathered, path, file);
  }
  gathered.folders = foldersOf(gathered.files.map(({ path }) => path));
  return gathered;
}

/** From a drop. The entries must be taken while the drop is handled; reading them takes its time. */
export function gatherDrop(data: DataTransfer): Promise<Gathered> {
  const entries = [...data.items]
    .filter(({ kind }) => kind === "file")
    .map((item) => ({ entry: item.webkitGetAsEntry(), file: item.getAsFile() }));
  return readAll(entries);
}

async function readAll(entries: { entry: FileSystemEntry | null; file: File | null }[]): Promise<Gathered> {
  const gathered: Gathered = { folders: [], files: [], tooMany: false };
  for (const { entry, file } of entries) {
    if (entry) await readEntry(gathered, entry, "");
    else if (file) add(gathered, file.name, file);
  }
  return gathered;
}

async function readEntry(gathered: Gathered, entry: FileSystemEntry, folder: string): Promise<void> {
  const path = joinPath(folder, entry.name);
  if (gathered.tooMany || isHidden(entry.name)) return;
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) =>
      (entry as FileSystemFileEntry).file(resolve, reject),
    );
    add(gathered, path, file);
    return;
  }
  gathered.folders.push(path);
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    // A browser gives them a hundred at a time.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) return;
    for (const child of some) await readEntry(gathered, child, path);
  }
}

function add(gathered: Gathered, path: string, file: File): void {
  if (gathered.files.length + gathered.folders.length >= mostGathered) gathered.tooMany = true;
  else gathered.files.push({ path, file });
}

/** ".DS_Store", ".git": the server keeps hidden names for programs. */
const isHidden = (name: string): boolean => name.startsWith(".");

export function foldersOf(paths: readonly string[]): string[] {
  const folders = new Set<string>();
  for (const path of paths) {
    const above: string[] = [];
    for (let folder = folderOf(path); folder !== ""; folder = folderOf(folder)) above.unshift(folder);
    above.forEach((folder) => folders.add(folder));
  }
  return [...folders];
}
