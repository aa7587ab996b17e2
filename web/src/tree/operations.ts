// What one can do to files: make, rename, move, copy, delete, download. Asks the person what it must, tells the server,
// and tells the open tabs what became of their files.
import { RequestError, type Connection } from "../connection/connection";
import { offer, warn, warnOf } from "../parts/notices";
import { fileAddress, folderOf, freeName, isWithin, joinPath, nameOf, nameProblem } from "../parts/paths";
import { askName, confirm } from "../parts/questions";
import { text } from "../text";
import { chooseFolder } from "./folder-chooser";
import type { Row, Tree } from "./tree";
import { openTrash } from "./trash-dialog";
import type { Gathered } from "./gather";
import { offerFiles, upload } from "./upload";

const words = text.fileDialog;

/** The open files, as far as file operations concern them. */
export interface OpenFilesPort {
  open(path: string): void;
  moved(from: string, to: string): void;
  removed(path: string): void;
  /** Writes what is unsaved below a path, before it is moved, copied or fetched. */
  saveWithin(path: string): Promise<void>;
}

export class Operations {
  constructor(
    private readonly classSlug: string,
    private readonly connection: Connection,
    private readonly tree: Tree,
    private readonly files: OpenFilesPort,
  ) {}

  /** Where a new file goes: into the folder with the focus, beside the file with the focus, else home. */
  targetFolder(): string {
    const focused = this.tree.focused.peek();
    const row = focused === null ? undefined : this.tree.row(focused);
    const folder = row && (row.kind === "folder" ? row.path : folderOf(row.path));
    return folder !== undefined && this.tree.canWriteIn(folder) ? folder : this.tree.home.peek();
  }

  async newFile(folder: string): Promise<void> {
    const name = await this.askFreeName(folder, {
      title: words.newFileTitle,
      action: words.create,
      value: "",
      complete: withEnding,
    });
    if (name === null) return;
    const path = joinPath(folder, name);
    await attempt(async () => {
      await this.connection.request("file.save", { path, text: "" });
      this.files.open(path);
      await this.shownIn(folder, path);
    });
  }

  async newFolder(folder: string): Promise<void> {
    const name = await this.askFreeName(folder, {
      title: words.newFolderTitle,
      action: words.create,
      value: "",
    });
    if (name === null) return;
    const path = joinPath(folder, name);
    await attempt(async () => {
      await this.connection.request("folder.create", { path });
      await this.shownIn(folder, path);
    });
  }

  async rename(row: Row): Promise<void> {
    const folder = folderOf(row.path);
    const name = await this.askFreeName(folder, {
      title: words.renameTitle(row.name),
      action: words.rename,
      value: row.name,
    });
    if (name !== null && name !== row.name) await this.move(row.path, joinPath(folder, name));
  }

  async moveTo(row: Row): Promise<void> {
    const folder = await chooseFolder(this.connection, this.tree, row);
    if (folder !== null) await this.move(row.path, joinPath(folder, row.name));
  }

  /** Also by dragging: into its own folder it stays where it is. */
  async move(from: string, to: string): Promise<void> {
    if (from === to || isWithin(to, from)) return;
    await attempt(async () => {
      await this.files.saveWithin(from);
      const { skipped } = await this.connection.request("entry.move", { from, to });
      if (skipped) warn(text.action.skipped(skipped));
      this.files.moved(from, to);
      this.tree.moved(from, to);
      void this.tree.list(folderOf(from));
      await this.shownIn(folderOf(to), to);
    });
  }

  async copy(from: string, folder: string, isFolder = false): Promise<void> {
    await attempt(async () => {
      await this.files.saveWithin(from);
      const taken = await this.tree.namesIn(folder);
      const name = nameOf(from);
      const to = joinPath(folder, taken.has(name) ? freeName(name, taken, text.action.copyWord) : name);
      const { skipped } = await this.connection.request("entry.copy", { from, to });
      if (skipped) warn(text.action.skipped(skipped));
      if (!isFolder) this.files.open(to);
      await this.shownIn(folder, to);
    });
  }

