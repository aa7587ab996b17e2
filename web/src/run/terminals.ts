// The terminals of this page and the runs that they show. Owns which run is in which terminal; it promises that a
// program is started on exactly the text shown, that a file has one terminal here, and that a reload finds all again.
import { computed, signal } from "@preact/signals";
import type { Connection } from "../connection/connection";
import type { OutputFrame } from "../connection/frames";
import type { OpenDocument } from "../document/document";
import { warnOf } from "../parts/notices";
import { confirm } from "../parts/questions";
import { isRecord, recall, remember } from "../parts/storage";
import { limits, type RunInfo } from "../protocol";
import { text } from "../text";
import { TerminalTab } from "./terminal-tab";

/** An ended run comes back after a reload if it ended so lately. */
const recent = 30 * 60_000;
const unclaimedLimit = limits.window;

export class Terminals {
  readonly tabs = signal<readonly TerminalTab[]>([]);
  readonly active = signal<TerminalTab | null>(null);
  readonly starting = signal(false);
  readonly activeIsLive = computed(() => {
    const tab = this.active.value;
    return tab !== null && tab.info.value.state !== "ended";
  });
  /** Called when a terminal comes to the front by what a person did. */
  onShown: () => void = () => undefined;
  private readonly known = signal<ReadonlyMap<number, RunInfo>>(new Map());
  /** Output that came before the answer which says whose it is. */
  private unclaimed: OutputFrame[] = [];
  /** Runs that this page started, also in somebody else's folder: they are ours to end. */
  private readonly started = new Set<number>();
  private nextId = 1;
  private owner = "";

  constructor(
    private readonly connection: Connection,
    private readonly memoryKey: string,
  ) {
    connection.onOutput((frame) => this.receive(frame));
    connection.on("run.state", ({ run }) => this.learn(run));
    connection.on("run.gone", ({ run }) => {
      const known = new Map(this.known.peek());
      known.delete(run);
      this.known.value = known;
      this.tabOf(run)?.gone();
    });
    connection.on("run.skipped", ({ run, from, to }) => this.tabOf(run)?.skipped(to - from));
  }

  /** After each connect: terminals go on where they were, and runs of this person that have none get one. */
  connected(runs: readonly RunInfo[], owner: string, clock: () => number = Date.now): void {
    this.owner = owner;
    this.known.value = new Map(runs.map((info) => [info.run, info]));
    this.unclaimed = [];
    const first = this.nextId === 1;
    for (const tab of this.tabs.peek()) void this.comeBack(tab);
    if (!first) return;
    const stored = recall(this.memoryKey, isRecord) ?? {};
    const watched = Array.isArray(stored.runs) ? stored.runs : [];
    const wanted = runs.filter(
      (info) =>
        (info.owner === owner || watched.includes(info.run)) &&
        (info.state !== "ended" || clock() - (info.ended ?? info.started) < recent),
    );
    for (const info of latestOfEachFile(wanted)) void this.addTab(info).attach();
    this.active.value = this.tabOf(Number(stored.active)) ?? this.tabs.peek().at(-1) ?? null;
  }

  tabOf(run: number): TerminalTab | undefined {
    return this.tabs.value.find((tab) => tab.info.value.run === run);
  }

  isOthers(info: RunInfo): boolean {
    return info.owner !== this.owner;
  }

  liveRunOf(path: string): RunInfo | undefined {
    return [...this.known.value.values()].find((info) => info.path === path && info.state !== "ended");
  }

  /** Runs what the document shows; a run of the same file that is still there makes room. */
  async startDocument(document: OpenDocument): Promise<void> {
    const path = document.path.peek();
    await this.start(path, (fields) =>
      document.run((source) => this.connection.request("run.start", { path, ...source, ...fields })),
    );
  }

  async startFile(path: string): Promise<void> {
    await this.start(path, (fields) => this.connection.request("run.start", { path, ...fields }));
  }

  async startPython(): Promise<void> {
    await this.start(null, (fields) => this.connection.request("run.start", fields));
  }

  stop(): void {
    const tab = this.active.peek();
    if (tab?.isLive) this.connection.request("run.stop", { run: tab.run }).catch(warnOf);
  }

  /** Shows a run of somebody else. */
  watch(info: RunInfo): void {
    const tab = this.tabOf(info.run) ?? this.addTab(info);
    void tab.attach();
    this.show(tab);
  }

  async close(tab: TerminalTab): Promise<void> {
    const info = tab.info.peek();
    const mine = !this.isOthers(info) || this.started.has(info.run);
    const busy = info.state === "running" || info.state === "waiting" || info.state === "starting";
    if (mine && busy && !(await this.confirmClose(info))) return;
    this.dropTab(tab);
    // Somebody else's program goes on: only this page looks away.
    const request = mine
      ? this.connection.request("run.close", { run: info.run })
      : this.connection.request("run.detach", { run: info.run });
    // Already gone is as good as closed.
    request.catch(() => undefined);
  }

