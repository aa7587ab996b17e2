// Uploads: files and folders, one file after the other by HTTP PUT, with progress and Cancel. What would replace something
// is asked before anything is sent, and what does not fit is told before; each file that failed is named at the end.
import { signal } from "@preact/signals";
import type { Connection } from "../connection/connection";
import { inform, warn, warnOf } from "../parts/notices";
import { fileAddress, folderOf, isWithin, joinPath, nameOf } from "../parts/paths";
import { choose, confirm } from "../parts/questions";
import { sizeText } from "../parts/sizes";
import { limits } from "../protocol";
import { text } from "../text";
import { gatherFiles, mostGathered, type Gathered } from "./gather";
import {
  blockedFolders,
  conflictsOf,
  existingAt,
  growthOf,
  lacking,
  planOf,
  type Decision,
  type Existing,
  type Planned,
} from "./upload-plan";

const words = text.upload;

interface Progress {
  name: string;
  done: number;
  count: number;
  percent: number;
  cancel: () => void;
}

const current = signal<Progress | null>(null);

/** Lets the person choose files, or a folder, from their own computer. */
export function offerFiles(folders: boolean, take: (gathered: Gathered) => void): void {
  const input = document.createElement("input");
  input.type = "file";
  input.multiple = true;
  input.webkitdirectory = folders;
  input.onchange = () => take(gatherFiles(input.files ?? []));
  input.click();
}

export interface UploadPort {
  classSlug: string;
  connection: Connection;
}

interface Item {
  path: string;
  content: File;
}

/** True where something was stored. */
export async function upload(port: UploadPort, folder: string, gathered: Gathered): Promise<boolean> {
  if (current.peek()) {
    warn(words.oneAtATime);
    return false;
  }
  if (gathered.tooMany) {
    warn(words.tooMany(mostGathered));
    return false;
  }
  const failures: string[] = [];
  try {
    const existing = await existingIn(port.connection, folder, gathered.folders);
    const items = withoutImpossible(gathered, existing, failures);
    const decisions = await decide(items, existing, folder);
    if (!decisions) return false;
    const planned = planOf(items, existing, decisions, text.action.copyWord);
    const folders = gathered.folders.filter((path) => !existingAt(existing, path));
    if (!(await fits(port.connection, folder, planned, folders.length, existing))) return false;
    return await new Sending(port, folder, planned, folders, failures).run();
  } catch (error) {
    warnOf(error);
    return false;
  } finally {
    current.value = null;
    await tellFailures(failures);
  }
}

/** Lists the folders of the target that the upload goes into, as far as they are there. */
async function existingIn(
  connection: Connection,
  target: string,
  folders: readonly string[],
): Promise<Existing> {
  const existing = new Map<
    string,
    Map<string, { kind: "folder" | "file" | "link" | "other"; size: number }>
  >();
  for (const folder of ["", ...folders]) {
    if (folder !== "" && existingAt(existing, folder)?.kind !== "folder") continue;
    const { entries } = await connection.request("tree.list", {
      path: folder === "" ? target : joinPath(target, folder),
    });
    existing.set(folder, new Map(entries.map(({ name, kind, size }) => [name, { kind, size }])));
  }
  return existing;
}

function withoutImpossible(gathered: Gathered, existing: Existing, failures: string[]): Item[] {
  const blocked = blockedFolders(gathered.folders, existing);
  blocked.forEach((path) => failures.push(words.blocked(path)));
  return gathered.files.flatMap(({ path, file }) => {
    if (blocked.some((folder) => isWithin(path, folder))) return [];
    if (file.size <= limits.upload) return [{ path, content: file }];
    failures.push(words.tooLarge(path, sizeText(limits.upload)));
    return [];
  });
}

/** Null: the person gave it up. */
async function decide(
  items: readonly Item[],
  existing: Existing,
  folder: string,
): Promise<Map<string, Decision> | null> {
  const decisions = new Map<string, Decision>();
  const conflicts = conflictsOf(items, existing);
  let forAll: Decision | null = null;
  for (const [index, { path, blocked }] of conflicts.entries()) {
    if (!forAll || (blocked && forAll === "replace")) {
      const left = conflicts.length - index - 1;
      const answer = await choose<Decision>({
        title: words.conflictTitle(nameOf(path)),
        body: [words.conflictBody(joinPath(folder, folderOf(path)), blocked)],
        options: [
          ...(blocked ? [] : [{ value: "replace" as const, label: words.replace }]),
          { value: "both", label: words.keepBoth },
          { value: "skip", label: words.skip },
        ],
        forAll: left > 0 ? words.forAll(left) : undefined,
      });
      if (!answer) return null;
      if (answer.forAll) forAll = answer.value;
      decisions.set(path, answer.value);
    } else {
      decisions.set(path, forAll);
    }
  }
  return decisions;
}

