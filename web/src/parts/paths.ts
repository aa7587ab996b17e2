// Paths as the protocol has them: names joined by "/", from the top of the tree; "" is the top.

export const nameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

export const folderOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf("/")));

export const joinPath = (folder: string, name: string): string =>
  folder === "" ? name : `${folder}/${name}`;

export const isWithin = (path: string, folder: string): boolean =>
  folder === "" || path === folder || path.startsWith(`${folder}/`);

/** Where `path` is after `from` became `to`. */
export const movedPath = (path: string, from: string, to: string): string =>
  isWithin(path, from) ? to + path.slice(from.length) : path;

export const extensionOf = (path: string): string => {
  const name = nameOf(path);
  const dot = name.lastIndexOf(".");
  return dot > 0 ? name.slice(dot + 1).toLowerCase() : "";
};

export const isPython = (path: string): boolean => ["py", "pyw"].includes(extensionOf(path));

/** For a URL: each name is encoded, the slashes are not. */
export const encodePath = (path: string): string => path.split("/").map(encodeURIComponent).join("/");

/** Where a file's bytes are, to fetch and to put. */
export const fileAddress = (classSlug: string, path: string): string =>
  `/c/${encodeURIComponent(classSlug)}/files/${encodePath(path)}`;

/** "a.py" beside an "a.py" is "a copy.py", then "a copy 2.py". */
export function freeName(name: string, taken: ReadonlySet<string>, word: string): string {
  const dot = name.lastIndexOf(".");
  const stem = dot > 0 ? name.slice(0, dot) : name;
  const extension = dot > 0 ? name.slice(dot) : "";
  for (let count = 1; ; count++) {
    const free = `${stem} ${word}${count > 1 ? ` ${count}` : ""}${extension}`;
    if (!taken.has(free)) return free;
  }
}

export type NameProblem = "empty" | "slash" | "dots" | "control" | "long" | "taken";

export function nameProblem(name: string, taken: ReadonlySet<string>): NameProblem | null {
  if (name.trim() === "") return "empty";
  if (name.includes("/")) return "slash";
  if (name === "." || name === "..") return "dots";
  if (/[\u0000-\u001f\u007f]/.test(name)) return "control";
  if (new TextEncoder().encode(name).length > 255) return "long";
  return taken.has(name) ? "taken" : null;
}