  show(tab: TerminalTab): void {
    this.active.value = tab;
    this.store();
    this.onShown();
    tab.focus();
  }

  step(by: 1 | -1): void {
    const tabs = this.tabs.peek();
    const now = this.active.peek();
    const next = now && tabs[(tabs.indexOf(now) + by + tabs.length) % tabs.length];
    if (next) this.active.value = next;
  }

  private async start(
    path: string | null,
    request: (cells: { columns: number; rows: number }) => Promise<{ run: RunInfo; version?: string }>,
  ): Promise<void> {
    // A second F5 while the first is on its way would start two.
    if (this.starting.peek()) return;
    this.starting.value = true;
    try {
      const old = path === null ? undefined : this.ownTabOf(path);
      if (old) await this.connection.request("run.close", { run: old.run }).catch(() => undefined);
      const cells = (old ?? this.active.peek())?.cells ?? { columns: 80, rows: 24 };
      const { run } = await request(cells);
      this.started.add(run.run);
      this.known.value = new Map(this.known.peek()).set(run.run, newer(this.known.peek().get(run.run), run));
      const tab = this.claim(old, run);
      this.show(tab);
    } catch (error) {
      warnOf(error);
    } finally {
      this.starting.value = false;
    }
  }

  private ownTabOf(path: string): TerminalTab | undefined {
    return this.tabs.peek().find((tab) => {
      const info = tab.info.peek();
      return info.path === path && (!this.isOthers(info) || this.started.has(info.run));
    });
  }

  private claim(old: TerminalTab | undefined, run: RunInfo): TerminalTab {
    const kept = old && this.tabs.peek().includes(old) ? old : undefined;
    kept?.replace(run);
    const tab = kept ?? this.addTab(run);
    const known = this.known.peek().get(run.run);
    if (known) tab.update(known);
    const frames = this.unclaimed.filter((frame) => frame.run === run.run);
    this.unclaimed = [];
    for (const frame of frames) tab.receive(frame.offset, frame.bytes);
    return tab;
  }

  private addTab(info: RunInfo): TerminalTab {
    const watching = this.isOthers(info) && !this.started.has(info.run);
    const tab = new TerminalTab(this.nextId++, info, this.connection, watching);
    tab.onLink = (address) => void askToOpen(address);
    this.tabs.value = [...this.tabs.peek(), tab];
    this.store();
    return tab;
  }

  private dropTab(tab: TerminalTab): void {
    const index = this.tabs.peek().indexOf(tab);
    this.tabs.value = this.tabs.peek().filter((other) => other !== tab);
    if (this.active.peek() === tab) {
      this.active.value = this.tabs.peek()[index] ?? this.tabs.peek()[index - 1] ?? null;
    }
    tab.dispose();
    this.store();
  }

  private async comeBack(tab: TerminalTab): Promise<void> {
    if (this.known.peek().has(tab.run)) await tab.attach();
    else tab.gone();
  }

  private confirmClose(info: RunInfo): Promise<boolean> {
    const { closeTitle, closeBody, closeAction } = text.run;
    return confirm({ title: closeTitle, body: [closeBody(info.title)], action: closeAction, danger: true });
  }

  private receive(frame: OutputFrame): void {
    const tab = this.tabOf(frame.run);
    if (tab) tab.receive(frame.offset, frame.bytes);
    else if (this.unclaimed.length * 17 + sizeOf(this.unclaimed) < unclaimedLimit) this.unclaimed.push(frame);
  }

  private learn(info: RunInfo): void {
    this.known.value = new Map(this.known.peek()).set(info.run, info);
    this.tabOf(info.run)?.update(info);
  }

  private store(): void {
    const runs = this.tabs.peek().map((tab) => tab.run);
    remember(this.memoryKey, { runs, active: this.active.peek()?.run ?? null });
  }
}

const sizeOf = (frames: readonly OutputFrame[]): number =>
  frames.reduce((sum, frame) => sum + frame.bytes.length, 0);

/** An event may have told of a later state before the answer to run.start came. */
const newer = (known: RunInfo | undefined, answer: RunInfo): RunInfo =>
  known && known.state !== "starting" ? known : answer;

/** A file has one terminal here, so of its old runs only the last comes back. */
function latestOfEachFile(runs: readonly RunInfo[]): RunInfo[] {
  const latest = new Map<string, RunInfo>();
  for (const info of [...runs].sort((one, other) => one.run - other.run)) {
    const key = info.path === undefined ? `run:${info.run}` : `path:${info.owner}:${info.path}`;
    const before = latest.get(key);
    if (!before || before.state === "ended" || info.state !== "ended") latest.set(key, info);
  }
  return [...latest.values()];
}

async function askToOpen(address: string): Promise<void> {
  const { linkTitle, linkBody, linkOpen } = text.run;
  if (await confirm({ title: linkTitle, body: [linkBody(address)], action: linkOpen })) {
    window.open(address, "_blank", "noopener,noreferrer");
  }
}