  /** To the trash, unasked: it can be undone. Where the trash cannot take it, the person is asked. */
  async remove(row: Row): Promise<void> {
    // What was typed last goes to the trash with the file; but a full folder, where nothing can be saved, holds up nothing.
    const saved = this.files.saveWithin(row.path).catch(() => undefined);
    await Promise.race([saved, new Promise((resolve) => setTimeout(resolve, 2_000))]);
    let trash: string | undefined;
    try {
      ({ trash } = await this.connection.request("entry.delete", { path: row.path }));
    } catch (error) {
      if (error instanceof RequestError && error.code === "offline") return warnOf(error);
      if (!(await this.removeForGood(row, error))) return;
    }
    this.files.removed(row.path);
    this.tree.focused.value = folderOf(row.path);
    await this.tree.list(folderOf(row.path));
    if (trash === undefined) return;
    const item = trash;
    offer(text.trash.moved(row.name), {
      label: text.trash.undo,
      run: () => void this.restore(row.path, item),
    });
  }

  private async removeForGood(row: Row, why: unknown): Promise<boolean> {
    const body = [text.trash.refused(why instanceof Error ? why.message : String(why))];
    if (row.kind === "folder") body.push(...(await this.describeFolder(row.path)));
    const title = text.trash.forGoodTitle(row.name);
    if (!(await confirm({ title, body, action: text.trash.forGood, danger: true }))) return false;
    let done = false;
    await attempt(async () => {
      await this.connection.request("entry.delete", { path: row.path, forever: true });
      done = true;
    });
    return done;
  }

  /** True where it is back. */
  async restore(place: string, trash: string): Promise<boolean> {
    let done = false;
    await attempt(async () => {
      const { path } = await this.connection.request("trash.restore", { path: place, trash });
      done = true;
      await this.shownIn(folderOf(path), path);
    });
    return done;
  }

  /** The trash of a person's folder, or of one of the class's. */
  showTrash(row: Row): void {
    openTrash({
      connection: this.connection,
      path: row.path,
      title: row.name,
      restore: this.restore.bind(this),
    });
  }

  async download(path: string): Promise<void> {
    await this.files.saveWithin(path);
    const link = document.createElement("a");
    link.href = fileAddress(this.classSlug, path);
    link.download = nameOf(path);
    link.click();
  }

  /** Asked first whether there is such a zip: a download that fails shows nothing. */
  async downloadFolder(path: string): Promise<void> {
    await this.files.saveWithin(path);
    const address = `${fileAddress(this.classSlug, path)}?zip=1`;
    const link = document.createElement("a");
    link.href = address;
    link.download = `${nameOf(path)}.zip`;
    await attempt(async () => {
      const answer = await fetch(address, { method: "HEAD" });
      if (answer.ok) link.click();
      else warn(answer.status === 413 ? text.action.zipTooLarge : text.action.zipFailed(nameOf(path)));
    });
  }

  chooseAndUpload(folder: string, folders = false): void {
    offerFiles(folders, (gathered) => void this.upload(folder, gathered));
  }

  async upload(folder: string, gathered: Gathered | Promise<Gathered>): Promise<void> {
    const port = { classSlug: this.classSlug, connection: this.connection };
    await attempt(async () => {
      if (!(await upload(port, folder, await gathered))) return;
      await this.tree.list(folder);
      this.tree.setOpen(folder, true);
    });
  }

  private async describeFolder(path: string): Promise<string[]> {
    const names = [...(await this.tree.namesIn(path))];
    const body = [words.deleteFolder(path)];
    if (names.length > 0)
      body.push(words.deleteFolderNames(names.slice(0, 5), Math.max(0, names.length - 5)));
    return body;
  }

  private async askFreeName(
    folder: string,
    options: { title: string; action: string; value: string; complete?: (name: string) => string },
  ): Promise<string | null> {
    const taken = await this.tree.namesIn(folder);
    taken.delete(options.value);
    const complete = options.complete ?? ((name: string) => name.trim());
    const answer = await askName({
      title: options.title,
      action: options.action,
      value: options.value,
      hint: words.where(folder),
      problem: (value) => {
        const problem = nameProblem(complete(value), taken);
        return problem && words.problems[problem];
      },
      note: (value) => (value.trim() && complete(value) !== value ? words.pythonHint(complete(value)) : null),
    });
    return answer === null ? null : complete(answer);
  }

  private async shownIn(folder: string, path: string): Promise<void> {
    await this.tree.list(folder);
    await this.tree.reveal(path);
  }
}

/** Most files here are programs: a name without an ending gets Python's. */
const withEnding = (name: string): string => {
  const trimmed = name.trim();
  return trimmed === "" || trimmed.includes(".") ? trimmed : `${trimmed}.py`;
};

async function attempt(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    warnOf(error);
  }
}