async function fits(
  connection: Connection,
  folder: string,
  planned: readonly Planned<File>[],
  newFolders: number,
  existing: Existing,
): Promise<boolean> {
  const usage = await connection.request("tree.usage", { path: folder });
  const sizes = planned.map(({ path, content, overwrite }) => ({ path, size: content.size, overwrite }));
  const growth = growthOf(sizes, newFolders, existing);
  const lack = lacking(usage, growth);
  if (lack === "bytes")
    warn(words.noRoom(sizeText(growth.bytes), sizeText(Math.max(0, usage.most_bytes - usage.bytes))));
  if (lack === "files") warn(words.noRoomForFiles(growth.files, Math.max(0, usage.most_files - usage.files)));
  return lack === null;
}

async function tellFailures(failures: readonly string[]): Promise<void> {
  if (failures.length === 1) warn(failures[0] ?? "");
  else if (failures.length > 1)
    await confirm({
      title: words.failures(failures.length),
      body: [...failures],
      action: text.general.ok,
      told: true,
    });
}

const triesWhileBusy = 60;

class Sending {
  private cancelled = false;
  private request: XMLHttpRequest | null = null;
  private done = 0;
  private sentBefore = 0;
  private readonly size: number;

  constructor(
    private readonly port: UploadPort,
    private readonly folder: string,
    private readonly planned: readonly Planned<File>[],
    private readonly folders: readonly string[],
    private readonly failures: string[],
  ) {
    this.size = planned.reduce((sum, { content }) => sum + content.size, 0);
  }

  async run(): Promise<boolean> {
    if (this.planned.length + this.folders.length === 0) return false;
    for (const path of this.folders) {
      if (this.cancelled) break;
      this.show(path, 0);
      await this.makeFolder(path);
    }
    for (const item of this.planned) {
      if (this.cancelled) break;
      const status = await this.putPatiently(item);
      if (this.cancelled || status === "cancelled") break;
      if (status >= 200 && status < 300) this.done++;
      else this.failures.push(problem(status, item.path, this.folder));
      this.sentBefore += item.content.size;
    }
    if (this.cancelled) inform(words.cancelled(this.done));
    else if (this.done > 0) inform(words.done(this.done, this.folder));
    return this.done + this.folders.length > 0;
  }

  private async makeFolder(path: string): Promise<void> {
    try {
      await this.port.connection.request("folder.create", { path: joinPath(this.folder, path) });
    } catch (error) {
      this.failures.push(words.folderFailed(path, error instanceof Error ? error.message : String(error)));
    }
  }

  /** The server takes a few uploads at once and says when it is busy. */
  private async putPatiently(item: Planned<File>): Promise<number | "cancelled"> {
    for (let tries = 1; ; tries++) {
      const status = await this.put(item);
      if (status !== 503 || tries === triesWhileBusy || this.cancelled) return status;
      await new Promise((resolve) => setTimeout(resolve, 500 + 1000 * Math.random()));
    }
  }

  /** XMLHttpRequest, because fetch does not tell how much was sent. */
  private put({ path, content, overwrite }: Planned<File>): Promise<number | "cancelled"> {
    const address = fileAddress(this.port.classSlug, joinPath(this.folder, path));
    const request = new XMLHttpRequest();
    this.request = request;
    request.open("PUT", overwrite ? `${address}?overwrite=1` : address);
    this.show(path, 0);
    request.upload.onprogress = ({ loaded }) => this.show(path, loaded);
    return new Promise((resolve) => {
      request.onload = () => resolve(request.status);
      request.onerror = () => resolve(0);
      request.onabort = () => resolve("cancelled");
      request.send(content);
    });
  }

  private show(path: string, sent: number): void {
    const percent = this.size > 0 ? Math.floor((100 * (this.sentBefore + sent)) / this.size) : 0;
    current.value = {
      name: nameOf(path),
      done: this.done,
      count: this.planned.length,
      percent: Math.min(100, percent),
      cancel: () => {
        this.cancelled = true;
        this.request?.abort();
      },
    };
  }
}

function problem(status: number, path: string, folder: string): string {
  if (status === 403) return words.forbidden(folder);
  if (status === 404) return words.badName(path);
  if (status === 409) return words.taken(path);
  if (status === 413) return words.tooLarge(path, sizeText(limits.upload));
  return status === 507 ? words.full(path) : words.failed(path);
}

export function UploadProgress() {
  const progress = current.value;
  if (!progress) return null;
  return (
    <div class="upload-progress" data-testid="upload-progress">
      <label>
        <span>{words.progress(progress.name, progress.done, progress.count)}</span>
        <progress max={100} value={progress.percent} />
      </label>
      <button class="small" data-testid="upload-cancel" onClick={progress.cancel}>
        {words.cancel}
      </button>
    </div>
  );
}
